"""Losses: against sums written out, and against PyTorch where it is there; their arguments and penalties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import losses, nn
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
X, T = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 4))
P, Q = RNG.uniform(0.05, 0.95, (6, 4)), RNG.uniform(0.05, 0.95, (6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])
DEEP, DEEP_LABELS = RNG.standard_normal((2, 4, 3, 5)), RNG.integers(0, 4, (2, 3, 5))


def log_softmax(x: Array, axis: int = 1) -> Array:
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def reduced(terms: Array, how: str, count: float | None = None) -> Array:
    if how == "none":
        return terms
    return terms.sum() / (1 if how == "sum" else count or terms.size)


def closes(got: Any, want: Any) -> bool:
    return np.shape(want) == got.shape and np.allclose(got.detach().numpy(), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("how", ["none", "mean", "sum"])
def test_losses_are_their_formulas(how: str, target: str) -> None:
    d = X - T
    assert closes(nn.MSELoss(reduction=how)(X, T), reduced(d * d, how))
    assert closes(nn.L1Loss(reduction=how)(X, T), reduced(abs(d), how))
    huber = np.where(abs(d) < 0.7, d * d / 2, 0.7 * (abs(d) - 0.35))
    assert closes(nn.HuberLoss(how, 0.7)(X, T), reduced(huber, how))
    bce = -(Q * np.log(P) + (1 - Q) * np.log(1 - P))
    assert closes(nn.BCELoss(reduction=how)(P, Q), reduced(bce, how))
    assert closes(nn.BCELoss(fastnn.tensor(WEIGHT), reduction=how)(P, Q), reduced(bce * WEIGHT, how))
    s = 1 / (1 + np.exp(-X))
    logits = -(WEIGHT * Q * np.log(s) + (1 - Q) * np.log(1 - s))
    loss = nn.BCEWithLogitsLoss(reduction=how, pos_weight=fastnn.tensor(WEIGHT))
    assert closes(loss(X, Q), reduced(logits, how))
    log_p = log_softmax(X)
    assert closes(nn.KLDivLoss(reduction=how)(log_p, Q), reduced(Q * (np.log(Q) - log_p), how))
    assert closes(nn.KLDivLoss(reduction=how, log_target=True)(log_p, np.log(Q)), reduced(Q * (np.log(Q) - log_p), how))


@pytest.mark.parametrize("how", ["none", "mean", "sum"])
def test_class_losses_are_their_formulas(how: str, target: str) -> None:
    rows = np.arange(6)
    picked = -log_softmax(X)[rows, LABELS]
    assert closes(nn.CrossEntropyLoss(reduction=how)(X, LABELS), reduced(picked, how))
    assert closes(nn.NLLLoss(reduction=how)(log_softmax(X), LABELS), reduced(picked, how))
    weights = WEIGHT[LABELS]
    loss = nn.CrossEntropyLoss(fastnn.tensor(WEIGHT), reduction=how)
    assert closes(loss(X, LABELS), reduced(picked * weights, how, weights.sum()))
    counts = LABELS != 1
    loss = nn.CrossEntropyLoss(ignore_index=1, reduction=how)
    assert closes(loss(X, LABELS), reduced(picked * counts, how, counts.sum()))
    smooth = 0.8 * picked + 0.2 * -log_softmax(X).mean(1)
    assert closes(nn.CrossEntropyLoss(reduction=how, label_smoothing=0.2)(X, LABELS), reduced(smooth, how))
    soft = -(Q * log_softmax(X)).sum(1)
    assert closes(nn.CrossEntropyLoss(reduction=how)(X, Q), reduced(soft, how))
    soft = -(WEIGHT * (Q * 0.9 + 0.025) * log_softmax(X)).sum(1)
    loss = nn.CrossEntropyLoss(fastnn.tensor(WEIGHT), reduction=how, label_smoothing=0.1)
    assert closes(loss(X, Q), reduced(soft, how))


@pytest.mark.parametrize("how", ["none", "mean", "sum"])
def test_classes_are_on_dimension_1(how: str, target: str) -> None:
    log_p = log_softmax(DEEP)
    picked = -np.take_along_axis(log_p, DEEP_LABELS[:, None], 1)[:, 0]
    assert closes(F.cross_entropy(DEEP, DEEP_LABELS, reduction=how), reduced(picked, how))
    assert closes(F.nll_loss(log_p, DEEP_LABELS, reduction=how), reduced(picked, how))
    soft = np.exp(log_softmax(DEEP[::-1]))
    assert closes(F.cross_entropy(DEEP, soft, reduction=how), reduced(-(soft * log_p).sum(1), how, 30))
    assert closes(F.cross_entropy(X[0], np.array(2), reduction=how), -log_softmax(X[:1])[0, 2])


def test_gradients_of_classes_on_dimension_1() -> None:
    x = fastnn.tensor(DEEP, requires_grad=True)
    F.cross_entropy(x, DEEP_LABELS).backward()
    hit = np.moveaxis(np.eye(4)[DEEP_LABELS], -1, 1)
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), (np.exp(log_softmax(DEEP)) - hit) / 30)


def test_kl_div_divides_by_the_batch() -> None:
    log_p = log_softmax(X)
    terms = Q * (np.log(Q) - log_p)
    assert closes(F.kl_div(log_p, Q, reduction="batchmean"), terms.sum() / 6)
    row = Q[:1]
    assert closes(F.kl_div(log_p, row, reduction="batchmean"), (row * (np.log(row) - log_p)).sum() / 6)
    assert closes(F.kl_div(log_p, row), (row * (np.log(row) - log_p)).mean())


# Against PyTorch: the same call with torch.nn and with fastnn.nn

CALLS: dict[str, Any] = {
    "mse": lambda F, t: F.mse_loss(t(X), t(T)),
    "mse weight": lambda F, t: F.mse_loss(t(X), t(T), weight=t(P)),
    "l1 weight": lambda F, t: F.l1_loss(t(X), t(T), weight=t(P)),
    "huber weight": lambda F, t: F.huber_loss(t(X), t(T), weight=t(P), delta=0.5),
    "huber weight sum": lambda F, t: F.huber_loss(t(X), t(T), "sum", 0.5, t(P)),
    "bce at the ends": lambda F, t: F.binary_cross_entropy(t(np.round(P)), t(np.round(Q)), t(Q)),
    "bce logits": lambda F, t: F.binary_cross_entropy_with_logits(t(X * 40), t(Q), t(P), pos_weight=t(WEIGHT)),
    "ce": lambda F, t: F.cross_entropy(t(X), t(LABELS), t(WEIGHT), ignore_index=3, label_smoothing=0.3),
    "ce none": lambda F, t: F.cross_entropy(
        t(DEEP), t(DEEP_LABELS), t(WEIGHT), ignore_index=2, label_smoothing=0.3, reduction="none"
    ),
    "ce probabilities": lambda F, t: F.cross_entropy(t(DEEP), t(DEEP * DEEP), t(WEIGHT), label_smoothing=0.3),
    "ce one row": lambda F, t: F.cross_entropy(t(X[0]), t(Q[0]), label_smoothing=0.1),
    "nll": lambda F, t: F.nll_loss(t(DEEP), t(DEEP_LABELS), t(WEIGHT), ignore_index=1),
    "kl": lambda F, t: F.kl_div(t(X), t(np.round(Q)), reduction="batchmean"),
    "kl log": lambda F, t: F.kl_div(t(X), t(T), reduction="batchmean", log_target=True),
    "kl broadcast": lambda F, t: F.kl_div(t(X), t(Q[:1]), reduction="batchmean"),
}


@pytest.mark.parametrize("name", CALLS)
def test_losses_against_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    made: list[list[Any]] = [[], []]

    def keeping(make: Any, kept: list[Any]) -> Any:
        def tensor(array: Array) -> Any:
            leaf = make(array, requires_grad=array.dtype.kind == "f" and not kept)
            kept.append(leaf)
            return leaf

        return tensor

    theirs = CALLS[name](torch.nn.functional, keeping(torch.tensor, made[0]))
    ours = CALLS[name](F, keeping(fastnn.tensor, made[1]))
    assert np.allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-13)
    theirs.sum().backward()
    ours.sum().backward()
    rtol = 1e-8 if "ends" in name else 1e-10  # PyTorch holds its least denominator, 1e-12, in float32
    assert np.allclose(made[1][0].grad.numpy(), made[0][0].grad.numpy(), rtol=rtol, atol=1e-13)


# Arguments


def test_weights_are_part_of_the_state() -> None:
    assert list(nn.CrossEntropyLoss(fastnn.tensor(WEIGHT)).state_dict()) == ["weight"]
    loss = nn.BCEWithLogitsLoss(pos_weight=np.ones(2, np.float32))
    assert list(loss.state_dict()) == ["pos_weight"]
    assert list(loss.parameters()) == []
    assert loss.double().pos_weight.dtype == np.float64


def test_deprecated_arguments() -> None:
    for size_average, reduce, how in ((False, None, "sum"), (None, False, "none"), (True, True, "mean")):
        with pytest.warns(UserWarning, match=f"reduction='{how}'"):
            loss = nn.MSELoss(size_average, reduce)
        assert loss.reduction == how
    with pytest.warns(UserWarning, match="reduction='sum'"):
        got = F.cross_entropy(X, LABELS, None, False)
    assert closes(got, F.cross_entropy(X, LABELS, reduction="sum").numpy())


def test_shapes_that_differ() -> None:
    with pytest.warns(UserWarning, match=r"target size \(\(4,\)\).*input size \(\(6, 4\)\)"):
        assert closes(F.mse_loss(X, T[0]), ((X - T[0]) ** 2).mean())
    with pytest.raises(ValueError, match=r"target size \(\(6, 1\)\)"):
        F.binary_cross_entropy(P, Q[:, :1])
    with pytest.raises(ValueError, match="same as input size"):
        F.binary_cross_entropy_with_logits(X, Q[:, :1])
    with pytest.raises(ValueError, match="same size"):
        F.l1_loss(X, T, weight=P[0])


@pytest.mark.parametrize("value", [-1e-6, 1.0001, math.inf, -math.inf, math.nan])
def test_probabilities_are_between_0_and_1(target: str, dtype: type, value: float) -> None:
    p, q = P.astype(dtype), np.round(Q).astype(dtype)  # where the target is 0 or 1 one of the logarithms has no factor
    captured = fastnn.compile(F.binary_cross_entropy)
    for _ in range(3):
        assert np.isfinite(captured(p, q).item())
    for i, reduction in enumerate(("mean", "sum", "none")):
        p.flat[i] = value
        words = f"binary_cross_entropy: input wants values from 0 to 1; got {dtype(value)}"
        with pytest.raises(ValueError, match=words):
            F.binary_cross_entropy(p, q, reduction=reduction)
        with pytest.raises(ValueError, match="input wants values from 0 to 1"):
            nn.BCELoss(fastnn.zeros(*p.shape, dtype=dtype), reduction=reduction)(p, q)
    assert math.isnan(captured(p, q).item())


def test_what_is_refused(target: str) -> None:
    assert math.isnan(F.binary_cross_entropy(P, np.where(Q > 0.9, np.nan, Q)).item())
    with pytest.raises(TypeError, match="float64"):
        F.mse_loss(X, T.astype(np.float32))
    with pytest.raises(TypeError, match="class probabilities"):
        F.cross_entropy(X, np.zeros((6, 4), np.int64))
    with pytest.raises(ValueError, match="ignore_index"):
        F.cross_entropy(X, Q, ignore_index=1)
    with pytest.raises(IndexError, match="labels at flat position 3"):
        F.cross_entropy(X, np.array([0, 1, 2, 4, 0, 0]))
    with pytest.raises(ValueError, match="labels wants shape"):
        F.cross_entropy(X, LABELS[:5])
    with pytest.raises(ValueError, match="one per class"):
        F.cross_entropy(X, Q, WEIGHT[:3])
    for smoothing in (-0.1, 1.1):
        for labels in (LABELS, Q):
            with pytest.raises(ValueError, match="label_smoothing"):
                F.cross_entropy(X, labels, label_smoothing=smoothing)
    for use in (lambda how: F.mse_loss(X, T, reduction=how), lambda how: F.cross_entropy(X, Q, reduction=how)):
        with pytest.raises(ValueError, match="average"):
            use("average")


# Penalties and names


def test_penalties(target: str) -> None:
    m = nn.Linear(3, 2).double()
    w, b = m.weight.array.copy(), m.bias.array.copy()  # type: ignore[union-attr]
    assert closes(losses.l1_penalty(m.parameters()), abs(w).sum() + abs(b).sum())
    total = losses.l2_penalty(m.parameters())
    assert closes(total, (w * w).sum() + (b * b).sum())
    total.backward()
    assert closes(m.weight.grad, 2 * w)
    assert closes(losses.l1_penalty(m.weight), abs(w).sum())
    with pytest.raises(ValueError, match="at least one"):
        losses.l2_penalty([])


def test_losses_has_modules_and_functions() -> None:
    for name in losses.__all__:
        assert getattr(losses, name) is getattr(nn, name, getattr(F, name, getattr(losses, name)))
    assert losses.MSELoss is nn.MSELoss
    assert losses.mse_loss is F.mse_loss
