"""The parts of a training step as work of their own, each beside its yardstick.

Products beside a loop of multiply-adds, or a sum over the matrix; vector functions between warm arrays beside a copy
between such arrays; the loss with its gradient; an optimizer's step beside a copy in as much memory.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

import baseline
import fastnn
import roofline
from fastnn import optim
from work import BY_HAND, Array, Column, OpWork, Work, Yardstick


class Product(OpWork):
    """``matmul`` of matrices, which may be views of transposes, or of a matrix and a vector."""

    def __init__(self, a: Array, b: Array) -> None:
        columns = b.size // b.shape[0]
        super().__init__("matmul", [a, b], {}, 2.0 * a.size * columns)
        self.vector = 1 in (a.size // a.shape[-1], columns)

    def by_hand(self) -> Column:
        (a, b), out = self.inputs, np.empty(self.results[0].shape, np.float32)
        return Column(BY_HAND, lambda: np.matmul(a, b, out=out))

    def yardstick(self) -> Yardstick | None:
        return roofline.summing(max(self.inputs, key=np.size)) if self.vector else roofline.multiplying()


def sigmoid(x: Array, out: Array) -> Array:
    """1 / (1 + exp(-x)) without temporaries."""
    return np.reciprocal(one_and_exp(x, out), out=out)


def silu(x: Array, out: Array) -> Array:
    """x / (1 + exp(-x)) without temporaries."""
    return np.divide(x, one_and_exp(x, out), out=out)


def one_and_exp(x: Array, out: Array) -> Array:
    """1 + exp(-x)."""
    np.exp(np.negative(x, out=out), out=out)
    return np.add(out, 1, out=out)


IN_NUMPY: dict[str, Any] = {"exp": np.exp, "tanh": np.tanh, "sigmoid": sigmoid, "silu": silu}


class Warm(OpWork):
    """An elementwise op on floats in memory that is in use already, its result's too.

    fastnn's result is a new array in the block of memory that the call before gave back; NumPy and PyTorch write into
    one array (``out=``); JAX makes an array of its own.
    """

    def __init__(self, name: str, n: int, times: int) -> None:
        self.row = np.random.default_rng(n).standard_normal(n).astype(np.float32)
        super().__init__(name, [np.tile(self.row, (times, 1))], {})

    def defined(self) -> list[Array]:
        return [np.broadcast_to(self.op.definition(self.row.astype(np.float64)), self.inputs[0].shape)]

    def by_hand(self) -> Column | None:
        (x,), f = self.inputs, IN_NUMPY.get(self.op.name)
        out = np.empty_like(x)
        return f and Column(BY_HAND, lambda: f(x, out=out))

    def yardstick(self) -> Yardstick:
        (x,) = self.inputs
        return roofline.copying(x, self.op.public(x))


class LossWork(Work):
    """Softmax and cross-entropy with class numbers, and the gradient of the logits; eager or captured."""

    def __init__(self, rows: int, classes: int, captured: bool) -> None:
        rng = np.random.default_rng(classes)
        self.x, self.y = rng.standard_normal((rows, classes)).astype(np.float32), rng.integers(0, classes, rows)
        self.captured, self.moved = captured, 2.0 * self.x.nbytes

    def by_hand(self, dtype: Any = np.float32) -> Column:
        x, y, z = self.x.astype(dtype), self.y, np.empty(self.x.shape, dtype)
        loss = baseline.SoftmaxCrossEntropy(*x.shape, dtype)

        def run() -> Any:
            np.copyto(z, x)
            return loss(z, y), z

        return Column(BY_HAND, run)

    def own(self) -> Column:
        x, y = fastnn.tensor(self.x, requires_grad=True), fastnn.tensor(self.y)
        loss_fn = fastnn.nn.functional.cross_entropy

        def step(y: Any) -> Any:
            x.grad = None
            loss = loss_fn(x, y)
            loss.backward()
            return loss

        run = fastnn.compile(step) if self.captured else step
        return Column("", lambda: run(y), lambda loss: [loss.item(), x.grad.numpy()])

    @cached_property
    def reference(self) -> list[Array]:
        return [np.asarray(a) for a in self.by_hand(np.float64).call()]


class AdamWork(Work):
    """A step of Adam on tensors of one size that have their gradients; eager or captured."""

    LR = 0.01  # large enough for the check to see the step beside the parameters

    def __init__(self, tensors: int, size: int, captured: bool) -> None:
        rng = np.random.default_rng(tensors)
        self.p, self.g = (rng.uniform(0.1, 1, (tensors, size)).astype(np.float32) for _ in range(2))
        self.captured, self.moved = captured, 28.0 * self.p.size

    def by_hand(self, dtype: Any = np.float32) -> Column:
        p, g = self.p.astype(dtype), self.g.astype(dtype)
        return Column(BY_HAND, baseline.Adam(p.reshape(-1), g.reshape(-1), self.LR).step, lambda _: p)

    def own(self) -> Column:
        params = [fastnn.tensor(p, requires_grad=True) for p in self.p]
        for p, g in zip(params, self.g, strict=True):
            p.grad = fastnn.tensor(g)
        step = optim.Adam(params, lr=self.LR).step
        run = fastnn.compile(lambda: step()) if self.captured else step
        return Column("", run, lambda _: [p.detach().numpy() for p in params])

    @cached_property
    def reference(self) -> list[Array]:
        column = self.by_hand(np.float64)
        return list(column.read(column.call()))

    def yardstick(self) -> Yardstick:
        half = np.ones(2 * self.p.size, np.float32)  # of parameters, gradients and two moments together
        return roofline.copying(half, np.ones_like(half))
