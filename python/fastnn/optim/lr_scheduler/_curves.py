"""Schedules along a curve."""

from __future__ import annotations

import math
from typing import Any

from ...ops._forms import real, whole
from ._base import LRScheduler


class ExponentialLR(LRScheduler):
    r"""Multiply the learning rate by `gamma` at every step: :math:`\eta_t = \eta_0 \gamma^t`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    gamma : float
        The factor of each step.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError
        If `gamma` is no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> scheduler = fastnn.optim.lr_scheduler.ExponentialLR(fastnn.optim.SGD([w], lr=1.0), gamma=0.5)
    >>> scheduler.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = real("ExponentialLR: gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        if self._is_initial:
            return super().get_lr()
        return [lr * self.gamma for lr in super().get_lr()]


class LinearLR(LRScheduler):
    r"""Let a factor of the learning rate go linearly from `start_factor` to `end_factor` in `total_iters` steps.

    :math:`\eta_t = \eta_0 (s + (e - s) \min(t, T) / T)`; a warm-up, as a rule.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    start_factor, end_factor : float, default 1/3 and 1
        The first and the last factor: :math:`0 < s \le 1` and :math:`0 \le e \le 1`.
    total_iters : int, default 5
        The steps from one to the other, :math:`T`.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        For factors or steps that are no numbers, or out of range.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=1.0)
    >>> scheduler = fastnn.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> rates
    [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < real("LinearLR: start_factor", start_factor) <= 1:
            raise ValueError(f"LinearLR: start_factor wants to be above 0 and at most 1; got {start_factor}")
        if not 0 <= real("LinearLR: end_factor", end_factor) <= 1:
            raise ValueError(f"LinearLR: end_factor wants to be from 0 to 1; got {end_factor}")
        if whole("LinearLR: total_iters", total_iters) < 1:
            raise ValueError(f"LinearLR: total_iters wants at least 1; got {total_iters}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        rates = super().get_lr()
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in rates]
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1.0 + rise / before) for lr in rates]


class PolynomialLR(LRScheduler):
    r"""Let the learning rate fall to 0 in `total_iters` steps along a power of what is left of them.

    :math:`\eta_t = \eta_0 (1 - \min(t, T) / T)^p`; with :math:`p = 1` a straight line.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    total_iters : int, default 5
        The steps to 0, :math:`T`.
    power : float, default 1
        :math:`p`.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        If `total_iters` is no whole number of at least 1, or `power` no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> scheduler = fastnn.optim.lr_scheduler.PolynomialLR(fastnn.optim.SGD([w], lr=1.0), total_iters=4)
    >>> rates = []
    >>> for _ in range(6):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 4) for rate in rates]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        if whole("PolynomialLR: total_iters", total_iters) < 1:
            raise ValueError(f"PolynomialLR: total_iters wants at least 1; got {total_iters}")
        self.total_iters = total_iters
        self.power = real("PolynomialLR: power", power)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        rates = super().get_lr()
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        now, before = 1.0 - self.last_epoch / self.total_iters, 1.0 - (self.last_epoch - 1) / self.total_iters
        return [lr * (now / before) ** self.power for lr in rates]


class CosineAnnealingLR(LRScheduler):
    r"""Let the learning rate fall to `eta_min` along half a cosine in `T_max` steps, and rise again after.

    :math:`\eta_t = \eta_{min} + (\eta_0 - \eta_{min}) (1 + \cos(\pi t / T)) / 2`, worked out from step to step as
    PyTorch does, so that it combines with other changes of the rate. Source: Loshchilov and Hutter, SGDR, 2017 (there
    with restarts).

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    T_max : int
        Steps from the greatest to the least learning rate, :math:`T`.
    eta_min : float, default 0
        The least learning rate.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        If `T_max` is no number of at least 1, or `eta_min` no number.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> scheduler = fastnn.optim.lr_scheduler.CosineAnnealingLR(fastnn.optim.SGD([w], lr=1.0), T_max=4)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += scheduler.get_last_lr()
    ...     scheduler.step()
    >>> [round(rate, 4) for rate in rates]
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if real("CosineAnnealingLR: T_max", T_max) < 1:
            raise ValueError(f"CosineAnnealingLR: T_max wants at least 1; got {T_max}")
        self.T_max = T_max
        self.eta_min = real("CosineAnnealingLR: eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        rates = super().get_lr()
        if self._is_initial:
            return rates
        least, t = self.eta_min, self.last_epoch
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:  # at the bottom the ratio below would be 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - least) * rise for lr, base in zip(rates, self.base_lrs, strict=True)]
        now, before = 1 + math.cos(math.pi * t / self.T_max), 1 + math.cos(math.pi * (t - 1) / self.T_max)
        return [now / before * (lr - least) + least for lr in rates]
