"""LBFGS against PyTorch's stored results, its inverse Hessian against the recursion, its line search on hard lines."""

from __future__ import annotations

import copy
import json
import math
import pickle
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.optim._inverse_hessian import InverseHessian
from fastnn.optim._line_search import CURVATURE, DECREASE, Trial, interpolated, strong_wolfe

reference = runpy.run_path(str(Path(__file__).parent / "reference" / "make_lbfgs_reference.py"))
CASES, run = reference["CASES"], reference["run"]
STORED = json.loads(reference["STORED"].read_text())["values"]


def test_every_case_is_stored() -> None:
    assert STORED.keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_stored(case: str, target: str) -> None:
    """Iterations and evaluations agree, so every decision does; the valley makes last digits grow."""
    found, want = np.array(run(case, optim, fastnn.Tensor)), np.array(STORED[case])
    np.testing.assert_array_equal(found[:, 1:3], want[:, 1:3])
    np.testing.assert_allclose(found, want, rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(found[:2], want[:2], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_torch(case: str) -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(run(case, torch.optim, torch.tensor), STORED[case], rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("size", [1, 3, 9, 40])
def test_inverse_hessian_is_the_recursion(size: int) -> None:
    """Nocedal's two loops over the pairs, which also tell when an old pair is forgotten."""
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((30, 30))
    hessian = spread @ spread.T + np.eye(30)
    known, pairs = InverseHessian(30, size), []
    for _ in range(20):
        s = rng.standard_normal(30)
        known.add(s, hessian @ s)
        known.add(s, -s)  # tells no curvature, and is not taken
        pairs = [*pairs, (s, hessian @ s)][-size:]
        g = rng.standard_normal(30)
        q, factors = g.copy(), []
        for s, y in reversed(pairs):
            factors.append(s @ q / (s @ y))
            q -= factors[-1] * y
        q *= pairs[-1][0] @ pairs[-1][1] / (pairs[-1][1] @ pairs[-1][1])
        for s, y in pairs:
            q += (factors.pop() - y @ q / (s @ y)) * s
        np.testing.assert_allclose(known.times(g), q, rtol=1e-9, atol=1e-11 * np.abs(q).max())
    assert all(
        np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(pairs, known.pairs(), strict=True)
    )


# The first two are from Moré and Thuente, Line search algorithms with guaranteed sufficient decrease, 1994.
LINES = {
    "far minimum": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "near wall": (
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
        lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3,
    ),
    "logarithm": (lambda t: -math.log(1 + t) + t * t / 8 if t < 30 else math.nan, lambda t: t / 4 - 1 / (1 + t)),
    "ripples": (lambda t: math.sin(8 * t) / 8 + (t - 2) ** 2, lambda t: math.cos(8 * t) + 2 * (t - 2)),
}


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", LINES)
def test_strong_wolfe_conditions_hold(name: str, first: float) -> None:
    f, slope = LINES[name]
    calls: list[float] = []

    def at(t: float) -> Trial:
        calls.append(t)
        return Trial(t, f(t), slope(t), None)

    start = Trial(0.0, f(0.0), slope(0.0), None)
    found, spent = strong_wolfe(at, start, first, 1.0, 1e-9, 40)
    assert spent == len(calls)
    assert found.f == f(found.t)
    assert found.f <= start.f + DECREASE * found.t * start.slope
    assert abs(found.slope) <= -CURVATURE * start.slope


def test_interpolation_finds_the_minimum_of_a_cubic() -> None:
    points = [Trial(t, t**3 - 3 * t, 3 * t * t - 3, None) for t in (0.5, 2.5)]
    assert interpolated(*points, 0.5, 2.5) == pytest.approx(1.0)
    assert interpolated(*points[::-1], 0.5, 2.5) == pytest.approx(1.0)
    assert interpolated(*points, 1.5, 2.5) == 1.5
    assert interpolated(Trial(0.0, 0.0, -1.0, None), Trial(2.0, math.nan, 1.0, None), 0.0, 2.0) == 1.0


def problem(dtype: Any = np.float64, **options: Any) -> tuple[nn.Module, optim.LBFGS, Any]:
    """A small network, its optimizer and its closure."""
    fastnn.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)).to(dtype)
    rng = np.random.default_rng(1)
    x, y = (fastnn.Tensor(rng.standard_normal((20, n)).astype(dtype)) for n in (4, 2))
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", **options)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        return loss

    return model, optimizer, closure


def weights(model: nn.Module) -> Any:
    return np.concatenate([p.array.reshape(-1) for p in model.parameters()])


def test_a_captured_closure_gives_the_same(target: str) -> None:
    finals = []
    for captured in (False, True):
        model, optimizer, closure = problem()
        call = fastnn.compile(closure) if captured else closure
        losses = [optimizer.step(call).item() for _ in range(4)]
        finals.append(np.array([*losses, *weights(model)]))
    np.testing.assert_array_equal(*finals)
    assert finals[0][3] < finals[0][0] / 2


def test_float32_parameters_stay_so() -> None:
    model, optimizer, closure = problem(np.float32)
    first = optimizer.step(closure).item()
    assert weights(model).dtype == np.float32
    assert closure().item() < first / 2


@pytest.mark.parametrize("how", ["dict", "copy", "pickle"])
def test_goes_on_where_it_was(how: str) -> None:
    model, optimizer, closure = problem(max_iter=7, history_size=4)
    whole = problem(max_iter=7, history_size=4)
    for _ in range(2):
        optimizer.step(closure)
    for _ in range(4):
        whole[1].step(whole[2])
    if how == "dict":
        saved = copy.deepcopy(optimizer.state_dict())
        again = optim.LBFGS(model.parameters())
        again.load_state_dict(saved)
        optimizer.param_groups = again.param_groups  # the closure clears the gradients of this one's
    else:
        again = copy.copy(optimizer) if how == "copy" else optimizer
        if how == "pickle":
            pair = pickle.loads(pickle.dumps((model, optimizer)))
            model.load_state_dict(pair[0].state_dict())
            again.load_state_dict(pair[1].state_dict())
    for _ in range(2):
        again.step(closure)
    np.testing.assert_allclose(weights(model), weights(whole[0]), rtol=1e-9)


def test_torchs_state_is_taken() -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = fastnn.Tensor(np.ones(6)).requires_grad_(), torch.ones(6, dtype=torch.float64, requires_grad=True)
    own, other = (module.LBFGS([w], max_iter=3) for module, w in ((optim, mine), (torch.optim, theirs)))

    def closure(w: Any, optimizer: Any) -> Any:
        optimizer.zero_grad()
        loss = ((w - 0.5) ** 4 + w**2).sum()
        loss.backward()
        return loss

    for _ in range(2):
        other.step(lambda: closure(theirs, other))
    own.load_state_dict(other.state_dict())
    with fastnn.no_grad():
        mine.copy_(fastnn.Tensor(theirs.detach().numpy()))
    other.step(lambda: closure(theirs, other))
    own.step(lambda: closure(mine, own))
    np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)


def test_a_state_of_other_parameters_is_refused() -> None:
    _, optimizer, closure = problem()
    optimizer.step(closure)
    other = optim.LBFGS([fastnn.tensor([1.0], requires_grad=True)])
    with pytest.raises(ValueError, match="doesn't match the size"):
        other.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="d of 44 numbers for 12"):
        optim.LBFGS([p.detach()[:1].requires_grad_() for p in problem()[0].parameters()]).load_state_dict(
            optimizer.state_dict()
        )


def test_stops_where_there_is_nothing_to_gain() -> None:
    w = fastnn.tensor([0.0, 0.0], requires_grad=True)
    optimizer, calls = optim.LBFGS([w]), []

    def closure() -> Any:
        calls.append(w.tolist())
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 0.0
    assert calls == [[0.0, 0.0]]


def test_infinite_losses_are_stepped_back_from() -> None:
    w = fastnn.tensor([1.0], dtype="float64", requires_grad=True)
    optimizer = optim.LBFGS([w], lr=1e6, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w - fastnn.ops.log(w + 0.5)).sum()
        loss.backward()
        return loss

    with np.errstate(invalid="ignore"):
        for _ in range(3):
            optimizer.step(closure)
    assert w.item() == pytest.approx(0.5, abs=1e-4)


def test_refusals() -> None:
    w = fastnn.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [w]}, {"params": [w.detach().requires_grad_()]}])
    for options, words in (
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"max_iter": 0}, "max_iter wants a whole number of at least 1; got 0"),
        ({"max_eval": 2.5}, "max_eval wants a whole number of at least 1; got 2.5"),
        ({"history_size": 0}, "history_size wants a whole number"),
        ({"tolerance_grad": -1}, "Invalid tolerance_grad: -1"),
        ({"line_search_fn": "armijo"}, "line_search_fn wants None or 'strong_wolfe'; got 'armijo'"),
    ):
        with pytest.raises(ValueError, match=words):
            optim.LBFGS([w], **options)
    with pytest.raises(TypeError, match="step wants a closure"):
        optim.LBFGS([w]).step()
