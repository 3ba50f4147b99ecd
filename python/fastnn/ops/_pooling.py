"""Where the windows of a pooling lie: attributes in one form, and a slice for each window along each axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._forms import float_array
from ._windows import Sizes, for_each_axis, space_of

Array = np.ndarray[Any, Any]
Windows = list[list[slice]]  # for each axis of space, one for each window


def sliding_form(op: str, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Sizes, ...]:
    """All of them as tuples; windows begin every kernel_size values unless there is a stride."""
    n = space_of(op, rank)
    kernel = for_each_axis(op, "kernel_size", kernel_size, n, 1)
    strides = kernel if stride is None or stride == () else for_each_axis(op, "stride", stride, n, 1)
    around, apart = for_each_axis(op, "padding", padding, n, 0), for_each_axis(op, "dilation", dilation, n, 1)
    for k, p, d in zip(kernel, around, apart, strict=True):
        if p > (d * (k - 1) + 1) // 2:
            raise ValueError(f"{op}: padding wants at most half of kernel_size; got {around} and {kernel}")
    return kernel, strides, around, apart


def adaptive_form(op: str, rank: int, output_size: Any) -> tuple[Sizes]:
    """A size for each axis, -1 for as many windows as there are values."""
    n = space_of(op, rank)
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,)
    return (for_each_axis(op, "output_size", tuple(-1 if i is None else i for i in given), n, -1),)


def check_space(op: str, x: Any) -> None:
    """Refuse what is no float, and axes of space without values."""
    float_array(op, "x", x)
    space_of(op, x.ndim)
    if 0 in x.shape[2:]:
        raise ValueError(f"{op}: x wants at least one value on each axis of space; got shape {x.shape}")


def count(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: int) -> int:
    """How many windows there are; none of them begins in the padding behind."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1 + (stride - 1 if ceil_mode else 0)
    windows = room // stride + 1
    return windows - 1 if ceil_mode and (windows - 1) * stride >= n + padding else windows


def sliding(space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: int) -> Windows:
    """Windows without what lies in the padding."""
    found = []
    for n, k, s, p, d in zip(space, kernel, stride, padding, dilation, strict=True):
        windows = []
        for o in range(count(n, k, s, p, d, ceil_mode)):
            first = o * s - p
            windows.append(slice(first + max(0, -(first // d) * d), min(first + d * (k - 1) + 1, n), d))
        found.append(windows)
    return found


def adaptive(space: Sizes, sizes: Sizes) -> Windows:
    """Parts of nearly equal length, which may overlap."""
    counts = [n if o < 0 else o for n, o in zip(space, sizes, strict=True)]
    return [
        [slice(i * n // o, ((i + 1) * n + o - 1) // o, 1) for i in range(o)] for n, o in zip(space, counts, strict=True)
    ]


def check_sliding(
    op: str, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: int
) -> None:
    """Refuse an x that is smaller than the kernel, and windows that lie in the padding."""
    check_space(op, x)
    space = x.shape[2:]
    for n, k, s, p, d in zip(space, kernel, stride, padding, dilation, strict=True):
        if n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0) < 0:
            raise ValueError(f"{op}: kernel_size {kernel} wants more values than x of shape {x.shape} has")
    for windows in sliding(space, kernel, stride, padding, dilation, ceil_mode):
        if any(w.start >= w.stop for w in windows):
            raise ValueError(f"{op}: a window lies in the padding alone, for x of shape {x.shape}")


def lengths(windows: Windows) -> list[Array]:
    """How many values each window has along each axis."""
    return [np.array([len(range(w.start, w.stop, w.step)) for w in axis]) for axis in windows]


def padded_lengths(space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, counts: Sizes) -> list[Array]:
    """The same with the values in the padding."""
    firsts = [np.arange(c) * s - p for c, s, p in zip(counts, stride, padding, strict=True)]
    return [np.minimum(f + k, n + p) - f for f, k, n, p in zip(firsts, kernel, space, padding, strict=True)]


def product(each: list[Array]) -> Array:
    """One number for each window from those along the axes."""
    return np.asarray(math.prod(np.ix_(*each)))


def divisors(
    space: Sizes, windows: Windows, kernel: Sizes, stride: Sizes, padding: Sizes, padded: int, divisor: int
) -> Any:
    """What the sum of each window is divided by."""
    if divisor:
        return divisor
    counts = tuple(map(len, windows))
    return product(padded_lengths(space, kernel, stride, padding, counts) if padded else lengths(windows))


def fold(x: Array, windows: Windows, function: Any) -> Array:
    """`function` folds the first axis; one axis of space after the other is folded window by window."""
    if not all(windows):
        return np.empty((*x.shape[:2], *map(len, windows)), x.dtype)
    for axis, along in reversed(list(enumerate(windows, 2))):
        lines = np.ascontiguousarray(np.moveaxis(x, axis, 0))
        x = np.moveaxis(np.stack([function(lines[w]) for w in along]), 0, axis)
    return x


def spread(dy: Array, windows: Windows, space: Sizes) -> Array:
    """The transpose of sums over windows: each value is added to all of its window."""
    for axis, (along, n) in enumerate(zip(windows, space, strict=True), 2):
        lines = np.ascontiguousarray(np.moveaxis(dy, axis, 0))
        out = np.zeros((n, *lines.shape[1:]), dy.dtype)
        for line, window in zip(lines, along, strict=True):
            out[window] += line
        dy = np.moveaxis(out, 0, axis)
    return dy


def winner(x: Array) -> Array:
    """Positions along the first axis of the largest values: the first of equal ones, the last NaN."""
    first, nan = x.argmax(0), np.isnan(x)
    return np.where(nan.any(0), len(x) - 1 - nan[::-1].argmax(0), first) if nan.any() else first


def winners(x: Array, windows: Windows) -> Array:
    """The position in the image, in C order, of the largest value of each window."""
    space = x.shape[2:]
    if not all(windows):
        return np.empty((*x.shape[:2], *map(len, windows)), np.int64)
    at = np.broadcast_to(np.arange(math.prod(space)).reshape(space), x.shape)
    for axis, along in reversed(list(enumerate(windows, 2))):
        values, places = (np.ascontiguousarray(np.moveaxis(a, axis, 0)) for a in (x, at))
        found = []
        for w in along:
            best = winner(values[w])[None]
            found.append([np.take_along_axis(a[w], best, 0)[0] for a in (values, places)])
        x, at = (np.moveaxis(np.stack(parts), 0, axis) for parts in zip(*found, strict=True))
    return np.ascontiguousarray(at)


def to_winners(dy: Array, x: Array, windows: Windows) -> Array:
    """The gradient of maxima goes to the winner of each window."""
    at = winners(x, windows).reshape(math.prod(dy.shape[:2]), math.prod(dy.shape[2:]))
    size = math.prod(x.shape[2:])
    dx = np.zeros(x.size, dy.dtype)
    np.add.at(dx, (at + np.arange(len(at))[:, None] * size).reshape(-1), dy.reshape(-1))
    return dx.reshape(x.shape)
