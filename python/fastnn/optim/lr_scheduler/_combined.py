"""Schedules made of other schedules of the same optimizer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ...ops._forms import whole
from ...random import refuse_while_recording
from ._base import LRScheduler
from ._plateau import ReduceLROnPlateau


class Combined(LRScheduler):
    """What both have in common: the schedules, and a state that holds theirs."""

    def __init__(self, schedulers: Sequence[Any], optimizer: Any) -> None:
        name = type(self).__name__
        self._schedulers = list(schedulers)
        if not self._schedulers:
            raise ValueError(f"{name}: schedulers wants at least one")
        self._attach(optimizer)
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
                raise TypeError(
                    f"{name}: schedulers[{i}] wants a schedule that needs no metric; got {type(scheduler).__name__}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name}: schedulers[{i}] is the schedule of another optimizer")

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; with the states of the schedules."""
        own = {key: value for key, value in vars(self).items() if key not in ("optimizer", "_schedulers")}
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**own, "_last_lr": list(self._last_lr), "_schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As `LRScheduler.load_state_dict`, the states of the schedules first."""
        states = state_dict.get("_schedulers", ())
        if len(states) != len(self._schedulers):
            raise ValueError(
                f"{type(self).__name__}: state_dict wants the states of {len(self._schedulers)} schedulers; "
                f"got {len(states)}"
            )
        for scheduler, state in zip(self._schedulers, states, strict=True):
            scheduler.load_state_dict(state)
        schedulers = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = schedulers


class SequentialLR(Combined):
    """One schedule after another, each from the first learning rates on: a warm-up and a decay, say.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    schedulers : list of LRScheduler
        Its schedules; none that wants a metric.
    milestones : list of int
        At which steps the second, the third ... begins; in rising order.

    Raises
    ------
    TypeError, ValueError
        For what is no schedule of `optimizer`, or milestones that are not one less than the schedules.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> warmup, decay = LinearLR(optimizer, 0.25, total_iters=2), CosineAnnealingLR(optimizer, T_max=4)
    >>> scheduler = SequentialLR(optimizer, [warmup, decay], milestones=[2])
    >>> rates = []
    >>> for _ in range(7):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 3) for rate in rates]
    [0.25, 0.625, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Any, schedulers: Sequence[Any], milestones: Sequence[int]) -> None:
        super().__init__(schedulers, optimizer)
        self._milestones = [whole("SequentialLR: milestones", m) for m in milestones]
        if len(self._milestones) != len(self._schedulers) - 1 or sorted(self._milestones) != self._milestones:
            raise ValueError(
                f"SequentialLR: milestones wants {len(self._schedulers) - 1} steps in rising order for "
                f"{len(self._schedulers)} schedulers; got {self._milestones}"
            )
        self._begin()

    def _begin(self, last_epoch: int = -1) -> None:
        self.last_epoch = last_epoch + 1
        self._start(self._schedulers[bisect_right(self._milestones, 0)])

    def step(self) -> None:
        """One step of the schedule whose turn it is."""
        refuse_while_recording("scheduler.step()")
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            self._start(scheduler)
        else:
            scheduler.step()
            self._last_lr = scheduler.get_last_lr()

    def _start(self, scheduler: Any) -> None:
        """The first step of a schedule."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        scheduler._begin()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(Combined):
    """Schedules that all act at every step, one on what the one before left.

    Parameters
    ----------
    schedulers : list of LRScheduler
        Schedules of one optimizer; none that wants a metric.
    optimizer : Optimizer, optional
        Theirs.

    Raises
    ------
    TypeError, ValueError
        For what is no schedule of `optimizer`.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.optim.lr_scheduler import ChainedScheduler, ExponentialLR, LinearLR
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> scheduler = ChainedScheduler([LinearLR(optimizer, 0.5, total_iters=1), ExponentialLR(optimizer, 0.5)])
    >>> scheduler.get_last_lr()
    [0.5]
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[Any], optimizer: Any = None) -> None:
        first = schedulers[0] if schedulers else None
        super().__init__(schedulers, getattr(first, "optimizer", None) if optimizer is None else optimizer)
        self._note_lr()

    def _begin(self, last_epoch: int = -1) -> None:
        for scheduler in self._schedulers:
            scheduler._begin(last_epoch)
        self._note_lr()

    def step(self) -> None:
        """One step of every schedule."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._note_lr()
