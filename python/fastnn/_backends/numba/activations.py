"""Scalar formulas of activation functions, each with its derivative."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math

import numpy as np

from .lift import Kernels, elementwise
from .special import bounded, density, phi, sigmoid_of, softplus_of

KERNELS: Kernels = {}
pointwise = elementwise(KERNELS)


@pointwise
def relu(x):
    return 0.0 if x < 0 else x


@pointwise
def relu_backward(dy, y):
    return dy if y > 0 else 0.0


@pointwise
def leaky_relu(x, negative_slope):
    return x if x > 0 else x * negative_slope


@pointwise
def leaky_relu_backward(dy, x, negative_slope):
    return dy if x > 0 else dy * negative_slope


@pointwise
def sigmoid(x):
    return sigmoid_of(x)


@pointwise
def sigmoid_backward(dy, y):
    return dy * (y * (1 - y))


@pointwise
def tanh(x):
    return math.tanh(x)


@pointwise
def tanh_backward(dy, y):
    return dy * ((1 - y) * (1 + y))


@pointwise
def gelu(x):
    return max(x, -40.0) * phi(x)


@pointwise
def gelu_backward(dy, x):
    return dy * (phi(x) + min(max(np.float64(x), -40.0), 40.0) * density(x)) if x == x else dy * x


@pointwise
def gelu_tanh(x):
    s = sigmoid_of(1.5957691216057308 * np.float64(x) * (1 + 0.044715 * np.float64(x) * x))
    return x * s if s > 0 or x != x else math.copysign(0.0, x)


@pointwise
def gelu_tanh_backward(dy, x):
    if x != x:
        return dy * x
    c = min(max(np.float64(x), -40.0), 40.0)
    u, du = 1.5957691216057308 * c * (1 + 0.044715 * (c * c)), 1.5957691216057308 * (1 + 0.134145 * (c * c))
    e = math.exp(-math.fabs(u))
    return dy * (sigmoid_of(u) + c * du * (e / ((1 + e) * (1 + e))))


@pointwise
def silu(x, beta):
    s = sigmoid_of(beta * min(max(np.float64(x), -1e300), 1e300)) if x == x else x
    return x * s if s > 0 or s != s else math.copysign(0.0, x)


@pointwise
def silu_backward(dy, x, beta):
    if x != x:
        return dy * x
    z = beta * min(max(np.float64(x), -1e300), 1e300)
    e = math.exp(-math.fabs(z))
    return dy * (sigmoid_of(z) + min(max(z, -1e3), 1e3) * (e / ((1 + e) * (1 + e))))


@pointwise
def elu(x, alpha):
    return x if x > 0 else alpha * math.expm1(x)


@pointwise
def elu_backward(dy, y, alpha):
    return dy if y > 0 else dy * (y + alpha)


@pointwise
def selu(x):
    return 1.0507009873554805 * x if x > 0 else 1.7580993408473766 * math.expm1(x)


@pointwise
def selu_backward(dy, y):
    return dy * 1.0507009873554805 if y > 0 else dy * (y + 1.7580993408473766)


@pointwise
def softplus(x, beta, threshold):
    return x if beta * x > threshold else softplus_of(beta * x) / beta


@pointwise
def softplus_backward(dy, x, beta, threshold):
    return dy if beta * x > threshold else dy * sigmoid_of(beta * x)


@pointwise
def mish(x):
    if x != x:
        return x
    e = math.exp(-math.fabs(np.float64(x)))
    up, down = 1 + 2 * e, e * (e + 2)
    w = up / (up + 2 * e * e) if x > 0 else down / (down + 2)
    return x * w if w > 0 else math.copysign(0.0, x)


@pointwise
def mish_backward(dy, x):
    if x != x:
        return dy * x
    e = math.exp(-math.fabs(np.float64(x)))
    up, down = 1 + 2 * e, e * (e + 2)
    bottom = up + 2 * e * e if x > 0 else down + 2
    slope = 4 * (1 + e) * (e * e if x > 0 else e) / (bottom * bottom)
    return dy * ((up if x > 0 else down) / bottom + min(max(x, -1e3), 1e3) * slope)


@pointwise
def hardtanh(x, low, high):
    return bounded(x, low, high)


@pointwise
def hardtanh_backward(dy, x, low, high):
    return 0.0 if x <= low or x >= high else dy


@pointwise
def hardswish(x):
    return max(x, -3.0) * (min(max(x + 3, 0.0), 6.0) / 6) if x == x else x


@pointwise
def hardswish_backward(dy, x):
    return 0.0 if x <= -3 else dy if x >= 3 else dy * (x / 3 + 0.5)
