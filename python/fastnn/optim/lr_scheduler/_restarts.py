"""A schedule that begins again and again."""

from __future__ import annotations

import math
from typing import Any

from ...ops._forms import real, whole
from ...random import refuse_while_recording
from ._base import LRScheduler


class CosineAnnealingWarmRestarts(LRScheduler):
    r"""Let the learning rate fall to `eta_min` along half a cosine, jump back to the top, and again.

    :math:`\eta_t = \eta_{min} + (\eta_0 - \eta_{min}) (1 + \cos(\pi T_{cur} / T_i)) / 2` after :math:`T_{cur}` steps
    of period `i`, which has :math:`T_i = T_0 T_{mult}^i` of them. Source: Loshchilov and Hutter, SGDR, 2017.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    T_0 : int
        Steps of the first period.
    T_mult : int, default 1
        How many times as long each period is as the one before.
    eta_min : float, default 0
        The least learning rate.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        If `T_0` or `T_mult` is no whole number of at least 1, or `eta_min` no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> scheduler = fastnn.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> rates = []
    >>> for _ in range(7):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 3) for rate in rates]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    def __init__(self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if whole(f"CosineAnnealingWarmRestarts: {name}", value) < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} wants at least 1; got {value}")
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = real("CosineAnnealingWarmRestarts: eta_min", eta_min)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group, by the place in the period."""
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go one step on, or to an `epoch`, which need not be whole: ``step(epoch + batch / batches)``."""
        refuse_while_recording("scheduler.step()")
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            if not real("CosineAnnealingWarmRestarts: epoch", epoch) >= 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: epoch wants at least 0; got {epoch}")
            self.last_epoch = math.floor(epoch)
            self.T_cur, self.T_i = epoch, self.T_0
            if self.T_mult == 1:
                self.T_cur %= self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self._set_lr()
