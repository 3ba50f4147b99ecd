"""The two forms of the backward pass, Python's and the compiled one, on graphs of every kind: the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import Engine, leaf
from fastnn import ops


def seed(y: Any) -> Any:
    return np.arange(1.0, 1.0 + y.array.size).reshape(y.shape)


class Halves(fastnn.autograd.Function):
    """Two outputs; backward is given None for one that nobody used."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 0.5, x * 0.25

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        total = 0 if first is None else first * 0.5
        return total if second is None else total + second * 0.25


def doubled_in_place(x: Any) -> Any:
    y = x * 3
    y.mul_(x)
    return y * 2


GRAPHS: dict[str, tuple[Callable[[Any, Any], Any], list[float], list[float]]] = {
    # name: graph of two leaves [1, 2] and [3, 5], gradients for dy = [1, 2, ...]
    "one gradient for two leaves": (lambda a, b: a + b, [1, 2], [1, 2]),
    "the same leaf twice": (lambda a, b: a + a + b, [2, 4], [1, 2]),
    "branches that meet": (lambda a, b: a * b + ops.square(a), [3 + 2, 2 * (5 + 4)], [1, 2 * 2]),
    "a view for a gradient": (lambda a, b: ops.transpose(a.reshape(1, 2)).reshape(2) + b, [1, 2], [1, 2]),
    "lists": (lambda a, b: ops.concatenate([a, b, a]), [1 + 5, 2 + 6], [3, 4]),
    "several outputs": (lambda a, b: sum(Halves.apply(a)) + Halves.apply(b)[1], [0.75, 1.5], [0.25, 0.5]),
    "changed in place": (lambda a, b: doubled_in_place(a) + b, [12, 2 * 24], [1, 2]),
    "no gradient wanted": (lambda a, b: a.detach() * b, [], [1, 2 * 2]),
    "numbers": (lambda a, b: 2 * a - b / 4, [2, 4], [-0.25, -0.5]),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_gradients(engine: Engine, name: str) -> None:
    graph, wants_a, wants_b = GRAPHS[name]
    a, b = leaf(1, 2), leaf(3, 5)
    y = graph(a, b)
    engine(y, seed(y), False)
    assert ([] if a.grad is None else a.grad.tolist()) == wants_a
    assert b.grad.tolist() == wants_b
    assert a.grad is None or not np.shares_memory(a.grad.array, b.grad.array)


def test_gradients_add_up(engine: Engine) -> None:
    a = leaf(1, 2)
    for _ in range(2):
        y = a * 3
        engine(y, seed(y), False)
    assert a.grad.tolist() == [6, 12]


def test_the_given_gradient_stays_as_it_was(engine: Engine) -> None:
    a = leaf(1, 2)
    dy = np.ones(2)
    engine(a, dy, False)
    engine(a, dy, False)
    assert a.grad.tolist() == [2, 2]
    assert dy.tolist() == [1, 1]


def test_a_graph_serves_once_unless_retained(engine: Engine) -> None:
    a = leaf(1, 2)
    y = ops.square(a)
    engine(y, np.ones(2), True)
    engine(y, np.ones(2), False)
    assert a.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="saved by square were freed"):
        engine(y, np.ones(2), False)


def test_changed_values_are_told(engine: Engine) -> None:
    a = leaf(1, 2)
    b = a * 1
    y = ops.square(b)
    with fastnn.no_grad():
        b.add_(1)
    with pytest.raises(RuntimeError, match=r"gradient of square has been modified .*shape \(2,\)"):
        engine(y, np.ones(2), False)


def test_a_long_chain(engine: Engine) -> None:
    a = leaf(1, 2)
    y = a
    for _ in range(20_000):
        y = y * 1
    engine(y, np.ones(2), False)
    assert a.grad.tolist() == [1, 1]


def test_errors_of_own_functions_pass(engine: Engine) -> None:
    class Wrong(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            raise ZeroDivisionError("mine")

    y = Wrong.apply(leaf(1, 2))
    with pytest.raises(ZeroDivisionError, match="mine"):
        engine(y, np.ones(2), False)


def test_a_pass_within_a_pass(engine: Engine) -> None:
    class Inner(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with fastnn.enable_grad():
                (x * x).sum().backward()
            return x.grad * dy

    a = leaf(1, 2)
    y = Inner.apply(a)
    engine(y, np.ones(2), False)
    assert a.grad.tolist() == [2, 4]


def test_a_given_gradient_takes_the_dtype_of_the_tensor(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    for gradient in (np.array([1.0, 2.0]), fastnn.tensor([1, 2]), np.array([1, 2], ">f4")):
        w.grad = None
        w.backward(gradient)
        assert w.grad is not None
        assert w.grad.dtype == np.float32
        assert w.grad.tolist() == [1, 2]
        w.grad = None
        (w * 2).backward(gradient)
        assert w.grad.dtype == np.float32
        assert w.grad.tolist() == [2, 4]


def test_given_gradients_are_checked() -> None:
    y = leaf(1, 2) * 2
    for gradient, kind in (([1.0, 1.0], "list"), (3.0, "float")):
        with pytest.raises(TypeError, match=f"gradient wants a Tensor or an array; got {kind}"):
            y.backward(gradient)
    with pytest.raises(ValueError, match=r"gradient wants shape \(2,\); got \(3,\)"):
        y.backward(fastnn.ones(3))
    with pytest.raises(TypeError, match="tensor wants a Tensor or several in a list or tuple; got float"):
        fastnn.autograd.backward(3.0)
    with pytest.raises(ValueError, match="gradient wants a list or tuple of length 2"):
        fastnn.autograd.backward([y, y], np.ones(2))


def test_several_tensors_at_once(target: str) -> None:
    a, b = leaf(1, 2), leaf(3, 5)
    shared = ops.square(a)
    fastnn.autograd.backward([(shared * b).sum(), shared.sum(), b], [None, None, np.array([1.0, 2.0])])
    assert a.grad.tolist() == [2 * 4, 4 * 6]
    assert b.grad.tolist() == [2, 6]
    with pytest.raises(RuntimeError, match="were freed"):
        shared.sum().backward()


def test_assigned_gradients_are_checked() -> None:
    w = leaf(1, 2)
    for value, kind, words in (
        (3.0, TypeError, "grad wants a Tensor or None; got float"),
        (np.ones(2), TypeError, "grad wants a Tensor or None; got ndarray"),
        (fastnn.ones(3), ValueError, r"grad wants shape \(2,\); got \(3,\)"),
        (fastnn.ones(2), TypeError, "grad wants dtype float64; got float32"),
        (w, ValueError, "grad wants a Tensor of its own"),
    ):
        with pytest.raises(kind, match=words):
            w.grad = value
        assert w.grad is None
    w.grad = g = leaf(3, 4).detach()
    assert w.grad is g
    w.grad = None
    assert w.grad is None
