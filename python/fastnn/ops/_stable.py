"""Formulas that neither overflow nor cancel, shared by activations and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._forms import MEAN, NONE

Array = np.ndarray[Any, Any]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) by powers of e below 1 only."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def sigmoid_slope(x: Array) -> Array:
    """sigmoid(x) (1 - sigmoid(x)); written with the sigmoid, 1 - y would cancel."""
    e = np.exp(-np.abs(x))
    return e / ((1 + e) * (1 + e))


def times_sigmoid(x: Array, z: Array) -> Array:
    """x sigmoid(z), accurate to where the product itself is subnormal.

    exp(z) goes to x in two halves, since alone it is subnormal, with few digits, before the product is. Infinities of
    x become the largest numbers where z is below 0, so that they meet no 0.
    """
    h = np.exp(-0.5 * np.abs(z))
    return np.where(z >= 0, x / (1 + h * h), bounded(x) * h * (h / (1 + h * h)))


def bounded(x: Array) -> Array:
    """x with the largest finite numbers in place of the infinities, which times 0 would be NaN."""
    most = float(np.finfo(x.dtype).max)
    return np.clip(x, -most, most)


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def centered(x: Array, axis: Any) -> tuple[Array, Array]:
    """x minus its mean, and the mean, both in float64: one rounded to float32 would show where it is far from 0.

    The mean of float64 values is corrected by that of the differences, so that equal values have no spread at all.
    """
    mean = x.mean(axis, dtype=np.float64, keepdims=True)
    d = x - mean
    if x.dtype == np.float64:
        mean = mean + d.mean(axis, keepdims=True)
        d = x - mean
    return d, mean


def shifted(x: Array, axis: Any) -> Array:
    """x minus its largest value, and 0 for +inf itself: softmax([inf, 0]) has the limit [1, 0]."""
    return np.where(x == np.inf, 0.0, x - x.max(axis, keepdims=True, initial=-np.inf))


def reduced_loss(terms: Array, reduction: int, dtype: Any) -> Array:
    """The terms, their mean or their sum; sums are accumulated in float64 and rounded once."""
    if reduction == NONE:
        return terms.astype(dtype, copy=False)
    total = terms.sum(dtype=np.float64)
    return np.asarray(total / terms.size if reduction == MEAN else total, dtype)


def each_term(dy: Array, reduction: int, n: int) -> Array:
    """The gradient that each of n terms gets from that of the reduced loss."""
    return dy / np.asarray(n, dy.dtype) if reduction == MEAN else dy
