"""Scalar formulas of arithmetic and elementary functions, each with its derivative."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from .lift import Kernels, elementwise
from .special import bounded

KERNELS: Kernels = {}
pointwise = elementwise(KERNELS)
chosen = elementwise(KERNELS, "?TT")


@pointwise
def add(a, b):
    return a + b


@pointwise
def subtract(a, b):
    return a - b


@pointwise
def multiply(a, b):
    return a * b


@pointwise
def divide(a, b):
    return a / b


@pointwise
def negative(x):
    return -x


@pointwise
def power(a, b):
    return np.power(a, b)


@pointwise
def power_base(dy, a, b):
    return 0.0 if b == 0 else dy * (b * np.power(a, b - 1))


@pointwise
def power_exponent(dy, a, b):
    return 0.0 if a == 0 and b >= 0 else dy * (np.power(a, b) * math.log(a))


@pointwise
def maximum(a, b):
    return a if a > b or a != a else b


@pointwise
def minimum(a, b):
    return a if a < b or a != a else b


@pointwise
def winner(dy, a, b):
    return 0.0 if a < b else dy * 0.5 if a == b else dy


@chosen
def where(condition, a, b):
    return a if condition else b


@pointwise
def clip(x, low, high):
    return bounded(x, low, high)


@pointwise
def clip_backward(dy, x, low, high):
    return dy if low <= x <= high else 0.0


@pointwise
def abs(x):
    return math.fabs(x)


@pointwise
def abs_backward(dy, x):
    return dy if x > 0 else -dy if x < 0 else dy * x


@pointwise
def exp(x):
    return math.exp(x)


@pointwise
def exp_backward(dy, y):
    return dy * y


@pointwise
def log(x):
    return math.log(x)


@pointwise
def log_backward(dy, x):
    return dy / x


@pointwise
def log1p(x):
    return math.log1p(x)


@pointwise
def log1p_backward(dy, x):
    return dy / (1 + x)


@pointwise
def expm1(x):
    return math.expm1(x)


@pointwise
def expm1_backward(dy, x):
    return dy * math.exp(x)


@pointwise
def sqrt(x):
    return math.sqrt(x)


@pointwise
def sqrt_backward(dy, y):
    return dy / (2 * y)


@pointwise
def square(x):
    return x * x


@pointwise
def square_backward(dy, x):
    return dy * (2 * x)
