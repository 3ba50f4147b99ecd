"""Images in another size: one axis after the other, the last one first."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import resampling
from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


@jit
def blend(x, low, high, weight, y):
    """x and y are (before, axis, after)."""
    for n in range(x.shape[0]):
        for o in range(len(low)):
            i, j, w = low[o], high[o], weight[o]
            for k in range(x.shape[2]):
                y[n, o, k] = x[n, i, k] if w == 0 else (1 - w) * x[n, i, k] + w * x[n, j, k]


@jit
def give(dy, low, high, weight, dx):
    for n in range(dx.shape[0]):
        for o in range(len(low)):
            i, j, w = low[o], high[o], weight[o]
            for k in range(dx.shape[2]):
                dx[n, i, k] += (1 - w) * dy[n, o, k]
                if w != 0:
                    dx[n, j, k] += w * dy[n, o, k]


def around(a: Any, axis: int) -> Any:
    """The array as (before, axis, after)."""
    shape = a.shape
    return np.ascontiguousarray(a).reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))


@array
def interpolate(x: Any, size: Any, scale_factor: Any, method: int, align_corners: int) -> Any:
    space = x.shape[2:]
    out = resampling.sizes_of(space, size, scale_factor)
    each = resampling.tables(space, out, scale_factor, method, align_corners)
    for axis, (low, high, weight) in reversed(list(enumerate(each, 2))):
        y = np.empty((*x.shape[:axis], len(low), *x.shape[axis + 1 :]), x.dtype)
        blend(around(x, axis), low, high, weight.astype(x.dtype), around(y, axis))
        x = y
    return x


@array
def interpolate_backward(
    dy: Any, shape: Any, size: Any, scale_factor: Any, method: int, align_corners: int, needs: int
) -> Any:
    space = shape[2:]
    out = resampling.sizes_of(space, size, scale_factor)
    each = resampling.tables(space, out, scale_factor, method, align_corners)
    for axis, ((low, high, weight), n) in enumerate(zip(each, space, strict=True), 2):
        dx = np.zeros((*dy.shape[:axis], n, *dy.shape[axis + 1 :]), dy.dtype)
        give(around(dy, axis), low, high, weight.astype(dy.dtype), around(dx, axis))
        dy = dx
    return dy
