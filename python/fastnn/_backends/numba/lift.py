"""From formulas and loops to kernels: compiled at their first call, declining what is not float32 or float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ..._registry import OPS
from ..numpy import taken

Kernels = dict[str, Callable[..., Any]]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def jit(function: Any) -> Any:
    """A serial loop, compiled per signature and cached on disk. (Numba's thread layers may abort the process.)"""
    return numba.njit(cache=True, error_model="numpy")(function)


def on_compilation(say: Callable[[], None]) -> None:
    """Call `say` when something is compiled that was not kept on disk, the first time that happens."""

    events: Any = numba.core.event

    class FirstPass(events.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            events.unregister("numba:run_pass", self)
            say()

        def on_end(self, event: Any) -> None: ...

    events.register("numba:run_pass", FirstPass())


def floats(args: tuple[Any, ...]) -> Any:
    """The one float dtype of the arrays among `args`, None where they have another or several."""
    found = None
    for a in args:
        for x in a if type(a) is list else (a,):
            if type(x) is np.ndarray and x.dtype.kind == "f":
                if x.dtype not in FLOATS or (found is not None and x.dtype != found):
                    return None
                found = x.dtype
    return found


def forward(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A forward kernel: declines what it does not take, checks as the NumPy kernel does, runs."""
    op = OPS[name]
    n = len(op.inputs)

    def kernel(*args: Any) -> Any:
        if not taken(op, args) or floats(args[:n]) is None:
            return NotImplemented
        if op.check is not None:
            op.check(*args)
        return function(*args)

    return kernel


def backward(function: Callable[..., Any]) -> Callable[..., Any]:
    """A backward kernel: declines what is not float32 or float64."""

    def kernel(*args: Any) -> Any:
        return NotImplemented if floats(args) is None else function(*args)

    return kernel


class Formula:
    """A scalar formula as a ufunc: NumPy's machinery gives broadcasting and layouts.

    Constants of a float32 formula are float64, which costs little and rounds once at the end.
    """

    def __init__(self, formula: Any, types: str) -> None:
        self.formula, self.types, self.ufunc = formula, types, None

    def build(self) -> Any:
        """Compile for both dtypes."""
        kinds = {"?": numba.boolean}
        signatures = []
        for t in (numba.float32, numba.float64):
            signatures.append(t(*[kinds.get(k, t) for k in self.types]))
        lift: Any = numba.vectorize
        self.ufunc = lift(signatures, nopython=True, cache=True)(self.formula)
        return self.ufunc

    def __call__(self, *args: Any) -> Any:
        """All arguments in the arrays' dtype; the result an array."""
        dtype = floats(args)
        ufunc = self.ufunc or self.build()
        with np.errstate(all="ignore"):
            given = (a if type(a) is np.ndarray else dtype.type(a) for a in args)
            return np.asarray(ufunc(*given))


def elementwise(kernels: Kernels, types: str = "") -> Callable[[Any], Any]:
    """Register a scalar formula as the kernel of its name; a backward's gets no `needs`."""

    def declare(formula: Any) -> Any:
        name = formula.__name__
        lifted = Formula(formula, types or "T" * formula.__code__.co_argcount)
        if name.endswith("_backward"):
            kernels[name] = backward(lambda *args: lifted(*args[:-1]))
        else:
            kernels[name] = forward(name, lifted)
        return formula

    return declare


def kernel(kernels: Kernels) -> Callable[[Any], Any]:
    """Register a Python function over arrays as the kernel of its name."""

    def declare(function: Any) -> Any:
        name = function.__name__
        kernels[name] = backward(function) if name.endswith("_backward") else forward(name, function)
        return function

    return declare
