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


def dense(sizes: tuple[int, ...]) -> Any:
    """Linear layers with relu between, four classes."""
    hidden = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], 4))


def trained(model: Any, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """Losses, gradients and weights of a few captured steps, one of them on inputs with NaN and infinities."""
    fastnn.manual_seed(0)
    model = model().to(dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal(shape).astype(dtype), rng.integers(0, 4, shape[0])

    @fastnn.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    found = [step(x, y).numpy() for _ in range(5)]
    found += [p.grad.numpy() for p in model.parameters()]
    found += [b.numpy() for b in model.buffers()]
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
        names, *whole = trained(lambda: dense(sizes), (batch, sizes[0]), dtype)
        monkeypatch.setattr(fusion, "PATTERNS", {})
        unfused, *parts = trained(lambda: dense(sizes), (batch, sizes[0]), dtype)
    assert set(names) & {"linear_relu", "linear_backward_relu"}
    assert "relu" in unfused
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


class Residual(nn.Module):
    """Two convolutions beside the identity, and the sum's relu."""

    def __init__(self, n: int) -> None:
        super().__init__()
        one, two = (nn.Conv2d(n, n, 3, padding=1, bias=False) for _ in range(2))
        self.layers = nn.Sequential(one, nn.BatchNorm2d(n), nn.ReLU(), two, nn.BatchNorm2d(n))

    def forward(self, x: Any) -> Any:
        return nn.functional.relu(self.layers(x) + x)


def images(channels: int, *layers: Any) -> Any:
    """These layers, the mean of each of their channels, four classes."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4))


CONVOLUTIONS = {
    "one channel, quads": (
        lambda: images(20, nn.Conv2d(1, 20, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        (5, 1, 12, 9),
        {"conv_relu", "max_pool_backward_relu"},
    ),
    "quads of whole vectors": (
        lambda: images(5, nn.Conv2d(2, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 5, 3), nn.ReLU()),
        (3, 2, 16, 16),
        {"conv_relu", "max_pool_backward_relu"},
    ),
    "windows that overlap": (
        lambda: images(7, nn.Conv2d(3, 7, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)),
        (3, 3, 22, 19),
        {"conv_relu", "max_pool_backward_relu"},
    ),
    "Winograd's way": (
        lambda: images(37, nn.Conv2d(16, 37, 3, padding=1), nn.ReLU()),
        (3, 16, 13, 18),
        {"conv_relu"},
    ),
    "depthwise, 600 channels": (
        lambda: images(600, nn.Conv2d(6, 600, 1), nn.ReLU(), nn.Conv2d(600, 600, 3, groups=600), nn.ReLU()),
        (2, 6, 5, 7),
        {"conv_relu"},
    ),
    "norms": (
        lambda: images(
            9, nn.Conv2d(3, 18, 3), nn.BatchNorm2d(18), nn.ReLU(), nn.Conv2d(18, 9, 1), nn.BatchNorm2d(9), nn.ReLU()
        ),
        (40, 3, 7, 9),
        {"batch_norm_relu", "batch_norm_backward_relu"},
    ),
    "norms without factors": (
        lambda: images(150, nn.Conv2d(3, 150, 1), nn.BatchNorm2d(150, affine=False), nn.ReLU()),
        (4, 3, 5, 5),
        {"batch_norm_relu", "batch_norm_backward_relu"},
    ),
    "norm of a table": (
        lambda: nn.Sequential(nn.Linear(9, 70), nn.BatchNorm1d(70), nn.ReLU(), nn.Linear(70, 4)),
        (30, 9),
        {"batch_norm_relu", "linear_backward_relu"},
    ),
    "residual": (
        lambda: images(8, nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), Residual(8), Residual(8)),
        (4, 3, 8, 8),
        {"batch_norm_relu", "batch_norm_backward_relu", "add_relu", "add_relu_backward"},
    ),
}


@pytest.mark.parametrize("target", CPP)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_same_bits_for_images(case: str, target: str, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape, wanted = CONVOLUTIONS[case]
    with running_on(target):
        names, *whole = trained(model, shape, dtype)
        monkeypatch.setattr(fusion, "PATTERNS", {})
        unfused, *parts = trained(model, shape, dtype)
    assert wanted <= set(names)
    assert not wanted & set(unfused)
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
