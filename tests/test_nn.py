"""Layers, activations and functions of shape: against formulas in NumPy, and against PyTorch where it is there."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn._registry import state
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
X = np.concatenate([np.linspace(-6, 6, 23), [-25.0, 0.0, 25.0, 100.0, -100.0]]).reshape(4, 7)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def erf(x: Array) -> Array:
    return np.vectorize(math.erf)(x)


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# name -> (how to make the module, its formula)
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Array], Array]]] = {
    "ReLU": (lambda nn: nn.ReLU(), lambda x: np.maximum(x, 0)),
    "ReLU inplace": (lambda nn: nn.ReLU(inplace=True), lambda x: np.maximum(x, 0)),
    "ReLU6": (lambda nn: nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(), lambda x: np.where(x < 0, 0.01 * x, x)),
    "LeakyReLU 0.2": (lambda nn: nn.LeakyReLU(0.2), lambda x: np.where(x < 0, 0.2 * x, x)),
    "Sigmoid": (lambda nn: nn.Sigmoid(), sigmoid),
    "Tanh": (lambda nn: nn.Tanh(), np.tanh),
    "GELU": (lambda nn: nn.GELU(), lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    "GELU tanh": (
        lambda nn: nn.GELU(approximate="tanh"),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "SiLU": (lambda nn: nn.SiLU(), lambda x: x * sigmoid(x)),
    "ELU": (lambda nn: nn.ELU(), lambda x: np.where(x < 0, np.expm1(x), x)),
    "ELU 2": (lambda nn: nn.ELU(2.0), lambda x: np.where(x < 0, 2 * np.expm1(x), x)),
    "SELU": (
        lambda nn: nn.SELU(),
        lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(x), x),
    ),
    "Softplus": (lambda nn: nn.Softplus(), lambda x: np.where(x > 20, x, softplus(x))),
    "Softplus 2, 5": (lambda nn: nn.Softplus(2, 5), lambda x: np.where(2 * x > 5, x, softplus(2 * x) / 2)),
    "Mish": (lambda nn: nn.Mish(), lambda x: x * np.tanh(softplus(x))),
    "Hardtanh": (lambda nn: nn.Hardtanh(), lambda x: np.clip(x, -1, 1)),
    "Hardtanh -2, 3": (lambda nn: nn.Hardtanh(-2, 3), lambda x: np.clip(x, -2, 3)),
    "Hardswish": (lambda nn: nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "Softmax": (lambda nn: nn.Softmax(dim=1), lambda x: softmax(x, 1)),
    "Softmax 0": (lambda nn: nn.Softmax(dim=0), lambda x: softmax(x, 0)),
    "LogSoftmax": (
        lambda nn: nn.LogSoftmax(dim=-1),
        lambda x: x - np.logaddexp.reduce(x, axis=-1, keepdims=True),
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, target: str, dtype: Any) -> None:
    make, formula = ACTIVATIONS[name]
    x = X.astype(dtype)
    got = make(nn)(fastnn.tensor(x))
    assert got.dtype == dtype
    eps = np.finfo(dtype).eps
    assert np.allclose(got.numpy(), formula(x.astype(np.float64)), rtol=40 * eps, atol=40 * eps)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_against_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, _ = ACTIVATIONS[name]
    dy = np.cos(np.arange(X.size)).reshape(X.shape)
    theirs = torch.tensor(X, requires_grad=True)
    ours = fastnn.tensor(X, requires_grad=True)
    y = make(torch.nn)(theirs * 1)
    y.backward(torch.tensor(dy))
    got = make(nn)(ours)
    got.backward(fastnn.tensor(dy))
    assert np.allclose(got.detach().numpy(), y.detach().numpy(), rtol=1e-12, atol=1e-13)
    assert ours.grad is not None
    assert np.allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-11, atol=1e-12)


def test_swish_is_silu_with_a_factor() -> None:
    x = fastnn.tensor(X)
    assert np.allclose(nn.Swish(2.5)(x).numpy(), X * sigmoid(2.5 * X))
    assert np.array_equal(nn.Swish()(x).numpy(), nn.SiLU()(x).numpy())
    assert repr(nn.Swish(2.5)) == "Swish(beta=2.5)"


def test_arguments_of_activations() -> None:
    with pytest.raises(ValueError, match="max_val"):
        nn.Hardtanh(2.0, 1.0)
    with pytest.raises(ValueError, match="min_val"):
        F.hardtanh(fastnn.ones(1), 2.0, 1.0)
    assert nn.Hardtanh(min_value=-3, max_value=2)(fastnn.tensor([-9.0, 9.0])).tolist() == [-3.0, 2.0]
    with pytest.raises(ValueError, match="none or tanh"):
        nn.GELU("erf")(fastnn.ones(1))
    for dims, dim in ((1, 0), (2, 1), (3, 0), (4, 1)):
        x = fastnn.randn(*(2,) * dims)
        with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
            got = nn.Softmax()(x)
        assert np.array_equal(got.numpy(), F.softmax(x, dim).numpy())
    assert F.softmax(fastnn.tensor([1, 2]), 0, dtype="float64").dtype == np.float64


@pytest.mark.parametrize("given", [np.ones((2, 3), np.float32), [[1.0] * 3] * 2], ids=["array", "list"])
def test_arrays_and_lists_are_taken_and_tensors_given(given: Any) -> None:
    for layer in (nn.ReLU(), nn.Linear(3, 2), nn.Flatten(), nn.Dropout(), nn.LayerNorm(3), nn.Softmax(1)):
        assert isinstance(layer(given), fastnn.Tensor)
    assert isinstance(F.mse_loss(given, given), fastnn.Tensor)


# Linear and shapes


def test_linear(target: str, dtype: Any) -> None:
    layer = nn.Linear(5, 3, dtype=dtype)
    rng = np.random.default_rng(0)
    for shape in ((4, 5), (5,), (2, 3, 5), (0, 5)):
        x = rng.standard_normal(shape).astype(dtype)
        want = x @ layer.weight.array.T + layer.bias.array  # type: ignore[union-attr]
        assert np.allclose(layer(x).detach().numpy(), want, rtol=1e-5, atol=1e-6)
        assert np.allclose(F.linear(x, layer.weight, layer.bias).detach().numpy(), want, rtol=1e-5, atol=1e-6)
    assert layer.weight.dtype == dtype
    without = nn.Linear(5, 3, bias=False, dtype=dtype)
    assert list(without.state_dict()) == ["weight"]
    assert without.bias is None


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((2.5, 1), TypeError, "in_features"),
        ((2, "1"), TypeError, "out_features"),
        ((-1, 1), ValueError, "in_features"),
        ((2, 1, True, "cuda"), ValueError, "cuda"),
        ((2, 1, True, None, "int64"), RuntimeError, "floating point"),
    ],
)
def test_arguments_of_linear(arguments: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        nn.Linear(*arguments)


def test_linear_names_what_does_not_fit() -> None:
    layer = nn.Linear(5, 3)
    with pytest.raises(ValueError, match="5"):
        layer(fastnn.zeros(2, 4))
    with pytest.raises(TypeError, match="float64"):
        layer(fastnn.zeros(2, 5, dtype="float64"))


def test_shapes() -> None:
    x = fastnn.arange(24.0).reshape(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0)(x).shape == (24,)
    assert nn.Flatten(0, 1)(x).tolist() == x.numpy().reshape(6, 4).tolist()
    assert nn.Unflatten(1, (3, 1))(x).shape == (2, 3, 1, 4)
    assert nn.Unflatten(-1, (2, -1))(x).shape == (2, 3, 2, 2)
    assert nn.Identity(1, a=2)(x) is x
    with pytest.raises(IndexError, match="dim 3"):
        nn.Unflatten(3, (1,))(x)
    with pytest.raises(TypeError, match="unflattened_size"):
        nn.Unflatten(1, 3)
    with pytest.raises(ValueError, match="shape"):
        nn.Unflatten(1, (2, 2))(x)


# Dropout


def test_dropout(target: str, dtype: Any) -> None:
    layer = nn.Dropout(0.25)
    x = fastnn.ones(100, 100, dtype=dtype, requires_grad=True)
    y = layer(x)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.02
    assert np.allclose(y.detach().numpy()[kept], 1 / 0.75)
    y.sum().backward()
    assert x.grad is not None
    assert np.array_equal(x.grad.numpy(), y.detach().numpy())
    assert not np.array_equal(layer(x).detach().numpy(), y.detach().numpy())
    fastnn.manual_seed(0)
    assert np.array_equal(layer(x).detach().numpy(), y.detach().numpy())
    assert not nn.Dropout(1.0)(x).detach().numpy().any()
    assert nn.Dropout(0.0)(x) is x
    assert layer.eval()(x) is x
    assert F.dropout(x, 0.5, training=False) is x


def test_dropout_masks_are_the_same_bits_everywhere() -> None:
    masks = []
    for name in fastnn.backends():
        with fastnn.use_backend(name):
            fastnn.manual_seed(3)
            masks.append(np.stack([F.dropout(fastnn.ones(37, 5)).numpy() for _ in range(3)]))
    assert all(np.array_equal(m, masks[0]) for m in masks)
    assert 0.3 < (masks[0] == 0).mean() < 0.7


@pytest.mark.parametrize("p", [-0.1, 1.5, math.nan])
def test_dropout_probability(p: float) -> None:
    for use in (lambda: nn.Dropout(p), lambda: F.dropout(fastnn.ones(1), p, training=False)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            use()


# LayerNorm


def test_layer_norm(target: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5)) * 3 + 1
    for shape in ((5,), (3, 5), (2, 3, 5)):
        layer = nn.LayerNorm(shape, dtype=dtype)
        assert layer.weight is not None
        assert layer.bias is not None
        assert layer.weight.shape == layer.bias.shape == shape
        nn.init.uniform_(layer.weight)
        nn.init.uniform_(layer.bias)
        axes = tuple(range(3 - len(shape), 3))
        centered = x - x.mean(axes, keepdims=True)
        want = centered / np.sqrt(x.var(axes, keepdims=True) + 1e-5) * layer.weight.array + layer.bias.array
        assert np.allclose(layer(x.astype(dtype)).detach().numpy(), want, rtol=1e-4, atol=1e-5)
    assert nn.LayerNorm(5).weight.tolist() == [1.0] * 5  # type: ignore[union-attr]
    assert list(nn.LayerNorm(5, elementwise_affine=False).state_dict()) == []
    assert list(nn.LayerNorm(5, bias=False).state_dict()) == ["weight"]


def test_layer_norm_names_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"normalized_shape=\[3, 5\], expected input with shape \[\*, 3, 5\]"):
        nn.LayerNorm((3, 5))(fastnn.zeros(2, 5, 3))
    with pytest.raises(TypeError, match="normalized_shape"):
        nn.LayerNorm(2.5)


# Functions of shape


def test_one_hot() -> None:
    assert F.one_hot(fastnn.tensor([[0, 2], [1, 0]])).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0]]]
    assert F.one_hot(np.array(1), 4).tolist() == [0, 1, 0, 0]
    assert F.one_hot(fastnn.tensor([1])).dtype == np.int64
    for labels, n, match in (([-1], 3, "non-negative"), ([3], 3, "smaller"), ([], -1, "empty"), ([1], 0, "positive")):
        with pytest.raises(ValueError, match=match):
            F.one_hot(fastnn.tensor(labels, dtype="int64"), n)
    with pytest.raises(TypeError, match="float32"):
        F.one_hot(fastnn.tensor([1.0]))


PADS: list[tuple[Any, str]] = [
    ((1, 2), "constant"),
    ((1, 2, 0, 1), "constant"),
    ((-1, 2, 3, -2), "constant"),
    ((1, 1, 1, 1, 1, 1), "constant"),
    ((2, 1), "reflect"),
    ((2, 1, 1, 2), "reflect"),
    ((2, 5, 1, 7), "replicate"),
    ((2, 4, 1, 3), "circular"),
]
NUMPYS = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize(("pad", "mode"), PADS)
def test_pad(pad: Any, mode: str, target: str) -> None:
    x = np.arange(1.0, 25.0).reshape(2, 3, 4)
    pairs = [(0, 0)] * (3 - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    cut = x[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))]
    want = np.pad(cut, [(max(a, 0), max(b, 0)) for a, b in pairs], NUMPYS[mode])  # type: ignore[call-overload]
    t = fastnn.tensor(x, requires_grad=True)
    y = F.pad(t, pad, mode)
    assert np.array_equal(y.detach().numpy(), want)
    y.sum().backward()
    assert t.grad is not None
    times = np.bincount(want.astype(int).ravel(), minlength=25)[1:]  # how often each value came out
    assert t.grad.numpy().ravel().tolist() == times.tolist()


def test_pad_value_and_errors() -> None:
    x = fastnn.ones(2, 3)
    assert F.pad(x, (1, 0), value=7.0).tolist() == [[7.0, 1.0, 1.0, 1.0]] * 2
    for pad, mode, value, match in (
        ((1,), "constant", None, "two numbers"),
        ((1,) * 6, "constant", None, "two numbers"),
        ((1, 1), "mirror", None, "mode"),
        ((1, 1), "reflect", 1.0, "value"),
        ((3, 0), "reflect", None, "at most 2"),
        ((4, 0), "circular", None, "at most 3"),
        ((-2, -2), "constant", None, "cuts more"),
    ):
        with pytest.raises(ValueError, match=match):
            F.pad(x, pad, mode, value)


@pytest.mark.parametrize("p", [1, 2, 3, 0.5, math.inf])
@pytest.mark.parametrize("dim", [0, 1, (0, 1)])
def test_normalize(p: float, dim: Any) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4))
    with np.errstate(all="raise"):
        size = (
            np.abs(x).max(dim, keepdims=True) if p == math.inf else (np.abs(x) ** p).sum(dim, keepdims=True) ** (1 / p)
        )
    t = fastnn.tensor(x, requires_grad=True)
    y = F.normalize(t, p, dim)
    assert np.allclose(y.detach().numpy(), x / size, rtol=1e-12)
    y[0, 0].backward()
    assert t.grad is not None
    assert abs((t.grad.numpy() * x).sum()) < 1e-12  # the result does not change with the scale of its input
    assert F.normalize(fastnn.zeros(2, 3), p).tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError, match="positive"):
        F.normalize(x, 0)


def test_gradient_of_normalize_at_zero() -> None:
    x = fastnn.zeros(1, 3, dtype="float64", requires_grad=True)
    F.normalize(x, eps=0.5).sum().backward()
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), 2.0)


# Speed that the design counts on: a call of a module adds no work but Python's


def test_a_call_makes_no_news_for_plans() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Dropout(), nn.LayerNorm(3))
    before = int(state.epoch)
    nn.CrossEntropyLoss()(net(fastnn.ones(2, 3)), fastnn.tensor([0, 1])).backward()
    net.zero_grad()
    assert int(state.epoch) == before


# Against PyTorch: signatures, and a network


def arguments(function: Any) -> list[tuple[str, Any]]:
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


CONVOLUTIONS = [f"{name}{n}d" for name in ("conv", "conv_transpose") for n in (1, 2, 3)]
# PyTorch does not tell their signatures.
BUILTIN = (
    *("adaptive_avg_pool1d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "pixel_shuffle", "pixel_unshuffle"),
    *("gelu", "linear", "one_hot", "softplus"),
    *CONVOLUTIONS,
)
OWN = ("CompiledModule", "Module", "Swish", "functional", "init", "utils")


@pytest.mark.parametrize("name", [n for n in nn.__all__ if n not in OWN])
def test_arguments_of_modules_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = arguments(getattr(nn, name)), arguments(getattr(torch.nn, name))
    assert ours == theirs


@pytest.mark.parametrize("name", [n for n in F.__all__ if n != "swish" and n not in BUILTIN])
def test_arguments_of_functions_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    functions = torch.nn.functional
    named = getattr(functions, f"{name}_with_indices", getattr(functions, name))  # what max_pool2d is called
    theirs = [a for a in arguments(named) if a[0] != "out"]
    assert arguments(getattr(F, name)) == theirs


@pytest.mark.parametrize("name", [n for n in dir(nn.init) if n.endswith("_") and not n.startswith("_")])
def test_arguments_of_initializations_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert arguments(getattr(nn.init, name)) == arguments(getattr(torch.nn.init, name))


def test_a_network_against_torch(target: str) -> None:
    torch = pytest.importorskip("torch")

    def network(nn: Any) -> Any:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(12, 16),
            nn.LayerNorm(16),
            nn.GELU(),
            nn.Sequential(nn.Linear(16, 16), nn.Hardswish()),
            nn.Linear(16, 5),
        )

    theirs, ours = network(torch.nn).double(), network(nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert {k: tuple(v.shape) for k, v in theirs.state_dict().items()} == {
        k: v.shape for k, v in ours.state_dict().items()
    }
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(1)
    for _ in range(5):
        x, y = rng.standard_normal((7, 3, 4)), rng.integers(0, 5, 7)
        torch.nn.CrossEntropyLoss(label_smoothing=0.1)(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        nn.CrossEntropyLoss(label_smoothing=0.1)(ours(x), y).backward()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert np.allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)
            with fastnn.no_grad():
                p -= 0.1 * p.grad
            with torch.no_grad():
                q -= 0.1 * q.grad
        ours.zero_grad()
        theirs.zero_grad()
