"""Functions that several Numba formulas share, in float64."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from .lift import jit

ROOT_HALF = math.sqrt(0.5)
HEAD = float(np.float32(ROOT_HALF))
REST = ROOT_HALF - HEAD
BEYOND = -4.833646656726457e-17  # sqrt(1/2) - ROOT_HALF


@jit
def bounded(x, low, high):
    """min(max(x, low), high), where a NaN among them stays."""
    raised = low if x < low or low != low else x
    return high if raised > high or high != high else raised


@jit
def sigmoid_of(x):
    """1 / (1 + exp(-x)) without overflow."""
    e = math.exp(-math.fabs(x))
    return (1.0 if x >= 0 else e) / (1 + e) if x == x else x


@jit
def softplus_of(x):
    """log(1 + exp(x)) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-math.fabs(x))) if x == x else x


@jit
def phi(x):
    """The normal distribution function, erfc(-x / sqrt 2) / 2.

    Far out erfc magnifies the rounding of its argument t: erfc(t + d) is erfc(t) exp(-2 t d) for what t lacks, d.
    """
    a = np.float64(x)
    if a != a or a > 8:
        return a if a != a else 1.0
    if a < -39:
        return 0.0
    t = -a * ROOT_HALF
    if t < 1:
        return 0.5 * math.erfc(t)
    head = np.float64(np.float32(-a))
    d = ((head * HEAD - t) + head * REST) + (-a - head) * ROOT_HALF - a * BEYOND
    return 0.5 * math.erfc(t) * math.exp(-2 * t * d)


@jit
def density(x):
    """The normal density."""
    a = min(math.fabs(np.float64(x)), 40.0) if x == x else np.float64(x)
    head = np.float64(np.float32(a))
    return 0.3989422804014327 * math.exp(-0.5 * head * head) * math.exp(-0.5 * (a - head) * (a + head))
