"""What captured functions return: Tensors in structures, and values that a replay may repeat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import fastnn
from fastnn.capture import CaptureError


class Pair(NamedTuple):
    first: Any
    second: Any


def test_structures_of_results(target: str) -> None:
    step = fastnn.compile(lambda x: {"y": x + 1, "views": (x.T, [x]), "pair": Pair(x * 2, 0.5), "k": 3})
    for i in range(4):
        x = np.arange(6, dtype=np.float32).reshape(2, 3) * i
        out = step(x)
        assert list(out) == ["y", "views", "pair", "k"]
        np.testing.assert_array_equal(out["y"].numpy(), x + 1)
        turned, (whole,) = out["views"]
        np.testing.assert_array_equal(turned.numpy(), x.T)
        np.testing.assert_array_equal(whole.numpy(), x)
        assert type(out["pair"]) is Pair
        np.testing.assert_array_equal(out["pair"].first.numpy(), x * 2)
        assert (out["pair"].second, out["k"]) == (0.5, 3)


KEPT = {"a number": float("nan"), "text": "adam", "none": None, "an object": object()}


@pytest.mark.parametrize("what", KEPT)
def test_what_stays_the_same_is_returned(what: str) -> None:
    step = fastnn.compile(lambda x: (x * 2, KEPT[what]))
    for _ in range(4):
        out = step(fastnn.ones(2))[1]
        assert out is KEPT[what] or np.isnan(out)


CHANGING = {
    "a number": lambda x, n: n,
    "its kind": lambda x, n: [True, 1][n % 2],
    "an array": lambda x, n: np.full(2, n),
    "an object": lambda x, n: {x},
    "keys": lambda x, n: {n: x},
    "how many": lambda x, n: [x] * n,
}


@pytest.mark.parametrize("what", CHANGING)
def test_what_changes_is_refused(what: str) -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(0)
        return x * 2, CHANGING[what](x, len(calls))

    step = fastnn.compile(function)
    step(fastnn.ones(2))
    with pytest.raises(CaptureError, match=r"test_capture_results\.py:\d+: two calls with one signature"):
        step(fastnn.ones(2))
    assert not step.plans


def test_a_check_finds_what_changes_later() -> None:
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(0)
        return x * 2, len(calls) > 4

    step = fastnn.compile(function, check=True)
    for _ in range(4):
        assert step(fastnn.ones(2))[1] is False
    with pytest.raises(CaptureError, match=r"returned \(Tensor 0, False\), then \(Tensor 0, True\)"):
        step(fastnn.ones(2))
