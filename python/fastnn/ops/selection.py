"""Choosing between values: maximum, minimum, where, clip."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Booleans, Floats, Integers, Made, sample
from ._forms import broadcastable, floating, real
from .arithmetic import check_pair
from .broadcasting import unbroadcast

__all__ = ["clip", "maximum", "minimum", "where", "winner"]

Array = np.ndarray[Any, Any]
Rng = np.random.Generator


def grid(shift: float, *shape: int) -> Made:
    """Distinct values 0.2 apart, `shift` off the grid: two of them never tie and stay clear of kinks."""

    def make(rng: Rng) -> Array:
        n = int(np.prod(shape))
        return (rng.permutation(n).reshape(shape) - n // 2) * 0.2 + shift

    return Made(make)


TWO_GRIDS = [
    sample(grid(0.0, 3, 4), grid(0.1, 3, 4)),
    sample(grid(0.0, 3, 4), grid(0.1, 4)),
    sample(grid(0.0, 2, 1, 4), grid(0.1, 3, 1)),
    sample(grid(0.05, 3, 4), 0.5),
]


@op(saves="a b", check=check_pair("maximum"), promotes=True, samples=TWO_GRIDS, tol=Tol(0, 8, 4))
def maximum(a: Array, b: Array) -> Array:
    r"""The larger of two numbers, :math:`\max(a, b)`, with broadcasting; NaN where either is.

    Parameters
    ----------
    a, b : arrays, Tensors or numbers whose shapes broadcast, any dtype

    Returns
    -------
    array or Tensor of the broadcast shape and the common dtype

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Notes
    -----
    Equal numbers share the gradient, half each, as PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.maximum(np.array([1.0, 5.0]), 2.0)
    array([2., 5.])
    """
    return np.maximum(a, b)


@maximum.backward(composite=True)
def _(dy: Array, a: Any, b: Any, needs: int) -> Any:
    return (
        unbroadcast(winner(dy, a, b), np.shape(a)) if needs & 1 else None,
        unbroadcast(winner(dy, b, a), np.shape(b)) if needs & 2 else None,
    )


@op(saves="a b", check=check_pair("minimum"), promotes=True, samples=TWO_GRIDS, tol=Tol(0, 8, 4))
def minimum(a: Array, b: Array) -> Array:
    r"""The smaller of two numbers, :math:`\min(a, b)`, with broadcasting; NaN where either is.

    Parameters
    ----------
    a, b : arrays, Tensors or numbers whose shapes broadcast, any dtype

    Returns
    -------
    array or Tensor of the broadcast shape and the common dtype

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Notes
    -----
    Equal numbers share the gradient, half each, as PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.minimum(np.array([1.0, 5.0]), 2.0)
    array([1., 2.])
    """
    return np.minimum(a, b)


@minimum.backward(composite=True)
def _(dy: Array, a: Any, b: Any, needs: int) -> Any:
    return (
        unbroadcast(winner(dy, b, a), np.shape(a)) if needs & 1 else None,
        unbroadcast(winner(dy, a, b), np.shape(b)) if needs & 2 else None,
    )


def check_winner(dy: Any, a: Any, b: Any) -> None:
    broadcastable("winner", dy=dy, a=a, b=b)


@op(
    saves="dy.shape a b",
    differentiable="dy",
    check=check_winner,
    promotes=True,
    samples=[
        sample((3, 4), grid(0.0, 3, 4), grid(0.1, 3, 4)),
        sample((4,), grid(0.0, 3, 4), grid(0.1, 3, 1)),
        sample(Floats((3, 4)), Integers((3, 4), 0, 3), Integers((3, 4), 0, 3)),
        sample((3, 4), grid(0.0, 3, 4), 0.5),
    ],
    tol=Tol(0, 8, 8),
)
def winner(dy: Array, a: Array, b: Array) -> Array:
    r"""What of a gradient goes to a, where :math:`\max(a, b)` was taken: 0 where a < b, half where equal, else all.

    Parameters
    ----------
    dy, a, b : arrays, Tensors or numbers whose shapes broadcast

    Returns
    -------
    array or Tensor of the broadcast shape; beside a NaN both sides get all of dy, as in PyTorch

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.winner(np.ones(3), np.array([1.0, 2.0, 3.0]), 2.0)
    array([0. , 0.5, 1. ])
    """
    return np.where(np.less(a, b), 0.0, np.where(np.equal(a, b), dy * 0.5, dy))


@winner.backward(composite=True)
def _(dy: Array, dy_shape: Any, a: Any, b: Any, needs: int) -> Any:
    return unbroadcast(winner(dy, a, b), dy_shape) if needs & 1 else None, None, None


def check_where(condition: Any, a: Any, b: Any) -> None:
    if condition.dtype != bool:
        raise TypeError(f"where: condition wants bool; got {condition.dtype}")
    broadcastable("where", condition=condition, a=a, b=b)


@op(
    saves="condition a.shape b.shape",
    check=check_where,
    promotes="a b",
    differentiable="a b",
    samples=[
        sample(Booleans((3, 4)), (3, 4), (3, 4)),
        sample(Booleans((4,)), (2, 3, 1), (3, 4)),
        sample(Booleans((3, 4)), (4,), 0.0),
        sample(Booleans((3, 4)), 1.5, (3, 1)),
    ],
    tol=Tol(0, 8, 4),
)
def where(condition: Array, a: Array, b: Array) -> Array:
    r"""a where the condition holds, else b, with broadcasting of all three.

    Parameters
    ----------
    condition : array or Tensor of bool
    a, b : arrays, Tensors or numbers, any dtype

    Returns
    -------
    array or Tensor of the broadcast shape and the common dtype of a and b

    Raises
    ------
    TypeError, ValueError
        Where condition is not bool; where the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> x = np.array([-1.0, 2.0])
    >>> ops.where(x > 0, x, 0.0)
    array([0., 2.])
    """
    return np.where(condition, a, b)


@where.backward(composite=True)
def _(dy: Array, condition: Array, a_shape: Any, b_shape: Any, needs: int) -> Any:
    return (
        None,
        unbroadcast(where(condition, dy, 0.0), a_shape) if needs & 2 else None,
        unbroadcast(where(condition, 0.0, dy), b_shape) if needs & 4 else None,
    )


def clip_form(rank: int, low: Any, high: Any) -> tuple[float, float]:
    return -np.inf if low is None else real("low", low), np.inf if high is None else real("high", high)


KINKED = Floats((4, 7), kinks=(-1.0, 0.5))


@op(
    saves="x",
    canonical=clip_form,
    samples=[
        sample(KINKED, low=-1.0, high=0.5),
        sample(KINKED, low=-1.0),
        sample(KINKED, high=0.5),
        sample(KINKED, low=0.5, high=-1.0),
    ],
    tol=Tol(0, 0, 0),
)
def clip(x: Array, *, low: Any = None, high: Any = None) -> Array:
    r"""Values bounded from below, then from above, :math:`\min(\max(x, low), high)`; NaN stays NaN.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    low, high : number, optional
        None, the default, leaves that side open; where low > high, all become high, and a NaN makes all NaN.

    Returns
    -------
    array or Tensor like x; whole numbers stay whole where both bounds are

    Raises
    ------
    TypeError
        Where a bound is no number.

    Notes
    -----
    Derivative 1 inside and at the bounds, 0 outside, as PyTorch's clamp.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.clip(np.array([-2.0, 0.5, 2.0]), low=0.0, high=1.0)
    array([0. , 0.5, 1. ])
    """
    if x.dtype.kind in "iu" and all(np.isinf(b) or b == np.floor(b) for b in (low, high)):
        least, most = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
        low, high = (int(min(max(b, least), most)) for b in (low, high))
        return np.minimum(np.maximum(x, low), high)
    return np.minimum(np.maximum(floating(x), low), high)


@clip.backward
def _(dy: Array, x: Array, low: float, high: float) -> Array:
    return np.where((x >= low) & (x <= high), dy, 0.0)
