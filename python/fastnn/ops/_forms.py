"""Canonical forms of attributes and the checks that several ops share; every refusal names the argument."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def an_axis(axis: Any, rank: int, name: str = "axis") -> int:
    """One axis as a non-negative int."""
    try:
        i = operator.index(axis)
    except TypeError:
        raise TypeError(f"{name} wants a whole number; got {axis!r}") from None
    if not -rank <= i < rank:
        raise IndexError(f"{name} {i} is out of range for an array of {rank} dimensions")
    return i % rank


def axes(rank: int, axis: Any) -> tuple[int, ...]:
    """Axes as a sorted tuple of non-negative ints; None means all."""
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = tuple(sorted(an_axis(a, rank) for a in given))
    if len(set(found)) != len(found):
        raise ValueError(f"axis wants different axes; got {axis!r}")
    return found


def reduced(rank: int, axis: Any, keepdims: Any) -> tuple[tuple[int, ...], int]:
    """``(axis, keepdims)`` of a reduction: sorted axes, 0 or 1."""
    return axes(rank, axis), flag("keepdims", keepdims)


def flag(name: str, value: Any) -> int:
    """An attribute that is true or false, as 1 or 0."""
    if not isinstance(value, (bool, np.bool_, int)) or value not in (0, 1):
        raise TypeError(f"{name} wants True or False; got {value!r}")
    return int(value)


def real(name: str, value: Any) -> float:
    """An attribute that is a real number."""
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, np.floating, np.integer)):
        raise TypeError(f"{name} wants a number; got {value!r}")
    return float(value)


def reals(*names: str) -> Callable[..., tuple[float, ...]]:
    """The canonical form of attributes that are all real numbers."""

    def form(_: int, *values: Any) -> tuple[float, ...]:
        return tuple(real(n, v) for n, v in zip(names, values, strict=True))

    return form


def positive(name: str, value: Any) -> float:
    """An attribute that is a positive real number."""
    number = real(name, value)
    if not number > 0:
        raise ValueError(f"{name} wants a positive number; got {value!r}")
    return number


def whole(name: str, value: Any, end: int = 1 << 63) -> int:
    """An attribute that is a whole number of 64 bits; kernels get it as such."""
    if isinstance(value, bool):
        raise TypeError(f"{name} wants a whole number; got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} wants a whole number; got {value!r}") from None
    if not -1 << 63 <= number < end:
        raise ValueError(f"{name} wants a whole number of 64 bits; got {number}")
    return number


def floating(x: Any) -> Any:
    """Whole numbers and bools as float32, the default dtype; floats as they are."""
    return x if getattr(x, "dtype", np.dtype(np.float32)).kind == "f" else x.astype(np.float32)


def shape_of(value: Any, name: str = "shape") -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    given: Sequence[Any] = value if isinstance(value, (tuple, list)) else (value,)
    try:
        shape = tuple(operator.index(n) for n in given)
    except TypeError:
        raise TypeError(f"{name} wants whole numbers; got {value!r}") from None
    if any(not -1 << 63 <= n < 1 << 63 for n in shape):
        raise ValueError(f"{name} wants whole numbers of 64 bits; got {value!r}")
    return shape


def array_like(op: str, name: str, x: Any) -> None:
    """Refuse what is neither an array nor a Tensor; for checks that no kernel goes before."""
    if not hasattr(x, "dtype"):
        raise TypeError(f"{op}: {name} wants an array or Tensor; got {type(x).__name__}")


def float_array(op: str, name: str, x: Any) -> None:
    """Refuse an array whose dtype is neither float32 nor float64."""
    array_like(op, name, x)
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"{op}: {name} wants float32 or float64; got {x.dtype}")


def one_float_dtype(op: str, **arrays: Any) -> None:
    """Refuse arrays (after the first None is skipped) that are not all of one float dtype, naming both."""
    (first, x), *others = arrays.items()
    float_array(op, first, x)
    for name, a in others:
        if a is None:
            continue
        array_like(op, name, a)
        if a.dtype != x.dtype:
            raise TypeError(f"{op}: {name} wants the dtype of {first}, {x.dtype}; got {a.dtype}")


def equal_shapes(op: str, **arrays: Any) -> None:
    """Refuse two arrays of different shapes, naming both."""
    (first, x), (second, a) = arrays.items()
    if x.shape != a.shape:
        raise ValueError(f"{op}: {second} wants the shape of {first}, {x.shape}; got {a.shape}")


def broadcastable(op: str, **arrays: Any) -> None:
    """Refuse arrays whose shapes do not broadcast."""
    shapes = {n: np.shape(a) for n, a in arrays.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        words = ", ".join(f"{n} {s}" for n, s in shapes.items())
        raise ValueError(f"{op}: shapes do not broadcast: {words}") from None


REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
NONE, MEAN, SUM = 0, 1, 2


def reduction(value: Any) -> int:
    """A loss's reduction as a number: none 0, mean 1, sum 2."""
    code = REDUCTIONS.get(value, -1) if isinstance(value, str) else value
    if code not in (NONE, MEAN, SUM) or isinstance(code, bool):
        raise ValueError(f"reduction wants 'none', 'mean' or 'sum'; got {value!r}")
    return int(code)
