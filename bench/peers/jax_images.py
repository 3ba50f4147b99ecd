"""Convolutional networks in JAX, on channels-last images: the layers of one of fastnn's, run by JAX's functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ORDER = ("NHWC", "HWIO", "NHWC")


def images(a: Any) -> Any:
    """Images (N, C, H, W) as (N, H, W, C)."""
    return a.transpose(0, 2, 3, 1)


def kernel(w: Any) -> Any:
    """A kernel (out, in, h, w) as (h, w, in, out); other parameters as they are."""
    return w.transpose(2, 3, 1, 0) if w.ndim == 4 else w


def kernel_back(w: Any) -> Any:
    """As fastnn has it."""
    return w.transpose(3, 2, 0, 1) if w.ndim == 4 else w


def statistics(model: Any) -> list[Any]:
    """Running means and variances of its batch norms, in turn."""
    return [jnp.asarray(b.numpy()) for name, b in model.named_buffers() if "running" in name]


def scores(model: Any, weights: Any, running: Any, x: Any) -> Any:
    """The scores of images, and the running statistics after them."""
    kept: list[Any] = []
    return forward(model, iter(weights), iter(running), kept, x), kept


def forward(m: Any, p: Iterator[Any], running: Iterator[Any], kept: list[Any], x: Any) -> Any:
    """What one of fastnn's modules does, with the next parameters and statistics."""
    match type(m).__name__:
        case "Sequential":
            for layer in m:
                x = forward(layer, p, running, kept, x)
            return x
        case "Residual":
            y = forward(m.residual, p, running, kept, x)
            return jax.nn.relu(y + forward(m.shortcut, p, running, kept, x))
        case "Conv2d":
            w, around = next(p), [(n, n) for n in m.padding]
            y = jax.lax.conv_general_dilated(
                x, w, m.stride, around, dimension_numbers=ORDER, feature_group_count=m.groups
            )
            return y if m.bias is None else y + next(p)
        case "BatchNorm2d":
            return normalized(m, next(p), next(p), next(running), next(running), kept, x)
        case "Linear":
            return x @ next(p).T + next(p)
        case "ReLU":
            return jax.nn.relu(x)
        case "MaxPool2d":
            # reduce_window makes LeNet's step 2.4 times as long. Equal values share the gradient, which here are zeros
            # after a relu.
            n, h, w, c = x.shape
            k = m.kernel_size
            return x.reshape(n, h // k, k, w // k, k, c).max((2, 4))
        case "AdaptiveAvgPool2d":
            return x.mean((1, 2), keepdims=True)
        case "Flatten":
            return x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        case _:
            return forward(m.layers, p, running, kept, x)


def normalized(m: Any, weight: Any, bias: Any, mean: Any, var: Any, kept: list[Any], x: Any) -> Any:
    """Batch norm in training; the running variance is the unbiased one."""
    n = np.prod(x.shape[:3])
    now, spread = x.mean((0, 1, 2)), x.var((0, 1, 2))
    for old, new in ((mean, now), (var, spread * n / (n - 1))):
        kept.append(old + m.momentum * (jax.lax.stop_gradient(new) - old))
    return (x - now) * (jax.lax.rsqrt(spread + m.eps) * weight) + bias
