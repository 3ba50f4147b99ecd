"""Batch normalization layers."""

from __future__ import annotations

import operator
from typing import Any

from .. import ops
from .._creation import as_tensor, ones, tensor, zeros
from .._tensor import Tensor
from . import functional as F
from . import init
from .linear import unfilled
from .module import Module
from .parameter import Parameter


class _Tracking(Module):
    """What batch and instance normalization share: parameters, running statistics, and the ranks they take."""

    ranks: tuple[int, ...]
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        try:
            self.num_features = operator.index(num_features)
        except TypeError:
            raise TypeError(f"{type(self).__name__}: num_features wants a whole number; got {num_features!r}") from None
        self.eps, self.momentum, self.affine, self.track_running_stats = eps, momentum, affine, track_running_stats
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, unfilled((self.num_features,), device, dtype) if there else None)
        there = track_running_stats
        self.register_buffer("running_mean", zeros(self.num_features, dtype=dtype) if there else None)
        self.register_buffer("running_var", ones(self.num_features, dtype=dtype) if there else None)
        self.register_buffer("num_batches_tracked", tensor(0) if there else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.running_mean is not None:
            self.running_mean.zero_()
        if self.running_var is not None:
            self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Ones for the weight, zeros for the bias, and statistics as they were at first."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def accepted(self, input: Any) -> Tensor:
        """The input, if it has the number of dimensions that the layer is for."""
        x = as_tensor(input)
        if x.ndim not in self.ranks:
            wants = " or ".join(f"{r}D" for r in self.ranks)
            raise ValueError(f"expected {wants} input (got {x.ndim}D input)")
        return x

    def extra_repr(self) -> str:
        """Features and settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Tensor:
        """The input normalized by the batch's statistics in training, else by the running ones where they are kept."""
        x = self.accepted(input)
        if not self.training and self.running_mean is not None:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        tracked = self.running_mean is not None and self.track_running_stats
        running = [self.running_mean, self.running_var, self.num_batches_tracked] if tracked else []
        y: Tensor = ops.batch_norm(x, self.weight, self.bias, running, momentum=self.momentum, eps=self.eps)
        return y


class BatchNorm1d(_BatchNorm):
    r"""Mean 0 and variance 1 of each channel over the batch, then times weight, plus bias; for (N, C) or (N, C, L).

    In training the batch's own statistics are used, and running ones are moved towards them; in evaluation the running
    ones are used.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of a new batch in the running statistics; None averages over all batches.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        Whether running statistics are kept; without them evaluation uses the batch's, too.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional
    bias : bool
        Whether there is a bias beside the weight.

    Attributes
    ----------
    weight, bias : Parameter (C,), or None
        Ones and zeros to begin with.
    running_mean, running_var : Tensor (C,), or None
        Buffers; the variance is the unbiased one.
    num_batches_tracked : Tensor (), or None

    Notes
    -----
    Source: Ioffe and Szegedy, Batch normalization, ICML 2015.

    Examples
    --------
    >>> import fastnn
    >>> layer = fastnn.nn.BatchNorm1d(1, eps=0.0)
    >>> layer(fastnn.tensor([[1.0], [3.0]]))
    tensor([[-1.],
            [ 1.]], grad_fn=<batch_norm>)
    >>> layer.running_mean
    tensor([0.2])
    """

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of images (N, C, H, W); see `BatchNorm1d`.

    Parameters
    ----------
    num_features : int
    eps : float
    momentum : float or None
    affine, track_running_stats : bool
    device : "cpu", optional
    dtype : float32, float64 or their names, optional
    bias : bool

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.BatchNorm2d(3)(fastnn.rand(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of volumes (N, C, D, H, W); see `BatchNorm1d`.

    Parameters
    ----------
    num_features : int
    eps : float
    momentum : float or None
    affine, track_running_stats : bool
    device : "cpu", optional
    dtype : float32, float64 or their names, optional
    bias : bool

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.BatchNorm3d(3)(fastnn.rand(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    ranks = (5,)
