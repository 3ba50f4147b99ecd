"""Layers that change the size of images."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from . import functional as F
from .module import Module


class Upsample(Module):
    """Images in another size; see `fastnn.nn.functional.interpolate`.

    Parameters
    ----------
    size : int, or one for each axis, optional
        Of the result.
    scale_factor : float, or one for each axis, optional
        What lengths are multiplied with, instead of `size`.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
    align_corners : bool, optional
        For linear modes: whether the centers of the outermost values stay in place. False by default.
    recompute_scale_factor : bool, optional
        Whether the ratio of lengths takes the place of scale_factor where the new length was rounded.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.Upsample(scale_factor=2)(fastnn.rand(1, 3, 4, 5)).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        several = isinstance(scale_factor, (tuple, list))
        self.scale_factor = (
            tuple(map(float, scale_factor)) if several else float(scale_factor) if scale_factor else None
        )
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Any) -> Tensor:
        """The input (N, C, *space) in its new size."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """The size and the mode."""
        told = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{told}, mode={self.mode!r}"


class PixelShuffle(Module):
    """Channels as finer pixels: (..., C r^2, H, W) becomes (..., C, H r, W r).

    Parameters
    ----------
    upscale_factor : int
        r.

    Notes
    -----
    Source: Shi et al., Real-time single image and video super-resolution, CVPR 2016.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.PixelShuffle(2)(fastnn.rand(1, 8, 4, 5)).shape
    (1, 2, 8, 10)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Any) -> Tensor:
        """The input with finer pixels."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels as channels: (..., C, H r, W r) becomes (..., C r^2, H, W).

    Parameters
    ----------
    downscale_factor : int
        r.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.PixelUnshuffle(2)(fastnn.rand(1, 2, 8, 10)).shape
    (1, 8, 4, 5)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Any) -> Tensor:
        """The input with more channels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """The factor."""
        return f"downscale_factor={self.downscale_factor}"
