"""Random Tensors, drawn on the host by NumPy's Philox: the same numbers on every backend."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import random
from ._creation import dtype_of, leaf, sizes_of
from ._dtypes import int64
from ._registry import state
from ._tensor import Tensor

Array = np.ndarray[Any, Any]
GRID = 24  # bits of a float32's fraction: uniform numbers on this grid are exact, and less than 1


def generator_of(generator: Any) -> np.random.Generator:
    """The generator to draw from: fastnn's own where none is given."""
    if generator is None:
        return random.host()
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"generator wants a numpy.random.Generator; got {type(generator).__name__}")
    random.refuse_while_recording("a random draw on the host")
    return generator


def uniform(generator: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Numbers from [0, 1) of the dtype; in float32 those of float64 with the last bits cut off."""
    drawn = generator.random(shape)
    if dtype == np.float64:
        return drawn
    return (np.floor(drawn * 2.0**GRID) * 2.0**-GRID).astype(dtype)


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """A float dtype, the default one for None."""
    wanted = state.default_dtype if dtype is None else dtype_of(dtype)
    if wanted.kind != "f":
        raise TypeError(f"dtype wants floats; got {wanted}")
    return wanted


def rand(*size: Any, generator: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers drawn uniformly from [0, 1).

    Parameters
    ----------
    *size : int, or one sequence of int
    generator : numpy.random.Generator, optional
        fastnn's own, which `manual_seed` starts anew.
    dtype : dtype or its name, optional
    requires_grad : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.rand(2, 3).shape
    (2, 3)
    """
    return leaf(uniform(generator_of(generator), sizes_of(size), float_dtype(dtype)), requires_grad)


def randn(*size: Any, generator: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers drawn from the standard normal distribution; arguments as of `rand`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.manual_seed(0)
    >>> a = fastnn.randn(4)
    >>> fastnn.manual_seed(0)
    >>> bool((fastnn.randn(4) == a).numpy().all())
    True
    """
    drawn = generator_of(generator).standard_normal(sizes_of(size))
    return leaf(drawn.astype(float_dtype(dtype)), requires_grad)


def randint(low: Any = 0, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None) -> Tensor:
    """Whole numbers drawn uniformly from [low, high); ``randint(high, size)`` begins at 0.

    Raises
    ------
    TypeError, ValueError
        Where size is missing; where low is not below high.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.randint(5, (100,)).amax() < 5
    tensor(True)
    """
    if size is None and isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: size wants a sequence of whole numbers; got {size!r}")
    if not low < high:
        raise ValueError(f"randint: low wants a number below high; got low {low}, high {high}")
    drawn = generator_of(generator).integers(low, high, sizes_of((size,)))
    return leaf(drawn.astype(int64 if dtype is None else dtype_of(dtype)), False)


def randperm(n: int, *, generator: Any = None, dtype: Any = None) -> Tensor:
    """The numbers from 0 to n - 1 in random order.

    Examples
    --------
    >>> import fastnn
    >>> sorted(fastnn.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    (count,) = sizes_of((n,), "n")
    order = generator_of(generator).permutation(count)
    return leaf(order.astype(int64 if dtype is None else dtype_of(dtype)), False)
