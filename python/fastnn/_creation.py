"""Making Tensors from data, of constants, and joining them: PyTorch's names and arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import ops
from ._dtypes import float32, float64, int64
from ._engine import no_grad
from ._registry import state
from ._tensor import Tensor, make

Array = np.ndarray[Any, Any]


def set_default_dtype(dtype: Any) -> None:
    """Choose what Python's floats, and layers without a dtype argument, become.

    Parameters
    ----------
    dtype : float32 or float64

    Raises
    ------
    TypeError
        For any other dtype.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.set_default_dtype(fastnn.float64)
    >>> fastnn.tensor([1.5]).dtype
    dtype('float64')
    >>> fastnn.set_default_dtype(fastnn.float32)
    """
    wanted = dtype_of(dtype)
    if wanted not in (float32, float64):
        raise TypeError(f"set_default_dtype: dtype wants float32 or float64; got {wanted}")
    if state.recorder is not None:
        state.recorder.refuse("set_default_dtype")
    state.default_dtype = wanted
    state.bump()


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python's floats become.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.get_default_dtype()
    dtype('float32')
    """
    return state.default_dtype


def dtype_of(dtype: Any) -> np.dtype[Any]:
    """A dtype for Tensors from a NumPy dtype, type or name."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype wants a NumPy dtype or its name; got {dtype!r}") from None
    if dtype is None or wanted.kind not in "fiub":
        raise TypeError(f"dtype wants floats, whole numbers or bool; got {dtype!r}")
    return np.dtype(wanted.type)  # the one object of a native dtype


def sizes_of(sizes: tuple[Any, ...], name: str = "size") -> tuple[int, ...]:
    """Lengths given one by one or as one sequence."""
    given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
    try:
        shape = tuple(operator.index(n) for n in given)
    except TypeError:
        raise TypeError(f"{name} wants whole numbers; got {given!r}") from None
    if any(n < 0 for n in shape):
        raise ValueError(f"{name} wants lengths of 0 or more; got {shape}")
    return shape


def leaf(array: Array, requires_grad: bool) -> Tensor:
    """A new Tensor; no plan can depend on it, so wanting its gradient is no news to them."""
    t = make(array, None, 0)
    if requires_grad:
        if array.dtype.kind != "f":
            raise RuntimeError(f"only Tensors of floating point dtype can require gradients; got {array.dtype}")
        t.requires = True
    return t


def constant(array: Array, requires_grad: bool = False) -> Tensor:
    """A Tensor of values that fastnn or Python's literals made.

    While a step is recorded the array itself belongs to the plan and the Tensor is a recorded copy of it: what the
    step then writes into it in place, it writes anew at each replay.
    """
    if state.recorder is not None:
        state.recorder.constant(array)
        array = ops.copy(array)
    return leaf(array, requires_grad)


def numbers(data: Any, name: str) -> Array:
    """An array of Python's numbers in nested lists: floats of the default dtype, whole numbers int64, bools bool.

    NumPy's and fastnn's own values among them keep their dtype.
    """
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    try:
        array = np.array(data)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: data wants numbers in nested lists of equal lengths; {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: data wants numbers; got {type(first).__name__} (dtype {array.dtype})")
    if array.dtype == float64 and not isinstance(first, (np.ndarray, np.generic, Tensor)):
        array = array.astype(state.default_dtype)
    return array


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor over a copy of the data.

    Parameters
    ----------
    data : array_like
        An array, keeping its dtype and memory order, a Tensor, a number, or nested lists of numbers.
    dtype : dtype or its name, optional
        That of the data; Python's floats become the default dtype, whole numbers int64, bools bool.
    requires_grad : bool
        Whether ``backward`` shall put a gradient into ``.grad``.

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError, ValueError
        Where the data are no numbers, or lists of unequal lengths.
    RuntimeError
        Where a gradient is wanted for whole numbers or bools.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    >>> fastnn.tensor([1, 2, 3]).dtype
    dtype('int64')
    """
    wanted = None if dtype is None else dtype_of(dtype)
    if isinstance(data, Tensor):
        if state.recorder is None:
            return leaf(np.array(data.array, wanted, order="K"), requires_grad)
        with no_grad():
            copied = ops.copy(data) if wanted in (None, data.dtype) else ops.cast(data, dtype=wanted)
        return leaf(copied.array, requires_grad)
    if isinstance(data, (np.ndarray, np.generic)):
        return leaf(native(np.array(data, order="K", subok=False), wanted, "tensor"), requires_grad)
    return constant(native(numbers(data, "tensor"), wanted, "tensor"), requires_grad)


def native(array: Array, wanted: np.dtype[Any] | None, name: str) -> Array:
    """An array of numbers in this machine's byte order and the wanted dtype."""
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: data wants numbers; got dtype {array.dtype}")
    return array.astype(wanted or array.dtype.type, order="K", copy=False)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """The data as a Tensor, sharing memory with an array and being a Tensor itself where it is one.

    Parameters
    ----------
    data : array_like
    dtype : dtype or its name, optional
        Copies where the data have another.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import numpy as np
    >>> import fastnn
    >>> a = np.zeros(2)
    >>> t = fastnn.as_tensor(a)
    >>> a[0] = 5.0
    >>> t
    tensor([5., 0.], dtype=float64)
    """
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype_of(dtype))
    if type(data) is np.ndarray and dtype is None and data.dtype.isnative and data.dtype.kind in "fiub":
        return make(data, None, 0)
    wanted = None if dtype is None else dtype_of(dtype)
    if isinstance(data, (np.ndarray, np.generic)):
        return make(native(np.asarray(data), wanted, "as_tensor"), None, 0)
    if hasattr(data, "__array__"):
        return make(native(np.asarray(data), wanted, "as_tensor"), None, 0)
    return constant(native(numbers(data, "as_tensor"), wanted, "as_tensor"))


def from_numpy(array: Any) -> Tensor:
    """A Tensor on the memory of an array.

    Parameters
    ----------
    array : numpy.ndarray

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        For anything but an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnn
    >>> fastnn.from_numpy(np.arange(3))
    tensor([0, 1, 2])
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: array wants a numpy.ndarray; got {type(array).__name__}")
    return as_tensor(array)


def filled(value: Any, sizes: tuple[Any, ...], dtype: Any, requires_grad: bool) -> Tensor:
    """A constant of one value."""
    wanted = state.default_dtype if dtype is None else dtype_of(dtype)
    return constant(np.full(sizes_of(sizes), value, wanted), requires_grad)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros, by default of the default dtype.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return filled(0, size, dtype, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones, by default of the default dtype.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.ones((3,))
    tensor([1., 1., 1.])
    """
    return filled(1, size, dtype, requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor whose values are not defined; zeros while a step is recorded.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.empty(2, 3).shape
    (2, 3)
    """
    if state.recorder is not None:
        return zeros(*size, dtype=dtype, requires_grad=requires_grad)
    wanted = state.default_dtype if dtype is None else dtype_of(dtype)
    return leaf(np.empty(sizes_of(size), wanted), requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of one value; its dtype follows from the value, Python's floats become the default dtype.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.full((2,), 7)
    tensor([7, 7])
    """
    value = np.asarray(fill_value) if isinstance(fill_value, (Tensor, np.ndarray)) else numbers(fill_value, "full")
    if value.ndim:
        raise TypeError(f"full: fill_value wants a number; got values of shape {value.shape}")
    return filled(value, (size,), value.dtype if dtype is None else dtype, requires_grad)


def zeros_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape, dtype and memory order of `input`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.zeros_like(fastnn.tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape, dtype and memory order of `input`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.ones_like(fastnn.tensor([1.5, 2.5]))
    tensor([1., 1.])
    """
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad)


def full_like(input: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """One value in the shape, dtype and memory order of `input`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.full_like(fastnn.zeros(2), 3)
    tensor([3., 3.])
    """
    like = as_tensor(input).array
    wanted = like.dtype if dtype is None else dtype_of(dtype)
    return constant(np.full_like(like, fill_value, wanted), requires_grad)


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from `start` (0 where only one number is given) in steps, before `end`.

    Returns
    -------
    Tensor
        int64 where all three are whole numbers, else of the default dtype.

    Raises
    ------
    ValueError
        Where step is 0.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.arange(1, 2.5, 0.5)
    tensor([1. , 1.5, 2. ])
    """
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ValueError("arange: step wants a number other than 0")
    whole = all(isinstance(n, (int, np.integer)) for n in (start, end, step))
    wanted = dtype_of(dtype) if dtype is not None else int64 if whole else state.default_dtype
    return constant(np.arange(start, end, step).astype(wanted), requires_grad)


def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    wanted = state.default_dtype if dtype is None else dtype_of(dtype)
    (count,) = sizes_of((steps,), "steps")
    return constant(np.linspace(start, end, count).astype(wanted), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix of n rows and m (or n) columns.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    wanted = state.default_dtype if dtype is None else dtype_of(dtype)
    return constant(np.eye(*sizes_of((n, n if m is None else m)), dtype=wanted), requires_grad)


def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new dimension.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.stack([fastnn.zeros(2), fastnn.ones(2)], dim=1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    return ops.stack([as_tensor(t) for t in tensors], axis=dim)  # type: ignore[no-any-return]


def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors one after the other along a dimension.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.cat([fastnn.zeros(1), fastnn.ones(2)])
    tensor([0., 1., 1.])
    """
    return ops.concatenate([as_tensor(t) for t in tensors], axis=dim)  # type: ignore[no-any-return]


concatenate = cat


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """Elements of `input` where `condition`, else of `other`, with broadcasting.

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([-1.0, 2.0])
    >>> fastnn.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    return ops.where(as_tensor(condition), input, other)  # type: ignore[no-any-return]
