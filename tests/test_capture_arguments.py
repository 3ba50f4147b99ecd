"""Captured steps whose arguments stand in tuples, lists and dicts."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops
from fastnn.capture import CaptureError, Compiled

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


def test_methods_are_of_objects(target: str) -> None:
    """Each object has plans of its own, whatever it is equal to, and is not kept alive by them."""

    @dataclasses.dataclass  # equal and not hashable
    class Scaled:
        name: str
        factor: Any = dataclasses.field(compare=False)

        @fastnn.compile
        def times(self, x: Any) -> Any:
            calls.append(self.name)
            return x * self.factor

    calls: list[str] = []
    two, three = Scaled("a", fastnn.ones(2) * 2), Scaled("a", fastnn.ones(2) * 3)
    for _ in range(4):
        assert two.times(fastnn.ones(2)).tolist() == [2, 2]
        assert three.times(x=fastnn.ones(2)).tolist() == [3, 3]
    assert len(calls) == 4
    assert [int(n) for n, _ in two.times.run_epoch([np.ones((4, 2), np.float32)], np.arange(4), 1)]
    assert isinstance(Scaled.times, Compiled)
    there = weakref.ref(two)
    del two
    gc.collect()
    assert there() is None


def test_a_modules_forward_may_be_compiled(target: str) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(np.ones(2, np.float32))

        @fastnn.compile
        def forward(self, x: Any) -> Any:
            return x * self.factor

    model = Scaled()
    with fastnn.no_grad():
        for _ in range(4):
            assert model(fastnn.ones(2)).tolist() == [1, 1]


def test_arguments_that_keep_changing_are_told() -> None:
    step = fastnn.compile(lambda x: x * 2)
    with pytest.warns(RuntimeWarning, match="more than 8 signatures; argument 0 keeps changing"):
        for n in range(1, 10):
            step(fastnn.ones(n))


def test_refused() -> None:
    step = fastnn.compile(lambda pair: pair[0] * 2)
    with pytest.raises(CaptureError, match="argument 0 requires grad"):
        step((nn.Parameter(some(3)), 1))
    with pytest.raises(TypeError, match=r"argument 0 wants arrays, Tensors or hashable values.*got set"):
        step([some(3), {1, 2}])
