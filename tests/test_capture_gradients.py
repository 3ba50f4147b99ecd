"""Captured steps that read and assign ``.grad`` by hand do as the eager ones, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.capture import CaptureError


def forget(params: list[Any]) -> None:
    for p in params:
        p.grad = None


def fill(params: list[Any]) -> None:
    for p in params:
        if p.grad is not None:
            p.grad.zero_()


def halve(params: list[Any]) -> None:
    for p in params:
        p.grad = p.grad * 0.5


def replace(params: list[Any]) -> None:
    params[0].grad = CONSTANT


def nothing(params: list[Any]) -> None:
    pass


CONSTANT = fastnn.ones(2, 3)
BY_HAND = {"forget": (forget, nothing), "fill": (fill, nothing), "halve": (forget, halve), "replace": (forget, replace)}


@pytest.mark.parametrize("how", BY_HAND)
def test_gradients_by_hand(target: str, how: str) -> None:
    before: Callable[[list[Any]], None]
    before, after = BY_HAND[how]
    left = []
    for captured in (False, True):
        fastnn.manual_seed(3)
        linear = nn.Linear(3, 2)
        params = list(linear.parameters())
        optimizer = optim.SGD(params, lr=0.1, momentum=0.9)

        def step(x: Any, linear: Any = linear, params: Any = params, optimizer: Any = optimizer) -> Any:
            before(params)
            loss = linear(x).square().mean()
            loss.backward()
            after(params)
            optimizer.step()
            return loss

        run = fastnn.compile(step) if captured else step
        losses = [run(fastnn.ones(4, 3) * i).item() for i in range(6)]
        assert not captured or len(run.plans) == 1
        left.append((losses, [p.tolist() for p in params], [p.grad.tolist() for p in params]))
    assert left[0] == left[1]


def test_memory_of_others_is_no_gradient() -> None:
    p, q = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2, np.float32))

    def argument(x: Any) -> Any:
        p.grad = x
        return x * 2

    def another(x: Any) -> Any:
        p.grad = q.grad
        return x * 2

    q.grad = fastnn.ones(2)
    for step in (argument, another):
        with pytest.raises(CaptureError, match=rf"{__file__}:\d+: what is assigned to \.grad .* clone"):
            fastnn.compile(step)(fastnn.ones(2))
