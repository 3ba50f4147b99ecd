"""What the engine itself needs: copy, cast, accumulate and assign."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Integers, sample

__all__ = ["accumulate", "assign", "cast", "copy"]

Array = np.ndarray[Any, Any]


@op(samples=[sample((3, 4)), sample(())], tol=Tol(0, 0, 0))
def copy(x: Array) -> Array:
    """The same values in memory of their own, in C order.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype

    Returns
    -------
    array or Tensor like x, C-contiguous

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.copy(np.array([[1.0, 2.0], [3.0, 4.0]]).T).flags.c_contiguous
    True
    """
    return x.copy(order="C")


@copy.backward(composite=True)
def _(dy: Array) -> Array:
    return dy


def dtype_form(_: int, dtype: Any) -> tuple[np.dtype[Any]]:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"cast: dtype wants a NumPy dtype or its name; got {dtype!r}") from None
    if wanted.kind not in "fiub" or dtype is None:
        raise TypeError(f"cast: dtype wants floats, whole numbers or bool; got {dtype!r}")
    return (np.dtype(wanted.type),)  # the one object of a native dtype, which compiled kernels know it by


@op(
    saves="x.dtype",
    canonical=dtype_form,
    samples=[sample((3, 4), dtype="float64"), sample(Integers((5,)), dtype="float32")],
    tol=Tol(1, 1, 1),
)
def cast(x: Array, *, dtype: Any) -> Array:
    """The same values in another dtype, rounded to nearest where it is a narrower float.

    Parameters
    ----------
    x : array or Tensor, any shape, any dtype
    dtype : NumPy dtype or its name
        Floats, whole numbers or bool. Gradients pass between floats only.

    Returns
    -------
    array or Tensor of the shape of x, in memory of its own

    Raises
    ------
    TypeError
        Where dtype is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.cast(np.array([1.5, 2.5]), "float32")
    array([1.5, 2.5], dtype=float32)
    """
    return x.astype(dtype)


@cast.backward(composite=True)
def _(dy: Array, x_dtype: Any, dtype: Any) -> Any:
    if dtype.kind != "f" or x_dtype.kind != "f":
        return None
    return dy if dtype == x_dtype else cast(dy, x_dtype)


def check_accumulate(a: Any, b: Any) -> None:
    if a.shape != b.shape:
        raise ValueError(f"accumulate: b wants the shape of a, {a.shape}; got {b.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"accumulate: b wants the dtype of a, {a.dtype}; got {b.dtype}")


@op(updates="a", outputs=0, check=check_accumulate, kind="update", samples=[sample((3, 4), (3, 4))], tol=Tol(1, 1, 0))
def accumulate(a: Array, b: Array) -> Array:
    """Add b to a in place: how a second gradient joins the first.

    Parameters
    ----------
    a, b : arrays of one shape and dtype
        `a` is written.

    Raises
    ------
    ValueError, TypeError
        Where shapes or dtypes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> a = np.array([1.0, 2.0])
    >>> ops.accumulate(a, np.array([10.0, 20.0]))
    >>> a
    array([11., 22.])
    """
    return a + b


def check_assign(a: Any, b: Any) -> None:
    if b.ndim > a.ndim or any(n not in (1, m) for n, m in zip(b.shape[::-1], a.shape[::-1], strict=False)):
        raise ValueError(f"assign: b wants a shape that broadcasts to a's {a.shape}; got {b.shape}")


@op(
    updates="a",
    outputs=0,
    check=check_assign,
    kind="update",
    samples=[sample((3, 4), (3, 4)), sample((3, 4), (4,)), sample((3, 4), ())],
    tol=Tol(0, 0, 0),
)
def assign(a: Array, b: Array) -> Array:
    """Write the values of b, broadcast and cast, into the memory of a.

    Parameters
    ----------
    a, b : arrays; a is written

    Raises
    ------
    ValueError
        Where b does not broadcast to the shape of a, or a is read-only.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> a = np.zeros(3)
    >>> ops.assign(a, np.array(2.0))
    >>> a
    array([2., 2., 2.])
    """
    return np.broadcast_to(b, a.shape).astype(a.dtype)
