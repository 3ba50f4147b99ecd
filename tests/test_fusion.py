"""Fused nodes of captured steps: the same bits as their parts, and not where a part has another reader."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import nn, optim
from fastnn.capture import fusion

CPP = [t for t in TARGETS if t.startswith("cpp")]
pytestmark = pytest.mark.skipif(not CPP, reason="only the compiled core fuses")

# Widths and batches that take every path of products: narrow and wide results, single rows, blocks, tails.
NETS = [((5, 3, 2), 1), ((64, 32, 10), 32), ((100, 7, 33), 4), ((40, 300, 1), 250), ((784, 130, 10), 17)]


def trained(sizes: tuple[int, ...], batch: int, dtype: Any) -> list[Any]:
    """Losses, gradients and weights of a few captured steps, one of them on inputs with NaN and infinities."""
    fastnn.manual_seed(0)
    hidden = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b, dtype=dtype), nn.ReLU())]
    model = nn.Sequential(*hidden[:-1], nn.ReLU(), nn.Linear(sizes[-1], 4, dtype=dtype))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((batch, sizes[0])).astype(dtype), rng.integers(0, 4, batch)

    @fastnn.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    found = [step(x, y).numpy() for _ in range(5)]
    found += [p.grad.numpy() for p in model.parameters()]
    x[0, 0], x[-1, -1] = np.nan, np.inf
    found += [step(x, y).numpy(), *(p.detach().numpy() for p in model.parameters())]
    names = [n.name for n in step.plans[0].nodes]
    return [names, *found]


@pytest.mark.parametrize("target", CPP)
@pytest.mark.parametrize(("sizes", "batch"), NETS, ids=str)
def test_same_bits_as_the_parts(
    sizes: tuple[int, ...], batch: int, target: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_on(target):
        names, *whole = trained(sizes, batch, dtype)
        monkeypatch.setattr(fusion, "PATTERNS", {})
        unfused, *parts = trained(sizes, batch, dtype)
    assert set(names) & {"linear_relu", "linear_backward_relu"}
    assert "relu" in unfused
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


def nodes(function: Callable[..., Any], *args: Any) -> list[str]:
    """The names of the nodes of a captured function."""
    step = fastnn.compile(function)
    eager = function(*args)
    for _ in range(3):
        got = step(*args)
    for a, b in zip(eager, got, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.numpy())
    return [n.name for n in step.plans[0].nodes]


def test_every_pattern_is_found_where_it_may_be_and_only_there() -> None:
    layer, x = nn.Linear(6, 5).requires_grad_(False), fastnn.randn(3, 6)
    relu = nn.functional.relu
    assert nodes(lambda x: (relu(layer(x)),), x) == ["linear_relu"]
    assert "linear_relu" not in nodes(lambda x: ((y := layer(x)), relu(y)), x)  # y is wanted itself

    def twice(x: Any) -> Any:
        y = layer(x)
        return (relu(y) + y,)

    assert "linear_relu" not in nodes(twice, x)
    assert "linear_relu" not in nodes(lambda x: (relu(layer(x)[1:]),), x)  # only a part is read
