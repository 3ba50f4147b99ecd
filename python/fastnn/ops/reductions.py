"""Reductions over any axes: sums and means, the largest and smallest, spread, log-sum-exp."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Made, Sample, sample
from ._forms import float_array, floating, real, reduced
from ._stable import centered, shifted
from .arithmetic import divide
from .broadcasting import broadcast_to
from .shape import reshape

__all__ = ["argmax", "logsumexp", "max", "mean", "min", "std", "sum", "var"]

Array = np.ndarray[Any, Any]
Rng = np.random.Generator


def over_axes(x: Any, **attributes: Any) -> list[Sample]:
    """Samples of a reduction: all axes, one, two that are not neighbors, kept and dropped."""
    return [
        sample(x(3, 4), **attributes),
        sample(x(3, 4), axis=0, **attributes),
        sample(x(3, 4), axis=-1, keepdims=True, **attributes),
        sample(x(2, 3, 4), axis=(0, 2), **attributes),
        sample(x(2, 3, 4), axis=1, keepdims=True, **attributes),
        sample(x(5), axis=(0,), **attributes),
    ]


def floats(*shape: int) -> Floats:
    return Floats(shape)


def distinct(*shape: int) -> Made:
    """Values 0.2 apart in random order, so that the largest is clearly so."""
    return Made(lambda rng: (rng.permutation(math.prod(shape)).reshape(shape) - math.prod(shape) / 2) * 0.2)


def kept(shape: Any, axis: Any) -> tuple[int, ...]:
    """The shape of a reduction's result with the reduced axes kept as 1."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def count(shape: Any, axis: Any) -> int:
    """How many values one result is made of."""
    return math.prod(shape[i] for i in axis)


@op(saves="x.shape", canonical=reduced, kind="reduction", samples=over_axes(floats), tol=Tol(4, 2, 4))
def sum(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""Sum over axes, :math:`\sum_i x_i`; 0 where there is nothing to add.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    axis : int, tuple of int or None
        None, the default, sums all.
    keepdims : bool
        Keep the summed axes with length 1.

    Returns
    -------
    array or Tensor; sums of whole numbers and bools are int64

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    return np.asarray(x.sum(axis, keepdims=bool(keepdims), dtype=None if x.dtype.kind == "f" else np.int64))


@sum.backward(composite=True)
def _(dy: Array, x_shape: Any, axis: Any, keepdims: int) -> Any:
    return broadcast_to(reshape(dy, kept(x_shape, axis)), x_shape)


@op(saves="x.shape", canonical=reduced, kind="reduction", samples=over_axes(floats), tol=Tol(4, 2, 4))
def mean(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""Mean over axes, :math:`\frac1n \sum_i x_i`; NaN where there is nothing.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers are taken as float32
    axis : int, tuple of int or None
        None, the default, averages all.
    keepdims : bool
        Keep the averaged axes with length 1.

    Returns
    -------
    array or Tensor

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    array([1.5, 3.5])
    """
    x = floating(x)
    return np.asarray(x.sum(axis, keepdims=bool(keepdims)) / np.asarray(count(x.shape, axis), x.dtype))


@mean.backward(composite=True)
def _(dy: Array, x_shape: Any, axis: Any, keepdims: int) -> Any:
    share = divide(dy, float(count(x_shape, axis)))
    return broadcast_to(reshape(share, kept(x_shape, axis)), x_shape)


def check_filled(name: str) -> Any:
    """The check of a choice among values: there must be one."""

    def check(x: Any, axis: Any, keepdims: int) -> None:
        if count(x.shape, axis) == 0 and math.prod(kept(x.shape, axis)) > 0:
            along = f"axis {axis[0]}" if len(axis) == 1 else f"axes {axis}"
            raise ValueError(f"{name}: x wants at least one value along {along}; got shape {x.shape}")

    return check


@op(
    saves="x y",
    canonical=reduced,
    check=check_filled("max"),
    kind="reduction",
    samples=over_axes(distinct),
    tol=Tol(0, 2, 0),
)
def max(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""The largest value over axes, :math:`\max_i x_i`; NaN where there is one.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    axis : int, tuple of int or None
        None, the default, takes all.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number; where there is no value to choose.

    Notes
    -----
    Equal largest values share the gradient equally, as PyTorch's amax.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.max(np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    array([2., 4.])
    """
    return np.asarray(np.max(x, axis, keepdims=bool(keepdims)))


@max.backward
def _(dy: Array, x: Array, y: Array, axis: Any, keepdims: int) -> Array:
    return shared(dy, x, y, axis)


def shared(dy: Array, x: Array, y: Array, axis: Any) -> Array:
    """The gradient of a choice: dy over the values equal to the chosen one; NaN throughout where that is NaN."""
    shape = kept(x.shape, axis)
    chosen = np.equal(x, y.reshape(shape)).astype(dy.dtype)
    return dy.reshape(shape) * chosen / chosen.sum(axis, keepdims=True)


@op(
    saves="x y",
    canonical=reduced,
    check=check_filled("min"),
    kind="reduction",
    samples=over_axes(distinct),
    tol=Tol(0, 2, 0),
)
def min(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""The smallest value over axes, :math:`\min_i x_i`; NaN where there is one.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    axis : int, tuple of int or None
        None, the default, takes all.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number; where there is no value to choose.

    Notes
    -----
    Equal smallest values share the gradient equally, as PyTorch's amin.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.min(np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    array([1., 3.])
    """
    return np.asarray(np.min(x, axis, keepdims=bool(keepdims)))


@min.backward
def _(dy: Array, x: Array, y: Array, axis: Any, keepdims: int) -> Array:
    return shared(dy, x, y, axis)


def spread_form(rank: int, axis: Any, ddof: Any, keepdims: Any) -> tuple[tuple[int, ...], float, int]:
    over, kept_axes = reduced(rank, axis, keepdims)
    return over, real("ddof", ddof), kept_axes


def freedom(shape: Any, axis: Any, ddof: float) -> np.float64:
    """What the sum of squares is divided by; 0, and so inf or NaN, where ddof leaves nothing."""
    return np.float64(builtins.max(count(shape, axis) - ddof, 0.0))


def variance(x: Array, axis: Any, ddof: float, keepdims: int) -> Array:
    d = centered(x, axis)[0]
    return np.asarray((d * d).sum(axis, keepdims=bool(keepdims)) / freedom(x.shape, axis, ddof))


SPREADS = [*over_axes(floats), sample((3, 4), axis=0, ddof=1), sample(Floats((5, 4), 100.0, 101.0), axis=1, ddof=1)]


@op(saves="x", canonical=spread_form, kind="reduction", samples=SPREADS, tol=Tol(4, 8, 4))
def var(x: Array, *, axis: Any = None, ddof: float = 0, keepdims: Any = False) -> Array:
    r"""Variance over axes, :math:`\frac{1}{n - \mathrm{ddof}} \sum_i (x_i - \bar x)^2`.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers are taken as float32
    axis : int, tuple of int or None
        None, the default, takes all.
    ddof : float
        1 gives the unbiased estimate, PyTorch's default.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor; NaN or inf where n is not above ddof

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number; where ddof is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.var(np.array([1.0, 2.0, 3.0]), ddof=1)
    array(1.)
    """
    x = floating(x)
    return variance(x, axis, ddof, keepdims).astype(x.dtype)


@var.backward
def _(dy: Array, x: Array, axis: Any, ddof: float, keepdims: int) -> Array:
    each = 2 * dy.reshape(kept(x.shape, axis)) / freedom(x.shape, axis, ddof)
    return (each * centered(x, axis)[0]).astype(x.dtype)


@op(saves="x y", canonical=spread_form, kind="reduction", samples=SPREADS, tol=Tol(4, 12, 4))
def std(x: Array, *, axis: Any = None, ddof: float = 0, keepdims: Any = False) -> Array:
    r"""Standard deviation over axes, :math:`\sqrt{\mathrm{var}(x)}`.

    Parameters
    ----------
    x : array or Tensor, any shape; whole numbers are taken as float32
    axis : int, tuple of int or None
        None, the default, takes all.
    ddof : float
        1 gives PyTorch's default.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor; NaN or inf where n is not above ddof

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number; where ddof is no number.

    Notes
    -----
    The gradient is 0 where the deviation is, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.std(np.array([1.0, 3.0]))
    array(1.)
    """
    x = floating(x)
    return np.sqrt(variance(x, axis, ddof, keepdims)).astype(x.dtype)


@std.backward
def _(dy: Array, x: Array, y: Array, axis: Any, ddof: float, keepdims: int) -> Array:
    shape = kept(x.shape, axis)
    each = np.where(y == 0, 0.0, dy / y).reshape(shape) / freedom(x.shape, axis, ddof)
    return (each * centered(x, axis)[0]).astype(x.dtype)


def check_logsumexp(x: Any, axis: Any, keepdims: int) -> None:
    float_array("logsumexp", "x", x)


@op(
    saves="x y",
    canonical=reduced,
    check=check_logsumexp,
    kind="reduction",
    samples=[*over_axes(floats), sample(Floats((3, 4), -30.0, 30.0), axis=1)],
    tol=Tol(8, 12, 8),
)
def logsumexp(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""Logarithm of a sum of exponentials over axes, :math:`\log \sum_i e^{x_i}`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    axis : int, tuple of int or None
        None, the default, takes all.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor; -inf where all values are, or there are none

    Raises
    ------
    IndexError, ValueError, TypeError
        Where an axis is out of range, given twice or no whole number; where x is no float.

    Notes
    -----
    The largest value is subtracted first. The gradient is softmax(x) = exp(x - y), and 1 where x is +inf.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.logsumexp(np.array([1000.0, 1000.0]))
    array(1000.69314718)
    """
    m = x.max(axis, keepdims=True, initial=-np.inf)
    y = np.where(m == -np.inf, m, m + np.log(np.exp(shifted(x, axis)).sum(axis, keepdims=True)))
    return y if keepdims else y.reshape([n for i, n in enumerate(x.shape) if i not in axis])


@logsumexp.backward
def _(dy: Array, x: Array, y: Array, axis: Any, keepdims: int) -> Array:
    shape = kept(x.shape, axis)
    return dy.reshape(shape) * np.where(x == np.inf, 1.0, np.exp(x - y.reshape(shape)))


def argmax_form(rank: int, axis: Any, keepdims: Any) -> tuple[tuple[int, ...], int]:
    over, kept_axes = reduced(rank, axis, keepdims)
    if len(over) != 1 and len(over) != rank:
        raise ValueError(f"argmax: axis wants one axis, or None for all; got {axis!r}")
    return over, kept_axes


@op(
    canonical=argmax_form,
    check=check_filled("argmax"),
    kind="reduction",
    samples=[
        sample(distinct(3, 4)),
        sample(distinct(3, 4), axis=0),
        sample(distinct(2, 3, 4), axis=-2, keepdims=True),
        sample(distinct(2, 3), keepdims=True),
        sample(distinct(5), axis=0),
    ],
    tol=Tol(0, 0, 0),
)
def argmax(x: Array, *, axis: Any = None, keepdims: Any = False) -> Array:
    r"""The position of the largest value, the first of equal ones; that of the first NaN where there is one.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    axis : int or None
        None, the default, takes all in C order.
    keepdims : bool
        Keep the reduced axes with length 1.

    Returns
    -------
    array or Tensor of int64

    Raises
    ------
    IndexError, ValueError, TypeError
        Where the axis is out of range, not one or no whole number; where there is no value to choose.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.argmax(np.array([[1.0, 2.0], [4.0, 3.0]]), axis=1)
    array([1, 0])
    """
    where = None if len(axis) != 1 else axis[0]
    return np.asarray(np.argmax(x, where, keepdims=bool(keepdims)), np.int64)
