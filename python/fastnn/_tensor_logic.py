"""Methods of Tensor whose values have no gradient, or one of zeros: logic, rounding, division by whole numbers.

NumPy computes them on every backend, so captured steps refuse them, as they refuse comparisons.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from . import ops
from ._registry import state

Self = Any  # a Tensor; the class stands to the right of this module
NO_KERNEL = "is computed by NumPy, which a plan cannot repeat; return the tensors and compute it from them"


def values(self: Self, function: Any, *operands: Any) -> Any:
    """``function`` of arrays, as a Tensor outside the graph; Python's numbers alone make no float64."""
    if state.recorder is not None:
        name = getattr(function, "func", function).__name__  # of a partial one too
        state.recorder.refuse(f"{name} of tensors {NO_KERNEL}")
    arrays = [getattr(x, "array", x) for x in operands]
    with np.errstate(all="ignore"):
        result = np.asarray(function(*arrays))
    if result.dtype == np.float64 and not any(getattr(a, "dtype", None) == np.float64 for a in arrays):
        result = result.astype(state.default_dtype)
    return outside(self, result)


def outside(self: Self, array: Any) -> Any:
    """An array as a Tensor outside the graph, a plain one where this is a Parameter."""
    plain = self.detach()
    plain.array = array
    return plain


def flat(self: Self, result: Any) -> Any:
    """The same values, with a gradient of zeros where this tensor wants one."""
    return ops.where(outside(self, np.asarray(False)), self, result) if self.requires else result


def bitwise(ufunc: Any, sign: str) -> Any:
    """An operator of bool and whole-number tensors."""

    def method(self: Self, other: Any) -> Any:
        for x in (self, other):
            if np.asarray(getattr(x, "array", x)).dtype.kind == "f":
                raise TypeError(f"{sign} wants tensors of bool or whole numbers; got floats")
        return values(self, ufunc, self, other)

    method.__name__, method.__doc__ = ufunc.__name__, f"Bit by bit, and of bools, logic (``numpy.{ufunc.__name__}``)."
    return method


def unary(ufunc: Any, doc: str) -> Any:
    """A method that is true or false of each element."""

    def method(self: Self) -> Any:
        return values(self, ufunc, self)

    method.__name__, method.__doc__ = ufunc.__name__, doc
    return method


def signs(x: Any) -> Any:
    """NumPy's, but 0 for NaN."""
    return np.nan_to_num(np.sign(x), nan=0.0) if x.dtype.kind == "f" else x if x.dtype.kind == "b" else np.sign(x)


def refuse_zeros(dividend: Any, divisor: Any) -> None:
    """Whole numbers have no infinity for a division by zero."""
    whole = all(np.asarray(getattr(x, "array", x)).dtype.kind in "iub" for x in (dividend, divisor))
    if whole and not np.all(getattr(divisor, "array", divisor)):
        raise ZeroDivisionError("division of whole numbers by zero")


def floor_divide(self: Self, dividend: Any, divisor: Any) -> Any:
    """The greatest whole numbers that are not above the quotients."""
    refuse_zeros(dividend, divisor)
    return values(self, np.floor_divide, dividend, divisor)


def remainder(self: Self, dividend: Any, divisor: Any) -> Any:
    r"""What floor division leaves, :math:`a - b \lfloor a / b \rfloor`, with the sign of the divisor."""
    refuse_zeros(dividend, divisor)
    left = values(self, np.remainder, dividend, divisor)
    # The gradients are those of the formula above; its rounding is not: zeros are added that have them.
    if getattr(dividend, "requires", False):
        left = ops.add(left, ops.subtract(dividend, dividend.detach()))
    if getattr(divisor, "requires", False):
        quotient = values(self, np.floor_divide, dividend, divisor)
        finite = ops.where(divisor.isfinite(), divisor, 0.0)
        left = ops.subtract(left, ops.multiply(quotient, ops.subtract(finite, finite.detach())))
    return left


class TensorLogic:
    """Operators and methods of Tensor that NumPy computes."""

    __slots__ = ()

    __and__ = __rand__ = bitwise(np.bitwise_and, "&")
    __or__ = __ror__ = bitwise(np.bitwise_or, "|")
    __xor__ = __rxor__ = bitwise(np.bitwise_xor, "^")

    def __invert__(self) -> Any:
        """Every bit turned; of bools, not."""
        if getattr(self, "array").dtype.kind == "f":  # noqa: B009 (a slot of Tensor)
            raise TypeError("~ wants a tensor of bool or whole numbers; got floats")
        return values(self, np.invert, self)

    logical_not = unary(np.logical_not, "True where it is 0.")
    isnan = unary(np.isnan, "True where it is no number.")
    isinf = unary(np.isinf, "True where it is infinite.")
    isfinite = unary(np.isfinite, "True where it is a finite number.")

    def any(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Whether one is not 0 over `dim`, one or several; over all without."""
        return values(self, partial(np.any, axis=dim, keepdims=keepdim), self)

    def all(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Whether none is 0 over `dim`, one or several; over all without."""
        return values(self, partial(np.all, axis=dim, keepdims=keepdim), self)

    def sign(self) -> Any:
        """-1, 0 or 1; 0 for NaN. The gradient is 0."""
        return flat(self, values(self, signs, self))

    def round(self, decimals: int = 0) -> Any:
        """The nearest whole numbers, even ones in the middle; or numbers of so many decimals. The gradient is 0."""
        return flat(self, values(self, partial(np.round, decimals=decimals), self))

    def floor(self) -> Any:
        """The greatest whole numbers that are not above. The gradient is 0."""
        return flat(self, values(self, np.floor, self))

    def ceil(self) -> Any:
        """The least whole numbers that are not below. The gradient is 0."""
        return flat(self, values(self, np.ceil, self))

    def __floordiv__(self, other: Any) -> Any:
        return floor_divide(self, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return floor_divide(self, other, self)

    def __mod__(self, other: Any) -> Any:
        return remainder(self, self, other)

    def __rmod__(self, other: Any) -> Any:
        return remainder(self, other, self)

    floor_divide, remainder = __floordiv__, __mod__
