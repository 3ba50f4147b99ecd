"""Kernels by name into each op's table, and the choice of the backend: a switch is one assignment."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _env, _registry, ops  # noqa: F401 (the package: its import declares the ops)
from ._backends import cpp
from ._backends import numpy as definitions
from ._registry import BACKENDS, CPP, NUMBA, NUMPY, OPS, Op, state
from ._writes import wrote

FALLBACKS: dict[str, set[str]] = {"numba": set(), "cpp": set()}  # kernels that fell through to NumPy, by backend


def connect(op: Op) -> None:
    """Fill an op's kernel tables; a kernel that a backend lacks is NumPy's, and `show_config(ops=True)` says so."""
    if op.composite:
        return
    op.forward_kernels[NUMPY] = noting(op, definitions.forward(op))
    if op.rule is not None:
        op.backward_kernels[NUMPY] = op.rule_kernel() if op.rule_is_composite or op.view else definitions.backward(op)
    for column, backend in ((NUMBA, loaded.get("numba")), (CPP, cpp)):
        connect_backend(op, column, backend)


def noting(op: Op, kernel: Any) -> Any:
    """A kernel that refuses read-only memory and notes what it changes, as those of the compiled core do themselves."""
    if not op.updates:
        return kernel
    places = [op.inputs.index(name) for name in op.updates]

    def noted(*args: Any) -> Any:
        op.check_writeable(args)
        out = kernel(*args)
        if out is not NotImplemented:  # it has declined Tensors, and changed nothing
            wrote(*(args[i] for i in places))
        return out

    return noted


loaded: dict[str, Any] = {}  # the numba backend, once it is imported


def connect_backend(op: Op, column: int, backend: Any) -> None:
    """One backend's column: its kernel where it has one, else NumPy's."""
    for suffix, kernels, own in (
        ("", op.forward_kernels, not op.view),
        ("_backward", op.backward_kernels, not (op.rule_is_composite or op.view or op.rule is None)),
    ):
        kernel = backend.kernel(op.name + suffix) if backend is not None and own else None
        if kernel is not None and backend is not cpp and kernels is op.forward_kernels:
            kernel = noting(op, kernel)
        kernels[column] = kernel if kernel is not None else kernels[NUMPY]
        if own and kernel is None and backend is not None:
            FALLBACKS[BACKENDS[column]].add(op.name + suffix)


def load_numba() -> Any:
    """Import the Numba backend at its first use: numba takes most of a second."""
    if "numba" not in loaded:
        from ._backends import numba

        loaded["numba"] = numba
        for op in list(OPS.values()):
            if not op.composite:
                connect_backend(op, NUMBA, numba)
    return loaded["numba"]


def usable(name: str) -> str:
    """Why a backend cannot run; empty where it can."""
    if name == "cpp":
        return cpp.reason
    if name == "numba":
        try:
            load_numba()
        except ImportError as error:
            return f"{error}; pip install 'fastnn[numba]'"
    return ""


def backends() -> list[str]:
    """The names of the backends that can run here, fastest first.

    Examples
    --------
    >>> import fastnn
    >>> "numpy" in fastnn.backends()
    True
    """
    return [name for name in reversed(BACKENDS) if not usable(name)]


def backend() -> str:
    """The name of the active backend."""
    active = state.recorder.real if state.recorder is not None else state.active
    return BACKENDS[active]


def set_backend(name: str) -> None:
    """Run every op on backend `name` from now on.

    Parameters
    ----------
    name : {"auto", "cpp", "numba", "numpy"}
        ``auto`` takes the fastest that can run.

    Raises
    ------
    ValueError
        For an unknown name.
    RuntimeError
        For a backend that cannot run here; the message says how to get it.
    """
    if name not in _env.BACKEND_CHOICES:
        raise ValueError(f"set_backend: name wants one of {', '.join(_env.BACKEND_CHOICES)}; got {name!r}")
    if state.recorder is not None:
        state.recorder.refuse("set_backend")
    if name == "auto":
        name = next(n for n in reversed(BACKENDS) if not usable(n))
        if name != "cpp":
            warnings.warn(f"fastnn runs on {name}: {cpp.reason}", RuntimeWarning, stacklevel=2)
    why = usable(name)
    if why:
        raise RuntimeError(f"backend {name!r} cannot run: {why}")
    state.active = BACKENDS.index(name)
    state.bump()


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run every op on backend `name` inside; the previous one comes back, after an error too.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.use_backend("numpy"):
    ...     fastnn.backend()
    'numpy'
    """
    before = BACKENDS[state.active] if state.recorder is None else ""
    set_backend(name)
    try:
        yield
    finally:
        set_backend(before)


for _op in OPS.values():
    connect(_op)
_registry.DECLARED.append(connect)
try:
    set_backend(_env.backend())
except RuntimeError as error:
    _env.refuse(error)
