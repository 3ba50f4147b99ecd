"""``Compiled.report``: the table of a plan's nodes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops


def reported(function: Any, *args: Any, **keywords: Any) -> tuple[str, list[list[str]]]:
    """The report of a function that was called often enough to have one plan: the line about it, and cells."""
    run = fastnn.compile(function)
    assert run.report() == "no plans"
    for _ in range(2):
        run(*args, **keywords)
    about, *rows = run.report().splitlines()
    return about, [re.split("  +", r.strip()) for r in rows]


def test_nodes_with_their_shapes_and_lines(target: str) -> None:
    def function(x: Any, scale: float) -> Any:
        return ops.tanh(x) * scale

    line = function.__code__.co_firstlineno + 1
    about, (head, *nodes) = reported(function, np.ones((3, 2), np.float32), scale=0.5)
    where = "C++" if target.startswith("cpp") else "Python"
    begin = f"float32 (3, 2), scale=0.5: backend {target.partition('-')[0]}, replayed in {where}, "
    assert about.startswith(begin)
    assert about.endswith("calls run at once")
    assert head == ["node", "shapes", "ns", "line"]
    assert [n[:2] for n in nodes] == [["tanh", "(3, 2) -> (3, 2)"], ["multiply", "(3, 2) -> (3, 2)"]]
    assert {n[-1] for n in nodes} == {f"{__file__}:{line}"}
    assert all(n[2].isdigit() for n in nodes) == target.startswith("cpp")


def test_marks(target: str) -> None:
    class Twice(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x + x

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy + dy

    w = [fastnn.ones(3, 4) for _ in range(5)]
    _, (_, *nodes) = reported(lambda x: ops.concatenate([Twice.apply(ops.relu(ops.linear(x, w[0])))] * 5), w[0])
    names = ["linear_relu (fused)", "Twice (call-back)"] if target.startswith("cpp") else ["linear", "relu", "Twice"]
    assert [n[0] for n in nodes] == [*names, "concatenate"]
    assert nodes[-1][1] == "5 arrays -> (15, 3)"


@pytest.mark.skipif("cpp" not in fastnn.backends(), reason="only plans of the compiled core share memory")
def test_memory_before_and_after_sharing() -> None:
    with fastnn.use_backend("cpp"):
        about, _ = reported(
            lambda x: ops.exp(ops.softmax(ops.softmax(ops.softmax(ops.softmax(x))))), np.ones(1024, np.float32)
        )
        assert "8 KB of temporaries (16 KB unshared)" in about  # two at a time


def test_training_takes_turns(target: str) -> None:
    w = nn.Parameter(np.ones(3, np.float32))

    def step(x: Any) -> Any:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    assert reported(step, np.ones(3, np.float32))[0].endswith("calls take turns")
