"""Images in channels-last memory stay so through elementwise ops on cpp, and values do not depend on the order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import ops
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
SHAPE = (2, 5, 6, 7)


def channels_last(x: Array) -> Array:
    """The same values with channels as neighbors in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def is_channels_last(x: Array) -> bool:
    return bool(np.moveaxis(x, 1, -1).flags.c_contiguous)


def values(seed: int, dtype: Any) -> Array:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(dtype)


CONDITION = values(7, np.float64) > 0
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "number": lambda x, y: x * 2.0 - 1.0,
    "bias": lambda x, y: x + y[:1, :, :1, :1],
    "relu": lambda x, y: F.relu(x),
    "gelu": lambda x, y: F.gelu(x),
    "square": lambda x, y: x**2,
    "clip": lambda x, y: ops.clip(x, low=-1.0, high=1.0),
    "where": lambda x, y: ops.where(channels_last(CONDITION), x, y),
    "dropout": lambda x, y: ops.dropout(x, p=0.4, seed=3, offset=5),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementwise(name: str, target: str, dtype: Any) -> None:
    results = []
    for order in (np.asarray, channels_last):
        x, y = (fastnn.Tensor(order(values(i, dtype)), requires_grad=True) for i in (0, 1))
        out = FUNCTIONS[name](x, y)
        last = out * fastnn.Tensor(order(values(2, dtype)))
        gradient = fastnn.Tensor(order(values(3, dtype)))
        last.backward(gradient)
        results.append([out.array, x.grad.array])
        if order is channels_last and target.startswith("cpp"):
            assert is_channels_last(out.array)
            if name not in ("add", "bias"):  # their gradient is handed on, and the leaf's copy is in C order
                assert is_channels_last(x.grad.array)
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


def test_a_repeated_gradient_takes_the_order_of_what_it_meets(target: str, dtype: Any) -> None:
    """That of a sum is one number with strides of 0."""
    x = fastnn.Tensor(channels_last(values(0, dtype)), requires_grad=True)
    F.relu(x).sum().backward()
    assert np.array_equal(x.grad.numpy(), values(0, dtype) > 0)
    if target.startswith("cpp"):
        assert is_channels_last(x.grad.array)
