"""Softmax and its logarithm, over one axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from ._forms import an_axis, float_array
from ._stable import shifted

__all__ = ["log_softmax", "softmax"]

Array = np.ndarray[Any, Any]


def axis_form(rank: int, axis: Any) -> tuple[int]:
    return (an_axis(axis, rank),)


def check_softmax(x: Any, axis: int) -> None:
    float_array("softmax", "x", x)


SAMPLES = [
    sample((4, 7)),
    sample((4, 7), axis=0),
    sample((2, 3, 4), axis=1),
    sample(Floats((3, 5), -30.0, 30.0)),
    sample((5,)),
]


@op(saves="y", canonical=axis_form, check=check_softmax, kind="rowwise", samples=SAMPLES, tol=Tol(8, 12, 8))
def softmax(x: Array, *, axis: int = -1) -> Array:
    r"""Shares that sum to 1, :math:`e^{x_i} / \sum_j e^{x_j}`, over one axis.

    Parameters
    ----------
    x : array or Tensor of at least one axis, float32 or float64
    axis : int

    Returns
    -------
    array or Tensor like x; NaN where all values are -inf, and +inf takes (or several share) all

    Raises
    ------
    TypeError, IndexError
        Where x is no float; where the axis is no whole number or out of range.

    Notes
    -----
    The largest value is subtracted first. Gradient y (dy - sum(dy y)).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(shifted(x, axis))
    return e / e.sum(axis, keepdims=True)


@softmax.backward
def _(dy: Array, y: Array, axis: int) -> Array:
    return y * (dy - (dy * y).sum(axis, keepdims=True))


def check_log_softmax(x: Any, axis: int) -> None:
    float_array("log_softmax", "x", x)


@op(saves="y", canonical=axis_form, check=check_log_softmax, kind="rowwise", samples=SAMPLES, tol=Tol(8, 12, 8))
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    r"""The logarithm of softmax, :math:`x_i - \log \sum_j e^{x_j}`, over one axis.

    Parameters
    ----------
    x : array or Tensor of at least one axis, float32 or float64
    axis : int

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, IndexError
        Where x is no float; where the axis is no whole number or out of range.

    Notes
    -----
    The largest value is subtracted first. Gradient dy - softmax(x) sum(dy).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    z = shifted(x, axis)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


@log_softmax.backward
def _(dy: Array, y: Array, axis: int) -> Array:
    return dy - np.exp(y) * dy.sum(axis, keepdims=True)
