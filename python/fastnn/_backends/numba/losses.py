"""Losses: one loop over flat arrays, summed in float64; formulas and sources stand in ``fastnn.ops``."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .lift import Kernels, jit, kernel
from .special import sigmoid_of, softplus_of

KERNELS: Kernels = {}
array = kernel(KERNELS)
NONE, MEAN, SUM, BATCHMEAN = range(4)


def flat(x: Any, shape: Any) -> Any:
    """An array, broadcast to `shape`, as one row."""
    return np.ascontiguousarray(np.broadcast_to(x, shape)).reshape(-1)


def summed(terms: Any, x: Any, reduction: int) -> Any:
    """The loss of a row of terms."""
    if reduction == NONE:
        return terms.reshape(x.shape)
    total = terms.sum(dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(total / divisor(x, reduction), x.dtype)


def divisor(x: Any, reduction: int) -> Any:
    """What a sum of terms is divided by."""
    return np.float64({MEAN: x.size, BATCHMEAN: x.shape[0] if x.ndim else 1}.get(reduction, 1))


def each(dy: Any, x: Any, reduction: int) -> Any:
    """The gradient of every term."""
    with np.errstate(all="ignore"):
        return flat(dy / divisor(x, reduction), x.shape)


def pair(name: str, term: Any, slopes: Any) -> None:
    """Register a loss of (x, target, attributes..., reduction): `term` of one element, `slopes` for x and target."""

    @jit
    def terms(x, target, a, out):
        for i in range(len(x)):
            out[i] = term(x[i], target[i], a)

    @jit
    def gradients(each, x, target, a, dx, dt):
        for i in range(len(x)):
            u, v = slopes(x[i], target[i], a)
            dx[i], dt[i] = u * each[i], v * each[i]

    def loss(x: Any, target: Any, *attributes: Any) -> Any:
        out = np.empty(x.size, x.dtype if attributes[-1] == NONE else np.float64)
        terms(flat(x, x.shape), flat(target, x.shape), float(attributes[0]), out)
        return summed(out, x, attributes[-1])

    def loss_backward(dy: Any, x: Any, target: Any, *rest: Any) -> Any:
        *attributes, needs = rest
        dx, dt = np.empty(x.size, x.dtype), np.empty(x.size, x.dtype)
        gradients(each(dy, x, attributes[-1]), flat(x, x.shape), flat(target, x.shape), float(attributes[0]), dx, dt)
        return dx.reshape(x.shape) if needs & 1 else None, dt.reshape(x.shape) if needs & 2 else None

    loss.__name__, loss_backward.__name__ = name, name + "_backward"
    array(loss)
    array(loss_backward)


@jit
def mse_term(x, t, a):
    return (np.float64(x) - t) ** 2


@jit
def mse_slopes(x, t, a):
    d = 2 * (np.float64(x) - t)
    return d, -d


@jit
def l1_term(x, t, a):
    return math.fabs(np.float64(x) - t)


@jit
def l1_slopes(x, t, a):
    d = np.float64(x) - t
    s = 1.0 if d > 0 else -1.0 if d < 0 else d
    return s, -s


@jit
def huber_term(x, t, delta):
    d = math.fabs(np.float64(x) - t)
    return 0.5 * d * d if d <= delta else delta * (d - 0.5 * delta)


@jit
def huber_slopes(x, t, delta):
    d = np.float64(x) - t
    d = delta if d > delta else -delta if d < -delta else d
    return d, -d


@jit
def kl_term(x, t, log_target):
    p, log_p = (math.exp(np.float64(t)), np.float64(t)) if log_target else (np.float64(t), math.log(np.float64(t)))
    return 0.0 if p == 0 and x == x else p * (log_p - x)


@jit
def kl_slopes(x, t, log_target):
    p, log_p = (math.exp(np.float64(t)), np.float64(t)) if log_target else (np.float64(t), math.log(np.float64(t)))
    d = log_p - x + 1
    return -p, (0.0 if p == 0 else p * d) if log_target else d


pair("mse", mse_term, mse_slopes)
pair("l1", l1_term, l1_slopes)
pair("huber", huber_term, huber_slopes)
pair("kl_div", kl_term, kl_slopes)


@jit
def floored(x):
    """max(x, -100), NaN stays."""
    return -100.0 if x < -100.0 else x


@jit
def bce_terms(p, target, weight, out):
    for i in range(len(p)):
        yes, no = floored(math.log(np.float64(p[i]))), floored(math.log1p(-np.float64(p[i])))
        out[i] = ((target[i] - 1) * no - target[i] * yes) * weight[i]


@jit
def bce_slopes(each, p, target, weight, dp, dt):
    for i in range(len(p)):
        q, g = np.float64(p[i]), each[i] * weight[i]
        dp[i] = (q - target[i]) / max((1 - q) * q, 1e-12) * g
        dt[i] = (floored(math.log1p(-q)) - floored(math.log(q))) * g


def ones_or(weight: Any, x: Any) -> Any:
    """A weight as one row; ones where there is none."""
    return flat(np.ones((), x.dtype) if weight is None else weight, x.shape)


@array
def binary_cross_entropy(p: Any, target: Any, weight: Any, reduction: int) -> Any:
    out = np.empty(p.size, p.dtype if reduction == NONE else np.float64)
    bce_terms(flat(p, p.shape), flat(target, p.shape), ones_or(weight, p), out)
    return summed(out, p, reduction)


@array
def binary_cross_entropy_backward(dy: Any, p: Any, target: Any, weight: Any, reduction: int, needs: int) -> Any:
    dp, dt = np.empty(p.size, p.dtype), np.empty(p.size, p.dtype)
    bce_slopes(each(dy, p, reduction), flat(p, p.shape), flat(target, p.shape), ones_or(weight, p), dp, dt)
    return dp.reshape(p.shape) if needs & 1 else None, dt.reshape(p.shape) if needs & 2 else None, None


@jit
def logit_terms(x, target, weight, positive, out):
    for i in range(len(x)):
        no, yes, z = 1 - np.float64(target[i]), np.float64(target[i]) * positive[i], np.float64(x[i])
        out[i] = ((0.0 if no == 0 else no * softplus_of(z)) + (0.0 if yes == 0 else yes * softplus_of(-z))) * weight[i]


@jit
def logit_slopes(each, x, target, weight, positive, dx, dt):
    for i in range(len(x)):
        z, t, g = np.float64(x[i]), np.float64(target[i]), each[i] * weight[i]
        dx[i] = ((1 - t) * sigmoid_of(z) - t * positive[i] * sigmoid_of(-z)) * g
        dt[i] = (softplus_of(-z) * positive[i] - softplus_of(z)) * g


@array
def binary_cross_entropy_with_logits(x: Any, target: Any, weight: Any, pos_weight: Any, reduction: int) -> Any:
    out = np.empty(x.size, x.dtype if reduction == NONE else np.float64)
    logit_terms(flat(x, x.shape), flat(target, x.shape), ones_or(weight, x), ones_or(pos_weight, x), out)
    return summed(out, x, reduction)


@array
def binary_cross_entropy_with_logits_backward(
    dy: Any, x: Any, target: Any, weight: Any, pos_weight: Any, reduction: int, needs: int
) -> Any:
    dx, dt = np.empty(x.size, x.dtype), np.empty(x.size, x.dtype)
    rows = flat(x, x.shape), flat(target, x.shape), ones_or(weight, x), ones_or(pos_weight, x)
    logit_slopes(each(dy, x, reduction), *rows, dx, dt)
    return dx.reshape(x.shape) if needs & 1 else None, dt.reshape(x.shape) if needs & 2 else None, None, None


def classes(x: Any) -> Any:
    """(..., C) as rows."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def ones_for(weight: Any, x: Any) -> Any:
    """A weight per class; ones where there is none."""
    return np.ones(x.shape[-1], x.dtype) if weight is None else np.ascontiguousarray(weight)


def reduced(terms: Any, labels: Any, weight: Any, x: Any, ignore_index: int, reduction: int) -> Any:
    """The loss of one term for each row, and what the sum was divided by."""
    norm = np.float64(1)
    if reduction == MEAN:
        kept = labels != ignore_index
        norm = ones_for(weight, x)[np.where(kept, labels, 0)].sum(where=kept, dtype=np.float64)
    if reduction == NONE:
        return terms.reshape(labels.shape).astype(x.dtype), np.asarray(norm)
    with np.errstate(all="ignore"):
        return np.asarray(terms.reshape(-1).sum() / norm, x.dtype), np.asarray(norm)


@jit
def entropy_rows(x, labels, weight, p, terms, smoothing, ignore_index):
    classes = x.shape[1]
    for r in range(x.shape[0]):
        top = -np.inf
        for i in range(classes):
            if x[r, i] > top or x[r, i] != x[r, i]:
                top = x[r, i]
                if top != top:
                    break
        total = 0.0
        for i in range(classes):
            e = math.exp(0.0 if x[r, i] == np.inf else np.float64(x[r, i]) - top)
            total += e
            p[r, i] = e
        for i in range(classes):
            p[r, i] /= total
        label = labels[r]
        terms[r] = 0.0
        if label == ignore_index:
            continue
        log_total, even = math.log(total), 0.0
        z = 0.0 if x[r, label] == np.inf else np.float64(x[r, label]) - top
        if smoothing:
            for i in range(classes):
                even += (log_total - (0.0 if x[r, i] == np.inf else np.float64(x[r, i]) - top)) * weight[i]
            even *= smoothing / classes
        terms[r] = (1 - smoothing) * weight[label] * (log_total - z) + even


@jit
def entropy_slopes(each, p, labels, weight, dx, smoothing, ignore_index):
    classes = p.shape[1]
    even = 0.0
    for i in range(classes):
        even += weight[i]
    for r in range(p.shape[0]):
        label = labels[r]
        if label == ignore_index:
            dx[r, :] = 0
            continue
        own = (1 - smoothing) * weight[label]
        total = own + smoothing / classes * even if smoothing else own
        for i in range(classes):
            target = (own if i == label else 0.0) + (smoothing / classes * weight[i] if smoothing else 0.0)
            dx[r, i] = (p[r, i] * total - target) * each[r]


@array
def cross_entropy(x: Any, labels: Any, weight: Any, smoothing: float, ignore_index: int, reduction: int) -> Any:
    rows = classes(x)
    p, terms = np.empty_like(rows), np.empty(len(rows))
    entropy_rows(rows, labels.reshape(-1), ones_for(weight, x), p, terms, float(smoothing), ignore_index)
    loss, norm = reduced(terms, labels, weight, x, ignore_index, reduction)
    return loss, p.reshape(x.shape), norm


def row_gradients(dy: Any, norm: Any, labels: Any) -> Any:
    """The gradient of each row's term."""
    with np.errstate(all="ignore"):
        return flat(dy / norm, labels.shape)


def cross_entropy_backward(
    dy: Any,
    p: Any,
    labels: Any,
    weight: Any,
    norm: Any,
    smoothing: float,
    ignore_index: int,
    reduction: int,
    needs: int,
) -> Any:
    rows = classes(p)
    dx = np.empty_like(rows)
    each_row, w = row_gradients(dy, norm, labels), ones_for(weight, p)
    entropy_slopes(each_row, rows, labels.reshape(-1), w, dx, float(smoothing), ignore_index)
    return dx.reshape(p.shape), None, None


KERNELS["cross_entropy_backward"] = cross_entropy_backward  # `norm` is float64 beside float32


@array
def nll(logp: Any, labels: Any, weight: Any, ignore_index: int, reduction: int) -> Any:
    kept = labels != ignore_index
    safe = np.where(kept, labels, 0)
    picked = np.take_along_axis(logp, safe[..., None], -1)[..., 0]
    terms = np.where(kept, -ones_for(weight, logp)[safe] * picked.astype(np.float64), 0.0)
    return reduced(terms, labels, weight, logp, ignore_index, reduction)


def nll_backward(
    dy: Any, logp_shape: Any, labels: Any, weight: Any, norm: Any, ignore_index: int, reduction: int, needs: int
) -> Any:
    dx = np.zeros(logp_shape, dy.dtype)
    rows = dx.reshape(-1, logp_shape[-1])
    each_row, kept = row_gradients(dy, norm, labels), labels.reshape(-1) != ignore_index
    at, chosen = np.flatnonzero(kept), labels.reshape(-1)[kept]
    w = 1.0 if weight is None else weight[chosen]
    rows[at, chosen] = -w * each_row[kept]
    return dx, None, None


KERNELS["nll_backward"] = nll_backward
