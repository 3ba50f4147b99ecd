"""Definitions and their gradients against PyTorch: itself where it is installed, else its stored results."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn._registry import OPS

reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "reference" / "make_torch_values.py")))
STORED = np.load(reference.STORED)

# Why an op is not compared here.
ELSEWHERE = {
    "dropout": "its random numbers are fastnn's own; test_philox.py",
    "winner": "part of maximum's gradient",
    "power_base": "part of power's gradient",
    "power_exponent": "part of power's gradient",
    "accumulate": "a + b in place",
    "assign": "b in place",
    "clip_grad_norm": "test_clip_grad_norm",
    "clip_grad_value": "min and max",
    **dict.fromkeys(("sgd", "adam", "rmsprop", "adagrad"), "test_optimizer_steps"),
}


@pytest.fixture(autouse=True)
def on_numpy() -> Iterator[None]:
    with fastnn.use_backend("numpy"):
        yield


def assert_equal(got: np.ndarray[Any, Any], want: np.ndarray[Any, Any], what: str) -> None:
    """Equal to 11 digits of each number, and to 13 of the largest; NaN and infinities alike."""
    assert got.shape == want.shape, what
    finite = np.isfinite(want)
    assert np.array_equal(np.where(finite, 0, want), np.where(finite, 0, got), equal_nan=True), f"{what}: {got} {want}"
    a, b = got[finite], want[finite]
    digits = 1e-11 if got.dtype == np.float64 else 4 * np.finfo(np.float32).eps  # whole numbers give float32
    bad = np.abs(a - b) > digits * np.abs(b) + 1e-13 * np.abs(b).max(initial=1)
    assert not bad.any(), f"{what}: {a[bad]} wants {b[bad]}"


@pytest.mark.parametrize("name", reference.CALLS)
def test_definition(name: str) -> None:
    got = reference.by_definition(name)
    if reference.torch is None:
        assert_equal(reference.joined(got), STORED[name], name)
        return
    want = reference.by_torch(name)
    for g, w in zip(got, want, strict=True):
        assert_equal(g, w, name)


@pytest.mark.parametrize("name", reference.STEPS)
def test_optimizer_steps(name: str) -> None:
    got = reference.joined(reference.steps_by_definition(name))
    key = f"steps {name}"
    want = STORED[key] if reference.torch is None else reference.joined(reference.steps_by_torch(name))
    assert_equal(got, want, name)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("max_norm", [0.5, 1e3])
def test_clip_grad_norm(norm_type: float, max_norm: float) -> None:
    """Against the formula itself."""
    grads = reference.numbers(0)
    norm = np.linalg.norm(reference.joined(grads), norm_type)
    total, scaled = OPS["clip_grad_norm"].definition(grads, max_norm=max_norm, norm_type=norm_type)
    assert_equal(total, np.asarray(norm), "norm")
    factor = min(1.0, max_norm / (norm + 1e-6))
    assert_equal(reference.joined(scaled), reference.joined(grads) * factor, "gradients")


def test_every_definition_is_compared() -> None:
    assert set(OPS) == set(reference.CALLS) | set(ELSEWHERE)
    assert not set(reference.CALLS) & set(ELSEWHERE)
