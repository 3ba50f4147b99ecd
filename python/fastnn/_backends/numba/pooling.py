"""Pooling: one loop over samples, channels and windows; an image has three axes of space, missing ones of length 1."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from ...ops import _pooling
from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


@jit
def find_largest(x, depth, height, width, y):
    """The largest value of each window, or a NaN.

    Loops count: a range with a step that is not known divides to find its length, which took most of the time.
    """
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    best = x[n, depth[o, 0], height[p, 0], width[q, 0]]
                    for a in range(depth[o, 1]):
                        i = depth[o, 0] + a * depth[o, 2]
                        for b in range(height[p, 1]):
                            j = height[p, 0] + b * height[p, 2]
                            for c in range(width[q, 1]):
                                v = x[n, i, j, width[q, 0] + c * width[q, 2]]
                                best = v if (v > best) | (v != v) else best
                    y[n, o, p, q] = best


@numba.njit(inline="always", error_model="numpy")
def winner(x, depth, height, width, n, o, p, q):
    """The flat position in its image of the largest value of a window: the first of equal ones, the last NaN."""
    rows, columns = x.shape[2], x.shape[3]
    place = (depth[o, 0] * rows + height[p, 0]) * columns + width[q, 0]
    best = x[n, depth[o, 0], height[p, 0], width[q, 0]]
    for a in range(depth[o, 1]):
        i = depth[o, 0] + a * depth[o, 2]
        for b in range(height[p, 1]):
            j = height[p, 0] + b * height[p, 2]
            for c in range(width[q, 1]):
                k = width[q, 0] + c * width[q, 2]
                v = x[n, i, j, k]
                more = (v > best) | (v != v)
                best = v if more else best
                place = (i * rows + j) * columns + k if more else place
    return place


@jit
def find_winners(x, depth, height, width, at):
    """Where the largest values are."""
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    at[n, o, p, q] = winner(x, depth, height, width, n, o, p, q)


@jit
def give(dy, x, depth, height, width, dx):
    """Add dy (n, windows) to dx (n, values), where the largest values are."""
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    dx[n, winner(x, depth, height, width, n, o, p, q)] += dy[n, o, p, q]


@jit
def sums(x, depth, height, width, divisor, y):
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    total = 0.0
                    for i in range(depth[o, 0], depth[o, 0] + depth[o, 1]):
                        for j in range(height[p, 0], height[p, 0] + height[p, 1]):
                            for k in range(width[q, 0], width[q, 0] + width[q, 1]):
                                total += x[n, i, j, k]
                    y[n, o, p, q] = total / divisor[o, p, q]


@jit
def spread(dy, depth, height, width, divisor, dx):
    for n in range(dx.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    g = dy[n, o, p, q] / divisor[o, p, q]
                    for i in range(depth[o, 0], depth[o, 0] + depth[o, 1]):
                        for j in range(height[p, 0], height[p, 0] + height[p, 1]):
                            for k in range(width[q, 0], width[q, 0] + width[q, 1]):
                                dx[n, i, j, k] += g


def images(x: Any) -> Any:
    """Samples and channels on one axis, three axes of space."""
    space = x.shape[2:]
    return np.ascontiguousarray(x).reshape(x.shape[0] * x.shape[1], *(1,) * (3 - len(space)), *space)


def tables(windows: Any) -> list[Any]:
    """First value, number of values and step of each window, on three axes."""
    alone = [slice(0, 1, 1)]
    axes = [alone] * (3 - len(windows)) + windows
    return [
        np.array([(w.start, len(range(w.start, w.stop, w.step)), w.step) for w in axis], np.int64).reshape(-1, 3)
        for axis in axes
    ]


def shape_of(x: Any, windows: Any) -> tuple[int, ...]:
    return (*x.shape[:2], *map(len, windows))


def winners(x: Any, windows: Any) -> Any:
    axes = tables(windows)
    at = np.empty((x.shape[0] * x.shape[1], *map(len, axes)), np.int64)
    find_winners(images(x), *axes, at)
    return at


def largest(x: Any, windows: Any) -> Any:
    axes = tables(windows)
    y = np.empty((x.shape[0] * x.shape[1], *map(len, axes)), x.dtype)
    find_largest(images(x), *axes, y)
    return y.reshape(shape_of(x, windows))


def to_winners(dy: Any, x: Any, windows: Any) -> Any:
    axes, count = tables(windows), x.shape[0] * x.shape[1]
    dx = np.zeros(x.shape, x.dtype)
    slopes = np.ascontiguousarray(dy).reshape(count, *map(len, axes))
    give(slopes, images(x), *axes, dx.reshape(count, math.prod(x.shape[2:])))
    return dx


@array
def max_pool(x: Any, *attributes: Any) -> Any:
    return largest(x, _pooling.sliding(x.shape[2:], *attributes))


@array
def max_pool_backward(dy: Any, x: Any, *attributes: Any) -> Any:
    return to_winners(dy, x, _pooling.sliding(x.shape[2:], *attributes[:-1]))


@array
def max_pool_indices(x: Any, *attributes: Any) -> Any:
    windows = _pooling.sliding(x.shape[2:], *attributes)
    return winners(x, windows).reshape(shape_of(x, windows))


@array
def adaptive_max_pool(x: Any, sizes: Any) -> Any:
    return largest(x, _pooling.adaptive(x.shape[2:], sizes))


@array
def adaptive_max_pool_backward(dy: Any, x: Any, sizes: Any, needs: int) -> Any:
    return to_winners(dy, x, _pooling.adaptive(x.shape[2:], sizes))


@array
def adaptive_max_pool_indices(x: Any, sizes: Any) -> Any:
    windows = _pooling.adaptive(x.shape[2:], sizes)
    return winners(x, windows).reshape(shape_of(x, windows))


def divided(windows: Any, divisor: Any) -> Any:
    """The tables of windows, and a divisor for each."""
    axes = tables(windows)
    each = np.empty(tuple(map(len, axes)))
    each[...] = np.reshape(divisor, each.shape if np.ndim(divisor) else ())
    return axes, each


def means(x: Any, windows: Any, divisor: Any) -> Any:
    y = np.empty(shape_of(x, windows), x.dtype)
    axes, each = divided(windows, divisor)
    sums(images(x), *axes, each, y.reshape(x.shape[0] * x.shape[1], *each.shape))
    return y


def mean_slopes(dy: Any, shape: Any, windows: Any, divisor: Any) -> Any:
    dx = np.zeros(shape, dy.dtype)
    axes, each = divided(windows, divisor)
    count = math.prod(shape[:2])
    spread(np.ascontiguousarray(dy).reshape(count, *each.shape), *axes, each, images(dx))
    return dx


def mean_windows(space: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: int, *how: Any) -> Any:
    windows = _pooling.sliding(space, kernel, stride, padding, (1,) * len(space), ceil_mode)
    return windows, _pooling.divisors(space, windows, kernel, stride, padding, *how)


@array
def avg_pool(x: Any, *attributes: Any) -> Any:
    return means(x, *mean_windows(x.shape[2:], *attributes))


@array
def avg_pool_backward(dy: Any, shape: Any, *attributes: Any) -> Any:
    return mean_slopes(dy, shape, *mean_windows(shape[2:], *attributes[:-1]))


@array
def adaptive_avg_pool(x: Any, sizes: Any) -> Any:
    windows = _pooling.adaptive(x.shape[2:], sizes)
    return means(x, windows, _pooling.product(_pooling.lengths(windows)))


@array
def adaptive_avg_pool_backward(dy: Any, shape: Any, sizes: Any, needs: int) -> Any:
    windows = _pooling.adaptive(shape[2:], sizes)
    return mean_slopes(dy, shape, windows, _pooling.product(_pooling.lengths(windows)))
