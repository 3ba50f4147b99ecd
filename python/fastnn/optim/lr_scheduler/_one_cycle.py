"""The one-cycle schedule of learning rate and momentum."""

from __future__ import annotations

import math
from typing import Any

from ._base import LRScheduler


class OneCycleLR(LRScheduler):
    r"""Let the learning rate rise to `max_lr` and fall far below where it began, and the momentum do the opposite.

    From ``max_lr / div_factor`` up in the first ``pct_start * total_steps`` steps, then down to
    ``max_lr / (div_factor * final_div_factor)``; `step` is called after every batch. With `three_phase`, the way down
    first mirrors the way up. Source: Smith and Topin, Super-convergence, 2018.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled, and their ``momentum`` or the first of their ``betas``.
    max_lr : float or list of float
        The greatest learning rate, or one for each group.
    total_steps : int, optional
        Steps in the cycle; may be given as `epochs` times `steps_per_epoch` instead.
    epochs, steps_per_epoch : int, optional
        Used if `total_steps` is not given.
    pct_start : float, default 0.3
        The part of the cycle in which the learning rate rises.
    anneal_strategy : {'cos', 'linear'}, default 'cos'
        The shape of ways up and down.
    cycle_momentum : bool, default True
        Move the momentum between `max_momentum` and `base_momentum`.
    base_momentum, max_momentum : float or list of float, default 0.85 and 0.95
        The momentum at the greatest learning rate, and at both ends.
    div_factor, final_div_factor : float, default 25 and 1e4
        `max_lr` over the first learning rate, and that over the last.
    three_phase : bool, default False
        Come down to the first learning rate as fast as going up, and only then to the last.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    ValueError
        For arguments out of range, for an optimizer without momentum if `cycle_momentum`, and from `step` after the end
        of the cycle.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> scheduler = fastnn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> for _ in range(4):
    ...     print(f"{scheduler.get_last_lr()[0]:.2f} {optimizer.param_groups[0]['momentum']:.2f}")
    ...     scheduler.step()
    0.04 0.95
    0.52 0.90
    1.00 0.85
    0.95 0.85
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start wants to be from 0 to 1; got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy wants 'cos' or 'linear'; got {anneal_strategy!r}")
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self.cycle_momentum = cycle_momentum
        groups = optimizer.param_groups
        if cycle_momentum and not all("betas" in group or "momentum" in group for group in groups):
            raise ValueError("OneCycleLR: cycle_momentum wants an optimizer with momentum or betas")
        peaks = self._per_group("max_lr", max_lr)
        highs, lows = self._per_group("max_momentum", max_momentum), self._per_group("base_momentum", base_momentum)
        if last_epoch == -1:
            for group, peak, high, low in zip(groups, peaks, highs, lows, strict=True):
                group["initial_lr"] = peak / div_factor
                group["max_lr"] = peak
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``; sets the momentum too, as in PyTorch."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"OneCycleLR: the cycle has {self.total_steps} steps; got step {step}")
        start, phase = 0.0, self._schedule_phases[0]
        for following in self._schedule_phases[1:]:
            if step > phase["end_step"]:
                start, phase = phase["end_step"], following
        length = phase["end_step"] - start
        part = (step - start) / length if length else 1.0
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            momentum = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        groups = self.optimizer.param_groups
        return [self._between(group[phase["start_lr"]], group[phase["end_lr"]], part) for group in groups]

    def _between(self, start: float, end: float, part: float) -> float:
        """The value at a part of the way from `start` to `end`."""
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    """The steps in the cycle."""
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"OneCycleLR: {name} wants a whole number of at least 1; got {value!r}")
    return math.prod(value for value in given.values() if value)


def _phases(total: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """Where each phase ends, and between which values of a group it leads."""
    up = float(pct_start * total) - 1
    rows = [(up, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
    if three_phase:
        rows.append((float(2 * pct_start * total) - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
        rows.append((total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
    else:
        rows.append((total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
    keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(keys, row, strict=True)) for row in rows]
