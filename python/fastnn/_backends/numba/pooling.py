"""Pooling: one loop over samples, channels and windows; an image has three axes of space, missing ones of length 1."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import _pooling
from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


@jit
def find_winners(x, depth, height, width, at):
    """Flat positions in the images of the largest values: the first of equal ones, the last NaN."""
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    rows, columns = x.shape[2], x.shape[3]
                    place = (depth[o, 0] * rows + height[p, 0]) * columns + width[q, 0]
                    best = x[n, depth[o, 0], height[p, 0], width[q, 0]]
                    for i in range(depth[o, 0], depth[o, 1], depth[o, 2]):
                        for j in range(height[p, 0], height[p, 1], height[p, 2]):
                            for k in range(width[q, 0], width[q, 1], width[q, 2]):
                                v = x[n, i, j, k]
                                if v > best or v != v:
                                    best = v
                                    place = (i * rows + j) * columns + k
                    at[n, o, p, q] = place


@jit
def pick(x, at, y):
    for n in range(len(x)):
        for i in range(at.shape[1]):
            y[n, i] = x[n, at[n, i]]


@jit
def give(dy, at, dx):
    for n in range(len(dx)):
        for i in range(at.shape[1]):
            dx[n, at[n, i]] += dy[n, i]


@jit
def sums(x, depth, height, width, divisor, y):
    for n in range(x.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    total = 0.0
                    for i in range(depth[o, 0], depth[o, 1]):
                        for j in range(height[p, 0], height[p, 1]):
                            for k in range(width[q, 0], width[q, 1]):
                                total += x[n, i, j, k]
                    y[n, o, p, q] = total / divisor[o, p, q]


@jit
def spread(dy, depth, height, width, divisor, dx):
    for n in range(dx.shape[0]):
        for o in range(len(depth)):
            for p in range(len(height)):
                for q in range(len(width)):
                    g = dy[n, o, p, q] / divisor[o, p, q]
                    for i in range(depth[o, 0], depth[o, 1]):
                        for j in range(height[p, 0], height[p, 1]):
                            for k in range(width[q, 0], width[q, 1]):
                                dx[n, i, j, k] += g


def images(x: Any) -> Any:
    """Samples and channels on one axis, three axes of space."""
    space = x.shape[2:]
    return np.ascontiguousarray(x).reshape(x.shape[0] * x.shape[1], *(1,) * (3 - len(space)), *space)


def tables(windows: Any) -> list[Any]:
    """First, end and step of each window, on three axes."""
    alone = [slice(0, 1, 1)]
    axes = [alone] * (3 - len(windows)) + windows
    return [np.array([(w.start, w.stop, w.step) for w in axis], np.int64).reshape(-1, 3) for axis in axes]


def shape_of(x: Any, windows: Any) -> tuple[int, ...]:
    return (*x.shape[:2], *map(len, windows))


def winners(x: Any, windows: Any) -> Any:
    axes = tables(windows)
    at = np.empty((x.shape[0] * x.shape[1], *map(len, axes)), np.int64)
    find_winners(images(x), *axes, at)
    return at


def lines(a: Any, n: int) -> Any:
    """One line for each image."""
    return np.ascontiguousarray(a).reshape(n, a.size // max(n, 1))


def largest(x: Any, windows: Any) -> Any:
    at = winners(x, windows)
    y = np.empty(shape_of(x, windows), x.dtype)
    pick(lines(x, len(at)), lines(at, len(at)), lines(y, len(at)))
    return y


def to_winners(dy: Any, x: Any, windows: Any) -> Any:
    at = winners(x, windows)
    dx = np.zeros(x.shape, x.dtype)
    give(lines(dy, len(at)), lines(at, len(at)), lines(dx, len(at)))
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


def means(x: Any, windows: Any, divisor: Any) -> Any:
    y = np.empty(shape_of(x, windows), x.dtype)
    axes = tables(windows)
    each = np.empty(tuple(map(len, axes)))
    each[...] = np.reshape(divisor, each.shape if np.ndim(divisor) else ())
    sums(images(x), *axes, each, y.reshape(x.shape[0] * x.shape[1], *each.shape))
    return y


def mean_slopes(dy: Any, shape: Any, windows: Any, divisor: Any) -> Any:
    dx = np.zeros(shape, dy.dtype)
    axes = tables(windows)
    each = np.empty(tuple(map(len, axes)))
    each[...] = np.reshape(divisor, each.shape if np.ndim(divisor) else ())
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
