"""Linear layers, and those that only change the shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import ops
from .._creation import as_tensor, dtype_of
from .._registry import state
from .._tensor import Tensor
from . import init
from .module import Module, on_cpu
from .parameter import Parameter


def unfilled(shape: tuple[int, ...], device: Any, dtype: Any) -> Parameter:
    """A Parameter that an initialization is going to fill."""
    on_cpu(device)
    return Parameter(np.empty(shape, state.default_dtype if dtype is None else dtype_of(dtype)))


class Linear(Module):
    r"""Affine map of the last dimension, :math:`y = x W^\top + b`.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    device : "cpu", optional
    dtype : float32, float64 or their names, optional

    Attributes
    ----------
    weight : Parameter (out_features, in_features)
    bias : Parameter (out_features,), or None

    Notes
    -----
    Both start from :math:`U(-1/\sqrt{in}, 1/\sqrt{in})`, as in PyTorch.

    Examples
    --------
    >>> import fastnn
    >>> layer = fastnn.nn.Linear(3, 2)
    >>> layer(fastnn.zeros(5, 3)).shape
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
                raise TypeError(f"Linear: {name} wants a whole number; got {n!r}")
            if n < 0:
                raise ValueError(f"Linear: {name} wants a number of at least 0; got {n}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.weight = unfilled((self.out_features, self.in_features), device, dtype)
        self.register_parameter("bias", unfilled((self.out_features,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0  # kaiming_uniform_ with a = sqrt(5)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Tensor:
        """The affine map of the last dimension of `input`, (..., in_features)."""
        return ops.linear(input, self.weight, self.bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """Sizes, and whether there is a bias."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Gives back what it gets; arguments of the constructor are ignored.

    Examples
    --------
    >>> from fastnn import nn
    >>> nn.Identity(54, unused=True)(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Flatten(Module):
    """Dimensions start_dim to end_dim joined into one; by default all but the first.

    Parameters
    ----------
    start_dim, end_dim : int

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Flatten()(fastnn.zeros(2, 3, 4)).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Tensor:
        """The input in its flat shape."""
        return as_tensor(input).flatten(self.start_dim, self.end_dim)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One dimension taken apart into several.

    Parameters
    ----------
    dim : int
    unflattened_size : sequence of int
        One length may be -1: what is left over.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Unflatten(1, (3, 4))(fastnn.zeros(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim wants a whole number; got {dim!r}")
        if not isinstance(unflattened_size, (tuple, list)) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size wants a tuple of whole numbers; got {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Any) -> Tensor:
        """The input in its new shape."""
        x = as_tensor(input)
        if not -x.ndim <= self.dim < x.ndim:
            raise IndexError(f"Unflatten: dim {self.dim} is out of range for an input of {x.ndim} dimensions")
        dim = self.dim % x.ndim
        return x.reshape(*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :])  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The dimension and its lengths."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
