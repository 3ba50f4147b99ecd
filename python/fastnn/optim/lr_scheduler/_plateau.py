"""The schedule that follows a metric."""

from __future__ import annotations

import math
from typing import Any, SupportsFloat

from ...ops._forms import real
from ...random import refuse_while_recording
from ._base import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    r"""Multiply the learning rate by `factor` when a metric has not improved for more than `patience` steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    mode : {'min', 'max'}, default 'min'
        Whether a good metric is small or great.
    factor : float, default 0.1
        By which the learning rate is multiplied; less than 1.
    patience : int, default 10
        Steps without improvement that are tolerated.
    threshold : float, default 1e-4
        By how much the best metric must be beaten to count as an improvement.
    threshold_mode : {'rel', 'abs'}, default 'rel'
        Whether `threshold` is a part of the best metric or a difference from it.
    cooldown : int, default 0
        Steps after a reduction that do not count.
    min_lr : float or list of float, default 0
        The least learning rate, or one for each group.
    eps : float, default 1e-8
        Changes of the learning rate that are not greater are not made.

    Raises
    ------
    TypeError, ValueError
        For arguments that are no numbers, or out of range.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> scheduler = fastnn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if real("ReduceLROnPlateau: factor", factor) >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor wants to be less than 1; got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode wants 'min' or 'max'; got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode wants 'rel' or 'abs'; got {threshold_mode!r}")
        self._attach(optimizer)
        self.mode = mode
        self.factor = factor
        self.patience = real("ReduceLROnPlateau: patience", patience)
        self.threshold = real("ReduceLROnPlateau: threshold", threshold)
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = self._per_group("min_lr", min_lr)
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr  # for groups added later too
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._note_lr()

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]  # as in PyTorch, this schedule needs more
        """Reduce the learning rate if `metrics`, the newest value, is one too many without improvement."""
        refuse_while_recording("scheduler.step()")
        try:
            current = float(metrics)
        except (TypeError, ValueError):
            raise TypeError(f"ReduceLROnPlateau: metrics wants a number; got {metrics!r}") from None
        self.last_epoch += 1
        if self._improves(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            leasts = self.min_lrs if self.default_min_lr is None else self.default_min_lr
            for group, least in zip(self.optimizer.param_groups, self._per_group("min_lr", leasts), strict=True):
                reduced = max(group["lr"] * self.factor, least)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced
        self._note_lr()

    def _improves(self, current: float) -> bool:
        """Whether a metric beats the best one; NaN never does."""
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "abs":
            bound = self.best + sign * self.threshold
        else:
            bound = self.best * (1.0 + sign * self.threshold)
        return current > bound if self.mode == "max" else current < bound
