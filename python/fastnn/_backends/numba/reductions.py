"""Reductions: the reduced axes are brought to the end, then one loop over rows. Sums are kept in float64."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


def as_rows(x: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """``x`` as rows over the reduced axes, and the shape of what is kept."""
    kept = [i for i in range(x.ndim) if i not in axis]
    shape = tuple(x.shape[i] for i in kept)
    n = math.prod(x.shape[i] for i in axis)
    rows = x.transpose(*kept, *axis).reshape(math.prod(shape), n)
    return np.ascontiguousarray(rows), shape


def from_rows(rows: Any, shape: Any, axis: Any) -> Any:
    """Undo `as_rows` for an array of x's shape."""
    kept = [i for i in range(len(shape)) if i not in axis]
    order = [*kept, *axis]
    return rows.reshape([shape[i] for i in order]).transpose(np.argsort(order))


def finished(out: Any, x: Any, shape: Any, axis: Any, keepdims: int) -> Any:
    """The result in its shape."""
    if keepdims:
        return out.reshape([1 if i in axis else n for i, n in enumerate(x.shape)])
    return out.reshape(shape)


def reduce(loop: Any, x: Any, axis: Any, keepdims: int, *more: Any, dtype: Any = None) -> Any:
    """Run a loop over rows."""
    rows, shape = as_rows(x, axis)
    out = np.empty(len(rows), dtype or x.dtype)
    loop(rows, out, *more)
    return finished(out, x, shape, axis, keepdims)


@jit
def sums(x, out, divisor):
    for r in range(x.shape[0]):
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        n = x.shape[1] - x.shape[1] % 4
        for i in range(0, n, 4):
            a += x[r, i]
            b += x[r, i + 1]
            c += x[r, i + 2]
            d += x[r, i + 3]
        for i in range(n, x.shape[1]):
            a += x[r, i]
        out[r] = ((a + b) + (c + d)) / divisor


@array
def sum(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(sums, x, axis, keepdims, 1.0)


@array
def mean(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(sums, x, axis, keepdims, float(math.prod(x.shape[i] for i in axis)))


@array
def unbroadcast(dy: Any, shape: Any) -> Any:
    extra = dy.ndim - len(shape)
    new = [i + extra for i, n in enumerate(shape) if n == 1 and dy.shape[i + extra] != 1]
    axis = (*range(extra), *new)
    return reduce(sums, dy, axis, 0, 1.0).reshape(shape) if axis else dy


@jit
def extremes(x, out, sign):
    for r in range(x.shape[0]):
        top = x[r, 0]
        for i in range(x.shape[1]):
            if sign * x[r, i] > sign * top or x[r, i] != x[r, i]:
                top = x[r, i]
                if top != top:
                    break
        out[r] = top


@array
def max(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(extremes, x, axis, keepdims, 1) if x.size else np.empty(finished_shape(x, axis, keepdims), x.dtype)


@array
def min(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(extremes, x, axis, keepdims, -1) if x.size else np.empty(finished_shape(x, axis, keepdims), x.dtype)


def finished_shape(x: Any, axis: Any, keepdims: int) -> list[int]:
    """The shape of a reduction's result."""
    return [1 if i in axis else n for i, n in enumerate(x.shape) if keepdims or i not in axis]


@jit
def share(dy, x, y, dx):
    for r in range(x.shape[0]):
        equal = 0
        for i in range(x.shape[1]):
            equal += x[r, i] == y[r]
        for i in range(x.shape[1]):
            dx[r, i] = dy[r] * (x[r, i] == y[r]) / equal


def shared(dy: Any, x: Any, y: Any, axis: Any, keepdims: int, needs: int) -> Any:
    """The gradient of a maximum or minimum, shared equally among ties."""
    rows, _ = as_rows(x, axis)
    dx = np.empty_like(rows)
    share(np.ascontiguousarray(dy).reshape(-1), rows, np.ascontiguousarray(y).reshape(-1), dx)
    return from_rows(dx, x.shape, axis)


@array
def max_backward(dy: Any, x: Any, y: Any, axis: Any, keepdims: int, needs: int) -> Any:
    return shared(dy, x, y, axis, keepdims, needs)


@array
def min_backward(dy: Any, x: Any, y: Any, axis: Any, keepdims: int, needs: int) -> Any:
    return shared(dy, x, y, axis, keepdims, needs)


@jit
def firsts(x, out):
    for r in range(x.shape[0]):
        best = 0
        for i in range(x.shape[1]):
            if x[r, i] != x[r, i]:
                best = i
                break
            if x[r, i] > x[r, best]:
                best = i
        out[r] = best


@array
def argmax(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(firsts, x, axis, keepdims, dtype=np.int64)


@jit
def row_mean(x, r):
    """The mean of a row; the second pass takes the rounding of the first away."""
    total, rest, n = 0.0, 0.0, x.shape[1]
    for i in range(n):
        total += x[r, i]
    middle = total / n
    for i in range(n):
        rest += x[r, i] - middle
    return middle + rest / n


@jit
def spreads(x, out, freedom, root):
    for r in range(x.shape[0]):
        middle, total = row_mean(x, r), 0.0
        for i in range(x.shape[1]):
            total += (x[r, i] - middle) ** 2
        total /= freedom
        out[r] = math.sqrt(total) if root else total


def freedom(x: Any, axis: Any, ddof: float) -> float:
    """What a sum of squares is divided by."""
    return float(np.maximum(math.prod(x.shape[i] for i in axis) - ddof, 0.0))


@array
def var(x: Any, axis: Any, ddof: float, keepdims: int) -> Any:
    return reduce(spreads, x, axis, keepdims, freedom(x, axis, ddof), False)


@array
def std(x: Any, axis: Any, ddof: float, keepdims: int) -> Any:
    return reduce(spreads, x, axis, keepdims, freedom(x, axis, ddof), True)


@jit
def spread_slopes(scale, x, dx):
    for r in range(x.shape[0]):
        middle = row_mean(x, r)
        for i in range(x.shape[1]):
            dx[r, i] = scale[r] * (x[r, i] - middle)


def spread_backward(scale: Any, x: Any, axis: Any) -> Any:
    """scale (x - mean of x), scale one number for each row."""
    rows, _ = as_rows(x, axis)
    dx = np.empty_like(rows)
    spread_slopes(np.asarray(scale, np.float64).reshape(-1), rows, dx)
    return from_rows(dx, x.shape, axis)


@array
def var_backward(dy: Any, x: Any, axis: Any, ddof: float, keepdims: int, needs: int) -> Any:
    with np.errstate(all="ignore"):
        return spread_backward(2 * dy.astype(np.float64) / np.float64(freedom(x, axis, ddof)), x, axis)


@array
def std_backward(dy: Any, x: Any, y: Any, axis: Any, ddof: float, keepdims: int, needs: int) -> Any:
    with np.errstate(all="ignore"):
        scale = np.where(y == 0, 0.0, dy / y.astype(np.float64)) / np.float64(freedom(x, axis, ddof))
    return spread_backward(scale, x, axis)


@jit
def log_sums(x, out):
    for r in range(x.shape[0]):
        top = -np.inf
        for i in range(x.shape[1]):
            if x[r, i] > top or x[r, i] != x[r, i]:
                top = x[r, i]
                if top != top:
                    break
        total = 0.0
        for i in range(x.shape[1]):
            total += 1.0 if x[r, i] == np.inf else math.exp(x[r, i] - top)
        out[r] = top if top == -np.inf else top + math.log(total)


@array
def logsumexp(x: Any, axis: Any, keepdims: int) -> Any:
    return reduce(log_sums, x, axis, keepdims)


@jit
def log_sum_slopes(dy, x, y, dx):
    for r in range(x.shape[0]):
        for i in range(x.shape[1]):
            dx[r, i] = dy[r] * (1.0 if x[r, i] == np.inf else math.exp(np.float64(x[r, i]) - y[r]))


@array
def logsumexp_backward(dy: Any, x: Any, y: Any, axis: Any, keepdims: int, needs: int) -> Any:
    rows, _ = as_rows(x, axis)
    dx = np.empty_like(rows)
    log_sum_slopes(np.ascontiguousarray(dy).reshape(-1), rows, np.ascontiguousarray(y).reshape(-1), dx)
    return from_rows(dx, x.shape, axis)
