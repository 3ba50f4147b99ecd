"""Smooth activation functions made of sigmoid, tanh and the normal distribution, each with its derivative below it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from . import _stable
from ._forms import floating, reals
from ._special import normal_cdf, normal_pdf

__all__ = ["gelu", "gelu_tanh", "mish", "sigmoid", "silu", "tanh"]

Array = np.ndarray[Any, Any]


@op(saves="y", samples=[sample((4, 7)), sample(Floats((4, 7), -30.0, 30.0))], tol=Tol(6, 8, 4))
def sigmoid(x: Array) -> Array:
    r"""Logistic function, :math:`1/(1 + e^{-x})`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Derivative y (1 - y).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.sigmoid(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    return _stable.sigmoid(floating(x))


@sigmoid.backward
def _(dy: Array, y: Array) -> Array:
    return dy * (y * (1 - y))


@op(saves="y", samples=[sample((4, 7)), sample(Floats((4, 7), -12.0, 12.0))], tol=Tol(4, 6, 4))
def tanh(x: Array) -> Array:
    r"""Hyperbolic tangent, :math:`(e^x - e^{-x})/(e^x + e^{-x})`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Derivative 1 - y^2, as (1 - y) (1 + y).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.tanh(np.array([0.0, 100.0]))
    array([0., 1.])
    """
    return np.tanh(floating(x))


@tanh.backward
def _(dy: Array, y: Array) -> Array:
    return dy * ((1 - y) * (1 + y))


@op(saves="x", samples=[sample((4, 7)), sample(Floats((4, 7), -8.0, 8.0))], tol=Tol(4, 8, 4))
def gelu(x: Array) -> Array:
    r"""Gaussian error linear unit, :math:`x\,\Phi(x)`, :math:`\Phi` the distribution of the standard normal.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Computed as x erfc(-x / sqrt 2) / 2, since 1 + erf would lose every digit below x = -5. Derivative
    Phi(x) + x phi(x). Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    """
    x = floating(x)
    return (np.maximum(x, -40.0) * normal_cdf(x)).astype(x.dtype)  # Phi is 0 there, and -inf * 0 would be NaN


@gelu.backward
def _(dy: Array, x: Array) -> Array:
    return dy * (normal_cdf(x) + np.clip(x, -40.0, 40.0) * normal_pdf(x)).astype(x.dtype)


TWICE = 2 * math.sqrt(2 / math.pi)
CUBE = 0.044715


@op(saves="x", samples=[sample((4, 7)), sample(Floats((4, 7), -8.0, 8.0))], tol=Tol(24, 24, 8))
def gelu_tanh(x: Array) -> Array:
    r"""The tanh form of gelu, :math:`\frac x2 (1 + \tanh(\sqrt{2/\pi}\,(x + 0.044715 x^3)))`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Written with the sigmoid of twice the argument, since 1 + tanh would cancel. Source: Hendrycks and Gimpel,
    Gaussian error linear units, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.gelu_tanh(np.array([-1.0, 0.0, 1.0]))
    array([-0.15880801,  0.        ,  0.84119199])
    """
    x = floating(x)
    return _stable.times_sigmoid(x, TWICE * x * (1 + CUBE * (x * x)))


@gelu_tanh.backward
def _(dy: Array, x: Array) -> Array:
    c = np.clip(x, -40.0, 40.0)  # beyond, the slope of the sigmoid is 0, and 0 * inf would be NaN
    u, du = TWICE * c * (1 + CUBE * (c * c)), TWICE * (1 + 3 * CUBE * (c * c))
    return dy * (_stable.sigmoid(u) + c * du * _stable.sigmoid_slope(u))


@op(
    saves="x",
    canonical=reals("beta"),
    samples=[sample((4, 7)), sample(Floats((4, 7), -30.0, 30.0)), sample((4, 7), beta=1.7), sample((4, 7), beta=-0.5)],
    tol=Tol(8, 12, 4),
)
def silu(x: Array, *, beta: float = 1.0) -> Array:
    r"""Sigmoid-weighted linear unit, or Swish, :math:`x\,\sigma(\beta x)`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    beta : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError
        Where beta is no number.

    Notes
    -----
    Derivative s + beta x s (1 - s) with s = sigmoid(beta x). Source: Ramachandran, Zoph and Le, Searching for
    activation functions, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.silu(np.array([-1.0, 0.0, 1.0]))
    array([-0.26894142,  0.        ,  0.73105858])
    """
    x = floating(x)
    return _stable.times_sigmoid(x, beta * _stable.bounded(x))


@silu.backward
def _(dy: Array, x: Array, beta: float) -> Array:
    z = beta * _stable.bounded(x)
    return dy * (_stable.sigmoid(z) + np.clip(z, -1e3, 1e3) * _stable.sigmoid_slope(z))


@op(saves="x", samples=[sample((4, 7)), sample(Floats((4, 7), -30.0, 30.0))], tol=Tol(12, 24, 8))
def mish(x: Array) -> Array:
    r"""Mish, :math:`x \tanh(\log(1 + e^x))`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    With e = exp(-abs x) both are quotients of polynomials in e, and nothing cancels. Source: Misra, Mish: a self
    regularized non-monotonic activation function, BMVC 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.mish(np.array([-1.0, 0.0, 1.0]))
    array([-0.30340146,  0.        ,  0.86509839])
    """
    x = floating(x)
    h = np.exp(-0.5 * np.abs(x))  # in halves, as in times_sigmoid
    e = h * h
    above = x * ((1 + 2 * e) / (1 + 2 * e + 2 * e * e))
    return np.where(x > 0, above, np.maximum(x, -1e4) * h * (h * (e + 2) / (e * (e + 2) + 2)))


@mish.backward
def _(dy: Array, x: Array) -> Array:
    e = np.exp(-np.abs(x))
    up, down = 1 + 2 * e, e * (e + 2)
    bottom = np.where(x > 0, up + 2 * e * e, down + 2)
    w = np.where(x > 0, up, down) / bottom
    slope = 4 * (1 + e) * np.where(x > 0, e * e, e) / (bottom * bottom)  # (1 - w^2) sigmoid(x)
    return dy * (w + np.clip(x, -1e3, 1e3) * slope)
