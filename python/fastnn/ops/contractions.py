"""Contractions: matmul, and linear, the layer y = x W^T + b."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import op
from .._samples import sample
from ._forms import one_float_dtype
from .arithmetic import multiply
from .broadcasting import unbroadcast
from .shape import reshape, transpose

__all__ = ["linear", "matmul"]

Array = np.ndarray[Any, Any]


def check_matmul(a: Any, b: Any) -> None:
    one_float_dtype("matmul", a=a, b=b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: a and b want at least one axis; got shapes {a.shape} and {b.shape}")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: the last axis of a and the last but one of b differ: {a.shape} and {b.shape}")
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"matmul: leading axes do not broadcast: a {a.shape}, b {b.shape}") from None


@op(
    saves="a b",
    check=check_matmul,
    kind="contraction",
    samples=[
        sample((3, 4), (4, 5)),
        sample((4,), (4,)),
        sample((4,), (4, 5)),
        sample((3, 4), (4,)),
        sample((2, 3, 4), (2, 4, 5)),
        sample((2, 1, 3, 4), (3, 4, 2)),
        sample((4,), (2, 4, 3)),
        sample((2, 3, 4), (4,)),
    ],
)
def matmul(a: Array, b: Array) -> Array:
    r"""Matrix product, :math:`y_{ij} = \sum_k a_{ik} b_{kj}`, over the last two axes; leading axes broadcast.

    Parameters
    ----------
    a : array or Tensor (..., m, k) or (k,), float32 or float64
    b : array or Tensor (..., k, n) or (k,), the dtype of a

    Returns
    -------
    array or Tensor (..., m, n); the axis that a one-dimensional operand lacks is missing

    Raises
    ------
    TypeError, ValueError
        Where the dtypes differ or are no floats; where shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    return np.asarray(np.matmul(a, b))


def swapped(x: Any) -> Any:
    """The last two axes the other way round."""
    n = x.ndim
    return transpose(x, (*range(n - 2), n - 1, n - 2))


@matmul.backward(composite=True)
def _(dy: Array, a: Array, b: Array, needs: int) -> Any:
    if a.ndim == 1 and b.ndim == 1:
        return multiply(dy, b) if needs & 1 else None, multiply(dy, a) if needs & 2 else None
    rows = a if a.ndim > 1 else reshape(a, (1, a.shape[0]))
    columns = b if b.ndim > 1 else reshape(b, (b.shape[0], 1))
    if a.ndim == 1:
        dy = reshape(dy, (*dy.shape[:-1], 1, dy.shape[-1]))
    if b.ndim == 1:
        dy = reshape(dy, (*dy.shape, 1))
    da = unbroadcast(matmul(dy, swapped(columns)), rows.shape) if needs & 1 else None
    db = unbroadcast(matmul(swapped(rows), dy), columns.shape) if needs & 2 else None
    return (
        da if da is None or a.ndim > 1 else reshape(da, a.shape),
        db if db is None or b.ndim > 1 else reshape(db, b.shape),
    )


def check_linear(x: Any, w: Any, b: Any) -> None:
    one_float_dtype("linear", x=x, w=w, b=b)
    if w.ndim != 2:
        raise ValueError(f"linear: w wants shape (out, in); got {w.shape}")
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: x wants {w.shape[1]} values on its last axis, as w {w.shape} has; got {x.shape}")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"linear: b wants shape {w.shape[:1]}, as w {w.shape} has rows; got {b.shape}")


def as_rows(x: Array) -> Array:
    """All leading axes as one."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


@op(
    saves="x w",
    check=check_linear,
    kind="contraction",
    samples=[
        sample((3, 4), (5, 4), (5,)),
        sample((3, 4), (5, 4)),
        sample((2, 3, 4), (5, 4), (5,)),
        sample((4,), (5, 4), (5,)),
    ],
)
def linear(x: Array, w: Array, b: Any = None) -> Array:
    r"""Affine map of the last axis, :math:`y = x W^\top + b`.

    Parameters
    ----------
    x : array or Tensor (..., in), float32 or float64
    w : array or Tensor (out, in), the dtype of x
    b : array or Tensor (out,), optional

    Returns
    -------
    array or Tensor (..., out)

    Raises
    ------
    TypeError, ValueError
        Where the dtypes differ or are no floats; where shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.linear(np.array([[1.0, 2.0]]), np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([0.5, 0.0]))
    array([[3.5, 4. ]])
    """
    y = as_rows(x) @ w.T
    return (y if b is None else y + b).reshape((*x.shape[:-1], w.shape[0]))


@linear.backward
def _(dy: Array, x: Array, w: Array, needs: int) -> Any:
    rows = as_rows(dy)
    return (
        (rows @ w).reshape(x.shape) if needs & 1 else None,
        rows.T @ as_rows(x) if needs & 2 else None,
        rows.sum(0) if needs & 4 else None,
    )
