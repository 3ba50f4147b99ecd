"""Initialization: formulas, distributions by their moments, the same numbers on every backend and in both dtypes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.nn import init

SHAPE = (200, 300)
FIELD = (40, 30, 5, 5)

# name -> (call on a tensor, its mean, standard deviation, least and greatest value for SHAPE)
DRAWS: dict[str, tuple[Callable[[Any, Any], Any], float, float, float, float]] = {
    "uniform_": (lambda i, w: i.uniform_(w, -1.0, 3.0), 1.0, 4 / math.sqrt(12), -1.0, 3.0),
    "normal_": (lambda i, w: i.normal_(w, 1.0, 2.0), 1.0, 2.0, -math.inf, math.inf),
    "trunc_normal_": (lambda i, w: i.trunc_normal_(w), 0.0, 0.8796, -2.0, 2.0),
    "trunc_normal_ narrow": (lambda i, w: i.trunc_normal_(w, 0.0, 10.0, -2.0, 2.0), 0.0, 1.151, -2.0, 2.0),
    "trunc_normal_ tail": (lambda i, w: i.trunc_normal_(w, 0.0, 1.0, 1.5, 3.0), 1.914, 0.3392, 1.5, 3.0),
    "xavier_uniform_": (lambda i, w: i.xavier_uniform_(w, 2.0), 0.0, 2 * math.sqrt(2 / 500), -0.2191, 0.2191),
    "xavier_normal_": (lambda i, w: i.xavier_normal_(w), 0.0, math.sqrt(2 / 500), -math.inf, math.inf),
    "kaiming_uniform_": (
        lambda i, w: i.kaiming_uniform_(w, a=math.sqrt(5)),
        0.0,
        math.sqrt(1 / 900),
        -1 / math.sqrt(300),
        1 / math.sqrt(300),
    ),
    "kaiming_uniform_ out": (
        lambda i, w: i.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
        0.0,
        math.sqrt(2 / 200),
        -math.sqrt(6 / 200),
        math.sqrt(6 / 200),
    ),
    "kaiming_normal_": (lambda i, w: i.kaiming_normal_(w), 0.0, math.sqrt(2 / 300), -math.inf, math.inf),
    "sparse_": (lambda i, w: i.sparse_(w, 0.1, 0.5), 0.0, 0.5 * math.sqrt(0.9), -math.inf, math.inf),
}


def matches(values: Any, mean: float, std: float, low: float, high: float) -> None:
    assert abs(values.mean() - mean) < 4 * std / math.sqrt(values.size)
    assert abs(values.std() / std - 1) < 0.02
    assert values.min() >= low - 1e-6
    assert values.max() <= high + 1e-6


@pytest.mark.parametrize("name", DRAWS)
def test_distributions(name: str) -> None:
    draw, *wanted = DRAWS[name]
    w = fastnn.empty(*SHAPE)
    assert draw(init, w) is w
    matches(w.numpy(), *wanted)


@pytest.mark.parametrize("name", DRAWS)
def test_distributions_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    draw, *wanted = DRAWS[name]
    matches(draw(torch.nn.init, torch.empty(*SHAPE)).numpy(), *wanted)


@pytest.mark.parametrize("name", DRAWS)
def test_both_dtypes_and_all_backends_start_from_the_same_numbers(name: str) -> None:
    draw = DRAWS[name][0]
    drawn = []
    for backend in fastnn.backends():
        with fastnn.use_backend(backend):
            fastnn.manual_seed(11)
            drawn.append(draw(init, fastnn.empty(*SHAPE)).numpy())
    fastnn.manual_seed(11)
    double = draw(init, fastnn.empty(*SHAPE, dtype="float64")).numpy()
    for values in drawn:
        assert np.array_equal(values, double.astype(np.float32))


def test_fans_count_the_receptive_field() -> None:
    w = fastnn.empty(*FIELD)
    matches(init.xavier_normal_(w).numpy(), 0.0, math.sqrt(2 / (70 * 25)), -math.inf, math.inf)
    matches(init.kaiming_normal_(w).numpy(), 0.0, math.sqrt(2 / (30 * 25)), -math.inf, math.inf)
    matches(init.kaiming_normal_(w, mode="fan_out").numpy(), 0.0, math.sqrt(2 / (40 * 25)), -math.inf, math.inf)


GAINS = {
    ("linear", None): 1,
    ("conv2d", None): 1,
    ("conv_transpose3d", None): 1,
    ("sigmoid", None): 1,
    ("tanh", None): 5 / 3,
    ("relu", None): math.sqrt(2),
    ("leaky_relu", None): math.sqrt(2 / (1 + 1e-4)),
    ("leaky_relu", 0.5): math.sqrt(2 / 1.25),
    ("selu", None): 0.75,
}


@pytest.mark.parametrize(("nonlinearity", "param"), GAINS)
def test_gains(nonlinearity: str, param: Any) -> None:
    assert init.calculate_gain(nonlinearity, param) == GAINS[nonlinearity, param]


@pytest.mark.parametrize(("nonlinearity", "param"), GAINS)
def test_gains_of_torch(nonlinearity: Any, param: Any) -> None:
    torch = pytest.importorskip("torch")
    assert torch.nn.init.calculate_gain(nonlinearity, param) == init.calculate_gain(nonlinearity, param)


def test_constants() -> None:
    w = fastnn.empty(3, 5)
    assert init.constant_(w, 0.25).tolist() == [[0.25] * 5] * 3
    assert init.ones_(w).tolist() == [[1.0] * 5] * 3
    assert init.zeros_(w).tolist() == [[0.0] * 5] * 3
    assert np.array_equal(init.eye_(w).numpy(), np.eye(3, 5))


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 1), ((4, 2, 3), 2), ((6, 2, 3, 4), 3), ((2, 3, 1, 2, 3), 1)])
def test_dirac(shape: tuple[int, ...], groups: int) -> None:
    w = init.dirac_(fastnn.empty(*shape), groups).numpy()
    want = np.zeros(shape)
    for out in range(shape[0]):
        channel = out % (shape[0] // groups)
        if channel < shape[1]:
            want[(out, channel, *(n // 2 for n in shape[2:]))] = 1
    assert np.array_equal(w, want)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6), (3, 2, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    q = init.orthogonal_(fastnn.empty(*shape, dtype="float64"), gain=3.0).numpy().reshape(shape[0], -1)
    small = q if q.shape[0] <= q.shape[1] else q.T
    assert np.allclose(small @ small.T, 9 * np.eye(len(small)))


def test_orthogonal_matrices_are_spread_evenly() -> None:
    signs = [np.sign(init.orthogonal_(fastnn.empty(2, 2)).numpy()[0, 0]) for _ in range(200)]
    assert abs(np.mean(signs)) < 0.3


def test_sparse_zeros_in_each_column() -> None:
    w = init.sparse_(fastnn.empty(10, 7), 0.25).numpy()
    assert (w == 0).sum(0).tolist() == [3] * 7


def test_default_initializations() -> None:
    layer = nn.Linear(300, 200)
    bound = 1 / math.sqrt(300)
    matches(layer.weight.array, 0.0, bound / math.sqrt(3), -bound, bound)
    assert layer.bias is not None
    assert abs(layer.bias.array).max() <= bound
    assert abs(layer.bias.array.std() * math.sqrt(3) / bound - 1) < 0.15
    before = layer.weight.array.copy()
    layer.reset_parameters()
    assert not np.array_equal(layer.weight.array, before)


def test_generators() -> None:
    values = [init.normal_(fastnn.empty(5), generator=np.random.default_rng(4)).tolist() for _ in range(2)]
    assert values[0] == values[1]
    with pytest.raises(TypeError, match="generator"):
        init.normal_(fastnn.empty(5), generator=4)


def test_gradients_are_not_recorded() -> None:
    w = nn.Parameter(fastnn.ones(2, 2))
    assert init.xavier_uniform_(w) is w
    assert w.is_leaf
    y = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        y.backward()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: init.ones_(np.zeros(3)), TypeError, "Tensor"),
        (lambda: init.ones_(fastnn.tensor([1])), TypeError, "int64"),
        (lambda: init.eye_(fastnn.empty(3)), ValueError, "2 dimensions"),
        (lambda: init.sparse_(fastnn.empty(3), 0.5), ValueError, "2 dimensions"),
        (lambda: init.sparse_(fastnn.empty(3, 3), 1.5), ValueError, "sparsity"),
        (lambda: init.dirac_(fastnn.empty(3, 3)), ValueError, "3 to 5 dimensions"),
        (lambda: init.dirac_(fastnn.empty(3, 3, 3), 2), ValueError, "groups"),
        (lambda: init.orthogonal_(fastnn.empty(3)), ValueError, "at least 2"),
        (lambda: init.xavier_uniform_(fastnn.empty(3)), ValueError, "at least 2"),
        (lambda: init.kaiming_normal_(fastnn.empty(3, 3), mode="fan"), ValueError, "Mode fan"),
        (lambda: init.kaiming_normal_(fastnn.empty(3, 3), nonlinearity="max"), ValueError, "Unsupported"),
        (lambda: init.calculate_gain("leaky_relu", True), ValueError, "not a valid number"),
        (lambda: init.uniform_(fastnn.empty(3), 2.0, 1.0), ValueError, "at least a"),
        (lambda: init.normal_(fastnn.empty(3), 0.0, -1.0), ValueError, "std"),
        (lambda: init.trunc_normal_(fastnn.empty(3), a=2.0, b=2.0), ValueError, "a < b"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_warnings() -> None:
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(fastnn.empty(3), mean=9.0)
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(fastnn.empty(0, 3))
    assert nn.Linear(0, 2)(fastnn.zeros(1, 0)).shape == (1, 2)
