"""Elementary functions of one array, each with its derivative below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Integers, sample
from ._forms import floating

__all__ = ["abs", "exp", "expm1", "log", "log1p", "sqrt", "square"]

Array = np.ndarray[Any, Any]


@op(saves="y", samples=[sample((4, 7)), sample(Integers((5,)))], tol=Tol(4, 4, 2))
def exp(x: Array) -> Array:
    r"""Exponential, :math:`e^x`.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers give float32

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative y.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    return np.exp(floating(x))


@exp.backward
def _(dy: Array, y: Array) -> Array:
    return dy * y


@op(saves="x", samples=[sample(Floats((4, 7), 0.2, 3.0))], tol=Tol(4, 4, 2))
def log(x: Array) -> Array:
    r"""Natural logarithm, :math:`\log x`; NaN below 0, -inf at 0.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers give float32

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative 1/x.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.log(np.array([1.0, 2.0]))
    array([0.        , 0.69314718])
    """
    return np.log(floating(x))


@log.backward
def _(dy: Array, x: Array) -> Array:
    return dy / x


@op(saves="x", samples=[sample(Floats((4, 7), -0.7, 3.0))], tol=Tol(4, 4, 2))
def log1p(x: Array) -> Array:
    r"""Logarithm of one more, :math:`\log(1 + x)`, with all digits where x is small.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers give float32

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative 1/(1 + x).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.log1p(np.array([0.0, 1e-10]))
    array([0.e+00, 1.e-10])
    """
    return np.log1p(floating(x))


@log1p.backward
def _(dy: Array, x: Array) -> Array:
    return dy / (1 + x)


@op(saves="x", samples=[sample((4, 7))], tol=Tol(4, 4, 2))
def expm1(x: Array) -> Array:
    r"""Exponential less one, :math:`e^x - 1`, with all digits where x is small.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers give float32

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative exp(x); y + 1 would lose digits where x is far below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.expm1(np.array([0.0, 1e-10]))
    array([0.e+00, 1.e-10])
    """
    return np.expm1(floating(x))


@expm1.backward
def _(dy: Array, x: Array) -> Array:
    return dy * np.exp(x)


@op(saves="y", samples=[sample(Floats((4, 7), 0.2, 3.0))], tol=Tol(1, 3, 0))
def sqrt(x: Array) -> Array:
    r"""Square root, :math:`\sqrt x`; NaN below 0.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers give float32

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative 1/(2 y): inf at 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.sqrt(np.array([4.0, 9.0]))
    array([2., 3.])
    """
    return np.sqrt(floating(x))


@sqrt.backward
def _(dy: Array, y: Array) -> Array:
    return dy / (2 * y)


@op(saves="x", samples=[sample((4, 7)), sample(Integers((5,)))], tol=Tol(1, 2, 0))
def square(x: Array) -> Array:
    r"""Square, :math:`x^2`.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers stay whole

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative 2 x.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.square(np.array([2.0, -3.0]))
    array([4., 9.])
    """
    return x * x


@square.backward
def _(dy: Array, x: Array) -> Array:
    return dy * (2 * x)


@op(saves="x", samples=[sample(Floats((4, 7), kinks=(0.0,)))], tol=Tol(0, 0, 0))
def abs(x: Array) -> Array:
    r"""Absolute value, :math:`|x|`.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers stay whole

    Returns
    -------
    array or Tensor of that shape

    Notes
    -----
    Derivative sign(x), 0 at 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.abs(np.array([-2.0, 3.0]))
    array([2., 3.])
    """
    return np.abs(x)


@abs.backward
def _(dy: Array, x: Array) -> Array:
    return dy * np.sign(x)
