"""Training steps written by hand in NumPy: the opponent that fastnn has to beat.

Everything is preallocated and written with ``out=``; parameters, gradients and optimizer state are flat vectors, so
that an update is one pass in blocks that stay in the cache. In float64 the same code is the definition that all others
are checked against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BLOCK = 1 << 14  # numbers of each vector that an update treats at a time


class SGD:
    """Stochastic gradient descent with momentum, PyTorch's formula, in place."""

    def __init__(self, p: Array, g: Array, lr: float = 1e-3, momentum: float = 0.9) -> None:
        self.lr, self.momentum = lr, momentum
        v, spare = np.zeros_like(p), np.empty(min(p.size, BLOCK), p.dtype)
        self.blocks = [
            (p[i : i + BLOCK], g[i : i + BLOCK], v[i : i + BLOCK], spare[: min(BLOCK, p.size - i)])
            for i in range(0, p.size, BLOCK)
        ]

    def step(self) -> None:
        """One update."""
        for p, g, v, spare in self.blocks:
            v *= self.momentum
            v += g
            np.multiply(v, self.lr, out=spare)
            p -= spare


class Adam:
    """Adam, PyTorch's formula with its two divisions made one, in place."""

    def __init__(self, p: Array, g: Array, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.lr, self.beta1, self.beta2, self.eps, self.t = lr, beta1, beta2, 1e-8, 0
        m, v, spare = np.zeros_like(p), np.zeros_like(p), np.empty(min(p.size, BLOCK), p.dtype)
        self.blocks = [
            (p[i : i + BLOCK], g[i : i + BLOCK], m[i : i + BLOCK], v[i : i + BLOCK], spare[: min(BLOCK, p.size - i)])
            for i in range(0, p.size, BLOCK)
        ]

    def step(self) -> None:
        """One update."""
        self.t += 1
        root = math.sqrt(1 - self.beta2**self.t)
        eps, rate = self.eps * root, self.lr * root / (1 - self.beta1**self.t)
        for p, g, m, v, spare in self.blocks:
            np.subtract(g, m, out=spare)
            spare *= 1 - self.beta1
            m += spare
            v *= self.beta2
            np.multiply(g, g, out=spare)
            spare *= 1 - self.beta2
            v += spare
            np.sqrt(v, out=spare)
            spare += eps
            np.divide(m, spare, out=spare)
            spare *= rate
            p -= spare


OPTIMIZERS = {"sgd": SGD, "adam": Adam}


class SoftmaxCrossEntropy:
    """The mean over rows of the cross-entropy of softmax with class numbers, and its gradient, in place."""

    def __init__(self, batch: int, classes: int, dtype: Any = np.float32) -> None:
        self.batch = batch
        self.column = np.empty((batch, 1), dtype)
        self.picked, self.places = np.empty(batch, dtype), np.empty(batch, np.int64)
        self.firsts = np.arange(batch) * classes  # where each row of the logits begins

    def __call__(self, z: Array, y: Array) -> float:
        """The loss; the logits' place then holds their gradient."""
        column = self.column
        np.max(z, axis=1, keepdims=True, out=column)
        z -= column
        np.add(self.firsts, y, out=self.places)
        flat = z.reshape(-1)
        flat.take(self.places, out=self.picked)
        np.exp(z, out=z)
        np.sum(z, axis=1, keepdims=True, out=column)
        z /= column
        np.log(column, out=column)
        value = (float(column.sum()) - float(self.picked.sum())) / self.batch
        flat[self.places] -= 1
        z /= self.batch
        return value


class MLP:
    """Linear layers with an activation between, softmax and cross-entropy on class numbers, an optimizer.

    Parameters
    ----------
    weights : sequence of arrays
        W (out, in) and b (out,) of each layer in turn; copied.
    batch : int
    activation : {"relu", "sigmoid"}
    optimizer : {"sgd", "adam"}
    dtype : dtype
    """

    def __init__(
        self,
        weights: Sequence[Array],
        batch: int,
        activation: str = "relu",
        optimizer: str = "sgd",
        dtype: Any = np.float32,
    ) -> None:
        self.sigmoid = activation == "sigmoid"
        flat = np.concatenate([w.ravel() for w in weights]).astype(dtype)
        gradient = np.empty_like(flat)
        self.weights, self.gradients = views(flat, weights), views(gradient, weights)
        self.optimizer = OPTIMIZERS[optimizer](flat, gradient)
        widths = [weights[0].shape[1], *(len(b) for b in weights[1::2])]
        self.layers = list(zip(self.weights[::2], self.weights[1::2], strict=True))
        self.outputs = [np.empty((batch, n), dtype) for n in widths[1:]]
        self.deltas = [np.empty((batch, n), dtype) for n in widths[1:-1]]
        self.spare = [np.empty((batch, n), dtype if self.sigmoid else bool) for n in widths[1:-1]]
        self.loss = SoftmaxCrossEntropy(batch, widths[-1], dtype)

    def forward(self, x: Array) -> Array:
        """The logits; in memory that the next call overwrites."""
        last = len(self.layers) - 1
        for i, ((w, b), z) in enumerate(zip(self.layers, self.outputs, strict=True)):
            np.matmul(x, w.T, out=z)
            z += b
            if i < last and self.sigmoid:
                np.negative(z, out=z)
                np.exp(z, out=z)
                z += 1
                np.reciprocal(z, out=z)
            elif i < last:
                np.maximum(z, 0, out=z)
            x = z
        return x

    def backward(self, x: Array) -> None:
        """The gradients, from that of the logits."""
        delta = self.outputs[-1]
        for i in reversed(range(len(self.layers))):
            below = self.outputs[i - 1] if i else x
            np.matmul(delta.T, below, out=self.gradients[2 * i])
            np.sum(delta, axis=0, out=self.gradients[2 * i + 1])
            if i:
                np.matmul(delta, self.layers[i][0], out=self.deltas[i - 1])
                delta, spare = self.deltas[i - 1], self.spare[i - 1]
                if self.sigmoid:
                    np.subtract(1, below, out=spare)
                    spare *= below
                    delta *= spare
                else:
                    np.less_equal(below, 0, out=spare)
                    np.copyto(delta, 0, where=spare)

    def step(self, x: Array, y: Array) -> float:
        """One training step on a batch; the loss before it."""
        value = self.loss(self.forward(x), y)
        self.backward(x)
        self.optimizer.step()
        return value


def views(flat: Array, like: Sequence[Array]) -> list[Array]:
    """Parts of a vector, one after the other, in the shapes of `like`."""
    ends = np.cumsum([0, *(a.size for a in like)])
    return [flat[i:j].reshape(a.shape) for (i, j), a in zip(pairwise(ends), like, strict=True)]
