"""Schedules that are constant between jumps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ...ops._forms import real, whole
from ._base import LRScheduler


class StepLR(LRScheduler):
    r"""Multiply the learning rate by `gamma` every `step_size` steps.

    :math:`\eta_t = \eta_0 \gamma^{\lfloor t/s \rfloor}`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    step_size : int
        Steps between the jumps, :math:`s`.
    gamma : float, default 0.1
        The factor of each jump.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        If `step_size` is no whole number of at least 1, or `gamma` no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> scheduler = fastnn.optim.lr_scheduler.StepLR(fastnn.optim.SGD([w], lr=1.0), step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = whole("StepLR: step_size", step_size)
        if self.step_size < 1:
            raise ValueError(f"StepLR: step_size wants at least 1; got {step_size}")
        self.gamma = real("StepLR: gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return super().get_lr()
        return [lr * self.gamma for lr in super().get_lr()]


class MultiStepLR(LRScheduler):
    """Multiply the learning rate by `gamma` at each of the steps in `milestones`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    milestones : iterable of int
        The steps; one that stands there twice counts twice.
    gamma : float, default 0.1
        The factor of each jump.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError
        If `milestones` are no whole numbers, or `gamma` is no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> scheduler = fastnn.optim.lr_scheduler.MultiStepLR(fastnn.optim.SGD([w], lr=1.0), [1, 4], gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.5, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones wants whole numbers; got {milestones!r}")
        self.milestones = sorted(whole("MultiStepLR: milestones", step) for step in milestones)
        self.gamma = real("MultiStepLR: gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        jumps = self.milestones.count(self.last_epoch)
        return [lr * self.gamma**jumps for lr in super().get_lr()]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As `LRScheduler.load_state_dict`; PyTorch keeps the milestones as a Counter."""
        super().load_state_dict(state_dict)
        self.milestones = sorted(Counter(self.milestones).elements())


class ConstantLR(LRScheduler):
    """Multiply the learning rate by `factor` for the first `total_iters` steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    factor : float, default 1/3
        Above 0 and at most 1.
    total_iters : int, default 5
        The step at which the factor is taken off.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        If `factor` is no such number, or `total_iters` no whole number of at least 0.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> scheduler = fastnn.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.25, 0.25, 1.0, 1.0]
    """

    def __init__(self, optimizer: Any, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < real("ConstantLR: factor", factor) <= 1:
            raise ValueError(f"ConstantLR: factor wants to be above 0 and at most 1; got {factor}")
        if whole("ConstantLR: total_iters", total_iters) < 0:
            raise ValueError(f"ConstantLR: total_iters wants at least 0; got {total_iters}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        if self.last_epoch == 0:
            return [lr * self.factor for lr in super().get_lr()]
        if self.last_epoch == self.total_iters:
            return [lr * (1.0 / self.factor) for lr in super().get_lr()]
        return super().get_lr()
