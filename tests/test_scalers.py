"""Scaling of features: exact undoing, constant features, states in JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fastnn._tensor import Tensor
from fastnn.data import MinMaxScaler, StandardScaler

SCALERS = [
    StandardScaler,
    MinMaxScaler,
    lambda: MinMaxScaler((-3.0, 5.0)),
    lambda: StandardScaler(with_mean=False),
    lambda: StandardScaler(with_std=False),
]


@pytest.mark.parametrize("make", SCALERS)
@pytest.mark.parametrize("shape", [(50, 7), (50,), (40, 2, 3, 4), (1, 5), (60_000, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling_is_undone(make: Any, shape: tuple[int, ...], dtype: Any) -> None:
    x = (np.random.default_rng(0).normal(3, 5, shape)).astype(dtype)
    before = x.copy()
    scaler = make().fit(x)
    y = scaler.transform(x)
    assert (x == before).all()
    assert (y.dtype, y.shape) == (dtype, shape)
    assert np.allclose(scaler.inverse_transform(y), x, rtol=0, atol=30 * np.finfo(dtype).eps)
    assert (make().fit_transform(x) == y).all()


def test_standard_scaler_gives_mean_0_and_variance_1() -> None:
    x = np.random.default_rng(1).normal([1e6, -3], [1e-3, 10], (20_000, 2))
    y = StandardScaler().fit_transform(x)
    assert np.allclose(y.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(y.var(axis=0), 1, atol=1e-6)


def test_statistics_are_those_of_numpy() -> None:
    x = np.random.default_rng(1).random((70_001, 5), np.float32)
    standard, extremes = StandardScaler().fit(x), MinMaxScaler().fit(x)
    assert standard.mean is not None
    assert standard.scale is not None
    assert np.allclose(standard.mean, x.astype(np.float64).mean(axis=0), rtol=1e-13)
    assert np.allclose(standard.scale, x.astype(np.float64).std(axis=0), rtol=1e-12)
    assert (extremes.minimum == x.min(axis=0)).all()


def test_min_max_scaler_reaches_its_bounds() -> None:
    x = np.random.default_rng(2).normal(0, 100, (500, 4))
    y = MinMaxScaler((-2.0, 6.0)).fit_transform(x)
    assert np.allclose(y.min(axis=0), -2)
    assert np.allclose(y.max(axis=0), 6)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e30, 12345.678])
def test_constant_features_are_shifted_only(value: float) -> None:
    x = np.full((1001, 2), value)
    x[:, 1] = np.arange(1001)
    for scaler, constant in ((StandardScaler(), 0.0), (MinMaxScaler((2.0, 3.0)), 2.0)):
        y = scaler.fit_transform(x)
        assert (y[:, 0] == constant).all()
        assert y[:, 1].std() > 0.1
        assert (scaler.inverse_transform(y)[:, 0] == value).all()
        assert np.isfinite(scaler.transform(x + 1)).all()


@pytest.mark.parametrize("make", SCALERS)
def test_state_passes_through_json(make: Any) -> None:
    x = np.random.default_rng(0).normal(0, 1 / 3, (50, 7))
    scaler, other = make().fit(x), make()
    other.load_state_dict(json.loads(json.dumps(scaler.state_dict())))
    assert (other.transform(x) == scaler.transform(x)).all()
    assert other.state_dict() == scaler.state_dict()


@pytest.mark.parametrize("make", SCALERS)
def test_scalers_take_tensors_integers_and_lists(make: Any) -> None:
    x = np.array([[0, 16], [8, 4], [16, 2]])
    expected = make().fit_transform(x.astype(np.float32))
    tensor = make().fit_transform(Tensor(x.astype(np.float32)))
    assert isinstance(tensor, Tensor)
    assert (tensor.array == expected).all()
    for other in (x, x.astype(np.uint8), x.tolist()):
        y = make().fit_transform(other)
        assert y.dtype == np.float32
        assert (y == expected).all()


@pytest.mark.parametrize("make", SCALERS)
def test_scalers_refuse(make: Any) -> None:
    with pytest.raises(ValueError, match="has no statistics yet"):
        make().transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="has no statistics yet"):
        make().state_dict()
    with pytest.raises(ValueError, match="at least one row"):
        make().fit(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="rows of features"):
        make().fit(3.0)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="finite"):
            make().fit(np.array([[1.0, 2.0], [bad, 3.0]]))
    scaler = make().fit(np.eye(3))
    with pytest.raises(ValueError, match=r"x wants shape \(n, 3\); got \(2, 4\)"):
        scaler.transform(np.zeros((2, 4)))
    good = scaler.state_dict()
    first, second = good
    for bad_state in (
        {first: good[first]},
        {**good, "more": 1},
        {**good, first: [1.0]},
        {**good, first: [np.nan] * 3},
        {**good, second: [0.0] * 3},
    ):
        with pytest.raises(ValueError, match="state_dict wants"):
            scaler.load_state_dict(bad_state)
    assert scaler.state_dict() == good


def test_min_max_scaler_wants_bounds_in_order() -> None:
    with pytest.raises(ValueError, match="two bounds in order"):
        MinMaxScaler((1.0, 1.0))


def test_parts_of_standard_scaling() -> None:
    x = np.array([[1.0, 5.0, 2.0], [3.0, 5.0, 6.0]])
    spread = np.array([1.0, 1.0, 2.0])
    np.testing.assert_array_equal(StandardScaler(with_mean=False).fit_transform(x), x / spread)
    np.testing.assert_array_equal(StandardScaler(with_std=False).fit_transform(x), x - x.mean(0))
    np.testing.assert_array_equal(StandardScaler(with_mean=False, with_std=False).fit_transform(x), x)


def test_values_beyond_the_extremes_may_be_cut_off() -> None:
    x, y = np.array([[1.0], [3.0]]), np.array([[0.0], [2.0], [9.0]])
    assert MinMaxScaler((0.0, 2.0)).fit(x).transform(y).ravel().tolist() == [-1.0, 1.0, 8.0]
    assert MinMaxScaler((0.0, 2.0), clip=True).fit(x).transform(y).ravel().tolist() == [0.0, 1.0, 2.0]
