"""autograd.grad: the gradients that backward leaves in `.grad`, but handed out, and only where they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import leaf
from fastnn import ops
from fastnn.autograd import grad
from test_backward import GRAPHS, Halves, seed


@pytest.mark.parametrize("name", GRAPHS)
def test_leaves(name: str) -> None:
    graph, wants_a, wants_b = GRAPHS[name]
    a, b = leaf(1, 2), leaf(3, 5)
    y = graph(a, b)
    of_a, of_b = grad(y, [a, b], seed(y), allow_unused=True)
    assert ([] if of_a is None else of_a.tolist()) == wants_a
    assert of_b.tolist() == wants_b
    assert a.grad is None
    assert b.grad is None


def test_results_on_the_way() -> None:
    a = leaf(1, 2)
    middle = a * 3
    y = (middle * middle).sum() + middle.sum()
    of_middle, of_a, of_y = grad(y, (middle, a, y))
    assert of_middle.tolist() == [7, 13]
    assert of_a.tolist() == [21, 39]
    assert of_y.item() == 1
    assert not of_middle.requires_grad


def test_several_outputs() -> None:
    a, b = leaf(1, 2), leaf(3, 5)
    of_a, of_b = grad([(a * b).sum(), a * 2], [a, b], [None, np.array([1.0, 10.0])])
    assert of_a.tolist() == [3 + 2, 5 + 20]
    assert of_b.tolist() == [1, 2]


def test_one_of_several_results() -> None:
    a = leaf(4, 8)
    first, second = Halves.apply(a)
    of_first, of_second = grad((first * second).sum(), [first, second])
    assert of_first.tolist() == [1, 2]
    assert of_second.tolist() == [2, 4]


def test_nothing_else_is_gone_through() -> None:
    """The graph before an input, and branches that do not lead to one, stay as they were."""
    a, b = leaf(1, 2), leaf(3, 5)
    middle, other = ops.exp(a), ops.exp(b)
    y = (middle * middle * other).sum()
    grad(y, middle)
    middle.sum().backward()  # exp's saved values are still there
    other.sum().backward()
    assert a.grad.tolist() == pytest.approx(np.exp([1, 2]))
    assert b.grad.tolist() == pytest.approx(np.exp([3, 5]))


def test_retain_graph() -> None:
    a = leaf(1, 2)
    y = (a * a).sum()
    once = grad(y, a, retain_graph=True)[0]
    assert grad(y, a)[0].tolist() == once.tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        grad(y, a)


def test_each_result_has_its_own_memory() -> None:
    a, b, dy = leaf(1, 2), leaf(3, 5), np.ones(2)
    y = a + b
    of_y, of_a, of_b, again = grad(y, [y, a, b, a], dy)
    of_a += 1
    assert of_b.tolist() == of_y.tolist() == again.tolist() == dy.tolist() == [1, 1]


def test_after_a_change_in_place() -> None:
    a = leaf(1, 2)
    y = a * 3
    y.mul_(a)
    z = y * 2
    of_y, of_a = grad(z, [y, a], np.ones(2))
    assert of_y.tolist() == [2, 2]
    assert of_a.tolist() == [12, 24]


def test_hooks() -> None:
    a, seen = leaf(1, 2), []
    middle = a * 3
    middle.register_hook(lambda g: g * 10)
    a.register_hook(lambda g: seen.append(g.tolist()))
    of_middle, of_a = grad((middle * middle).sum(), [middle, a])
    assert of_middle.tolist() == [60, 120]
    assert of_a.tolist() == [180, 360]
    assert seen == [[180, 360]]


def test_an_error_leaves_nothing_behind() -> None:
    a = leaf(1, 2)
    middle = a * 3

    class Refuses(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            raise ValueError("no")

    y = (Refuses.apply(middle) + middle).sum()
    with pytest.raises(ValueError, match="no"):
        grad(y, a)
    assert grad(middle.sum(), a)[0].tolist() == [3, 3]


def test_in_a_captured_step() -> None:
    """As for a penalty on gradients with respect to inputs, which needs their values alone."""
    layer = fastnn.nn.Linear(3, 1)
    x = fastnn.randn(4, 3)

    def slopes(x: Any) -> Any:
        x = x.detach().requires_grad_()
        loss = (layer(x) * layer(x)).sum()
        return grad(loss, [x, layer.weight])

    step = fastnn.compile(slopes)
    eager = [g.tolist() for g in slopes(x)]
    assert [[g.tolist() for g in step(x)] for _ in range(3)] == [eager] * 3
    assert layer.weight.grad is None


A, PLAIN = leaf(1, 2), fastnn.tensor([1.0])
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "outputs": (lambda: grad(3.0, A), TypeError, "outputs wants a Tensor"),
    "inputs": (lambda: grad(A.sum(), [A, "b"]), TypeError, "inputs wants a Tensor"),
    "no graph": (lambda: grad(PLAIN, A), RuntimeError, "does not require grad"),
    "input without gradient": (lambda: grad(A.sum(), PLAIN), RuntimeError, "inputs does not require grad"),
    "unused": (lambda: grad(A.sum(), [A, leaf(1)]), RuntimeError, "allow_unused=True"),
    "no scalar": (lambda: grad(A * 2, A), RuntimeError, "not a scalar"),
    "shape": (lambda: grad(A * 2, A, np.ones(3)), ValueError, r"shape \(2,\); got \(3,\)"),
    "number of gradients": (lambda: grad([A * 2, A.sum()], A, [None]), ValueError, "length 2"),
    "one gradient for two": (lambda: grad([A * 2, A * 3], A, np.ones(2)), ValueError, "length 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name: str) -> None:
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()
