"""Windows that slide over images: attributes in one form, sizes, and the copies between images and matrices."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ._forms import shape_of

Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]


def space_of(op: str, rank: int) -> int:
    """How many axes of space an array of images has."""
    if not 3 <= rank <= 5:
        raise ValueError(f"{op}: x wants 3, 4 or 5 axes: images, channels and 1 to 3 of space; got {rank}")
    return rank - 2


def for_each_axis(op: str, name: str, value: Any, n: int, least: int) -> Sizes:
    """One number for each axis of space; a single one counts for all."""
    sizes = shape_of(value, f"{op}: {name}")
    sizes = sizes * n if len(sizes) == 1 else sizes
    if len(sizes) != n or any(s < least for s in sizes):
        raise ValueError(
            f"{op}: {name} wants one number of at least {least}, or one for each of {n} axes; got {value!r}"
        )
    return sizes


def before_and_after(op: str, name: str, value: Any, n: int) -> Sizes:
    """Two numbers for each axis in one flat tuple; one number, or one for each axis, counts for both ends."""
    given = value if isinstance(value, (tuple, list)) else (value,)
    flat = shape_of(
        [i for part in given for i in (part if isinstance(part, (tuple, list)) else (part,))], f"{op}: {name}"
    )
    if len(flat) == 1:
        flat = flat * n
    if len(flat) == n and not any(isinstance(part, (tuple, list)) for part in given):
        flat = tuple(i for i in flat for _ in range(2))
    if len(flat) != 2 * n or any(i < 0 for i in flat):
        wants = f"one number of at least 0, one for each of {n} axes, or a pair for each"
        raise ValueError(f"{op}: {name} wants {wants}; got {value!r}")
    return flat


def spans(kernel: Sizes, dilation: Sizes) -> Sizes:
    """From the first to the last value that a window touches."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def windows(space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Sizes:
    """How many windows fit along each axis."""
    grown = [n + a + b for n, a, b in zip(space, padding[::2], padding[1::2], strict=True)]
    return tuple((n - w) // s + 1 for n, w, s in zip(grown, spans(kernel, dilation), stride, strict=True))


def grouped_windows(x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int) -> Array:
    """im2col: a row for each window of x (n, c, *space), (groups, n * windows, c / groups * kernel)."""
    n, c, *space = x.shape
    r = len(space)
    frame = np.zeros((n, c, *(s + a + b for s, a, b in zip(space, padding[::2], padding[1::2], strict=True))), x.dtype)
    frame[inside(space, padding)] = x
    seen = sliding_window_view(frame, spans(kernel, dilation), axis=tuple(range(2, 2 + r)))
    steps: Any = tuple(slice(None, None, n) for n in (*stride, *dilation))
    seen = seen[(slice(None), slice(None), *steps)]
    seen = seen.reshape(n, groups, c // groups, *seen.shape[2:])
    seen = seen.transpose(1, 0, *range(3, 3 + r), 2, *range(3 + r, 3 + 2 * r))
    return seen.reshape(groups, math.prod(seen.shape[1 : 2 + r]), math.prod(seen.shape[2 + r :]))


def inside(space: Sequence[int], padding: Sizes) -> tuple[Any, ...]:
    """Where the values lie in their frame."""
    return (..., *(slice(a, a + s) for s, a in zip(space, padding[::2], strict=True)))


def added_windows(
    columns: Array, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int, out: Sizes
) -> Array:
    """col2im: rows of windows added up to images of this shape, the transpose of `grouped_windows`."""
    n, c, *space = shape
    r = len(space)
    parts = columns.reshape(groups, n, *out, c // groups, *kernel)
    parts = parts.transpose(*range(2 + r + 1, 3 + 2 * r), 1, 0, 2 + r, *range(2, 2 + r)).reshape(*kernel, n, c, *out)
    # The last windows may end before the frame does, or a frame of an output padding behind it.
    reach = [(o - 1) * s + w for o, s, w in zip(out, stride, spans(kernel, dilation), strict=True)]
    ends = [s + a for s, a in zip(space, padding[::2], strict=True)]
    frame = np.zeros((n, c, *map(max, reach, ends)), columns.dtype)
    for at in itertools.product(*map(range, kernel)):
        where: Any = tuple(
            slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in zip(at, dilation, out, stride, strict=True)
        )
        frame[(..., *where)] += parts[at]
    return np.ascontiguousarray(frame[inside(space, padding)])
