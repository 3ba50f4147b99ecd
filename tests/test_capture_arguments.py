"""Captured steps whose arguments stand in tuples, lists and dicts."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops
from fastnn.capture import CaptureError

State = namedtuple("State", "h c")


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def counted(function: Any) -> Any:
    """A compiled function that counts the calls which ran Python, in ``.calls``."""

    def run(*args: Any, **keywords: Any) -> Any:
        run.calls += 1  # type: ignore[attr-defined]
        return function(*args, **keywords)

    run.calls = 0  # type: ignore[attr-defined]
    return fastnn.compile(run)


@pytest.mark.parametrize("wrap", [lambda h, c: (h, c), lambda h, c: [h, c], State], ids=["tuple", "list", "namedtuple"])
def test_a_recurrent_state_is_bound_at_each_call(wrap: Any, target: str) -> None:
    def cell(x: Any, state: Any) -> Any:
        h, c = state
        return wrap(ops.tanh(x + h), c + h * x)

    step, state, want = counted(cell), wrap(some(3), some(3) + 1), wrap(some(3), some(3) + 1)
    for i in range(6):
        x = some(3) + i
        state, want = step(x, state), cell(x, want)
        assert type(state) is type(want)
        assert all(np.array_equal(a.array, b) for a, b in zip(state, want, strict=True))
    assert step.function.calls == 2


def test_values_and_names_within_structures_belong_to_the_signature(target: str) -> None:
    step = counted(lambda parts, *, options: parts["x"] * options[0] + parts["y"][0])
    for _ in range(3):
        for factor in (2.0, 3.0):
            for name in ("y", "z"):
                parts = {"x": some(3), "y": [some(3) + 1], name: [some(3) + 1]}
                got = step(parts, options=[factor, "unused"])
                assert np.array_equal(got.array, some(3) * np.float32(factor) + (some(3) + 1))
    assert step.function.calls == 8
    assert "{'x': float32 (3,), 'y': [float32 (3,)]}, options=[3.0, 'unused']" in step.report()


def test_changes_of_arguments_in_structures_are_the_callers(target: str) -> None:
    step = fastnn.compile(lambda pair: pair[0].add_(pair[1]))
    x = fastnn.tensor(some(3))
    want = x.numpy().copy()
    for _ in range(5):
        step([x, some(3)])
        want += some(3)
        assert np.array_equal(x.numpy(), want)


def test_methods_are_bound(target: str) -> None:
    """Each object has plans of its own, and a module's forward is captured where it is called as a module."""

    class Scaled(nn.Module):
        calls = 0

        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = nn.Parameter(np.float32(factor) * np.ones(2, np.float32))

        @fastnn.compile
        def forward(self, x: Any) -> Any:
            Scaled.calls += 1
            return x * self.factor

    two, three = Scaled(2), Scaled(3)
    with fastnn.no_grad():
        for _ in range(4):
            assert two(fastnn.ones(2)).tolist() == [2, 2]
            assert three(fastnn.ones(2)).tolist() == [3, 3]
    assert Scaled.calls == 4
    assert isinstance(Scaled.forward, fastnn.capture.Compiled)


def test_refused() -> None:
    step = fastnn.compile(lambda pair: pair[0] * 2)
    with pytest.raises(CaptureError, match="argument 0 requires grad"):
        step((nn.Parameter(some(3)), 1))
    with pytest.raises(TypeError, match=r"argument 0 wants arrays, Tensors or hashable values.*got set"):
        step([some(3), {1, 2}])
