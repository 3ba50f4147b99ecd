"""Convolution by Winograd's way: its error, the switch, and what goes the direct way in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import nn, ops
from fastnn._registry import BACKENDS, OPS

Array = np.ndarray[Any, Any]
CPP = [t for t in TARGETS if t.startswith("cpp")]
pytestmark = pytest.mark.skipif(not CPP, reason="the compiled core is not built")
# Images, channels of x and of the result, height and width: layers of VGG-19, ResNet-50 and LeNet, and odd ones.
LAYERS = {
    "64-64@56": (1, 64, 64, 56, 56),
    "128-256@28": (1, 128, 256, 28, 28),
    "512-512@14": (1, 512, 512, 14, 14),
    "512-512@7": (2, 512, 512, 7, 7),
    "32-64@14": (4, 32, 64, 14, 14),
    "37-75@13x22": (2, 37, 75, 13, 22),
    "48-40@5x6": (8, 48, 40, 5, 6),
    "32-33@2x11": (8, 32, 33, 2, 11),
    "16-17@191x188": (1, 16, 17, 191, 188),
}


@pytest.fixture(params=CPP)
def compiled(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set; the switch is as before at the end."""
    before = fastnn.get_winograd()
    with running_on(request.param):
        fastnn.set_winograd(True)
        yield request.param
    fastnn.set_winograd(before)


def passes(x: Array, w: Array, dy: Array | None, padding: Any = 1, **more: Any) -> list[Array]:
    """The result, and the gradients of x and the weights for a slope dy, by the active backend."""
    y = ops.conv(x, w, padding=padding, **more)
    record = OPS["conv"]
    attributes = record.form(x, *({"padding": padding, **more}.get(n, d) for n, d in record.attributes.items()))
    kernel = record.backward_kernels[BACKENDS.index(fastnn.backend())]
    return [y, *kernel(y if dy is None else dy, x, w, *attributes, 3)[:2]]


def made(n: int, c: int, k: int, h: int, width: int, dtype: Any = np.float32) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(c)
    w = rng.standard_normal((k, c, 3, 3)) / np.sqrt(9 * c)
    x, dy = rng.standard_normal((n, c, h, width)), rng.standard_normal((n, k, h, width))
    return x.astype(dtype), w.astype(dtype), dy.astype(dtype)


@pytest.mark.parametrize("name", LAYERS)
def test_error(name: str, compiled: str) -> None:
    """The bounds of docs/numerics.md: 3e-6 (RMS) and 3e-5 (largest) of the RMS of the result."""
    x, w, dy = made(*LAYERS[name])
    with running_on("numpy"):
        want = passes(*(a.astype(np.float64) for a in (x, w, dy)))
    fastnn.set_winograd(False)
    direct = passes(x, w, dy)
    fastnn.set_winograd(True)
    for got, other, right in zip(passes(x, w, dy), direct, want, strict=True):
        size = np.sqrt(np.square(right).mean())
        error = np.abs(got - right) / size
        assert np.sqrt(np.square(error).mean()) <= 3e-6
        assert error.max() <= 3e-5
        assert not np.array_equal(got, other), "the direct way was taken"


def test_off_means_direct(compiled: str) -> None:
    """A chain for each result: the same bits wherever in the image it is; transformed tiles would round otherwise."""
    x, w, dy = made(1, 32, 32, 17, 19)
    moved = np.roll(x, (1, 2), (2, 3))
    slopes = np.roll(dy, (1, 2), (2, 3))

    def pairs() -> Iterator[tuple[Array, Array]]:
        for a, b in zip(passes(x, w, dy)[:2], passes(moved, w, slopes)[:2], strict=True):
            yield a[..., 1:-2, 1:-3], b[..., 2:-1, 3:-1]

    assert all(not np.array_equal(a, b) and np.allclose(a, b, atol=1e-4) for a, b in pairs())
    fastnn.set_winograd(False)
    assert all(np.array_equal(a, b) for a, b in pairs())


OTHERS: dict[str, Callable[[], list[Array]]] = {
    "float64": lambda: passes(*made(1, 32, 32, 12, 12, np.float64)),
    "stride": lambda: passes(*made(1, 32, 32, 12, 12)[:2], None, stride=2),
    "dilation": lambda: passes(*made(1, 32, 32, 12, 12)[:2], None, dilation=(1, 2)),
    "groups": lambda: passes(made(1, 64, 64, 12, 12)[0], made(1, 32, 64, 12, 12)[1], None, groups=2),
    "kernel": lambda: passes(made(1, 32, 32, 12, 12)[0], made(1, 32, 32, 12, 12)[1][:, :, :2], None),
    "few channels": lambda: passes(*made(1, 3, 32, 12, 12)),
    "volumes": lambda: passes(*(a[:, :, None] for a in made(1, 32, 32, 12, 12)[:2]), None),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_direct_in_any_case(name: str, compiled: str) -> None:
    on = OTHERS[name]()
    fastnn.set_winograd(False)
    assert all(np.array_equal(a, b) for a, b in zip(on, OTHERS[name](), strict=True))


def test_a_captured_step_notices_the_switch(compiled: str) -> None:
    net = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(32, 16, 3, padding=1))

    def step(x: Any) -> Any:
        for p in net.parameters():
            p.grad = None
        y = net(x)
        (y * y).sum().backward()
        return y

    def results(run: Callable[[Any], Any]) -> list[bytes]:
        y = run(x).detach().numpy().tobytes()
        return [y, *(p.grad.numpy().tobytes() for p in net.parameters())]

    x = fastnn.randn(2, 16, 10, 9)
    captured, found = fastnn.compile(step), []
    for on in (True, False, True):
        fastnn.set_winograd(on)
        found.append(results(step))
        assert results(captured) == found[-1]
        assert results(captured) == found[-1]
    assert found[0] == found[2] != found[1]
