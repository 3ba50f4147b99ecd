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
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        try:
            self.normalized_shape = tuple(operator.index(n) for n in sizes)
        except TypeError:
            raise TypeError(f"LayerNorm: normalized_shape wants whole numbers; got {normalized_shape!r}") from None
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
