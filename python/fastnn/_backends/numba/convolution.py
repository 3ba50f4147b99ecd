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
def reach(length, out, stride, before):
    """The positions of a result whose values lie inside the image, for one value of the kernel."""
    first = min(out, max(0, (before + stride - 1) // stride))
    return first, max(first, min(out, (length - 1 + before) // stride + 1))


@jit
def take_windows(x, rows, kernel, out, stride, before, dilation):
    """im2col of one image: rows (c * kernel, windows) from x (c, d, h, w), a row of the image at a time."""
    c, length = x.shape[0], x.shape[1:]
    at = 0
    for k in range(c):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                for m in range(kernel[2]):
                    off = m * dilation[2] - before[2]
                    first, last = reach(length[2], out[2], stride[2], -off)
                    row = rows[at]
                    at += 1
                    for p in range(out[0]):
                        d = p * stride[0] - before[0] + i * dilation[0]
                        for q in range(out[1]):
                            h = q * stride[1] - before[1] + j * dilation[1]
                            here = (p * out[1] + q) * out[2]
                            if not (0 <= d < length[0] and 0 <= h < length[1]):
                                row[here : here + out[2]] = 0
                                continue
                            line = x[k, d, h]
                            for r in range(first):
                                row[here + r] = 0
                            if stride[2] == 1:
                                for r in range(first, last):
                                    row[here + r] = line[r + off]
                            else:
                                for r in range(first, last):
                                    row[here + r] = line[r * stride[2] + off]
                            for r in range(last, out[2]):
                                row[here + r] = 0


@jit
def add_windows(x, rows, kernel, out, stride, before, dilation):
    """col2im of one image, the other way: rows added to x."""
    c, length = x.shape[0], x.shape[1:]
    at = 0
    for k in range(c):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                for m in range(kernel[2]):
                    off = m * dilation[2] - before[2]
                    first, last = reach(length[2], out[2], stride[2], -off)
                    row = rows[at]
                    at += 1
                    for p in range(out[0]):
                        d = p * stride[0] - before[0] + i * dilation[0]
                        for q in range(out[1]):
                            h = q * stride[1] - before[1] + j * dilation[1]
                            if 0 <= d < length[0] and 0 <= h < length[1]:
                                line, here = x[k, d, h], (p * out[1] + q) * out[2]
                                if stride[2] == 1:
                                    for r in range(first, last):
                                        line[r + off] += row[here + r]
                                else:
                                    for r in range(first, last):
                                        line[r * stride[2] + off] += row[here + r]


FORWARD, DATA, WEIGHTS = range(3)


@jit
def by_channel(what, x, w, y, kernel, out, stride, before, dilation):
    """Channels by themselves: x (n, c, d, h, w), w (c, times, d, h, w) and y (n, c, times, d, h, w); one is added to.

    Products of matrices with one row or column each took twice as long as NumPy's definition.
    """
    length = x.shape[2:]
    for n in range(x.shape[0]):
        for c, t in np.ndindex(w.shape[0], w.shape[1]):
            for i, j, m in np.ndindex(kernel[0], kernel[1], kernel[2]):
                weight, total, off = w[c, t, i, j, m], 0.0, m * dilation[2] - before[2]
                first, last = reach(length[2], out[2], stride[2], -off)
                for p in range(out[0]):
                    d = p * stride[0] - before[0] + i * dilation[0]
                    for q in range(out[1]):
                        h = q * stride[1] - before[1] + j * dilation[1]
                        if 0 <= d < length[0] and 0 <= h < length[1]:
                            line, row = x[n, c, d, h], y[n, c, t, p, q]
                            for r in range(first, last):
                                at = r * stride[2] + off
                                if what == FORWARD:
                                    row[r] += weight * line[at]
                                elif what == DATA:
                                    line[at] += weight * row[r]
                                else:
                                    total += line[at] * row[r]
                if what == WEIGHTS:
                    w[c, t, i, j, m] += total


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
        self.alone = groups > 1 and weight.shape[1] == 1

    def split(self, x: Any) -> Any:
        """(n, c, *space) as (n, groups, c / groups, d, h, w)."""
        space = x.shape[2:]
        return x.reshape(x.shape[0], self.groups, x.shape[1] // self.groups, *(1,) * (3 - len(space)), *space)

    def rows(self, x: Any) -> Any:
        """Room for the windows of one image."""
        return np.empty((self.w.shape[2], self.windows), x.dtype)

    def run_by_channel(self, what: int, x: Any, w: Any, y: Any) -> None:
        """One of the passes, where channels are by themselves."""
        # Each of the three is written in one of the passes, so Numba refuses what is read-only in all of them.
        x, w, y = (a if a.flags.writeable else a.copy() for a in (x, w, y))
        xs, ys = self.split(x)[:, :, 0], self.split(y)
        by_channel(what, xs, w.reshape(*w.shape[:2], *self.numbers[0]), ys, *self.numbers)

    def forward(self, x: Any, y: Any) -> None:
        """y, zeros before, from x."""
        if self.alone:
            self.run_by_channel(FORWARD, np.ascontiguousarray(x), self.w, y)
            return
        xs, ys, rows = self.split(np.ascontiguousarray(x)), self.split(y), self.rows(x)
        for n, g in np.ndindex(*xs.shape[:2]):
            take_windows(xs[n, g], rows, *self.numbers)
            np.matmul(self.w[g], rows, out=ys[n, g].reshape(-1, self.windows))

    def data(self, dy: Any, dx: Any) -> None:
        """dx, zeros before, from dy."""
        if self.alone:
            self.run_by_channel(DATA, dx, self.w, np.ascontiguousarray(dy))
            return
        ys, xs, rows = self.split(np.ascontiguousarray(dy)), self.split(dx), self.rows(dy)
        for n, g in np.ndindex(*xs.shape[:2]):
            np.matmul(self.w[g].T, ys[n, g].reshape(-1, self.windows), out=rows)
            add_windows(xs[n, g], rows, *self.numbers)

    def weights(self, x: Any, dy: Any) -> Any:
        """dw from x and dy."""
        x, dy, dw = np.ascontiguousarray(x), np.ascontiguousarray(dy), np.zeros_like(self.w)
        if self.alone:
            self.run_by_channel(WEIGHTS, x, dw, dy)
            return dw
        xs, ys, rows = self.split(x), self.split(dy), self.rows(x)
        for n, g in np.ndindex(*xs.shape[:2]):
            take_windows(xs[n, g], rows, *self.numbers)
            dw[g] += ys[n, g].reshape(-1, self.windows) @ rows.T
        return dw


def plus_bias(y: Any, bias: Any) -> Any:
    if bias is not None:
        y += bias.reshape(-1, *(1,) * (y.ndim - 2))
    return y


@array
def conv(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = windows(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.zeros((x.shape[0], weight.shape[0], *out), x.dtype)
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
        dx = np.zeros(x.shape, x.dtype)
        geometry.forward(dy, dx)
    dw = geometry.weights(dy, x).reshape(weight.shape) if needs & 2 else None
    return dx, dw, dy.sum((0, *range(2, dy.ndim))) if needs & 4 else None
