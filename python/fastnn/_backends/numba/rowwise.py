"""Softmax, layer and RMS normalization, row by row."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .lift import Kernels, jit, kernel
from .reductions import as_rows, from_rows, row_mean

KERNELS: Kernels = {}
array = kernel(KERNELS)


@jit
def softmax_rows(x, y, log):
    for r in range(x.shape[0]):
        top = -np.inf
        for i in range(x.shape[1]):
            if x[r, i] > top or x[r, i] != x[r, i]:
                top = x[r, i]
                if top != top:
                    break
        total = 0.0
        for i in range(x.shape[1]):
            z = 0.0 if x[r, i] == np.inf else np.float64(x[r, i]) - top
            e = math.exp(z)
            total += e
            y[r, i] = z if log else e
        for i in range(x.shape[1]):
            y[r, i] = y[r, i] - math.log(total) if log else y[r, i] / total


@jit
def softmax_slopes(dy, y, dx, log):
    for r in range(y.shape[0]):
        total = 0.0
        for i in range(y.shape[1]):
            total += dy[r, i] if log else np.float64(dy[r, i]) * y[r, i]
        for i in range(y.shape[1]):
            dx[r, i] = dy[r, i] - math.exp(y[r, i]) * total if log else y[r, i] * (dy[r, i] - total)


def along(loop: Any, axis: int, log: bool, *arrays: Any) -> Any:
    """Run a loop over rows along one axis."""
    rows = [as_rows(a, (axis,))[0] for a in arrays]
    out = np.empty_like(rows[0])
    loop(*rows, out, log)
    return np.ascontiguousarray(from_rows(out, arrays[0].shape, (axis,)))


@array
def softmax(x: Any, axis: int) -> Any:
    return along(softmax_rows, axis, False, x)


@array
def log_softmax(x: Any, axis: int) -> Any:
    return along(softmax_rows, axis, True, x)


@array
def softmax_backward(dy: Any, y: Any, axis: int, needs: int) -> Any:
    return along(softmax_slopes, axis, False, dy, y)


@array
def log_softmax_backward(dy: Any, y: Any, axis: int, needs: int) -> Any:
    return along(softmax_slopes, axis, True, dy, y)


@jit
def normalize_rows(x, weight, bias, y, mean, rstd, eps, centered):
    n = x.shape[1]
    for r in range(x.shape[0]):
        middle, total = row_mean(x, r) if centered else 0.0, 0.0
        for i in range(n):
            total += (x[r, i] - middle) ** 2
        scale = 1 / math.sqrt(total / n + eps)
        mean[r], rstd[r] = middle, scale
        for i in range(n):
            z = (x[r, i] - middle) * scale
            z = z * weight[i] if len(weight) else z
            y[r, i] = z + bias[i] if len(bias) else z


@jit
def normalize_slopes(dy, x, weight, mean, rstd, dx, dw, db, need_x, centered):
    n = x.shape[1]
    for r in range(x.shape[0]):
        a, b = 0.0, 0.0
        for i in range(n):
            z = (x[r, i] - mean[r]) * rstd[r]
            g = np.float64(dy[r, i]) * weight[i] if len(weight) else np.float64(dy[r, i])
            a += g
            b += g * z
            dw[i] += dy[r, i] * z
            db[i] += dy[r, i]
        if not centered:
            a = 0.0
        if need_x:
            for i in range(n):
                z = (x[r, i] - mean[r]) * rstd[r]
                g = np.float64(dy[r, i]) * weight[i] if len(weight) else np.float64(dy[r, i])
                dx[r, i] = rstd[r] * (g - a / n - z * (b / n))


def table(x: Any, dims: int) -> Any:
    """The last `dims` axes as rows."""
    lead = x.shape[: x.ndim - dims]
    return np.ascontiguousarray(x).reshape(math.prod(lead), math.prod(x.shape[x.ndim - dims :]))


def vector(a: Any, dtype: Any) -> Any:
    """A parameter as one row; empty where there is none."""
    return np.empty(0, dtype) if a is None else np.ascontiguousarray(a).reshape(-1)


@array
def layer_norm(x: Any, weight: Any, bias: Any, dims: int, eps: float) -> Any:
    rows = table(x, dims)
    y = np.empty_like(rows)
    lead = x.shape[: x.ndim - dims]
    mean, rstd = np.empty(len(rows)), np.empty(len(rows))
    normalize_rows(rows, vector(weight, x.dtype), vector(bias, x.dtype), y, mean, rstd, float(eps), True)
    return y.reshape(x.shape), mean.reshape(lead), rstd.reshape(lead)


def layer_norm_backward(dy: Any, x: Any, weight: Any, mean: Any, rstd: Any, dims: int, eps: float, needs: int) -> Any:
    rows = table(x, dims)
    n = rows.shape[1]
    dx, dw, db = np.empty_like(rows), np.zeros(n), np.zeros(n)
    means, scales = (np.ascontiguousarray(a, np.float64).reshape(-1) for a in (mean, rstd))
    normalize_slopes(table(dy, dims), rows, vector(weight, x.dtype), means, scales, dx, dw, db, bool(needs & 1), True)
    shape = x.shape[x.ndim - dims :]
    return (
        dx.reshape(x.shape) if needs & 1 else None,
        dw.astype(x.dtype).reshape(shape) if needs & 2 else None,
        db.astype(x.dtype).reshape(shape) if needs & 4 else None,
    )


KERNELS["layer_norm_backward"] = layer_norm_backward  # its statistics are float64 beside float32


@array
def rms_norm(x: Any, weight: Any, dims: int, eps: float) -> Any:
    rows = table(x, dims)
    y, unused, rstd = np.empty_like(rows), np.empty(len(rows)), np.empty(len(rows))
    added = float(np.finfo(x.dtype).eps) if eps < 0 else float(eps)
    normalize_rows(rows, vector(weight, x.dtype), vector(None, x.dtype), y, unused, rstd, added, False)
    return y.reshape(x.shape), rstd.reshape(x.shape[: x.ndim - dims])


def rms_norm_backward(dy: Any, x: Any, weight: Any, rstd: Any, dims: int, eps: float, needs: int) -> Any:
    rows = table(x, dims)
    n = rows.shape[1]
    dx, dw, db = np.empty_like(rows), np.zeros(n), np.zeros(n)
    scales = np.ascontiguousarray(rstd, np.float64).reshape(-1)
    none = np.zeros_like(scales)
    normalize_slopes(table(dy, dims), rows, vector(weight, x.dtype), none, scales, dx, dw, db, bool(needs & 1), False)
    return (
        dx.reshape(x.shape) if needs & 1 else None,
        dw.astype(x.dtype).reshape(x.shape[x.ndim - dims :]) if needs & 2 else None,
    )


KERNELS["rms_norm_backward"] = rms_norm_backward
