"""Views of memory that is changed in place inside the graph have the gradients of what they show, as PyTorch's have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn

M = np.arange(1.0, 7.0).reshape(2, 3)

VIEWS: dict[str, Callable[[Any], Any]] = {
    "view": lambda h: h.view(3, 2),
    "slice": lambda h: h[:, 1:],
    "row": lambda h: h[1],
    "flatten": lambda h: h.flatten(),
    "transpose": lambda h: h.transpose(0, 1),
    "permute": lambda h: h.permute(1, 0),
    "expand": lambda h: h.unsqueeze(0).expand(2, 2, 3),
    "view of a view": lambda h: h[:, 1:].transpose(0, 1)[0],
}


def put(y: Any, key: Any, value: Any) -> None:
    y[key] = value


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "mul_": lambda h, w: h.mul_(3),
    "+=": lambda h, w: h.__iadd__(w * w),
    "clamp_": lambda h, w: h.clamp_(0, 3),
    "zero_": lambda h, w: h.zero_(),
    "item": lambda h, w: put(h, 0, 0.0),
    "element from the graph": lambda h, w: put(h, (1, 1), w[0, 0] * 5),
    "twice": lambda h, w: h.mul_(w).add_(w),
}


def gradient(f: Any, base: Callable[[Any], Any], steps: Callable[[Any, Any], Any]) -> tuple[float, Any]:
    w = f.tensor(M, requires_grad=True)
    y = steps(base(w), w)
    y.backward()
    return y.item(), w.grad.numpy()


@pytest.mark.parametrize("base", [lambda w: w * 2, lambda w: w.detach().clone()], ids=["in the graph", "outside"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_taken_before_a_change(view: str, change: str, base: Any, target: str) -> None:
    torch = pytest.importorskip("torch")

    def steps(h: Any, w: Any) -> Any:
        v = VIEWS[view](h)
        early = (v + 1).sum() * 7
        CHANGES[change](h, w)
        assert v.requires_grad == h.requires_grad
        return (v * 3).sum() + early + (h * 2).sum() + w.sum()

    got, want = gradient(fastnn, base, steps), gradient(torch, base, steps)
    assert np.allclose(got[0], want[0])
    assert np.allclose(got[1], want[1])


def test_by_hand(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    h = w * 2
    v = h.view(3)
    h *= 3
    y = v.sum()
    y.backward()
    assert y.item() == 36
    assert w.grad is not None
    assert w.grad.tolist() == [6, 6, 6]


def test_a_view_outside_the_graph_joins_it(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    b = fastnn.zeros(3)
    v, d = b[:2], b.detach()[:2]
    assert v.is_leaf
    b.add_(w)
    assert v.requires_grad
    assert v.grad_fn is not None
    assert not d.requires_grad
    with pytest.raises(RuntimeError, match="view cannot be changed in place"):
        v.mul_(2)
    with pytest.raises(RuntimeError, match="requires grad"):
        v.numpy()
    v.backward(fastnn.ones(2))
    assert w.grad is not None
    assert w.grad.tolist() == [1, 1, 0]


def test_captured_steps(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)

    @fastnn.compile(check=True)
    def step(x: Any) -> Any:
        w.grad = None
        h = w * x
        v = h[1:]
        early = v.sum()
        h *= 3
        loss = v.sum() + early
        loss.backward()
        return loss.detach()

    for i in range(1, 6):
        assert step(np.full(3, i, np.float32)).item() == 20 * i
        assert w.grad is not None
        assert w.grad.tolist() == [0, 4 * i, 4 * i]


def test_changes_outside_the_graph_leave_views_as_they_were(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    v = h[:1]
    node = v.grad_fn
    with fastnn.no_grad():
        h += 1
    assert v.grad_fn is node
    h.detach().add_(1)
    assert v.grad_fn is node
    (v * 1).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2, 0]


def test_views_that_cannot_be_taken_again_are_refused() -> None:
    class Second(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x[1:]

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return fastnn.ops.concatenate([fastnn.zeros(1), dy])

    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    h = w * 2
    v = Second.apply(h)
    h *= 3
    with pytest.raises(RuntimeError, match="Second: its result is a view of an argument that was changed in place"):
        v.sum()
    b = fastnn.zeros(2)
    v = b[:1].requires_grad_()
    b.add_(w)
    with pytest.raises(RuntimeError, match="a leaf Tensor that requires grad is a view of memory that was changed"):
        v.sum()
