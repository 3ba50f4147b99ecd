"""What all schedules share: the count of steps, the writes into param_groups, the state."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ...random import refuse_while_recording


class LRScheduler:
    """A schedule of one's own: override `get_lr`, which `step` calls; this class itself changes nothing.

    Parameters
    ----------
    optimizer : Optimizer
        Anything with a list of dicts ``param_groups``, each with its ``lr``.
    last_epoch : int, default -1
        The last step done, where training goes on with groups that know their ``initial_lr``; -1 to begin.

    Attributes
    ----------
    last_epoch : int
        How many times `step` was called.
    base_lrs : list of float
        The learning rates of the groups at the beginning.

    Raises
    ------
    TypeError
        If the optimizer has no param_groups.
    ValueError
        If `last_epoch` is given and a group has no ``initial_lr``.

    Examples
    --------
    >>> import fastnn
    >>> class Halving(fastnn.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.5)
    >>> scheduler = Halving(optimizer)
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{type(self).__name__}: last_epoch={last_epoch} wants groups that were scheduled before; "
                    f"param_groups[{i}] has no 'initial_lr'"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self._begin(last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``; to be overridden."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group as the schedule last set it."""
        return list(self._last_lr)

    def step(self) -> None:
        """Set the learning rates of the next step of the schedule; call it after ``optimizer.step()``."""
        refuse_while_recording("scheduler.step()")
        self._step_count += 1
        self.last_epoch += 1
        self._set_lr()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer: numbers, strings and lists, which ``json.dumps`` takes and gives back."""
        return {key: copy.deepcopy(value) for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; PyTorch's are taken too.

        The learning rates themselves stand in the optimizer's state_dict.

        Parameters
        ----------
        state_dict : mapping
            What `state_dict` gave.

        Raises
        ------
        ValueError
            If it is the state of another kind of schedule.
        """
        own = self.state_dict().keys()
        if missing := sorted(own - state_dict.keys()):
            raise ValueError(f"{type(self).__name__}: state_dict lacks {', '.join(missing)}")
        vars(self).update({key: copy.deepcopy(state_dict[key]) for key in own})

    def _begin(self, last_epoch: int = -1) -> None:
        """The first step, from the learning rates that the groups have."""
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def _attach(self, optimizer: Any) -> None:
        """Keep the optimizer, if it is one."""
        if not isinstance(getattr(optimizer, "param_groups", None), list):
            raise TypeError(f"{type(self).__name__}: optimizer wants param_groups; got {type(optimizer).__name__}")
        self.optimizer = optimizer

    def _set_lr(self) -> None:
        """Write the learning rates of this step into the groups."""
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._note_lr()

    def _note_lr(self) -> None:
        """Remember what `get_last_lr` tells."""
        self._last_lr: list[float] = [group["lr"] for group in self.optimizer.param_groups]

    def _per_group(self, name: str, value: Any) -> list[Any]:
        """An argument for each group, from one for all or a list."""
        n = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, (list, tuple)) else [value] * n
        if len(values) != n:
            raise ValueError(f"{type(self).__name__}: {name} wants a value for each of {n} groups; got {len(values)}")
        return values
