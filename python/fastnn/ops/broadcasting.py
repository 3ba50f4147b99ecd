"""Broadcasting written out: broadcast_to, and unbroadcast, which undoes it in backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import shape_of

__all__ = ["broadcast_to", "unbroadcast"]

Array = np.ndarray[Any, Any]


def broadcast_form(_: int, shape: Any) -> tuple[tuple[int, ...]]:
    return (shape_of(shape),)


def check_unbroadcast(dy: Any, shape: Any) -> None:
    tail = dy.shape[dy.ndim - len(shape) :]
    if len(shape) > dy.ndim or any(n not in (1, m) for n, m in zip(shape, tail, strict=True)):
        raise ValueError(f"unbroadcast: shape wants one that broadcasts to {dy.shape}; got {shape}")


@op(
    canonical=broadcast_form,
    check=check_unbroadcast,
    saves="dy.shape",
    kind="reduction",
    samples=[
        sample((3, 4), shape=(4,)),
        sample((3, 4), shape=(3, 1)),
        sample((2, 3, 4), shape=(1, 3, 1)),
        sample((2, 3), shape=()),
        sample((2, 3), shape=(2, 3)),
    ],
)
def unbroadcast(dy: Array, *, shape: tuple[int, ...]) -> Array:
    """Sum an array down to a shape that broadcasts to its own: the backward of broadcasting.

    Parameters
    ----------
    dy : array or Tensor
    shape : tuple of int

    Returns
    -------
    array or Tensor of that shape; dy itself where it has the shape already

    Raises
    ------
    ValueError
        Where shape does not broadcast to that of dy.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.unbroadcast(np.ones((3, 2)), (2,))
    array([3., 3.])
    """
    if dy.shape == shape:
        return dy
    extra = dy.ndim - len(shape)
    axes = (*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1))
    return np.asarray(dy.sum(axes, keepdims=True).reshape(shape))


@unbroadcast.backward(composite=True)
def _(dy: Array, dy_shape: Any, shape: Any) -> Array:
    return broadcast_to(dy, dy_shape)


@op(
    view=True,
    saves="x.shape",
    canonical=broadcast_form,
    kind="shape",
    samples=[sample((4,), shape=(3, 4)), sample((3, 1), shape=(2, 3, 4)), sample((), shape=(2,))],
    tol=Tol(0, 8, 4),
)
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """A read-only view of x with its axes of length 1, and new ones in front, repeated to a shape.

    Parameters
    ----------
    x : array or Tensor
    shape : tuple of int

    Returns
    -------
    array or Tensor of that shape, on the memory of x

    Raises
    ------
    ValueError
        Where the shape of x does not broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ValueError(f"broadcast_to: shape wants one that {x.shape} broadcasts to; got {shape}") from None


@broadcast_to.backward(composite=True)
def _(dy: Array, x_shape: Any, shape: Any) -> Array:
    return unbroadcast(dy, x_shape)
