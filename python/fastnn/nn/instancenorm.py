"""Instance normalization layers."""

from __future__ import annotations

import warnings
from typing import Any

from .._tensor import Tensor
from . import functional as F
from .batchnorm import _Tracking


class _InstanceNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Tensor:
        """The input normalized by its own statistics, in evaluation by running ones where they are kept."""
        x = self.accepted(input)
        batched = x.ndim == self.ranks[-1]
        channels = x.shape[-self.ranks[0]]
        if channels != self.num_features:
            if self.affine:
                raise ValueError(f"expected {self.num_features} channels; got input of shape {x.shape}")
            warnings.warn(
                f"input has {channels} channels, num_features is {self.num_features}; it is not used, since "
                "affine is False",
                stacklevel=3,
            )
        own = self.training or not self.track_running_stats
        y = F.instance_norm(
            x if batched else x.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            own,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y if batched else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    r"""Mean 0 and variance 1 of each channel of each sample, then times weight, plus bias; for (N, C, L) or (C, L).

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of new inputs in the running statistics; None is 0.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        Whether running statistics are kept, which evaluation then uses.
    device : "cpu", optional
    dtype : float32, float64 or their names, optional
    bias : bool
        Whether there is a bias beside the weight.

    Attributes
    ----------
    weight, bias : Parameter (C,), or None
        Ones and zeros to begin with.
    running_mean, running_var : Tensor (C,), or None

    Notes
    -----
    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.InstanceNorm1d(1, eps=0.0)(fastnn.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.,  1.]]])
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of images (N, C, H, W) or (C, H, W); see `InstanceNorm1d`.

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
    >>> fastnn.nn.InstanceNorm2d(3)(fastnn.rand(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of volumes (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm1d`.

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
    >>> fastnn.nn.InstanceNorm3d(3)(fastnn.rand(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    ranks = (4, 5)
