"""Images in another size: interpolate, pixel_shuffle, pixel_unshuffle."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import array_like, whole
from ._pooling import check_space
from ._windows import Sizes, for_each_axis, space_of
from .shape import reshape, transpose

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle"]

Array = np.ndarray[Any, Any]
NEAREST, LINEAR = 0, 1
METHODS = {"nearest": NEAREST, "linear": LINEAR, "bilinear": LINEAR, "trilinear": LINEAR}


def ratios(scale_factor: Any, n: int) -> Sizes:
    """A fraction for each axis, all numbers in one flat tuple."""
    given = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,)
    if len(given) == 2 * n and all(type(i) is int and i > 0 for i in given):
        return tuple(given)
    given = tuple(given) * n if len(given) == 1 else tuple(given)
    try:
        factors = [float(f) for f in given]
    except (TypeError, ValueError):
        factors = []
    if len(factors) != n or not all(2.0**-60 < f < 2.0**60 for f in factors):
        raise ValueError(
            f"interpolate: scale_factor wants a positive number, or one for each of {n} axes; got {scale_factor!r}"
        )
    return tuple(i for f in factors for i in short_ratio(f))


def short_ratio(factor: float) -> tuple[int, int]:
    """The number as a fraction of whole numbers below 2^63."""
    top, bottom = factor.as_integer_ratio()
    while top >= 1 << 62 or bottom >= 1 << 62:
        top, bottom = top >> 1, bottom >> 1
    return top, bottom


def interpolate_form(rank: int, size: Any, scale_factor: Any, method: Any, align_corners: Any) -> tuple[Any, ...]:
    n = space_of("interpolate", rank)
    sizes = () if size is None or size == () else for_each_axis("interpolate", "size", size, n, 1)
    scales = () if scale_factor is None or scale_factor == () else ratios(scale_factor, n)
    if bool(sizes) == bool(scales):
        raise ValueError("interpolate: wants either size or scale_factor")
    code = METHODS.get(method, -1) if isinstance(method, str) else method
    if code not in (NEAREST, LINEAR):
        raise ValueError(f"interpolate: method wants one of {', '.join(METHODS)}; got {method!r}")
    return sizes, scales, code, int(bool(align_corners))


def sizes_of(space: Sizes, size: Sizes, scale_factor: Sizes) -> Sizes:
    """The lengths of the result's axes of space."""
    factors = zip(scale_factor[::2], scale_factor[1::2], strict=True)
    return size or tuple(int(n * (a / b)) for n, (a, b) in zip(space, factors, strict=True))


def check_interpolate(x: Any, size: Sizes, scale_factor: Sizes, method: int, align_corners: int) -> None:
    check_space("interpolate", x)
    if 0 in sizes_of(x.shape[2:], size, scale_factor):
        raise ValueError(f"interpolate: scale_factor leaves nothing of x of shape {x.shape}")


def neighbors(n: int, out: int, factor: float, method: int, align_corners: int) -> tuple[Array, Array, Array]:
    """For each of `out` positions two positions of n, and the weight of the second; `factor` 0 means out / n."""
    o = np.arange(out)
    if out == n:
        return o, o, np.zeros(out)
    if method == NEAREST:  # in float32 whatever the dtype, as PyTorch: which neighbor is nearer must not differ
        step = np.float32(1 / factor) if factor else np.float32(n) / np.float32(out)
        low = np.minimum(np.floor(o.astype(np.float32) * step).astype(np.int64), n - 1)
        return low, low, np.zeros(out)
    if align_corners:
        at = o * ((n - 1) / (out - 1) if out > 1 else 0.0)
    else:
        at = np.maximum((o + 0.5) * (1 / factor if factor else n / out) - 0.5, 0.0)
    low = np.minimum(at.astype(np.int64), n - 1)
    return low, np.minimum(low + 1, n - 1), np.where(low < n - 1, at - low, 0.0)


def tables(space: Sizes, out: Sizes, scale_factor: Sizes, method: int, align_corners: int) -> list[Any]:
    """`neighbors` for each axis."""
    pairs = zip(scale_factor[::2], scale_factor[1::2], strict=True)
    factors = [a / b for a, b in pairs] or [0.0] * len(space)
    each = zip(space, out, factors, strict=True)
    return [neighbors(n, o, f, method, align_corners) for n, o, f in each]


@op(
    saves="x.shape",
    canonical=interpolate_form,
    check=check_interpolate,
    kind="window",
    samples=[
        sample((2, 3, 5), size=8),
        sample((2, 3, 4, 5), scale_factor=2),
        sample((2, 18, 5, 6), size=(3, 9), method="bilinear"),
        sample((2, 3, 4, 5), scale_factor=(1.7, 0.6), method="bilinear"),
        sample((2, 3, 4, 5), size=(7, 1), method="bilinear", align_corners=True),
        sample((1, 2, 3, 4, 2), size=(5, 3, 4), method="trilinear"),
        sample((2, 2, 5), scale_factor=2.5, method="linear"),
    ],
    tol=Tol(4, 8, 8),
)
def interpolate(
    x: Array, *, size: Any = None, scale_factor: Any = None, method: Any = "nearest", align_corners: Any = 0
) -> Any:
    """Images in another size, by the nearest value or by straight lines between values.

    Parameters
    ----------
    x : array or Tensor (samples, channels, *space), float32 or float64, with 1 to 3 axes of space
    size : int, or one for each axis, optional
        Of the result.
    scale_factor : float, or one for each axis, optional
        What lengths are multiplied with, rounded down, instead of `size`.
    method : {"nearest", "linear", "bilinear", "trilinear"}
        All but the first mean the same.
    align_corners : bool
        Whether the centers of the outermost values stay in place; else their outer edges do.

    Returns
    -------
    array or Tensor (samples, channels, *size) like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes, shapes and methods; unless one of size and scale_factor is given.

    Notes
    -----
    The nearest neighbor is found in float32 arithmetic for either dtype; an axis that keeps its length is copied.
    Source: torch.nn.functional.interpolate.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.interpolate(np.array([[[1.0, 3.0]]]), size=4)
    array([[[1., 1., 3., 3.]]])
    >>> ops.interpolate(np.array([[[1.0, 3.0]]]), size=4, method="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    space = x.shape[2:]
    each = tables(space, sizes_of(space, size, scale_factor), scale_factor, method, align_corners)
    for axis, (low, high, weight) in reversed(list(enumerate(each, 2))):
        first = x.take(low, axis)
        if method == NEAREST:
            x = first
            continue
        w = weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
        x = np.where(w == 0, first, first * (1 - w) + x.take(high, axis) * w)
    return x


@interpolate.backward
def _(dy: Array, x_shape: Sizes, size: Sizes, scale_factor: Sizes, method: int, align_corners: int) -> Any:
    space = x_shape[2:]
    each = tables(space, sizes_of(space, size, scale_factor), scale_factor, method, align_corners)
    for axis, ((low, high, weight), n) in enumerate(zip(each, space, strict=True), 2):
        lines = np.ascontiguousarray(np.moveaxis(dy, axis, 0))
        out = np.zeros((n, *lines.shape[1:]), dy.dtype)
        for line, i, j, w in zip(lines, low, high, weight.astype(dy.dtype), strict=True):
            out[i] += (1 - w) * line
            if w:
                out[j] += w * line
        dy = np.moveaxis(out, 0, axis)
    return dy


def factor_form(op: str) -> Any:
    def form(_: int, factor: Any) -> tuple[int]:
        n = whole("factor", factor)
        if n < 1:
            raise ValueError(f"{op}: factor wants a positive number; got {factor}")
        return (n,)

    return form


def check_shuffle(x: Any, factor: int) -> None:
    array_like("pixel_shuffle", "x", x)
    if x.ndim < 3 or x.shape[-3] % (factor * factor):
        raise ValueError(f"pixel_shuffle: x wants a multiple of {factor * factor} channels; got shape {x.shape}")


@op(
    canonical=factor_form("pixel_shuffle"),
    check=check_shuffle,
    composite=True,
    kind="shape",
    samples=[sample((2, 8, 3, 2), factor=2), sample((9, 2, 3), factor=3)],
    tol=Tol(0, 0, 0),
)
def pixel_shuffle(x: Any, *, factor: int) -> Any:
    """Channels as finer pixels: (..., C factor^2, H, W) becomes (..., C, H factor, W factor).

    Parameters
    ----------
    x : array or Tensor (..., channels, height, width)
    factor : int

    Returns
    -------
    array or Tensor

    Raises
    ------
    TypeError, ValueError
        Where the channels are no multiple of factor^2.

    Notes
    -----
    Source: Shi et al., Real-time single image and video super-resolution, CVPR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), factor=2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    *lead, channels, height, width = x.shape
    n, c, f = len(lead), channels // (factor * factor), factor
    parts = reshape(x, shape=(*lead, c, f, f, height, width))
    parts = transpose(parts, axes=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(parts, shape=(*lead, c, height * f, width * f))


def check_unshuffle(x: Any, factor: int) -> None:
    array_like("pixel_unshuffle", "x", x)
    if x.ndim < 3 or x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"pixel_unshuffle: x wants multiples of {factor} for its last axes; got shape {x.shape}")


@op(
    canonical=factor_form("pixel_unshuffle"),
    check=check_unshuffle,
    composite=True,
    kind="shape",
    samples=[sample((2, 2, 6, 4), factor=2), sample((1, 6, 3), factor=3)],
    tol=Tol(0, 0, 0),
)
def pixel_unshuffle(x: Any, *, factor: int) -> Any:
    """Pixels as channels, the inverse of `pixel_shuffle`.

    Parameters
    ----------
    x : array or Tensor (..., channels, height, width)
    factor : int

    Returns
    -------
    array or Tensor (..., channels factor^2, height / factor, width / factor)

    Raises
    ------
    TypeError, ValueError
        Where height or width is no multiple of factor.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), factor=2).reshape(-1)
    array([0., 1., 2., 3.])
    """
    *lead, channels, height, width = x.shape
    n, f = len(lead), factor
    parts = reshape(x, shape=(*lead, channels, height // f, f, width // f, f))
    parts = transpose(parts, axes=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(parts, shape=(*lead, channels * f * f, height // f, width // f))
