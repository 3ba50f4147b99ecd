"""Memory of captured steps: results over arguments that nobody reads any more have the bits of those elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import nn, ops, optim
from fastnn._samples import Floats, Made
from op_cases import cases, name_of, seeded

CPP = [t for t in TARGETS if t.startswith("cpp")]
pytestmark = pytest.mark.skipif(not CPP, reason="only plans of the compiled core share memory")


@pytest.fixture(params=CPP)
def target(request: pytest.FixtureRequest) -> Any:
    """Each instruction set of the compiled core."""
    with running_on(request.param):
        yield request.param


def trained(function: Callable[..., Any], values: list[Any], capture: bool) -> tuple[list[Any], str]:
    """Losses and parameters of some steps down the squares of `function` of arrays that the step has made."""
    parameters = [nn.Parameter(v.copy(order="K")) for v in values]
    optimizer = optim.SGD(parameters, lr=0.01)

    def step(factor: Any) -> Any:
        optimizer.zero_grad()
        y = function(*(p * factor for p in parameters)) * 2.0
        loss = (y * y).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = fastnn.compile(step) if capture else step
    factor = fastnn.ones((), dtype=values[0].dtype)
    losses = [run(factor).detach().numpy() for _ in range(5)]
    return [*losses, *(p.detach().numpy() for p in parameters)], run.report() if capture else ""


def assert_same_bits(function: Callable[..., Any], values: list[Any]) -> str:
    """Captured as eager; returns the report."""
    (eager, _), (captured, report) = (trained(function, values, capture) for capture in (False, True))
    for a, b in zip(captured, eager, strict=True):
        np.testing.assert_array_equal(a, b)
    return report


DIFFERENTIABLE = [
    (op, i)
    for kind in ("elementwise", "random")
    for op, i in cases(kind=kind, composite=False, updates=[])
    if op.rule is not None and any(isinstance(s, (Floats, Made)) for s in op.samples[i].inputs)
]


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=name_of)
def test_elementwise(case: Any, target: str, dtype: Any) -> None:
    op, number = case
    inputs, attributes = op.samples[number].make(seeded(op, number), dtype)
    floats = [i for i, a in enumerate(inputs) if isinstance(a, np.ndarray) and a.dtype == dtype]

    def function(*made: Any) -> Any:
        args = list(inputs)
        for i, a in zip(floats, made, strict=True):
            args[i] = a
        return op.public(*args, **attributes)

    assert_same_bits(function, [inputs[i] for i in floats])


LAYERS: dict[str, Any] = {
    "batch norm": lambda: nn.BatchNorm2d(20),
    "batch norm and relu": lambda: nn.Sequential(nn.BatchNorm2d(20), nn.ReLU()),
    "batch norm, evaluated": lambda: nn.BatchNorm2d(20).eval(),
    "group norm": lambda: nn.GroupNorm(4, 20),
    "pool": lambda: nn.MaxPool2d(2),
    "pool after relu": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d((1, 2))),
    "pool that overlaps": lambda: nn.MaxPool2d(3, stride=2),
    "pool beyond the edges": lambda: nn.MaxPool2d(2, padding=1),
    "pool that leaves a rest": lambda: nn.MaxPool2d(4),
    "pool with gaps": lambda: nn.MaxPool2d((1, 2), dilation=(1, 2), stride=(1, 2)),
    "global mean": lambda: nn.AdaptiveAvgPool2d(1),
}


@pytest.mark.parametrize("last", [False, True], ids=["C order", "channels last"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, last: bool, target: str, dtype: Any) -> None:
    x = np.random.default_rng(1).standard_normal((3, 20, 6, 8)).astype(dtype)
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    assert_same_bits(LAYERS[name]().to(dtype), [x])


def test_arguments_with_readers_stay(target: str) -> None:
    x = np.linspace(-1, 1, 1024, dtype=np.float32)

    @fastnn.compile
    def chain(x: Any) -> Any:
        return ops.softmax(ops.exp(ops.tanh(x * 2.0)))

    @fastnn.compile
    def read_again(x: Any) -> Any:
        y = x * 2.0
        return ops.softmax(ops.exp(ops.tanh(y)) + y)

    for step, memory in ((chain, "4 KB of temporaries (12 KB unshared)"), (read_again, "8 KB of temporaries (16 KB")):
        results = [step(x).numpy() for _ in range(3)]
        assert memory in step.report()
        np.testing.assert_array_equal(results[-1], step.function(fastnn.tensor(x)).numpy())


def test_another_view_of_an_argument_stays(target: str) -> None:
    x = np.random.default_rng(0).standard_normal((40, 40)).astype(np.float32)

    @fastnn.compile
    def step(x: Any) -> Any:
        y, z = x * 2.0, x * 3.0
        return (y + y.T) * (z - z[:, :1])

    results = [step(x).numpy() for _ in range(3)]
    np.testing.assert_array_equal(results[-1], step.function(fastnn.tensor(x)).numpy())
