"""What all of `fastnn.data` does with arguments: arrays of anything, rows by index, random generators by seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._backends import cpp
from .._registry import state
from .._tensor import Tensor
from ..random import host

Array = np.ndarray[Any, Any]


def array_of(where: str, value: Any) -> Array:
    """The numbers of a Tensor, array or nested list, in native byte order; Python's floats get the default dtype."""
    if isinstance(value, Tensor):
        return value.array
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{where} wants numbers; got {type(value).__name__} of dtype {array.dtype}")
    if array.dtype == np.float64 and not hasattr(value, "__array__"):
        return array.astype(state.default_dtype)
    return np.asarray(array, array.dtype.type)


def like(value: Any, array: Array) -> Any:
    """A result as a Tensor where the argument was one."""
    return Tensor(array) if isinstance(value, Tensor) else array


def same_length(where: str, arrays: list[Array]) -> int:
    """The number of rows that all of the arrays have."""
    shapes = [a.shape for a in arrays]
    if not shapes or () in shapes or len({s[0] for s in shapes}) > 1:
        raise ValueError(f"{where} wants arrays with the same number of rows; got shapes {shapes}")
    return int(shapes[0][0])


def gatherer(array: Array) -> Callable[[Array], Array]:
    """A function from row numbers to a new array of these rows, which lie in memory as those of `array` do.

    ``take`` would copy an array that is not C-contiguous as a whole, at each call; so what is channels-last is gathered
    through the transpose in which it is contiguous.
    """
    if array.ndim == 1:
        return array.__getitem__  # faster than take, for single numbers only
    axes = (0, *sorted(range(1, array.ndim), key=lambda axis: -abs(array.strides[axis])))
    rows = np.ascontiguousarray(array.transpose(axes))
    take = cpp.kernel("take")  # on any backend: it is no part of what a step records, and fetches rows ahead of time
    if take is None or take(rows, np.empty(0, np.int64), 0) is NotImplemented:
        take = np.take
    if axes == tuple(range(array.ndim)):
        return lambda index: take(rows, index, 0)
    back = tuple(np.argsort(axes))
    return lambda index: take(rows, index, 0).transpose(back)


def generator_of(where: str, seed: int | np.random.Generator | None) -> np.random.Generator:
    """A generator for a seed; with None the one that ``fastnn.manual_seed`` seeds."""
    if seed is None:
        return host()
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.Generator(np.random.Philox(key=checked_seed(where, seed)))


def checked_seed(where: str, seed: Any) -> int:
    """A seed in the range of ``fastnn.manual_seed``."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"{where}: seed wants a whole number, a numpy.random.Generator or None; got {seed!r}")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"{where}: seed wants 0 <= seed < 2**64; got {seed}")
    return int(seed)
