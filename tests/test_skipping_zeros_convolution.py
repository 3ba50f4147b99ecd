"""Convolutions of images or gradients that hold many zeros: the bits of groups, which skip nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import Tensor, ops
from fastnn.nn import functional as F

CPP = [t for t in TARGETS if t.startswith("cpp")]
pytestmark = pytest.mark.skipif(not CPP, reason="the compiled core is not built")

Array = np.ndarray[Any, Any]
Case = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]
# x, weight and attributes: pieces of steps and of pixels, boxes, channels beyond whole vectors, taps that do not touch.
SHAPES: dict[str, Case] = {
    "pixels": ((90, 64, 9, 7), (64, 64, 1, 1), {}),
    "pixels, some channels": ((30, 43, 9, 7), (128, 43, 1, 1), {}),
    "strided": ((8, 64, 16, 15), (128, 64, 3, 3), {"padding": 1, "stride": 2}),
    "strided pixels": ((8, 64, 17, 15), (64, 64, 1, 1), {"stride": 2}),
    "same": ((5, 70, 13, 11), (64, 70, 3, 3), {"padding": 1}),
    "taps apart": ((6, 64, 14, 14), (64, 64, 3, 3), {"padding": 2, "dilation": 2}),
    "one axis": ((2, 64, 700), (64, 64, 5), {"padding": 2}),
    "volumes": ((2, 64, 5, 6, 9), (64, 64, 3, 2, 3), {"padding": 1, "stride": (1, 2, 1)}),
}


@pytest.fixture(autouse=True)
def direct() -> Iterator[None]:
    """Without Winograd's way, which skips nothing; threads as before."""
    threads, winograd = fastnn.get_num_threads(), fastnn.get_winograd()
    fastnn.set_winograd(False)
    yield
    fastnn.set_winograd(winograd)
    fastnn.set_num_threads(threads)


def some_values(rng: np.random.Generator, shape: tuple[int, ...], share: float, dtype: Any) -> Array:
    """Numbers, and zeros of both signs."""
    zeros = np.where(rng.random(shape) < 0.5, 0.0, -0.0)
    return np.where(rng.random(shape) < share, rng.standard_normal(shape), zeros).astype(dtype)


def made(name: str, dtype: Any, share: float = 0.4, dy_share: float = 1) -> tuple[Array, Array, Array, Array]:
    """x, weight, bias, dy."""
    shape, weight, attributes = SHAPES[name]
    rng = np.random.default_rng(len(name))
    x = some_values(rng, shape, share, dtype)
    w, b = (rng.standard_normal(s).astype(dtype) for s in (weight, weight[0]))
    return x, w, b, some_values(rng, ops.conv(x, w, b, **attributes).shape, dy_share, dtype)


def results(x: Array, w: Array, b: Array, dy: Array, attributes: dict[str, Any], groups: int = 1) -> list[Array]:
    """y, dx, dw, db."""
    inputs = [Tensor(v, requires_grad=True) for v in (x, w, b)]
    y = ops.conv(*inputs, **attributes, groups=groups)
    y.backward(Tensor(dy))
    return [y.array, *(v.grad.array for v in inputs if v.grad is not None)]


def twice(x: Array, w: Array, b: Array, dy: Array, attributes: dict[str, Any]) -> list[Array]:
    """The same as the first of two equal groups."""
    y, dx, dw, db = results(
        np.concatenate([x, x], 1),
        np.concatenate([w, w]),
        np.concatenate([b, b]),
        np.concatenate([dy, dy], 1),
        attributes,
        groups=2,
    )
    return [y[:, : len(w)], dx[:, : x.shape[1]], dw[: len(w)], db[: len(w)]]


@pytest.mark.parametrize("shares", [(0.4, 1), (0.1, 0.5), (1, 0.3), (0, 0)], ids=str)
@pytest.mark.parametrize("name", SHAPES)
def test_bits_are_those_of_groups(name: str, shares: tuple[float, float], dtype: Any) -> None:
    attributes = SHAPES[name][2]
    for target in CPP:
        with running_on(target):
            arrays = made(name, dtype, *shares)
            for got, want in zip(results(*arrays, attributes), twice(*arrays, attributes), strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", SHAPES)
def test_against_the_definition(name: str, dtype: Any) -> None:
    attributes = SHAPES[name][2]
    for target in CPP:
        with running_on(target):
            arrays = made(name, dtype, 0.4, 0.4)
            found = results(*arrays, attributes)
        with fastnn.use_backend("numpy"):
            right = results(*(a.astype(np.float64) for a in arrays), attributes)
        for got, want in zip(found, right, strict=True):
            assert np.abs(got - want).max() < 300 * np.finfo(dtype).eps * np.abs(want).max()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_zero_times_no_number_is_nan(value: float, dtype: Any) -> None:
    attributes = SHAPES["strided"][2]
    for target in CPP:
        with running_on(target):
            x, w, b, dy = made("strided", dtype)
            w[3, 5, 1, 1] = value
            dy[2, 7, 3, 3] = value
            x[2, 9] = 0
            found = results(x, w, b, dy, attributes)
            for got, want in zip(found, twice(x, w, b, dy, attributes), strict=True):
                np.testing.assert_array_equal(got, want)
            assert np.isnan(found[0][:, 3]).any()
            assert np.isnan(found[2][7, 9]).all()
            assert np.isfinite(np.delete(found[2], 7, axis=0)).all()


def test_no_number_among_the_images(dtype: Any) -> None:
    attributes = SHAPES["pixels"][2]
    for target in CPP:
        with running_on(target):
            x, w, b, dy = made("pixels", dtype)
            x[4, 9, 2, 2] = np.nan
            y, _, dw, _ = results(x, w, b, dy, attributes)
            assert np.isnan(y[4, :, 2, 2]).all()
            assert np.isfinite(np.delete(y, 4, axis=0)).all()
            assert np.isnan(dw[:, 9]).all()
            assert np.isfinite(np.delete(dw, 9, axis=1)).all()


@pytest.mark.parametrize("name", ["pixels", "strided", "one axis"])
def test_threads_change_no_bit(name: str, dtype: Any) -> None:
    attributes = SHAPES[name][2]
    with running_on(CPP[-1]):
        arrays = made(name, dtype, 0.4, 0.4)
        found = []
        for threads in (1, 2, 3, 4):
            fastnn.set_num_threads(threads)
            found.append(results(*arrays, attributes))
    for other in found[1:]:
        for got, want in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(got, want)


def test_captured_with_relu(dtype: Any) -> None:
    with running_on(CPP[-1]):
        x, w, b, _ = made("strided", dtype)
        step = fastnn.compile(lambda a: F.relu(F.conv2d(a, Tensor(w), Tensor(b), stride=2, padding=1)))
        want = np.maximum(ops.conv(x, w, b, **SHAPES["strided"][2]), 0)
        for _ in range(3):
            np.testing.assert_array_equal(step(Tensor(x)).array, want)
