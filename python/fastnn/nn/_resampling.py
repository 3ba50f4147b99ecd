"""Images in another size as functions, under PyTorch's names and arguments."""

from __future__ import annotations

from typing import Any

from .. import ops
from .._creation import as_tensor
from .._tensor import Tensor

LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}  # by the rank of the input


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Images in another size; see `fastnn.ops.interpolate`.

    Parameters
    ----------
    input : array_like (N, C, *space), with 1 to 3 axes of space
    size : int, or one for each axis, optional
        Of the result.
    scale_factor : float, or one for each axis, optional
        What lengths are multiplied with, instead of `size`.
    mode : {"nearest", "linear", "bilinear", "trilinear"}
        The linear one is named by the number of axes.
    align_corners : bool, optional
        For linear modes: whether the centers of the outermost values stay in place. False by default.
    recompute_scale_factor : bool, optional
        Whether the ratio of lengths takes the place of scale_factor where the new length was rounded.
    antialias : bool
        False; another one is refused.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        For other modes and shapes; unless one of size and scale_factor is given; where align_corners, antialias or
        recompute_scale_factor do not go with the others.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.interpolate([[[1.0, 3.0]]], scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    """
    x = as_tensor(input)
    if mode not in ("nearest", *LINEAR.values()):
        raise ValueError(f"interpolate: mode wants one of nearest, {', '.join(LINEAR.values())}; got {mode!r}")
    if mode != "nearest" and LINEAR.get(x.ndim) != mode:
        raise ValueError(f"interpolate: mode {mode!r} does not go with an input of shape {x.shape}")
    if mode == "nearest" and align_corners is not None:
        raise ValueError("align_corners option can only be set with the modes linear, bilinear and trilinear")
    if antialias:
        raise ValueError(f"interpolate: antialias wants False; got {antialias!r}")
    if recompute_scale_factor:
        if size is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * (x.ndim - 2)
        size, scale_factor = tuple(int(n * float(f)) for n, f in zip(x.shape[2:], factors, strict=True)), None
    y: Tensor = ops.interpolate(x, size=size, scale_factor=scale_factor, method=mode, align_corners=bool(align_corners))
    return y


def pixel_shuffle(input: Any, upscale_factor: int) -> Tensor:
    """Channels as finer pixels; see `fastnn.ops.pixel_shuffle`.

    Parameters
    ----------
    input : array_like (..., C upscale_factor^2, H, W)
    upscale_factor : int

    Returns
    -------
    Tensor (..., C, H upscale_factor, W upscale_factor)

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.pixel_shuffle([[[0.0]], [[1.0]], [[2.0]], [[3.0]]], 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    return ops.pixel_shuffle(as_tensor(input), factor=upscale_factor)  # type: ignore[no-any-return]


def pixel_unshuffle(input: Any, downscale_factor: int) -> Tensor:
    """Pixels as channels, the inverse of `pixel_shuffle`; see `fastnn.ops.pixel_unshuffle`.

    Parameters
    ----------
    input : array_like (..., C, H downscale_factor, W downscale_factor)
    downscale_factor : int

    Returns
    -------
    Tensor (..., C downscale_factor^2, H, W)

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.pixel_unshuffle([[[0.0, 1.0], [2.0, 3.0]]], 2).shape
    (4, 1, 1)
    """
    return ops.pixel_unshuffle(as_tensor(input), factor=downscale_factor)  # type: ignore[no-any-return]
