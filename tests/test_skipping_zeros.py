"""Layers on inputs that are mostly zeros: the bits of the whole product, whatever zeros were skipped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import Tensor, ops
from fastnn.nn import functional as F

BITS = [t for t in TARGETS if t in ("cpp-avx2", "cpp-avx512", "cpp-neon")]
pytestmark = pytest.mark.skipif(not BITS, reason="bits are promised for cpp on AVX2 and above")

SIZES = [(200, 100, 64), (101, 45, 151), (2050, 33, 17), (67, 300, 99)]  # rows, outputs, inputs
Array = np.ndarray[Any, Any]


def layer(size: tuple[int, int, int], dtype: Any, by_inputs: bool = False) -> tuple[Array, Array, Array, Array]:
    """Inputs of which one in five has a value, weights, biases, gradients."""
    rows, outputs, inputs = size
    rng = np.random.default_rng(size)
    x = rng.standard_normal((rows, inputs)) * (rng.random((rows, inputs)) < 0.2)
    w = rng.standard_normal((outputs, inputs)).astype(dtype)
    w = np.asfortranarray(w) if by_inputs else w
    return (
        x.astype(dtype),
        w,
        rng.standard_normal(outputs).astype(dtype),
        rng.standard_normal((rows, outputs)).astype(dtype),
    )


def gradient(x: Array, w: Array, b: Array, dy: Array) -> Array:
    """The gradient of the weights."""
    weights = Tensor(w, requires_grad=True)
    ops.linear(Tensor(x), weights, Tensor(b)).backward(Tensor(dy))
    assert weights.grad is not None
    return weights.grad.array


@pytest.mark.parametrize("by_inputs", [False, True], ids=["by outputs", "by inputs"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bits_are_those_of_the_whole_product(size: tuple[int, int, int], by_inputs: bool, dtype: Any) -> None:
    x, w, b, dy = layer(size, dtype, by_inputs)
    for name in BITS:
        with running_on(name):
            np.testing.assert_array_equal(ops.linear(x, w, b), b + ops.matmul(x, w.T))
            dw = gradient(x, w, b, dy)
            assert dw.flags.f_contiguous == by_inputs  # as the weights lie in memory
            np.testing.assert_array_equal(dw, ops.matmul(dy.T, x))


def test_captured_with_relu(dtype: Any) -> None:
    x, w, b, _ = layer(SIZES[0], dtype)
    with running_on(BITS[-1]):
        step = fastnn.compile(lambda a: F.relu(F.linear(a, Tensor(w), Tensor(b))))
        found = [step(x).array for _ in range(3)]
        for y in found:
            np.testing.assert_array_equal(y, np.maximum(b + ops.matmul(x, w.T), 0))


def test_threads_change_no_bit(dtype: Any) -> None:
    x, w, b, dy = layer((600, 120, 200), dtype)
    before = fastnn.get_num_threads()
    found = []
    with running_on(BITS[-1]):
        for threads in (1, 2, 3):
            fastnn.set_num_threads(threads)
            found.append((ops.linear(x, w, b), gradient(x, w, b, dy)))
        fastnn.set_num_threads(before)
    for y, dw in found[1:]:
        np.testing.assert_array_equal(y, found[0][0])
        np.testing.assert_array_equal(dw, found[0][1])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_zero_times_no_number_is_nan(value: float, dtype: Any) -> None:
    x, w, b, dy = layer(SIZES[0], dtype)
    x[:, 5] = 0
    w[3, 5] = value
    dy[7, 2] = value
    for name in BITS:
        with running_on(name):
            y = ops.linear(x, w, b)
            assert np.isnan(y[:, 3]).all()
            assert np.isfinite(np.delete(y, 3, axis=1)).all()
            assert np.isnan(gradient(x, w, b, dy)[2, x[7] == 0]).all()


def test_no_number_among_the_inputs(dtype: Any) -> None:
    x, w, b, dy = layer(SIZES[0], dtype)
    x[4, 9] = np.nan
    for name in BITS:
        with running_on(name):
            y = ops.linear(x, w, b)
            assert np.isnan(y[4]).all()
            assert np.isfinite(np.delete(y, 4, axis=0)).all()
            assert np.isnan(gradient(x, w, b, dy)[:, 9]).all()
