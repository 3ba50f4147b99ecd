"""Steps as one call of an update op for each group and dtype, over tables of arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from .._engine import enable_grad
from .._registry import state as world
from .._tensor import Tensor
from .optimizer import Group, Optimizer, Params

Array = np.ndarray[Any, Any]
# Parameters of one dtype, their arrays, those of their state.
Table = tuple[list[Tensor], list[Array], list[list[Array]]]

HINTS = {"foreach", "capturable", "differentiable", "fused"}  # arguments of PyTorch's that say how, not what


class TableOptimizer(Optimizer):
    """An optimizer whose step is an op over lists of arrays.

    The lists of state are made once and kept for as long as the same parameters have gradients: the step of a small
    network is mostly Python's time.
    """

    _tables: dict[int, tuple[tuple[str, ...], list[Tensor], list[Table]]]
    _epoch: int  # what the tables hold for: the settings, and which state of what length
    _size: int
    _seen: Any

    def __init__(self, params: Params, defaults: dict[str, Any], hints: dict[str, Any]) -> None:
        for key, value in hints.items():
            if key not in HINTS:
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument {key!r}")
            if key == "differentiable" and value:
                raise ValueError(f"{type(self).__name__}: differentiable wants False; got {value!r}")
        self._forget()
        super().__init__(params, defaults)

    @abstractmethod
    def _slots(self, group: Group) -> tuple[str, ...]:
        """The names of the state that this group uses, in the order of the op's lists; "" for an empty list."""

    @abstractmethod
    def _update(self, group: Group, p: list[Array], g: list[Array], *slots: list[Array]) -> None:
        """One call of the op, which changes parameters and state in place."""

    def _fresh(self, p: Tensor, group: Group, missing: list[str]) -> dict[str, Tensor]:
        """State for a parameter that has none of these names yet: zeros, ``step`` a 0-d int64."""
        return {n: Tensor(np.zeros((), np.int64) if n == "step" else np.zeros_like(p.array)) for n in missing}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change all parameters that have gradients.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew; called first.

        Returns
        -------
        The closure's result, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if self._epoch != int(world.epoch) or self._seen is not self.state or self._size != len(self.state):
            self._tables.clear()
        for i, group in enumerate(self.param_groups):
            if world.recorder is not None:
                for p in group["params"]:
                    world.recorder.deposit(p)
            for arguments in self._arguments(i, group):
                self._update(group, *arguments)
        return loss

    def _arguments(self, i: int, group: Group) -> list[Any]:
        """Arrays of parameters, of gradients and of each kind of state, for each dtype."""
        names = self._slots(group)
        cached = self._tables.get(i)
        if cached is not None:
            made_for, without, tables = cached
            if made_for == names and not (without and any(p._grad is not None for p in without)):
                try:
                    return with_gradients(tables)
                except AttributeError:  # a gradient is gone
                    pass
        tables = self._make_tables(group, names)
        self._tables[i] = names, [p for p in group["params"] if p._grad is None], tables
        self._epoch, self._seen, self._size = int(world.epoch), self.state, len(self.state)
        return with_gradients(tables)

    def _forget(self) -> None:
        """Make new tables at the next step."""
        self._tables = {}
        self._epoch, self._size, self._seen = -1, -1, None

    def _make_tables(self, group: Group, names: tuple[str, ...]) -> list[Table]:
        """The parameters that have gradients, by dtype, with their state, which is made where it is missing."""
        by_dtype: dict[Any, list[Tensor]] = {}
        for p in group["params"]:
            if p._grad is not None:
                by_dtype.setdefault(p.array.dtype, []).append(p)
                self._complete(p, group, names)
        return [
            (
                params,
                [p.array for p in params],
                [[self.state[p][n].array for p in params] if n else [] for n in names],
            )
            for params in by_dtype.values()
        ]

    def _complete(self, p: Tensor, group: Group, names: tuple[str, ...]) -> None:
        """Make what is missing of a parameter's state."""
        own = self.state[p]
        missing = [n for n in names if n and n not in own]
        if missing:
            own.update(self._fresh(p, group, missing))

    def __getstate__(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("defaults", "state", "param_groups")}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        vars(self).update(saved)
        self._forget()


def with_gradients(tables: list[Table]) -> list[Any]:
    """The tables with the arrays of the parameters' gradients; AttributeError where there is none."""
    return [(arrays, [p._grad.array for p in params], *slots) for params, arrays, slots in tables]  # type: ignore[union-attr]


def positive(optimizer: Any, words: str, value: Any, below: float = math.inf) -> None:
    """Raise PyTorch's words for an option that is not from 0 up to `below`."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{type(optimizer).__name__}: {words} wants a number; got {value!r}")
    if not 0.0 <= float(value) < below:
        raise ValueError(f"{type(optimizer).__name__}: Invalid {words}: {value}")
