"""Layers whose inputs or gradients hold many zeros: the bits of the whole product, whatever was skipped."""

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

# Rows, outputs, inputs: one and several panels, pieces and blocks of rows, and what is left of each.
SIZES = [(200, 100, 64), (101, 45, 151), (2050, 33, 17), (67, 300, 99), (140, 530, 421), (1300, 64, 40)]
Array = np.ndarray[Any, Any]


def some_values(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Array:
    """Numbers, and zeros of both signs."""
    there = rng.random(shape) < share
    return np.where(there, rng.standard_normal(shape), np.where(rng.random(shape) < 0.5, 0.0, -0.0))


def layer(
    size: tuple[int, int, int], dtype: Any, by_inputs: bool = False, inputs_share: float = 0.2, dy_share: float = 1
) -> tuple[Array, Array, Array, Array]:
    """Inputs of which some have a value, weights, biases, gradients."""
    rows, outputs, inputs = size
    rng = np.random.default_rng(size)
    x = some_values(rng, (rows, inputs), inputs_share)
    w = rng.standard_normal((outputs, inputs)).astype(dtype)
    w = np.asfortranarray(w) if by_inputs else w
    return (
        x.astype(dtype),
        w,
        rng.standard_normal(outputs).astype(dtype),
        some_values(rng, (rows, outputs), dy_share).astype(dtype),
    )


def gradients(x: Array, w: Array, b: Array, dy: Array) -> tuple[Array, Array]:
    """Those of the inputs and of the weights."""
    inputs, weights = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
    ops.linear(inputs, weights, Tensor(b)).backward(Tensor(dy))
    assert inputs.grad is not None
    assert weights.grad is not None
    return inputs.grad.array, weights.grad.array


@pytest.mark.parametrize("by_inputs", [False, True], ids=["by outputs", "by inputs"])
@pytest.mark.parametrize("shares", [(0.2, 1), (0.5, 0.4), (1, 0.3)], ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bits_are_those_of_the_whole_product(
    size: tuple[int, int, int], shares: tuple[float, float], by_inputs: bool, dtype: Any
) -> None:
    x, w, b, dy = layer(size, dtype, by_inputs, *shares)
    for name in BITS:
        with running_on(name):
            np.testing.assert_array_equal(ops.linear(x, w, b), b + ops.matmul(x, w.T))
            dx, dw = gradients(x, w, b, dy)
            assert dw.flags.f_contiguous == by_inputs  # as the weights lie in memory
            np.testing.assert_array_equal(dx, ops.matmul(dy, w))
            np.testing.assert_array_equal(dw, ops.matmul(dy.T, x))


def test_a_captured_step_between_relus(dtype: Any) -> None:
    x, w, b, _ = layer((200, 120, 100), dtype)
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((120, 120)).astype(dtype)
    weights = [Tensor(w, requires_grad=True), Tensor(hidden, requires_grad=True), Tensor(hidden, requires_grad=True)]

    def step(a: Tensor) -> Tensor:
        for v in weights:
            v.grad = None
        y = F.relu(F.linear(a, weights[0], Tensor(b)))
        y = F.relu(F.linear(y, weights[1]))
        loss = F.relu(F.linear(y, weights[2])).sum()
        loss.backward()
        return loss

    for name in BITS:
        with running_on(name):
            step(Tensor(x))
            eager = [v.grad.array.copy() for v in weights if v.grad is not None]
            captured = fastnn.compile(step)
            for _ in range(3):
                captured(Tensor(x))
            for v, g in zip(weights, eager, strict=True):
                assert v.grad is not None
                np.testing.assert_array_equal(v.grad.array, g)


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
            found.append((ops.linear(x, w, b), gradients(x, w, b, dy)[1]))
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
            assert np.isnan(gradients(x, w, b, dy)[1][2, x[7] == 0]).all()


def test_no_number_among_the_inputs(dtype: Any) -> None:
    x, w, b, dy = layer(SIZES[0], dtype)
    x[4, 9] = np.nan
    for name in BITS:
        with running_on(name):
            y = ops.linear(x, w, b)
            assert np.isnan(y[4]).all()
            assert np.isfinite(np.delete(y, 4, axis=0)).all()
            assert np.isnan(gradients(x, w, b, dy)[1][:, 9]).all()
