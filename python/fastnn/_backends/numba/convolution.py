"""Convolutions: windows copied to matrices by a loop, image by image, and NumPy's matmul."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops._windows import windows
from ...ops.convolution import as_matrices, grown
from .lift import Kernels, jit, kernel

KERNELS: Kernels = {}
array = kernel(KERNELS)


@jit
def take_windows(x, rows, kernel, out, stride, before, dilation):
    """im2col of one image: rows (windows, c * kernel) from x (c, d, h, w)."""
    c, length = x.shape[0], x.shape[1:]
    for p in range(out[0]):
        for q in range(out[1]):
            for r in range(out[2]):
                row = (p * out[1] + q) * out[2] + r
                at = 0
                for k in range(c):
                    for i in range(kernel[0]):
                        d = p * stride[0] - before[0] + i * dilation[0]
                        for j in range(kernel[1]):
                            h = q * stride[1] - before[1] + j * dilation[1]
                            inside = 0 <= d < length[0] and 0 <= h < length[1]
                            for m in range(kernel[2]):
                                w = r * stride[2] - before[2] + m * dilation[2]
                                rows[row, at] = x[k, d, h, w] if inside and 0 <= w < length[2] else 0
                                at += 1


@jit
def add_windows(x, rows, kernel, out, stride, before, dilation):
    """col2im of one image, the other way: rows added to x."""
    c, length = x.shape[0], x.shape[1:]
    for p in range(out[0]):
        for q in range(out[1]):
            for r in range(out[2]):
                row = (p * out[1] + q) * out[2] + r
                at = 0
                for k in range(c):
                    for i in range(kernel[0]):
                        d = p * stride[0] - before[0] + i * dilation[0]
                        for j in range(kernel[1]):
                            h = q * stride[1] - before[1] + j * dilation[1]
                            inside = 0 <= d < length[0] and 0 <= h < length[1]
                            for m in range(kernel[2]):
                                w = r * stride[2] - before[2] + m * dilation[2]
                                if inside and 0 <= w < length[2]:
                                    x[k, d, h, w] += rows[row, at]
                                at += 1


class Geometry:
    """The numbers of a convolution from x to y, with three axes of space."""

    def __init__(self, weight: Any, out: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> None:
        def three(sizes: Any, fill: int) -> tuple[int, ...]:
            return (fill,) * (3 - len(sizes)) + tuple(map(int, sizes))

        self.numbers = (
            three(weight.shape[2:], 1),
            three(out, 1),
            three(stride, 1),
            three(padding[::2], 0),
            three(dilation, 1),
        )
        self.groups, self.w = groups, as_matrices(np.ascontiguousarray(weight), groups)
        self.windows = math.prod(out)

    def split(self, x: Any) -> Any:
        """(n, c, *space) as (n, groups, c / groups, d, h, w)."""
        space = x.shape[2:]
        return x.reshape(x.shape[0], self.groups, x.shape[1] // self.groups, *(1,) * (3 - len(space)), *space)

    def rows(self, x: Any) -> Any:
        """Room for the windows of one image."""
        return np.empty((self.windows, self.w.shape[2]), x.dtype)

    def forward(self, x: Any, y: Any) -> None:
        """y from x."""
        xs, ys, rows = self.split(np.ascontiguousarray(x)), self.split(y), self.rows(x)
        for n, g in np.ndindex(*xs.shape[:2]):
            take_windows(xs[n, g], rows, *self.numbers)
            np.matmul(self.w[g], rows.T, out=ys[n, g].reshape(-1, self.windows))

    def data(self, dy: Any, dx: Any) -> None:
        """dx, zeros before, from dy."""
        ys, xs = self.split(np.ascontiguousarray(dy)), self.split(dx)
        for n, g in np.ndindex(*xs.shape[:2]):
            add_windows(xs[n, g], ys[n, g].reshape(-1, self.windows).T @ self.w[g], *self.numbers)

    def weights(self, x: Any, dy: Any) -> Any:
        """dw from x and dy."""
        xs, ys = self.split(np.ascontiguousarray(x)), self.split(np.ascontiguousarray(dy))
        rows, dw = self.rows(x), np.zeros_like(self.w)
        for n, g in np.ndindex(*xs.shape[:2]):
            take_windows(xs[n, g], rows, *self.numbers)
            dw[g] += ys[n, g].reshape(-1, self.windows) @ rows
        return dw


def plus_bias(y: Any, bias: Any) -> Any:
    if bias is not None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y


@array
def conv(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = windows(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.empty((x.shape[0], weight.shape[0], *out), x.dtype)
    Geometry(weight, out, stride, padding, dilation, groups).forward(x, y)
    return plus_bias(y, bias)


@array
def conv_backward(
    dy: Any, x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int, needs: int
) -> Any:
    geometry = Geometry(weight, dy.shape[2:], stride, padding, dilation, groups)
    dx = None
    if needs & 1:
        dx = np.zeros(x.shape, x.dtype)
        geometry.data(dy, dx)
    dw = geometry.weights(x, dy).reshape(weight.shape) if needs & 2 else None
    return dx, dw, dy.sum((0, *range(2, dy.ndim))) if needs & 4 else None


@array
def conv_transpose(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: int
) -> Any:
    space = grown(x.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation)
    y = np.zeros((x.shape[0], weight.shape[1] * groups, *space), x.dtype)
    Geometry(weight, x.shape[2:], stride, padding, dilation, groups).data(x, y)
    return plus_bias(y, bias)


@array
def conv_transpose_backward(
    dy: Any,
    x: Any,
    weight: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    dilation: Any,
    groups: int,
    needs: int,
) -> Any:
    geometry = Geometry(weight, x.shape[2:], stride, padding, dilation, groups)
    dx = None
    if needs & 1:
        dx = np.empty(x.shape, x.dtype)
        geometry.forward(dy, dx)
    dw = geometry.weights(dy, x).reshape(weight.shape) if needs & 2 else None
    return dx, dw, dy.sum((0, *range(2, dy.ndim))) if needs & 4 else None
