"""Joining and parting: concatenate, stack, split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import an_axis, shape_of, whole
from .indexing import index
from .shape import expand_dims

__all__ = ["concatenate", "split", "split_sizes", "stack"]

Array = np.ndarray[Any, Any]
EXACT = Tol(0, 0, 0)


def axis_form(rank: int, axis: Any) -> tuple[int]:
    return (an_axis(axis, rank),)


def check_concatenate(xs: Any, axis: int) -> None:
    if not xs:
        raise ValueError("concatenate: xs wants at least one array; got none")
    for x in xs:
        rest = [s.shape[:axis] + s.shape[axis + 1 :] for s in (xs[0], x)]
        if x.ndim != xs[0].ndim or rest[0] != rest[1]:
            raise ValueError(f"concatenate: xs wants equal shapes but for axis {axis}; got {xs[0].shape} and {x.shape}")


@op(
    saves="xs.shapes",
    canonical=axis_form,
    check=check_concatenate,
    promotes=True,
    kind="shape",
    samples=[
        sample([(3, 4), (2, 4)]),
        sample([(3, 4), (3, 1), (3, 0), (3, 2)], axis=-1),
        sample([(5,)]),
        sample([(2, 3, 4), (2, 1, 4)], axis=1),
    ],
    tol=EXACT,
)
def concatenate(xs: list[Array], *, axis: int = 0) -> Array:
    """Arrays one after the other along an axis they have.

    Parameters
    ----------
    xs : list of arrays or Tensors of equal shapes but for the axis; they are cast to their common dtype
    axis : int

    Returns
    -------
    array or Tensor

    Raises
    ------
    ValueError, IndexError, TypeError
        Where there is no array or shapes do not fit; where the axis is out of range or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.concatenate([np.array([1.0, 2.0]), np.array([3.0])])
    array([1., 2., 3.])
    """
    return np.concatenate(xs, axis)


@concatenate.backward(composite=True)
def _(dy: Array, xs_shapes: Any, axis: int) -> Any:
    parts, start = [], 0
    for shape in xs_shapes:
        parts.append(index(dy, (*(slice(None),) * axis, slice(start, start + shape[axis]))))
        start += shape[axis]
    return (parts,)


def stack_form(rank: int, axis: Any) -> tuple[int]:
    return (an_axis(axis, rank + 1),)


def check_stack(xs: Any, axis: int) -> None:
    if len(xs) == 0:
        raise ValueError("stack: xs wants at least one array; got none")
    for x in xs:
        if np.shape(x) != np.shape(xs[0]):
            raise ValueError(f"stack: xs wants equal shapes; got {np.shape(xs[0])} and {np.shape(x)}")


@op(
    composite=True,
    canonical=stack_form,
    check=check_stack,
    kind="shape",
    samples=[sample([(3, 4), (3, 4)]), sample([(3,), (3,), (3,)], axis=-1), sample([(), ()])],
    tol=EXACT,
)
def stack(xs: list[Array], *, axis: int = 0) -> Any:
    """Arrays one after the other along a new axis.

    Parameters
    ----------
    xs : list of arrays or Tensors of one shape; they are cast to their common dtype
    axis : int
        Where the new axis stands in the result.

    Returns
    -------
    array or Tensor

    Raises
    ------
    ValueError, IndexError, TypeError
        Where there is no array or shapes differ; where the axis is out of range or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return concatenate([expand_dims(x, axis) for x in xs], axis)


def split(x: Any, parts: Any, axis: int = 0) -> list[Any]:
    """Views of consecutive parts along an axis; an ordinary function over `index`.

    Parameters
    ----------
    x : array or Tensor
    parts : int or tuple of int
        How many equal parts, or the positions at which to cut, as in numpy.split.
    axis : int

    Returns
    -------
    list of arrays or Tensors on the memory of x

    Raises
    ------
    ValueError, IndexError, TypeError
        Where the axis cannot be parted so; where it is out of range; for what is no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.split(np.array([1.0, 2.0, 3.0, 4.0]), (1, 3))
    [array([1.]), array([2., 3.]), array([4.])]
    """
    shape = np.shape(x)
    axis = an_axis(axis, len(shape))
    n = shape[axis]
    if isinstance(parts, (tuple, list)):
        cuts = shape_of(parts, "parts")
    else:
        many = whole("parts", parts)
        if many < 1 or n % many:
            raise ValueError(f"split: parts wants a number that divides the axis of length {n}; got {parts}")
        cuts = tuple(n // many * i for i in range(1, many))
    return pieces(x, (0, *cuts), (*cuts, n), axis)


def pieces(x: Any, begins: Sequence[int], ends: Sequence[int], axis: int) -> list[Any]:
    """Views of the parts of x that begin and end at these positions of an axis."""
    return [index(x, (*(slice(None),) * axis, slice(a, b))) for a, b in zip(begins, ends, strict=True)]


def split_sizes(x: Any, size: Any, axis: int = 0) -> list[Any]:
    """Views of consecutive parts of given lengths along an axis; an ordinary function over `index`.

    Parameters
    ----------
    x : array or Tensor
    size : int or tuple of int
        The length of each part (the last may be shorter), or the lengths of all, as in torch.split.
    axis : int

    Returns
    -------
    list of arrays or Tensors on the memory of x

    Raises
    ------
    ValueError, IndexError, TypeError
        Where lengths are below 1 or do not add up; where the axis is out of range; for what is no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.split_sizes(np.array([1.0, 2.0, 3.0]), 2)
    [array([1., 2.]), array([3.])]
    """
    shape = np.shape(x)
    axis = an_axis(axis, len(shape))
    n = shape[axis]
    if isinstance(size, (tuple, list)):
        sizes = shape_of(size, "size")
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise ValueError(f"split_sizes: size wants lengths that add up to {n}; got {size!r}")
        begins = [sum(sizes[:i]) for i in range(len(sizes))]
        return pieces(x, begins, [a + s for a, s in zip(begins, sizes, strict=True)], axis)
    each = whole("size", size)
    if each < 1:
        raise ValueError(f"split_sizes: size wants at least 1; got {size!r}")
    begins = list(range(0, max(n, 1), each))
    return pieces(x, begins, [min(a + each, n) for a in begins], axis)
