"""The network written out by hand: each of its gradients is fastnn's and that of central differences."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLE = str(Path(__file__).parent.parent / "examples" / "three_layer_network.py")
network = runpy.run_path(EXAMPLE)
forward, backward, loss = network["forward"], network["backward"], network["loss"]


def problem(seed: int = 3) -> tuple[Any, Any, Any]:
    """Parameters, the zeros and ones, and what they are; biases that are not 0."""
    X, y = network["zeros_and_ones"]()
    rng = np.random.default_rng(seed)
    p = network["initial"]([64, 16, 8, 1], rng)
    return {name: a + 0.1 * rng.standard_normal(a.shape) for name, a in p.items()}, X, y


def test_every_gradient_is_fastnns(target: str) -> None:
    p, X, y = problem()
    by_hand = backward(p, forward(p, X), y)
    value, by_fastnn = network["fastnn_gradients"](p, X, y)
    assert value == pytest.approx(loss(forward(p, X)["A3"], y), abs=1e-12)
    assert by_hand.keys() == by_fastnn.keys() == p.keys()
    for name in p:
        assert by_hand[name].dtype == by_fastnn[name].dtype == np.float64
        np.testing.assert_allclose(by_hand[name], by_fastnn[name], rtol=1e-10, atol=1e-12)


def test_every_gradient_is_that_of_central_differences() -> None:
    p, X, y = problem()
    by_hand = backward(p, forward(p, X), y)
    rng = np.random.default_rng(0)
    for name, a in p.items():
        for _ in range(3):
            at = tuple(rng.integers(0, n) for n in a.shape)
            values = []
            for h in (-2e-4, -1e-4, 1e-4, 2e-4):
                moved = a.copy()
                moved[at] += h
                values.append(loss(forward({**p, name: moved}, X)["A3"], y))
            slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / 12e-4
            assert by_hand[name][at] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_it_learns(capsys: pytest.CaptureFixture[str]) -> None:
    network["main"]()
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[0].split()[-1]) < 1e-12
    assert float(lines[-1].split()[2].rstrip("%")) >= 98


def test_the_loop_of_the_other_example_learns(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(Path(EXAMPLE).with_name("digits_mlp.py")))["main"]()
    assert float(capsys.readouterr().out.splitlines()[-1].split()[2].rstrip("%,")) >= 96
