"""Contractions: NumPy's matmul, with the bias added in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .lift import Kernels, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


def rows(x: Any) -> Any:
    """Leading axes joined."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


@array
def matmul(a: Any, b: Any) -> Any:
    return np.asarray(np.matmul(a, b))


@array
def linear(x: Any, w: Any, b: Any) -> Any:
    y = rows(x) @ w.T
    if b is not None:
        y += b
    return y.reshape((*x.shape[:-1], w.shape[0]))


@array
def linear_backward(dy: Any, x: Any, w: Any, needs: int) -> Any:
    d = rows(dy)
    turned = not w.flags.c_contiguous and w.flags.f_contiguous  # the gradient lies in memory as w does
    return (
        (d @ w).reshape(x.shape) if needs & 1 else None,
        ((rows(x).T @ d).T if turned else d.T @ rows(x)) if needs & 2 else None,
        d.sum(0) if needs & 4 else None,
    )
