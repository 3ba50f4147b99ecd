"""Parts of an array: index (views), scatter (its backward), take (rows by number), pad, and getitem over them."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .._registry import Tol, op, state
from .._samples import Integers, sample
from ._forms import an_axis, real, shape_of
from .broadcasting import broadcast_to
from .engine import cast, copy
from .selection import where
from .shape import reshape

__all__ = ["getitem", "index", "pad", "scatter", "set_item", "take"]

Array = np.ndarray[Any, Any]
EXACT = Tol(0, 0, 0)


def basic(item: Any) -> bool:
    """Whether a part of a key asks for a view: a whole number, a slice, None or Ellipsis."""
    if isinstance(item, (bool, np.bool_, np.ndarray, list, tuple)) or hasattr(item, "array"):
        return False
    return item is None or item is Ellipsis or isinstance(item, slice) or hasattr(item, "__index__")


def index_form(rank: int, key: Any) -> tuple[tuple[Any, ...]]:
    """One item for each axis of x, and None for each new one."""
    items = list(key) if isinstance(key, tuple) else [key]
    if not all(map(basic, items)):
        raise TypeError(f"index: key wants whole numbers, slices, None and ...; got {key!r}")
    items = [i if i is None or i is Ellipsis or isinstance(i, slice) else operator.index(i) for i in items]
    used, dots = sum(i is not None and i is not Ellipsis for i in items), items.count(Ellipsis)
    if used > rank or dots > 1:
        raise IndexError(f"index: key wants at most {rank} items and one ..., for as many axes; got {key!r}")
    at = items.index(Ellipsis) if dots else len(items)
    items[at : at + dots] = [slice(None)] * (rank - used)
    return (tuple(items),)


def box(shape: Any, key: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Where the values of a basic key stand along each axis: first positions, steps, counts."""
    start, step, size = [], [], []
    for n, item in zip(shape, (i for i in key if i is not None), strict=True):
        if isinstance(item, slice):
            first, stop, by = item.indices(n)
            start.append(first)
            step.append(by)
            size.append(len(range(first, stop, by)))
        else:
            start.append(item % n)
            step.append(1)
            size.append(1)
    return tuple(start), tuple(step), tuple(size)


def slices(start: Any, step: Any, size: Any) -> tuple[slice, ...]:
    """The key of a box."""
    key = []
    for a, by, n in zip(start, step, size, strict=True):
        stop = a + by * n
        key.append(slice(a, stop if stop >= 0 else None, by) if n else slice(0, 0))
    return tuple(key)


@op(
    view=True,
    saves="x.shape",
    canonical=index_form,
    kind="shape",
    samples=[
        sample((3, 4), key=1),
        sample((3, 4), key=(slice(None), -1)),
        sample((5, 4), key=(slice(None, None, 2), slice(3, 0, -1))),
        sample((5, 4), key=(Ellipsis, None, slice(None, None, -1))),
        sample((3, 4), key=(slice(2, 1), 0)),
    ],
    tol=EXACT,
)
def index(x: Array, *, key: Any) -> Array:
    """A view of a part, by whole numbers, slices, None (a new axis) and an ellipsis.

    Parameters
    ----------
    x : array or Tensor
    key : int, slice, None, Ellipsis or a tuple of these

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, TypeError
        Where a number is out of range or there are more than axes; where key holds anything else.

    Notes
    -----
    `getitem` takes arrays and masks too.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.index(np.array([[1.0, 2.0], [3.0, 4.0]]), (slice(None), 1))
    array([2., 4.])
    """
    try:
        return x[key if Ellipsis in key else (*key, Ellipsis)]  # with an ellipsis it is a view even of one value
    except IndexError:
        asked = list(key)
        while asked[-1] == slice(None):  # what the canonical form put there
            asked.pop()
        words = f"key {', '.join(map(repr, asked))} is out of range for an array of shape {x.shape}"
        raise IndexError(f"index: {words}") from None


@index.backward(composite=True)
def _(dy: Array, x_shape: Any, key: Any) -> Any:
    start, step, size = box(x_shape, key)
    return scatter(reshape(dy, size), x_shape, start, step)


def scatter_form(_: int, shape: Any, start: Any, step: Any) -> tuple[tuple[int, ...], ...]:
    return shape_of(shape), shape_of(start, "start"), shape_of(step, "step")


def check_scatter(x: Any, shape: Any, start: Any, step: Any) -> None:
    if not len(shape) == len(start) == len(step) == x.ndim:
        raise ValueError(f"scatter: shape, start and step want {x.ndim} numbers, as x {x.shape} has axes; got {shape}")
    for n, m, a, by in zip(x.shape, shape, start, step, strict=True):
        last = a + by * (n - 1)
        if n and not (by and 0 <= a < m and 0 <= last < m):
            raise ValueError(f"scatter: positions {a} ... {last} leave an axis of length {m}; x has shape {x.shape}")


@op(
    saves="x.shape",
    canonical=scatter_form,
    check=check_scatter,
    kind="shape",
    samples=[
        sample((2, 3), shape=(4, 5), start=(1, 0), step=(2, 1)),
        sample((3,), shape=(7,), start=(6,), step=(-3,)),
        sample((0, 2), shape=(3, 2), start=(0, 0), step=(1, 1)),
        sample((), shape=(), start=(), step=()),
    ],
    tol=EXACT,
)
def scatter(x: Array, *, shape: Any, start: Any, step: Any) -> Array:
    """Zeros with x at regular positions: the backward of index.

    Parameters
    ----------
    x : array or Tensor
    shape, start, step : tuple of int
        Value i along an axis goes to start + i step of an axis of length shape.

    Returns
    -------
    array or Tensor of that shape

    Raises
    ------
    ValueError
        Where a position is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.scatter(np.array([1.0, 2.0]), (5,), (3,), (-2,))
    array([0., 2., 0., 1., 0.])
    """
    y = np.zeros(shape, x.dtype)
    y[slices(start, step, x.shape)] = x
    return y


@scatter.backward(composite=True)
def _(dy: Array, x_shape: Any, shape: Any, start: Any, step: Any) -> Any:
    return index(dy, slices(start, step, x_shape))


def pad_form(rank: int, width: Any, value: Any) -> tuple[tuple[int, ...], float]:
    """Two numbers for each axis, before and after, in one flat tuple."""
    given = width if isinstance(width, (tuple, list)) else (width, width)
    flat = [n for pair in given for n in (pair if isinstance(pair, (tuple, list)) else (pair,))]
    widths = shape_of(flat, "width")
    if len(widths) == 2:
        widths = widths * rank
    if len(widths) != 2 * rank or any(n < 0 for n in widths):
        raise ValueError(f"pad: width wants (before, after), none below 0, for {rank} axes or for all; got {width!r}")
    return widths, real("value", value)


@op(
    saves="x.shape",
    canonical=pad_form,
    kind="shape",
    samples=[
        sample((3, 4), width=1),
        sample((3, 4), width=((0, 1), (2, 0)), value=1.5),
        sample((4,), width=(2, 3), value=-2.5),
    ],
    tol=EXACT,
)
def pad(x: Array, *, width: Any, value: float = 0.0) -> Array:
    """x with a frame of one value around it.

    Parameters
    ----------
    x : array or Tensor, any dtype
    width : int, (before, after) or one such pair for each axis
    value : float

    Returns
    -------
    array or Tensor, each axis longer by before + after

    Raises
    ------
    ValueError, TypeError
        Where width is negative or not for all axes; where value is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.pad(np.array([1.0, 2.0]), (1, 2))
    array([0., 1., 2., 0., 0.])
    """
    y = np.full([n + a + b for n, a, b in zip(x.shape, width[::2], width[1::2], strict=True)], value, x.dtype)
    y[slices(width[::2], (1,) * x.ndim, x.shape)] = x
    return y


@pad.backward(composite=True)
def _(dy: Array, x_shape: Any, width: Any, value: float) -> Any:
    return index(dy, slices(width[::2], (1,) * len(x_shape), x_shape))


def take_form(rank: int, axis: Any) -> tuple[int]:
    return (an_axis(axis, rank),)


def check_take(x: Any, indices: Any, axis: int) -> None:
    if indices.dtype.kind not in "iu":
        raise TypeError(f"take: indices wants int64; got {indices.dtype}")
    bad = (indices < -x.shape[axis]) | (indices >= x.shape[axis])
    if bad.any():
        raise take.op.bad_index(int(bad.argmax()))


@op(
    saves="x.shape indices",
    canonical=take_form,
    check=check_take,
    index=("indices", "-n <= index < n, n the length of the axis"),
    differentiable="x",
    kind="shape",
    samples=[
        sample((5, 3), Integers((4,), -5, 5)),
        sample((5, 3), Integers((2, 3), 0, 3), axis=1),
        sample((2, 5, 3), Integers((7,), -5, 5), axis=-2),
        sample((5,), Integers((), 0, 5)),
        sample((5, 2), Integers((0,), 0, 5)),
    ],
    tol=Tol(0, 4, 4),
)
def take(x: Array, indices: Array, *, axis: int = 0) -> Array:
    r"""Rows by their numbers, :math:`y_i = x_{\mathrm{indices}_i}`, along one axis.

    Parameters
    ----------
    x : array or Tensor of at least one axis, any dtype
    indices : array or Tensor, int64, any shape
        Numbers below 0 count from the end.
    axis : int

    Returns
    -------
    array or Tensor with the axes of indices in place of the axis

    Raises
    ------
    IndexError, TypeError
        Where an index or the axis is out of range; where indices are no whole numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.take(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, -1, 0]))
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    return np.asarray(x.take(indices, axis))


@take.backward
def _(dy: Array, x_shape: Any, indices: Array, axis: int) -> Any:
    before, after = x_shape[:axis], x_shape[axis + 1 :]
    dx = np.zeros((math.prod(before), x_shape[axis], math.prod(after)), dy.dtype)
    rows = dy.reshape(math.prod(before), indices.size, math.prod(after))
    where: Any = (slice(None), indices.reshape(-1))
    np.add.at(dx, where, rows)
    return dx.reshape(x_shape), None


def positions(x: Any, key: Any) -> Array:
    """Where the values that a key of any kind picks stand in x, in C order."""
    items = key if isinstance(key, tuple) else (key,)
    plain = tuple(i if basic(i) else np.asarray(i, np.int64 if isinstance(i, list) and not i else None) for i in items)
    return constant(np.asarray(np.arange(math.prod(x.shape)).reshape(x.shape)[plain]))


def constant(made: Array) -> Array:
    """Tell the recorder of an array that follows from a key: it is the same in every replay."""
    if state.recorder is not None:
        state.recorder.constant(made)
    return made


def getitem(x: Any, key: Any) -> Any:
    """``x[key]`` as in NumPy: a view for whole numbers and slices, else the values that arrays and masks point at.

    An ordinary function over `index` and `take`.

    Parameters
    ----------
    x : array or Tensor
    key : whatever NumPy takes; Tensors are taken as their arrays

    Returns
    -------
    array or Tensor

    Raises
    ------
    IndexError, TypeError
        As NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> ops.getitem(x, x > 1.5)
    array([2., 3.])
    """
    if all(map(basic, key if isinstance(key, tuple) else (key,))):
        return index(x, key)
    if hasattr(key, "dtype") and key.dtype.kind in "iu" and x.shape:
        return take(x, key)
    return take(reshape(x, (math.prod(x.shape),)), positions(x, key))


def set_item(x: Any, value: Any, key: Any) -> Any:
    """A copy of x with ``copy[key] = value``, differentiable in both; an ordinary function over `take` and `where`.

    Parameters
    ----------
    x : array or Tensor
    value : array, Tensor or number that broadcasts to ``x[key]``; of numbers for one place the last stays
    key : whatever NumPy takes; Tensors are taken as their arrays

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    IndexError, TypeError, ValueError
        As NumPy for the key; where value does not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.set_item(np.array([1.0, 2.0, 3.0]), 0.0, slice(0, 2))
    array([0., 0., 3.])
    """
    places = positions(x, key)
    source = np.full(math.prod(x.shape), -1)
    source[places.reshape(-1)] = np.arange(places.size)
    source = source.reshape(x.shape)
    chosen = constant(source >= 0)
    if not hasattr(value, "dtype"):
        value = np.asarray(value)
    value = cast(value, x.dtype) if value.dtype != x.dtype else value
    if not places.size:
        return copy(x)
    spread = reshape(broadcast_to(value, places.shape), (places.size,))
    return where(chosen, take(spread, constant(np.maximum(source, 0))), x)
