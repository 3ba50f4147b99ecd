"""Schedules by the user's own functions."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._base import LRScheduler

Factor = Callable[[int], float]


class ByFunctions(LRScheduler):
    """What both have in common: a function for each group, and a state that does not hold it."""

    def __init__(self, optimizer: Any, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self.lr_lambdas: list[Factor] = self._per_group("lr_lambda", lr_lambda)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"{type(self).__name__}: lr_lambda wants a callable of the step; got {f!r}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of the callables, the attributes of those that are objects."""
        state = super().state_dict()
        state["lr_lambdas"] = [None if _plain(f) else vars(f) for f in state["lr_lambdas"]]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As `LRScheduler.load_state_dict`; the callables stay, objects among them take their attributes back."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        for function, attributes in zip(functions, self._per_group("lr_lambdas", self.lr_lambdas), strict=True):
            if attributes is not None:
                vars(function).update(attributes)
        self.lr_lambdas = functions


class LambdaLR(ByFunctions):
    r"""Multiply the first learning rate by a function of the step: :math:`\eta_t = \eta_0 f(t)`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    lr_lambda : callable or list of callables
        :math:`f`, or one for each group. The state_dict holds the attributes of callable objects, nothing of
        functions.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        For what cannot be called; if the list is not as long as ``param_groups``.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.5)
    >>> scheduler = fastnn.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``."""
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(ByFunctions):
    r"""Multiply the learning rate by a function of the step at every step: :math:`\eta_t = \eta_{t-1} f(t)`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose ``param_groups`` are scheduled.
    lr_lambda : callable or list of callables
        :math:`f`, or one for each group; for the state_dict, as in `LambdaLR`.
    last_epoch : int, default -1
        The last step done, where training goes on.

    Raises
    ------
    TypeError, ValueError
        For what cannot be called; if the list is not as long as ``param_groups``.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.5)
    >>> scheduler = fastnn.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda step: 0.5)
    >>> scheduler.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.125]
    """

    def get_lr(self) -> list[float]:
        """The learning rate of each group at step ``last_epoch``, from that of the step before."""
        rates = super().get_lr()
        if self._is_initial:
            return rates
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates, strict=True)]


def _plain(function: Factor) -> bool:
    """Whether there is nothing to keep of a callable."""
    return isinstance(function, types.FunctionType) or not hasattr(function, "__dict__")
