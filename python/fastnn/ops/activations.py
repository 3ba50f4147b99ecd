"""Activation functions: each with its derivative below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from . import _stable
from ._forms import floating, real, reals

__all__ = ["elu", "hardswish", "hardtanh", "leaky_relu", "relu", "selu", "softplus"]

Array = np.ndarray[Any, Any]


@op(saves="y", samples=[sample(Floats((4, 7), kinks=(0.0,)))], tol=Tol(0, 0, 0))
def relu(x: Array) -> Array:
    r"""Rectified linear unit, :math:`\max(x, 0)`; NaN stays NaN.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Derivative 1 for x > 0, else 0. Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann
    machines, ICML 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.where(x < 0, np.zeros((), x.dtype), x)


@relu.backward
def _(dy: Array, y: Array) -> Array:
    return np.where(y > 0, dy, np.zeros((), dy.dtype))


@op(
    saves="x",
    canonical=reals("negative_slope"),
    samples=[
        sample(Floats((4, 7), kinks=(0.0,))),
        sample(Floats((4, 7), kinks=(0.0,)), negative_slope=0.3),
        sample(Floats((4, 7), kinks=(0.0,)), negative_slope=-0.5),
    ],
    tol=Tol(1, 1, 0),
)
def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    r"""Leaky rectified linear unit, x above 0 and :math:`\alpha x` elsewhere, :math:`\alpha` = negative_slope.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    negative_slope : float
        The slope below 0.

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError
        Where negative_slope is no number.

    Notes
    -----
    Derivative 1 for x > 0, else negative_slope. Source: Maas, Hannun and Ng, Rectifier nonlinearities improve
    neural network acoustic models, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.leaky_relu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    x = floating(x)
    return np.where(x > 0, x, x * negative_slope)


@leaky_relu.backward
def _(dy: Array, x: Array, negative_slope: float) -> Array:
    return np.where(x > 0, dy, dy * negative_slope)


def elu_form(_: int, alpha: Any) -> tuple[float]:
    if not real("alpha", alpha) >= 0:
        raise ValueError(f"elu: alpha wants a number of at least 0; got {alpha!r}")
    return (float(alpha),)


@op(
    saves="y",
    canonical=elu_form,
    samples=[sample(Floats((4, 7), kinks=(0.0,))), sample(Floats((4, 7), kinks=(0.0,)), alpha=0.6)],
    tol=Tol(6, 8, 4),
)
def elu(x: Array, *, alpha: float = 1.0) -> Array:
    r"""Exponential linear unit, x above 0 and :math:`\alpha (e^x - 1)` elsewhere.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    alpha : float
        At least 0.

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where alpha is no number or below 0.

    Notes
    -----
    Derivative 1 for x > 0, else y + alpha. Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep
    network learning by exponential linear units, ICLR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.elu(np.array([-1.0, 2.0]))
    array([-0.63212056,  2.        ])
    """
    x = floating(x)
    return np.where(x > 0, x, alpha * np.expm1(x))


@elu.backward
def _(dy: Array, y: Array, alpha: float) -> Array:
    return np.where(y > 0, dy, dy * (y + alpha))


ALPHA = 1.6732632423543772848170429916717
SCALE = 1.0507009873554804934193349852946


@op(saves="y", samples=[sample(Floats((4, 7), kinks=(0.0,)))], tol=Tol(6, 8, 4))
def selu(x: Array) -> Array:
    r"""Scaled exponential linear unit, :math:`\lambda x` above 0 and :math:`\lambda\alpha (e^x - 1)` elsewhere.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Derivative lambda for x > 0, else y + lambda alpha. Source: Klambauer et al., Self-normalizing neural networks,
    NeurIPS 2017, which gives both constants.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.selu(np.array([-1.0, 2.0]))
    array([-1.11133074,  2.10140197])
    """
    x = floating(x)
    return np.where(x > 0, SCALE * x, (SCALE * ALPHA) * np.expm1(x))


@selu.backward
def _(dy: Array, y: Array) -> Array:
    return np.where(y > 0, dy * SCALE, dy * (y + SCALE * ALPHA))


def softplus_form(_: int, beta: Any, threshold: Any) -> tuple[float, float]:
    if real("beta", beta) == 0:
        raise ValueError("softplus: beta wants a number other than 0; got 0")
    return float(beta), real("threshold", threshold)


@op(
    saves="x",
    canonical=softplus_form,
    samples=[
        sample((4, 7)),
        sample((4, 7), beta=2.5),
        sample(Floats((4, 7), kinks=(1.0,)), beta=2.0, threshold=2.0),
        sample(Floats((4, 7), -30.0, 30.0, kinks=(20.0,))),
    ],
    tol=Tol(8, 8, 4),
)
def softplus(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    r"""Smooth rectifier, :math:`\frac1\beta \log(1 + e^{\beta x})`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    beta : float
        Not 0.
    threshold : float
        Where beta x is larger, the result is x itself.

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where beta or threshold is no number; where beta is 0.

    Notes
    -----
    Derivative sigmoid(beta x), or 1 above the threshold. Source: Dugas et al., Incorporating second-order
    functional knowledge for better option pricing, NIPS 2000; the threshold is PyTorch's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.softplus(np.array([-1.0, 0.0, 100.0]))
    array([  0.31326169,   0.69314718, 100.        ])
    """
    x = floating(x)
    return np.where(beta * x > threshold, x, _stable.softplus(beta * x) / beta)


@softplus.backward
def _(dy: Array, x: Array, beta: float, threshold: float) -> Array:
    return np.where(beta * x > threshold, dy, dy * _stable.sigmoid(beta * x))


def hardtanh_form(_: int, low: Any, high: Any) -> tuple[float, float]:
    if real("low", low) > real("high", high):
        raise ValueError(f"hardtanh: low wants a number up to high; got low {low!r} and high {high!r}")
    return float(low), float(high)


@op(
    saves="x",
    canonical=hardtanh_form,
    samples=[sample(Floats((4, 7), kinks=(-1.0, 1.0))), sample(Floats((4, 7), kinks=(-0.5, 2.0)), low=-0.5, high=2.0)],
    tol=Tol(0, 0, 0),
)
def hardtanh(x: Array, *, low: float = -1.0, high: float = 1.0) -> Array:
    r"""Values cut off at two bounds, :math:`\min(\max(x, low), high)`; NaN stays NaN.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    low : float
    high : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where low or high is no number; where low > high.

    Notes
    -----
    Derivative 1 strictly between the bounds, else 0, as PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.hardtanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return np.minimum(np.maximum(floating(x), low), high)


@hardtanh.backward
def _(dy: Array, x: Array, low: float, high: float) -> Array:
    return np.where((x <= low) | (x >= high), 0.0, dy)


@op(saves="x", samples=[sample(Floats((4, 7), -5.0, 5.0, kinks=(-3.0, 3.0)))], tol=Tol(4, 4, 2))
def hardswish(x: Array) -> Array:
    r"""Hard Swish, :math:`x \min(\max(x + 3, 0), 6)/6`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64

    Returns
    -------
    array or Tensor like x

    Notes
    -----
    Derivative 0 up to -3, x/3 + 1/2 between, 1 from 3 on. Source: Howard et al., Searching for MobileNetV3,
    ICCV 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.hardswish(np.array([-4.0, 1.0, 4.0]))
    array([-0.        ,  0.66666667,  4.        ])
    """
    x = floating(x)
    return np.maximum(x, -3.0) * (np.minimum(np.maximum(x + 3, 0.0), 6.0) / 6)


@hardswish.backward
def _(dy: Array, x: Array) -> Array:
    return np.where(x <= -3, 0.0, np.where(x >= 3, dy, dy * (x / 3 + 0.5)))
