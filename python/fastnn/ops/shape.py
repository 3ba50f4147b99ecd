"""Views: the same memory seen in another shape. No kernel; where NumPy would copy, `copy` runs first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import an_axis, shape_of
from ._forms import axes as axes_form
from .engine import copy

__all__ = ["expand_dims", "flatten", "flip", "reshape", "squeeze", "swapaxes", "transpose"]

Array = np.ndarray[Any, Any]
EXACT = Tol(0, 0, 0)


def reshape_form(_: int, shape: Any) -> tuple[tuple[int, ...]]:
    lengths = shape_of(shape)
    if any(n < -1 for n in lengths):
        raise ValueError(f"reshape: shape wants lengths of at least 0, and at most one -1; got {lengths}")
    return (lengths,)


@op(
    view=True,
    saves="x.shape",
    canonical=reshape_form,
    kind="shape",
    samples=[sample((3, 4), shape=(2, -1)), sample((3, 4), shape=(12,)), sample((1,), shape=())],
    tol=EXACT,
)
def reshape(x: Array, *, shape: Any) -> Array:
    """The same values in C order in another shape, on the same memory where strides can tell it.

    Parameters
    ----------
    x : array or Tensor
    shape : int or tuple of int
        One length may be -1: what is left over.

    Returns
    -------
    array or Tensor of that shape

    Raises
    ------
    ValueError, TypeError
        Where the numbers of values differ; where shape holds no whole numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.reshape(np.array([1.0, 2.0, 3.0, 4.0]), (2, -1))
    array([[1., 2.],
           [3., 4.]])
    """
    try:
        y = x.reshape(shape)
    except ValueError:
        wants = f"one of {x.size} values, with at most one -1"
        raise ValueError(f"reshape: shape wants {wants}; got {shape} for {x.shape}") from None
    if x.flags.c_contiguous or x.size == 0 or np.may_share_memory(y, x):
        return y
    return np.asarray(copy(x).reshape(shape))


@reshape.backward(composite=True)
def _(dy: Array, x_shape: Any, shape: Any) -> Any:
    return reshape(dy, x_shape)


def transpose_form(rank: int, order: Any) -> tuple[tuple[int, ...]]:
    if order is None:
        return (tuple(range(rank))[::-1],)
    found = tuple(an_axis(a, rank, "axes") for a in shape_of(order, "axes"))
    if sorted(found) != list(range(rank)):
        raise ValueError(f"transpose: axes wants each of {rank} axes once; got {order!r}")
    return (found,)


@op(
    view=True,
    canonical=transpose_form,
    kind="shape",
    samples=[sample((3, 4)), sample((2, 3, 4), axes=(1, 2, 0)), sample((2, 3, 4), axes=(0, -1, 1))],
    tol=EXACT,
)
def transpose(x: Array, *, axes: Any = None) -> Array:
    """A view with the axes in another order.

    Parameters
    ----------
    x : array or Tensor
    axes : tuple of int, optional
        Axis i of the result is axis axes[i] of x; None, the default, turns the order round.

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, ValueError, TypeError
        Where axes is no permutation of the axes of x.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.transpose(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """
    return x.transpose(axes)


@transpose.backward(composite=True)
def _(dy: Array, axes: Any) -> Any:
    return transpose(dy, tuple(int(i) for i in np.argsort(axes)))


def flip_form(rank: int, axis: Any) -> tuple[tuple[int, ...]]:
    return (axes_form(rank, axis),)


@op(
    view=True,
    canonical=flip_form,
    kind="shape",
    samples=[sample((3, 4)), sample((3, 4), axis=1), sample((2, 3, 4), axis=(0, -1))],
    tol=EXACT,
)
def flip(x: Array, *, axis: Any = None) -> Array:
    """A view with the order along axes turned round.

    Parameters
    ----------
    x : array or Tensor
    axis : int, tuple of int or None
        None, the default, turns all.

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    return np.flip(x, axis)


@flip.backward(composite=True)
def _(dy: Array, axis: Any) -> Any:
    return flip(dy, axis)


def expand_dims(x: Any, axis: Any) -> Any:
    """A view with new axes of length 1; an ordinary function over `reshape`.

    Parameters
    ----------
    x : array or Tensor
    axis : int or tuple of int
        Where the new axes stand in the result.

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.expand_dims(np.array([1.0, 2.0]), 1).shape
    (2, 1)
    """
    shape = list(np.shape(x))
    for i in axes_form(len(shape) + (len(axis) if isinstance(axis, (tuple, list)) else 1), axis):
        shape.insert(i, 1)
    return reshape(x, tuple(shape))


def squeeze(x: Any, axis: Any = None) -> Any:
    """A view without axes of length 1; an ordinary function over `reshape`.

    Parameters
    ----------
    x : array or Tensor
    axis : int, tuple of int or None
        Which axes; None, the default, leaves out all of length 1.

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice, not of length 1 or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.squeeze(np.array([[1.0], [2.0]])).shape
    (2,)
    """
    shape = np.shape(x)
    gone = [i for i, n in enumerate(shape) if n == 1] if axis is None else axes_form(len(shape), axis)
    if any(shape[i] != 1 for i in gone):
        raise ValueError(f"squeeze: axis wants axes of length 1; got {axis!r} for an array of shape {shape}")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in gone))


def flatten(x: Any, start: int = 0, end: int = -1) -> Any:
    """Neighboring axes joined into one; an ordinary function over `reshape`.

    Parameters
    ----------
    x : array or Tensor
    start, end : int
        The first and the last of the axes that are joined.

    Returns
    -------
    array or Tensor; (1,) for a scalar

    Raises
    ------
    IndexError, TypeError, ValueError
        Where an axis is out of range or no whole number; where start comes after end.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.flatten(np.zeros((2, 3, 4)), start=1).shape
    (2, 12)
    """
    shape = np.shape(x) or (1,)
    a, b = an_axis(start, len(shape), "start"), an_axis(end, len(shape), "end")
    if a > b:
        raise ValueError(f"flatten: start wants an axis up to end; got start {start} and end {end}")
    return reshape(x, (*shape[:a], math.prod(shape[a : b + 1]), *shape[b + 1 :]))


def swapaxes(x: Any, first: int, second: int) -> Any:
    """A view with two axes exchanged; an ordinary function over `transpose`.

    Parameters
    ----------
    x : array or Tensor
    first, second : int

    Returns
    -------
    array or Tensor on the memory of x

    Raises
    ------
    IndexError, TypeError
        Where an axis is out of range or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.swapaxes(np.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    rank = len(np.shape(x))
    a, b = an_axis(first, rank, "first"), an_axis(second, rank, "second")
    order = list(range(rank))
    order[a], order[b] = b, a
    return transpose(x, tuple(order))
