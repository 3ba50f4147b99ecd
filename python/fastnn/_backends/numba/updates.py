"""Optimizer steps: one pass over each tensor; formulas and sources stand in ``fastnn.ops.updates``."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.updates import NEGLIGIBLE
from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)
NOTHING = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}


def flat(x: Any) -> Any:
    """A parameter's memory as one row; None where it has gaps."""
    return x.reshape(-1) if x.flags.c_contiguous else None


def each(step: Any, lists: list[Any], counts: Any, numbers: tuple[Any, ...]) -> None:
    """Count one up and call ``step(rows of entry i of every list, its count, numbers)``; absent lists: empty rows."""
    for i, p in enumerate(lists[0]):
        rows, back = [], []
        entries = [arrays[i] if arrays else NOTHING[p.dtype] for arrays in lists]
        if all(entry.flags.f_contiguous for entry in entries):
            entries = [entry.T for entry in entries]
        for entry in entries:
            row = flat(entry)
            if row is None:  # not dense: a copy, written back below
                row = entry.reshape(-1)
                back.append((entry, row))
            rows.append(row)
        counts[i][...] += 1
        step(*rows, int(counts[i]), *map(p.dtype.type, numbers))
        for target, row in back:
            target[...] = row.reshape(target.shape)


@jit
def keep(averages, i, average, ends=True):
    averages[i] = average
    if ends and abs(averages[i]) < np.finfo(averages.dtype).tiny:
        averages[i] = 0


@jit
def sgd_step(p, g, v, n, lr, momentum, dampening, weight_decay, nesterov, maximize):
    for i in range(len(p)):
        d = (-g[i] if maximize else g[i]) + weight_decay * p[i]
        if len(v) and momentum != 0:
            keep(v, i, d if n == 1 else momentum * v[i] + (1 - dampening) * d)
            d = d + momentum * v[i] if nesterov else v[i]
        p[i] -= lr * d


@array
def sgd(p: Any, g: Any, v: Any, n: Any, *numbers: Any) -> None:
    each(sgd_step, [p, g, v], n, numbers)


@jit
def adam_step(p, g, m, v, top, n, lr, beta1, beta2, decay, decoupled, amsgrad, maximize, step, root, eps):
    for i in range(len(p)):
        d = -g[i] if maximize else g[i]
        x = p[i]
        if decoupled:
            x -= lr * decay * x
        else:
            d += decay * x
        keep(m, i, m[i] + (1 - beta1) * (d - m[i]))
        keep(v, i, beta2 * v[i] + (1 - beta2) * d * d, eps > NEGLIGIBLE)
        second = v[i]
        if amsgrad:
            top[i] = max(top[i], second)
            second = top[i]
        p[i] = x - step * m[i] / (math.sqrt(second) / root + eps)


@array
def adam(p: Any, g: Any, m: Any, v: Any, vmax: Any, n: Any, *numbers: Any) -> None:
    lr, beta1, beta2, eps, *others, eps_hat = numbers
    for i in range(len(p)):
        count = int(n[i]) + 1
        step, root = lr / (1 - beta1**count), math.sqrt(1 - beta2**count)
        lists = [[a[i]] if a else [] for a in (p, g, m, v, vmax)]
        each(adam_step, lists, [n[i]], (lr, beta1, beta2, *others, step, root, eps / root if eps_hat else eps))


@jit
def rmsprop_step(p, g, v, b, a, n, lr, alpha, eps, weight_decay, momentum, centered, maximize):
    for i in range(len(p)):
        d = (-g[i] if maximize else g[i]) + weight_decay * p[i]
        keep(v, i, alpha * v[i] + (1 - alpha) * d * d, eps > NEGLIGIBLE and not centered)
        spread = v[i]
        if centered:
            keep(a, i, a[i] + (1 - alpha) * (d - a[i]))
            spread -= a[i] * a[i]
        d /= math.sqrt(spread) + eps
        if len(b) and momentum != 0:
            keep(b, i, momentum * b[i] + d)
            d = b[i]
        p[i] -= lr * d


@array
def rmsprop(p: Any, g: Any, v: Any, b: Any, a: Any, n: Any, *numbers: Any) -> None:
    each(rmsprop_step, [p, g, v, b, a], n, numbers)


@jit
def adagrad_step(p, g, s, n, lr, lr_decay, weight_decay, eps, maximize):
    rate = lr / (1 + (n - 1) * lr_decay)
    for i in range(len(p)):
        d = (-g[i] if maximize else g[i]) + weight_decay * p[i]
        s[i] += d * d
        p[i] -= rate * d / (math.sqrt(s[i]) + eps)


@array
def adagrad(p: Any, g: Any, s: Any, n: Any, *numbers: Any) -> None:
    each(adagrad_step, [p, g, s], n, numbers)


@jit
def power_sum(x, p):
    total = 0.0
    for i in range(len(x)):
        a = math.fabs(np.float64(x[i]))
        if p == np.inf:
            total = a if a > total or a != a else total
        else:
            total += a * a if p == 2 else a if p == 1 else a**p
    return total


@array
def clip_grad_norm(g: Any, max_norm: float, norm_type: float) -> Any:
    parts = [power_sum(a.reshape(-1), float(norm_type)) for a in g]
    if norm_type == math.inf:
        total = float(np.max(parts))
    else:
        total = float(np.sum(parts)) ** (1 / norm_type) if norm_type != 2 else math.sqrt(np.sum(parts))
    factor = g[0].dtype.type(np.minimum(max_norm / (total + 1e-6), 1.0))
    for a in g:
        a *= factor
    return np.asarray(total, g[0].dtype)


@array
def clip_grad_value(g: Any, clip_value: float) -> None:
    for a in g:
        np.clip(a, -clip_value, clip_value, out=a)
