"""Arithmetic between two arrays, with broadcasting and PyTorch's promotion; its gradients are made of public ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Integers, sample
from ._forms import broadcastable, floating
from .broadcasting import unbroadcast
from .elementary import log

__all__ = ["add", "divide", "multiply", "negative", "power", "power_base", "power_exponent", "subtract"]

Array = np.ndarray[Any, Any]


def check_pair(name: str) -> Callable[[Any, Any], None]:
    """The check of a binary op: shapes must broadcast."""

    def check(a: Any, b: Any) -> None:
        broadcastable(name, a=a, b=b)

    return check


PAIRS = [
    sample((3, 4), (3, 4)),
    sample((3, 4), (4,)),
    sample((2, 1, 4), (3, 1)),
    sample((), (2, 3)),
    sample((3, 4), 1.5),
    sample(2.0, (3,)),
]


@op(saves="a.shape b.shape", check=check_pair("add"), promotes=True, samples=PAIRS)
def add(a: Array, b: Array) -> Array:
    r"""Sum, :math:`a + b`, with broadcasting.

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

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.add(np.array([1.0, 2.0]), 1.0)
    array([2., 3.])
    """
    return a + b


@add.backward(composite=True)
def _(dy: Array, a_shape: Any, b_shape: Any, needs: int) -> Any:
    return (
        unbroadcast(dy, a_shape) if needs & 1 else None,
        unbroadcast(dy, b_shape) if needs & 2 else None,
    )


def check_subtract(a: Any, b: Any) -> None:
    broadcastable("subtract", a=a, b=b)
    refuse_bool("subtract: a and b want", a if hasattr(a, "dtype") else b)


def refuse_bool(who: str, x: Any) -> None:
    """Refuse what NumPy and PyTorch leave undefined between bools."""
    if x.dtype == bool:
        raise TypeError(f"{who} numbers; got bool")


@op(saves="a.shape b.shape", check=check_subtract, promotes=True, samples=PAIRS)
def subtract(a: Array, b: Array) -> Array:
    r"""Difference, :math:`a - b`, with broadcasting.

    Parameters
    ----------
    a, b : arrays, Tensors or numbers whose shapes broadcast, any dtype but bool

    Returns
    -------
    array or Tensor of the broadcast shape and the common dtype

    Raises
    ------
    ValueError, TypeError
        Where the shapes do not broadcast; between bools.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.subtract(5.0, np.array([1.0, 2.0]))
    array([4., 3.])
    """
    return a - b


@subtract.backward(composite=True)
def _(dy: Array, a_shape: Any, b_shape: Any, needs: int) -> Any:
    return (
        unbroadcast(dy, a_shape) if needs & 1 else None,
        negative(unbroadcast(dy, b_shape)) if needs & 2 else None,
    )


def check_negative(x: Any) -> None:
    refuse_bool("negative: x wants", x)


@op(check=check_negative, samples=[sample((4, 7))], tol=Tol(0, 0, 0))
def negative(x: Array) -> Array:
    r"""The number with its sign changed, :math:`-x`.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype but bool

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError
        For bools.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """
    return -x


@negative.backward(composite=True)
def _(dy: Array) -> Any:
    return negative(dy)


@op(saves="a b", check=check_pair("multiply"), promotes=True, samples=PAIRS)
def multiply(a: Array, b: Array) -> Array:
    r"""Product of elements, :math:`a b`, with broadcasting.

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

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.multiply(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return a * b


@multiply.backward(composite=True)
def _(dy: Array, a: Any, b: Any, needs: int) -> Any:
    return (
        unbroadcast(multiply(dy, b), np.shape(a)) if needs & 1 else None,
        unbroadcast(multiply(dy, a), np.shape(b)) if needs & 2 else None,
    )


POSITIVE = Floats((3, 4), 0.3, 3.0)


@op(
    saves="a.shape b y",
    check=check_pair("divide"),
    promotes=True,
    samples=[
        sample((3, 4), POSITIVE),
        sample((2, 3, 4), Floats((3, 1), -3.0, -0.3)),
        sample((4,), POSITIVE),
        sample((3, 4), 1.5),
        sample(2.0, POSITIVE),
        sample(Integers((3,)), Integers((3,), 1, 5)),
    ],
)
def divide(a: Array, b: Array) -> Array:
    r"""Quotient, :math:`a / b`, with broadcasting; whole numbers give float32.

    Parameters
    ----------
    a, b : arrays, Tensors or numbers whose shapes broadcast, any dtype

    Returns
    -------
    array or Tensor of the broadcast shape and the common float dtype

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.divide(np.array([1.0, 2.0]), 4.0)
    array([0.25, 0.5 ])
    """
    return np.asarray(floating(a) / floating(b))


@divide.backward(composite=True)
def _(dy: Array, a_shape: Any, b: Any, y: Array, needs: int) -> Any:
    return (
        unbroadcast(divide(dy, b), a_shape) if needs & 1 else None,
        unbroadcast(negative(divide(multiply(dy, y), b)), np.shape(b)) if needs & 2 else None,
    )


def check_power(a: Any, b: Any) -> None:
    broadcastable("power", a=a, b=b)
    whole = all(np.asarray(v).dtype.kind in "iub" for v in (a, b))
    if whole and np.any(np.less(b, 0)):
        raise ValueError(f"power: b wants no negative numbers where a and b are whole; got {np.min(b)}")


@op(
    saves="a b",
    check=check_power,
    promotes=True,
    samples=[
        sample(POSITIVE, (3, 4)),
        sample(Floats((2, 1, 4), 0.3, 3.0), (3, 1)),
        sample((3, 4), 2.0),
        sample((3, 4), 3),
        sample(POSITIVE, 0.5),
        sample(2.0, (3, 4)),
    ],
    tol=Tol(8, 16, 4),
)
def power(a: Array, b: Array) -> Array:
    r"""Power, :math:`a^b`, with broadcasting.

    Parameters
    ----------
    a, b : arrays, Tensors or numbers whose shapes broadcast, any dtype

    Returns
    -------
    array or Tensor of the broadcast shape and the common dtype

    Raises
    ------
    ValueError
        Where the shapes do not broadcast; for negative whole powers of whole numbers.

    Notes
    -----
    Gradients :math:`b a^{b-1}` (0 where b = 0) and :math:`a^b \log a` (0 where a = 0 and b >= 0), as PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.power(np.array([1.0, 2.0, 3.0]), 2)
    array([1., 4., 9.])
    """
    return np.asarray(a**b)


@power.backward(composite=True)
def _(dy: Array, a: Any, b: Any, needs: int) -> Any:
    return (
        unbroadcast(power_base(dy, a, b), np.shape(a)) if needs & 1 else None,
        unbroadcast(power_exponent(dy, a, b), np.shape(b)) if needs & 2 else None,
    )


def check_power_slope(name: str) -> Callable[[Any, Any, Any], None]:
    """The check of a factor in power's gradient: shapes must broadcast."""

    def check(g: Any, a: Any, b: Any) -> None:
        broadcastable(name, g=g, a=a, b=b)

    return check


SLOPES = [
    sample((3, 4), POSITIVE, (3, 4)),
    sample((3, 4), Floats((4,), 0.3, 3.0), (3, 1)),
    sample((3, 4), POSITIVE, 2.0),
]


@op(saves="g a b", check=check_power_slope("power_base"), promotes=True, samples=SLOPES, tol=Tol(8, 8, 4))
def power_base(g: Array, a: Array, b: Array) -> Array:
    r"""What of a gradient goes to the base of a power, :math:`g\, b\, a^{b-1}`, 0 where b = 0.

    Parameters
    ----------
    g, a, b : arrays, Tensors or numbers whose shapes broadcast

    Returns
    -------
    array or Tensor of the broadcast shape

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.power_base(np.ones(2), np.array([2.0, 3.0]), 3.0)
    array([12., 27.])
    """
    return np.where(np.equal(b, 0), 0.0, g * (b * np.power(a, b - 1.0)))


@power_base.backward(composite=True)
def _(dy: Array, g: Any, a: Any, b: Any, needs: int) -> Any:
    less, both = less_one(b), multiply(dy, g)
    return (
        unbroadcast(power_base(dy, a, b), np.shape(g)) if needs & 1 else None,
        unbroadcast(power_base(multiply(both, b), a, less), np.shape(a)) if needs & 2 else None,
        unbroadcast(mixed(both, a, b, less), np.shape(b)) if needs & 4 else None,
    )


def less_one(b: Any) -> Any:
    return b - 1.0 if type(b) in (int, float) else subtract(b, 1.0)


def mixed(g: Any, a: Any, b: Any, less: Any) -> Any:
    """The derivative of a power by base and exponent, a^(b-1) (1 + b log a), times g."""
    return add(multiply(g, power(a, less)), power_exponent(multiply(g, b), a, less))


@op(saves="g a b", check=check_power_slope("power_exponent"), promotes=True, samples=SLOPES, tol=Tol(8, 8, 4))
def power_exponent(g: Array, a: Array, b: Array) -> Array:
    r"""What of a gradient goes to the exponent of a power, :math:`g\, a^b \log a`, 0 where a = 0 and b >= 0.

    Parameters
    ----------
    g, a, b : arrays, Tensors or numbers whose shapes broadcast

    Returns
    -------
    array or Tensor of the broadcast shape

    Raises
    ------
    ValueError
        Where the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.power_exponent(np.ones(2), np.array([0.0, 1.0]), 3.0)
    array([0., 0.])
    """
    return np.where(np.equal(a, 0) & np.greater_equal(b, 0), 0.0, g * (np.power(a, b) * np.log(a)))


@power_exponent.backward(composite=True)
def _(dy: Array, g: Any, a: Any, b: Any, needs: int) -> Any:
    both = multiply(dy, g)
    return (
        unbroadcast(power_exponent(dy, a, b), np.shape(g)) if needs & 1 else None,
        unbroadcast(mixed(both, a, b, less_one(b)), np.shape(a)) if needs & 2 else None,
        unbroadcast(multiply(power_exponent(both, a, b), log(a)), np.shape(b)) if needs & 4 else None,
    )
