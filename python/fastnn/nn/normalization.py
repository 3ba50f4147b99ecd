"""Normalization layers."""

from __future__ import annotations

import operator
from typing import Any

from .._tensor import Tensor
from . import functional as F
from . import init
from .linear import unfilled
from .module import Module
from .parameter import Parameter


def lengths(layer: str, normalized_shape: Any) -> tuple[int, ...]:
    """The lengths of the dimensions to normalize over."""
    sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    try:
        return tuple(operator.index(n) for n in sizes)
    except TypeError:
        raise TypeError(f"{layer}: normalized_shape wants whole numbers; got {normalized_shape!r}") from None


class LayerNorm(Module):
    r"""Mean 0 and variance 1 over the last dimensions, then times weight, plus bias.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of those dimensions.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether there is a weight.
    bias : bool
        Whether there is a bias beside the weight.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional

    Attributes
    ----------
    weight, bias : Parameter (*normalized_shape), or None
        Ones and zeros to begin with.

    Notes
    -----
    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.LayerNorm(2)(fastnn.tensor([[1.0, 3.0]]))
    tensor([[-1.,  1.]], grad_fn=<layer_norm>)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = lengths("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(name, unfilled(self.normalized_shape, device, dtype) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones for the weight, zeros for the bias."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Tensor:
        """The input normalized over its last dimensions."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The shape and what there is."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    r"""Root mean square 1 over the last dimensions, then times weight.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The lengths of those dimensions.
    eps : float, optional
        Added to the mean square; by default the distance from 1 to the next number of the dtype.
    elementwise_affine : bool
        Whether there is a weight.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional

    Attributes
    ----------
    weight : Parameter (*normalized_shape), or None
        Ones to begin with.

    Notes
    -----
    Source: Zhang and Sennrich, Root mean square layer normalization, NeurIPS 2019.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.RMSNorm(2)(fastnn.tensor([[-2.0, 2.0]]))
    tensor([[-1.,  1.]], grad_fn=<rms_norm>)
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = lengths("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = unfilled(self.normalized_shape, device, dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones for the weight."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Tensor:
        """The input normalized over its last dimensions."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The shape and what there is."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    r"""Mean 0 and variance 1 of groups of each sample's channels, then times weight, plus bias.

    Parameters
    ----------
    num_groups : int
        Into how many the channels are divided.
    num_channels : int
    eps : float
        Added to the variance.
    affine : bool
        Whether there are weight and bias, one value for each channel.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional
    bias : bool
        Whether there is a bias beside the weight.

    Attributes
    ----------
    weight, bias : Parameter (num_channels,), or None
        Ones and zeros to begin with.

    Raises
    ------
    ValueError
        Where num_groups does not divide num_channels.

    Notes
    -----
    Source: Wu and He, Group normalization, ECCV 2018.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.GroupNorm(2, 4, eps=0.0, affine=False)(fastnn.tensor([[1.0, 3.0, 10.0, 20.0]]))
    tensor([[-1.,  1., -1.,  1.]])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, unfilled((num_channels,), device, dtype) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Ones for the weight, zeros for the bias."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Tensor:
        """The input (N, num_channels, ...) normalized by groups of channels."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Groups, channels and settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    r"""Each value over a power of the mean square of channels near it; see `fastnn.ops.local_response_norm`.

    Parameters
    ----------
    size : int
        How many channels are near.
    alpha, beta, k : float

    Notes
    -----
    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification, NeurIPS 2012.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.LocalResponseNorm(1, alpha=1.0, beta=1.0)(fastnn.ones(1, 1, 1))
    tensor([[[0.5]]])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Tensor:
        """The input (N, C, ...) over powers of its mean squares."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
