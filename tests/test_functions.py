"""Differentiable functions of one's own: what a context keeps, which outputs have gradients, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.autograd import Function


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
