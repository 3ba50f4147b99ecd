"""Ops that move numbers: NumPy moves memory as fast as a compiled loop would; dropout makes its words in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._registry import OPS
from .lift import Kernels, backward, forward, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


def as_defined(name: str) -> Any:
    """The definition itself: one call of NumPy that copies."""
    op = OPS[name]
    n, attributes = len(op.inputs), list(op.attributes)

    def copies(*args: Any) -> Any:
        return np.asarray(op.definition(*args[:n], **dict(zip(attributes, args[n:], strict=True))))

    return forward(name, copies)


for _name in ("copy", "cast", "pad", "scatter", "concatenate", "take"):
    KERNELS[_name] = as_defined(_name)


@array
def accumulate(a: Any, b: Any) -> None:
    a += b


@array
def assign(a: Any, b: Any) -> None:
    a[...] = b


@jit
def add_rows(dx, dy, indices):  # type: ignore[no-untyped-def]
    """Rows of dy (before, count, after) added to rows `indices` of dx, in order."""
    for o in range(dx.shape[0]):
        for r in range(len(indices)):
            i = indices[r]
            for j in range(dx.shape[2]):
                dx[o, i, j] += dy[o, r, j]


@array
def take_backward(dy: Any, x_shape: Any, indices: Any, axis: int, needs: int) -> Any:
    before, after = x_shape[:axis], x_shape[axis + 1 :]
    shape = (int(np.prod(before)), x_shape[axis], int(np.prod(after)))
    dx = np.zeros(shape, dy.dtype)
    add_rows(dx, np.ascontiguousarray(dy).reshape(shape[0], indices.size, shape[2]), indices.reshape(-1))
    return dx.reshape(x_shape), None


@jit
def masked(x, y, p, seed, offset):  # type: ignore[no-untyped-def]
    """Philox4x32-10 as in ``ops/_philox.py``; x and y are flat."""
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    four = np.uint64(4)
    cut = np.uint64(p * 4294967296.0)
    scale = x.dtype.type(1 / (1 - p)) if p < 1 else x.dtype.type(0)
    block = offset // four
    word = np.int64(offset - block * four)
    i = np.int64(0)
    words = np.empty(4, np.uint64)
    while i < len(x):
        a, b = block & low, block >> half
        c, d = np.uint64(0), np.uint64(0)
        k, h = seed & low, seed >> half
        for _ in range(10):
            p0, p1 = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
            a, b, c, d = (p1 >> half) ^ b ^ k, p1 & low, (p0 >> half) ^ d ^ h, p0 & low
            k, h = (k + np.uint64(0x9E3779B9)) & low, (h + np.uint64(0xBB67AE85)) & low
        words[0], words[1], words[2], words[3] = a, b, c, d
        while word < 4 and i < len(x):
            y[i] = x[i] * scale if words[word] >= cut else x.dtype.type(0)
            i += 1
            word += 1
        word = np.int64(0)
        block += np.uint64(1)


def dropped(x: Any, p: float, seed: int, offset: int) -> Any:
    """Dropout of an array of any layout."""
    flat = np.ascontiguousarray(x).reshape(-1)
    y = np.empty_like(flat)
    masked(flat, y, float(p), np.uint64(seed), np.uint64(offset))
    return y.reshape(x.shape)


KERNELS["dropout"] = forward("dropout", dropped)
KERNELS["dropout_backward"] = backward(lambda dy, p, seed, offset, needs: dropped(dy, p, seed, offset))
