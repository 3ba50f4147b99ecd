"""Differentiable functions of one's own: what a context keeps, which outputs have gradients, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.autograd import Function, gradcheck


class Scaled(Function):
    """In the style of setup_context; None among what it saves."""

    @staticmethod
    def forward(x: Any, factor: float) -> Any:
        return x * x * factor

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, ctx.factor = inputs
        assert output.shape == x.shape
        ctx.save_for_backward(None, x, None)

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        nothing, x, nor_here = ctx.saved_tensors
        assert nothing is nor_here is None
        return 2 * ctx.factor * x * dy, None, None, None  # two more than there are arguments


class Sorted(Function):
    """A value with gradient, one without, and whole numbers."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        sign = x * 0 + 1
        ctx.mark_non_differentiable(sign)
        return x * 2, sign, fastnn.tensor([0, 1])

    @staticmethod
    def backward(ctx: Any, dy: Any, dsign: Any, dindex: Any) -> Any:
        assert not dsign.numpy().any()
        return dy * 2


def returning(gradient: Any) -> Any:
    class Own(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return gradient

    return Own


def test_setup_context(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y = Scaled.apply(w, 3.0)
    assert y.tolist() == [3, 12]
    y.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6, 12]

    @fastnn.compile
    def step(x: Any) -> Any:
        w.grad = None
        loss = Scaled.apply(w * x, 3.0).sum()
        loss.backward()
        return loss.detach()

    for i in (1, 2, 3, 4):
        assert step(np.full(2, i, np.float32)).item() == 15 * i * i
        assert w.grad.tolist() == [6 * i * i, 12 * i * i]


def test_outputs_without_gradients(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y, sign, index = Sorted.apply(w)
    assert (y.requires_grad, sign.requires_grad, index.requires_grad) == (True, False, False)
    (y * sign).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2, 2]


def test_what_backward_may_return() -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"Own.backward wants to return Tensors or None; got ndarray"):
        returning(np.ones(2)).apply(w).sum().backward()
    with pytest.raises(RuntimeError, match=r"Own.backward returned 2 gradients for 1 arguments"):
        returning((None, fastnn.ones(2))).apply(w).sum().backward()
    with pytest.raises(RuntimeError, match=r"Own.backward: gradient 0 wants shape \(2,\); got \(3,\)"):
        returning(fastnn.ones(3)).apply(w).sum().backward()
    with pytest.raises(TypeError, match="save_for_backward wants Tensors or None; got int"):
        fastnn.autograd.Context().save_for_backward(3)  # type: ignore[arg-type]


def double(*values: float) -> Any:
    return fastnn.tensor(list(values), dtype=np.float64, requires_grad=True)


@pytest.mark.parametrize("kind", [list, tuple])
def test_gradcheck_takes_lists_and_tuples(target: str, kind: type) -> None:
    x, y = double(0.3, -1.2), double(0.5, 2.0)
    assert gradcheck(lambda a, b, n: kind([a * b, a + n * b]), kind([x, y, 3]))
    assert gradcheck(lambda pair: pair[0] * pair[1], kind([kind([x, y])]))
    assert gradcheck(lambda a: a.tanh(), x)
    assert (x.grad, y.grad) == (None, None)
    with pytest.raises(AssertionError, match=r"gradient of input 1 at \(1,\): 0\.0 by backward"):
        gradcheck(lambda a, b: [a * b.detach()], kind([x, y]))
    assert (x.grad, y.grad) == (None, None)


def test_gradcheck_says_what_it_wants() -> None:
    x = double(0.3, -1.2)
    for function, inputs, kind, words in (
        (3, x, TypeError, "function wants a callable; got int"),
        (lambda a: {"y": a}, x, TypeError, "function wants to return Tensors; got dict"),
        (lambda a: [a, 3.0], x, TypeError, "function wants to return Tensors; got float"),
        (lambda a: a * 2, [x.detach(), 3], ValueError, "inputs wants at least one Tensor that requires grad"),
        (lambda a: a * 2, {"a": x}, ValueError, "inputs wants at least one Tensor that requires grad"),
        (lambda a, b: a, (x, [x.detach().float().requires_grad_()]), TypeError, "input 1 wants float64; got float32"),
    ):
        with pytest.raises(kind, match=f"gradcheck: {words}"):
            gradcheck(function, inputs)


def test_gradients_that_are_not_made_into_zeros() -> None:
    seen = []

    class Halves(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 0.5, x * 0.5

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Any:
            seen.append(first)
            return second * 0.5

    x = double(1.0)
    Halves.apply(x)[1].backward()
    assert (seen, x.grad.tolist()) == ([None], [0.5])


@pytest.mark.parametrize("gradient", [np.float64([3, 4]), np.int64([3, 4]), np.float32([3, 4])])
def test_gradients_take_the_dtype_of_their_argument(gradient: Any, target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    own = returning(fastnn.tensor(gradient))

    @fastnn.compile
    def step() -> Any:
        w.grad = None
        loss = own.apply(w).sum()
        loss.backward()
        return loss.detach()

    for _ in range(3):
        step()
        assert w.grad is not None
        assert w.grad.dtype == np.float32
        assert w.grad.tolist() == [3, 4]
