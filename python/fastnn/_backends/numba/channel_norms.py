"""Normalization by channels: loops over [sample][outer][channel][inner] and the groups of a sample's channels."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .lift import Kernels, forward, jit
from .rowwise import vector

KERNELS: Kernels = {}


@jit
def group_moments(x, mean, var):
    """x is (sample, outer, group, channel, inner); mean and var (sample, group)."""
    for s in range(x.shape[0]):
        for g in range(x.shape[2]):
            middle, a, b = np.float64(x[s, 0, g, 0, 0]), 0.0, 0.0
            n = x.shape[1] * x.shape[3] * x.shape[4]
            for _ in range(2):
                a, b = 0.0, 0.0
                for o in range(x.shape[1]):
                    for c in range(x.shape[3]):
                        for i in range(x.shape[4]):
                            d = np.float64(x[s, o, g, c, i]) - middle
                            a += d
                            b += d * d
                middle += a / n
            mean[s, g] = middle
            var[s, g] = max((b - a * a / n) / n, 0.0)


@jit
def scaled(x, weight, bias, mean, rstd, y):
    for s in range(x.shape[0]):
        for o in range(x.shape[1]):
            for g in range(x.shape[2]):
                for c in range(x.shape[3]):
                    k = g * x.shape[3] + c
                    w = rstd[s, g] * (weight[k] if len(weight) else 1.0)
                    b = np.float64(bias[k]) if len(bias) else 0.0
                    for i in range(x.shape[4]):
                        y[s, o, g, c, i] = (x[s, o, g, c, i] - mean[s, g]) * w + b


@jit
def slopes(dy, x, weight, mean, rstd, fixed, dx, dw, db):
    for s in range(x.shape[0]):
        for g in range(x.shape[2]):
            first, second = 0.0, 0.0
            n = x.shape[1] * x.shape[3] * x.shape[4]
            for c in range(x.shape[3]):
                k = g * x.shape[3] + c
                a, b = 0.0, 0.0
                for o in range(x.shape[1]):
                    for i in range(x.shape[4]):
                        a += dy[s, o, g, c, i]
                        b += dy[s, o, g, c, i] * ((x[s, o, g, c, i] - mean[s, g]) * rstd[s, g])
                db[k] += a
                dw[k] += b
                w = np.float64(weight[k]) if len(weight) else 1.0
                first += w * a / n
                second += w * b / n
            if fixed:
                first, second = 0.0, 0.0
            for o in range(x.shape[1]):
                for c in range(x.shape[3]):
                    k = g * x.shape[3] + c
                    w = np.float64(weight[k]) if len(weight) else 1.0
                    for i in range(x.shape[4]):
                        z = (x[s, o, g, c, i] - mean[s, g]) * rstd[s, g]
                        dx[s, o, g, c, i] = rstd[s, g] * (w * dy[s, o, g, c, i] - first - z * second)


def blocks(x: Any, groups: int = 0) -> Any:
    """x as (sample, outer, group, channel, inner); without groups the batch is one sample of channels apart."""
    n, channels = x.shape[:2]
    inner = math.prod(x.shape[2:])
    shape = (n, 1, groups, channels // groups, inner) if groups else (1, n, channels, 1, inner)
    return np.ascontiguousarray(x).reshape(shape)


def normalized(x: Any, weight: Any, bias: Any, mean: Any, rstd: Any, groups: int = 0) -> Any:
    """x by these statistics, times weight, plus bias."""
    b = blocks(x, groups)
    y = np.empty_like(b)
    mean, rstd = (a.reshape(len(b), b.shape[2]) for a in (mean, rstd))
    scaled(b, vector(weight, x.dtype), vector(bias, x.dtype), mean, rstd, y)
    return y.reshape(x.shape)


def gradients(
    dy: Any, x: Any, weight: Any, mean: Any, rstd: Any, needs: int, groups: int = 0, fixed: bool = False
) -> Any:
    """Of x, weight and bias."""
    b = blocks(x, groups)
    dx, dw, db = np.empty_like(b), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    each = [np.ascontiguousarray(a, np.float64).reshape(len(b), b.shape[2]) for a in (mean, rstd)]
    slopes(blocks(dy, groups), b, vector(weight, x.dtype), *each, fixed, dx, dw, db)
    return (
        dx.reshape(x.shape) if needs & 1 else None,
        dw.astype(x.dtype) if needs & 2 else None,
        db.astype(x.dtype) if needs & 4 else None,
    )


def moments(x: Any, groups: int = 0) -> Any:
    """Mean and variance, (channels,) or (samples, groups)."""
    b = blocks(x, groups)
    mean, var = np.empty((len(b), b.shape[2])), np.empty((len(b), b.shape[2]))
    group_moments(b, mean, var)
    return (mean, var) if groups else (mean[0], var[0])


def batch_norm(x: Any, weight: Any, bias: Any, running: Any, momentum: float, eps: float) -> Any:
    mean, var = moments(x)
    rstd = 1 / np.sqrt(var + eps)
    if running:
        n = x.size // x.shape[1]
        if len(running) == 3:
            running[2] += 1
            momentum = 1 / int(running[2]) if momentum < 0 else momentum
        for r, s in zip(running, (mean, var * (n / (n - 1))), strict=False):
            r[...] = (1 - momentum) * r + momentum * s
    return normalized(x, weight, bias, mean, rstd), mean, rstd


def batch_norm_backward(
    dy: Any, x: Any, weight: Any, mean: Any, rstd: Any, momentum: float, eps: float, needs: int
) -> Any:
    return *gradients(dy, x, weight, mean, rstd, needs), None


def given(running: Any, eps: float) -> Any:
    """Mean and 1 / sqrt(var + eps) in float64."""
    mean, var = (a.astype(np.float64) for a in running)
    return mean, 1 / np.sqrt(var + eps)


def batch_norm_inference(x: Any, weight: Any, bias: Any, running: Any, eps: float) -> Any:
    mean, rstd = given(running, eps)
    return normalized(x, weight, bias, mean, rstd)


def batch_norm_inference_backward(dy: Any, x: Any, weight: Any, running: Any, eps: float, needs: int) -> Any:
    mean, rstd = given(running, eps)
    return *gradients(dy, x, weight, mean, rstd, needs, fixed=True), None


def group_norm(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    mean, var = moments(x, groups)
    rstd = 1 / np.sqrt(var + eps)
    return normalized(x, weight, bias, mean, rstd, groups), mean, rstd


def group_norm_backward(dy: Any, x: Any, weight: Any, mean: Any, rstd: Any, groups: int, eps: float, needs: int) -> Any:
    return gradients(dy, x, weight, mean, rstd, needs, groups)


for _kernel in (batch_norm, batch_norm_inference, group_norm):
    KERNELS[_kernel.__name__] = forward(_kernel.__name__, _kernel)
# Their statistics are float64 beside float32.
KERNELS["batch_norm_backward"] = batch_norm_backward
KERNELS["group_norm_backward"] = group_norm_backward
KERNELS["batch_norm_inference_backward"] = batch_norm_inference_backward
