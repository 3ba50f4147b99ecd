"""The mathematics of Tensor: operators and methods under PyTorch's names, each one call of an op."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import ops
from ._registry import state
from ._tensor_logic import NO_KERNEL, TensorLogic, outside, values
from .ops._forms import an_axis, axes, flag, shape_of

Self = Any  # a Tensor; the class stands to the right of this module


def unary(name: str, doc: str) -> Any:
    """A method that is one op of one argument."""
    function = getattr(ops, name)

    def method(self: Self) -> Any:
        return function(self)

    method.__name__, method.__doc__ = name, doc
    return method


def compare(ufunc: Any) -> Any:
    """A comparison: a bool Tensor, outside the graph."""

    def method(self: Self, other: Any) -> Any:
        if state.recorder is not None:
            state.recorder.refuse(f"{ufunc.__name__} of tensors {NO_KERNEL}")
        return outside(self, np.asarray(ufunc(self.array, getattr(other, "array", other))))

    method.__name__, method.__doc__ = ufunc.__name__, f"Element by element; a bool tensor (``numpy.{ufunc.__name__}``)."
    return method


def dims(dim: tuple[Any, ...]) -> Any:
    """Dimensions given one by one or as one sequence."""
    return tuple(dim[0]) if len(dim) == 1 and isinstance(dim[0], (tuple, list)) else dim


class Extremes(NamedTuple):
    """What ``max`` and ``min`` along a dimension give."""

    values: Any
    indices: Any


def spread(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, Any]:
    """``(dim, ddof)`` of var and std: `unbiased` is PyTorch's older word, and may come first, alone."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is None:
        return dim, 1 if correction is None else correction
    if correction is not None:
        raise TypeError("var and std want unbiased or correction, not both")
    return dim, flag("unbiased", unbiased)


def product(x: Self, dim: Any, keepdim: bool) -> Any:
    """The product over one dimension, or of all: halves are multiplied, so that zeros do not hide gradients."""
    over = axes(x.ndim, dim)
    if dim is not None and len(over) != 1:
        raise TypeError(f"prod: dim wants one dimension; got {dim!r}")
    others = [i for i in range(x.ndim) if i not in over]
    shape = [1 if i in over else n for i, n in enumerate(x.shape)] if flag("keepdim", keepdim) else None
    y = x if x.dtype.kind == "f" else x.long()
    y = ops.reshape(y, -1) if dim is None else ops.transpose(y, (*over, *others))
    if len(y) < 2:  # memory of its own for one, 1 for none
        y = ops.copy(y) if len(y) else ops.add(ops.sum(y, axis=0, keepdims=True), 1)
    while len(y) > 1:
        half = len(y) // 2
        rest = [y[2 * half :]] if len(y) % 2 else []
        y = ops.concatenate([ops.multiply(y[:half], y[half : 2 * half]), *rest])
    return y[0] if shape is None else ops.reshape(y, shape)


class TensorMath(TensorLogic):
    """Operators and methods of Tensor that are ops."""

    __slots__ = ()
    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """``array * tensor`` and ``np.exp(tensor)`` are recorded like ``tensor * array`` and ``tensor.exp()``."""
        function = UFUNCS.get(ufunc.__name__)
        if function is None or method != "__call__" or options:
            raise TypeError(f"numpy.{ufunc.__name__} is not for tensors that way; use .numpy() or fastnn.ops")
        return function(*inputs)

    # Arithmetic

    def __add__(self, other: Any) -> Any:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return ops.square(self) if type(other) in (int, float) and other == 2 else ops.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return ops.power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return ops.matmul(other, self)

    def __neg__(self) -> Any:
        return ops.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return ops.abs(self)

    __lt__ = compare(np.less)
    __le__ = compare(np.less_equal)
    __gt__ = compare(np.greater)
    __ge__ = compare(np.greater_equal)
    __eq__ = compare(np.equal)
    __ne__ = compare(np.not_equal)
    lt, le, gt, ge, eq, ne = __lt__, __le__, __gt__, __ge__, __eq__, __ne__

    def add(self, other: Any, *, alpha: Any = 1) -> Any:
        """``self + alpha * other``."""
        return ops.add(self, other if alpha == 1 else ops.multiply(other, alpha))

    def sub(self, other: Any, *, alpha: Any = 1) -> Any:
        """``self - alpha * other``."""
        return ops.subtract(self, other if alpha == 1 else ops.multiply(other, alpha))

    subtract, mul, div, pow = sub, __mul__, __truediv__, __pow__
    multiply, divide, true_divide = __mul__, __truediv__, __truediv__
    matmul = mm = bmm = __matmul__

    neg = negative = unary("negative", "Minus it.")
    abs = absolute = unary("abs", "Absolute value.")
    exp = unary("exp", "The exponential function.")
    log = unary("log", "The natural logarithm.")
    log1p = unary("log1p", "log(1 + x), exact near 0.")
    expm1 = unary("expm1", "exp(x) - 1, exact near 0.")
    sqrt = unary("sqrt", "The square root.")
    square = unary("square", "x * x.")
    relu = unary("relu", "max(x, 0).")
    sigmoid = unary("sigmoid", "1 / (1 + exp(-x)).")
    tanh = unary("tanh", "The hyperbolic tangent.")

    def softmax(self, dim: int) -> Any:
        """exp(x) / sum(exp(x)) along `dim`."""
        return ops.softmax(self, axis=dim)

    def log_softmax(self, dim: int) -> Any:
        """log(softmax(x)) along `dim`, without cancellation."""
        return ops.log_softmax(self, axis=dim)

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """Elements bounded by min and max."""
        return ops.clip(self, low=min, high=max)

    clip = clamp

    def maximum(self, other: Any) -> Any:
        """The greater of two, element by element."""
        return ops.maximum(self, other)

    def minimum(self, other: Any) -> Any:
        """The lesser of two, element by element."""
        return ops.minimum(self, other)

    def where(self, condition: Any, other: Any) -> Any:
        """This where `condition`, else `other`."""
        return ops.where(condition, self, other)

    def masked_fill(self, mask: Any, value: Any) -> Any:
        """`value` where `mask`, else this."""
        return ops.where(mask, value, self)

    # Reductions

    def sum(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Sum over `dim`, one or several; all without."""
        return ops.sum(self, axis=dim, keepdims=keepdim)

    def mean(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Mean over `dim`, one or several; all without."""
        return ops.mean(self, axis=dim, keepdims=keepdim)

    def amax(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Largest value over `dim`; its gradient is shared among equals."""
        return ops.max(self, axis=dim, keepdims=keepdim)

    def amin(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Smallest value over `dim`; its gradient is shared among equals."""
        return ops.min(self, axis=dim, keepdims=keepdim)

    def prod(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Product over one dimension, or of all; whole numbers and bools give int64."""
        return product(self, dim, keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The largest value; with `dim`, ``(values, indices)``; with a tensor, `maximum`. Equals share gradients."""
        if isinstance(dim, TensorMath):
            return self.maximum(dim)
        return self.amax() if dim is None else Extremes(self.amax(dim, keepdim), self.argmax(dim, keepdim))

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """The smallest value; with `dim`, ``(values, indices)``; with a tensor, `minimum`. Equals share gradients."""
        if isinstance(dim, TensorMath):
            return self.minimum(dim)
        return self.amin() if dim is None else Extremes(self.amin(dim, keepdim), self.argmin(dim, keepdim))

    def var(self, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
        """Variance over `dim`, divided by N - correction: 1, or 0 where not `unbiased`."""
        over, ddof = spread(dim, unbiased, correction)
        return ops.var(self, axis=over, ddof=ddof, keepdims=keepdim)

    def std(self, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
        """Standard deviation over `dim`, of the variance divided by N - correction: 1, or 0 where not `unbiased`."""
        over, ddof = spread(dim, unbiased, correction)
        return ops.std(self, axis=over, ddof=ddof, keepdims=keepdim)

    def logsumexp(self, dim: Any, keepdim: bool = False) -> Any:
        """log(sum(exp(x))) over `dim`."""
        return ops.logsumexp(self, axis=dim, keepdims=keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Position of the first largest value."""
        return ops.argmax(self, axis=dim, keepdims=keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Position of the first smallest value."""
        array = getattr(self, "array")  # noqa: B009 (a slot of Tensor)
        turned = ops.negative(self) if array.dtype.kind == "f" else values(self, np.invert, self)
        return ops.argmax(turned, axis=dim, keepdims=keepdim)

    # Shapes

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; a view where the memory allows it."""
        return ops.reshape(self, shape=dims(shape))

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """Dimensions start_dim to end_dim joined into one."""
        return ops.flatten(self, start=start_dim, end=end_dim)

    def squeeze(self, dim: Any = None) -> Any:
        """Without dimensions of length 1."""
        return ops.squeeze(self, axis=dim)

    def unsqueeze(self, dim: int) -> Any:
        """With a dimension of length 1 put in at `dim`."""
        return ops.expand_dims(self, axis=dim)

    def permute(self, *dim: Any) -> Any:
        """Dimensions in another order."""
        return ops.transpose(self, axes=dims(dim))

    def transpose(self, dim0: int, dim1: int) -> Any:
        """Two dimensions exchanged."""
        return ops.swapaxes(self, dim0, dim1)

    def t(self) -> Any:
        """A matrix transposed; vectors and numbers stay."""
        rank = len(np.shape(getattr(self, "array")))  # noqa: B009 (a slot of Tensor)
        if rank > 2:
            raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {rank}D")
        return ops.transpose(self)

    @property
    def T(self) -> Any:
        """Dimensions in reverse order."""
        return ops.transpose(self)

    @property
    def mT(self) -> Any:
        """The last two dimensions exchanged."""
        return ops.swapaxes(self, -1, -2)

    def expand(self, *sizes: Any) -> Any:
        """Dimensions of length 1 repeated without memory; -1 keeps a length."""
        wanted, mine = dims(sizes), np.shape(getattr(self, "array"))  # noqa: B009 (a slot of Tensor)
        new = len(wanted) - len(mine)
        return ops.broadcast_to(self, shape=[mine[i - new] if n == -1 else n for i, n in enumerate(wanted)])

    def repeat(self, *sizes: Any) -> Any:
        """Copies beside each other, so many along each dimension; new dimensions come first."""
        times, shape = shape_of(dims(sizes), "repeat: sizes"), np.shape(getattr(self, "array"))  # noqa: B009
        if len(times) < len(shape) or any(n < 0 for n in times):
            raise ValueError(f"repeat: sizes wants {len(shape)} whole numbers or more, of at least 0; got {times}")
        mine = (1,) * (len(times) - len(shape)) + shape
        x = ops.reshape(self, [n for length in mine for n in (1, length)])
        x = ops.copy(ops.broadcast_to(x, [n for pair in zip(times, mine, strict=True) for n in pair]))
        return ops.reshape(x, [n * length for n, length in zip(times, mine, strict=True)])

    def broadcast_to(self, shape: Any) -> Any:
        """The array repeated along new or length-1 dimensions, without memory."""
        return ops.broadcast_to(self, shape=shape)

    def flip(self, *dim: Any) -> Any:
        """Order reversed along dimensions."""
        return ops.flip(self, axis=dims(dim))

    def split(self, size: Any, dim: int = 0) -> Any:
        """Pieces of length `size` along `dim`, or of the lengths in a list."""
        return ops.split_sizes(self, size, axis=dim)

    def chunk(self, chunks: int, dim: int = 0) -> Any:
        """At most `chunks` pieces of equal length, but for the last."""
        if not isinstance(chunks, int) or chunks < 1:
            raise ValueError(f"chunk: chunks wants a whole number of at least 1; got {chunks!r}")
        length = getattr(self, "array").shape[dim]  # noqa: B009
        return ops.split_sizes(self, max(1, -(-length // chunks)), axis=dim)

    def unbind(self, dim: int = 0) -> tuple[Any, ...]:
        """Views of all positions along `dim`, without that dimension."""
        shape = np.shape(getattr(self, "array"))  # noqa: B009 (a slot of Tensor)
        axis = an_axis(dim, len(shape), "unbind: dim")
        return tuple(ops.index(self, (slice(None),) * axis + (i,)) for i in range(shape[axis]))

    def index_select(self, dim: int, index: Any) -> Any:
        """The rows of dimension `dim` at positions `index`."""
        return ops.take(self, index, axis=dim)

    def __getitem__(self, key: Any) -> Any:
        return ops.getitem(self, key)


UFUNCS = {
    "add": ops.add,
    "subtract": ops.subtract,
    "multiply": ops.multiply,
    "divide": ops.divide,
    "power": ops.power,
    "matmul": ops.matmul,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "negative": ops.negative,
    "absolute": ops.abs,
    "exp": ops.exp,
    "log": ops.log,
    "log1p": ops.log1p,
    "expm1": ops.expm1,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "tanh": ops.tanh,
}
