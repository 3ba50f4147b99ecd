"""Networks from configurations: what MLP consists of, and that its configuration rebuilds it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import models, nn
from fastnn.models.mlp import ACTIVATIONS


def test_layers() -> None:
    net = models.MLP(64, [32, 16], 10, activation="tanh", dropout=0.25)
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    shapes = [layer.weight.shape for layer in net.layers if isinstance(layer, nn.Linear)]
    assert shapes == [(32, 64), (16, 32), (10, 16)]
    assert [layer.p for layer in net.layers if isinstance(layer, nn.Dropout)] == [0.25, 0.25]
    assert list(models.MLP(3, [], 2).state_dict()) == ["layers.0.weight", "layers.0.bias"]
    assert [type(layer).__name__ for layer in models.MLP(3, (4,), 2).layers] == ["Linear", "ReLU", "Linear"]


def test_forward(target: str, dtype: Any) -> None:
    net = models.MLP(5, [7], 3, activation="sigmoid").to(dtype)
    x = np.random.default_rng(0).standard_normal((4, 5)).astype(dtype)
    first, last = net.layers[0], net.layers[2]
    hidden = 1 / (1 + np.exp(-(x @ first.weight.array.T + first.bias.array)))
    want = hidden @ last.weight.array.T + last.bias.array
    assert np.allclose(net(x).detach().numpy(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_configuration_rebuilds_the_network(activation: str) -> None:
    net = models.MLP(4, [6, 5], 3, activation=activation, dropout=0.1)
    config = json.loads(json.dumps(net.config()))
    again = models.build(config)
    assert repr(again) == repr(net)
    assert again.config() == net.config() == config
    again.load_state_dict(net.state_dict())
    x = fastnn.randn(2, 4)
    assert np.array_equal(again.eval()(x).detach().numpy(), net.eval()(x).detach().numpy())


def test_numpy_numbers_are_taken() -> None:
    net = models.MLP(np.int64(4), [np.int32(3)], np.int64(2), dropout=np.float32(0.5))  # type: ignore[arg-type]
    assert json.loads(json.dumps(net.config()))["hidden"] == [3]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((4, 3, 2), TypeError, "hidden"),
        ((4, [3.5], 2), TypeError, "hidden"),
        ((0, [3], 2), ValueError, "in_features"),
        ((4, [3], -2), ValueError, "out_features"),
        ((4, [3], 2, "step"), ValueError, "activation wants one of .*relu"),
        ((4, [3], 2, "relu", 1.5), ValueError, "between 0 and 1"),
        ((4, [], 2, "relu", 1.5), ValueError, "between 0 and 1"),
    ],
)
def test_what_mlp_refuses(arguments: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        models.MLP(*arguments)


def test_what_build_refuses() -> None:
    config = models.MLP(4, [3], 2).config()
    for bad, error, match in (
        (3, TypeError, "mapping"),
        ({}, ValueError, "one of MLP"),
        ({**config, "model": "CNN"}, ValueError, "'CNN'"),
        ({**config, "depth": 3}, TypeError, "does not fit MLP"),
        ({"model": "MLP"}, TypeError, "does not fit MLP"),
    ):
        with pytest.raises(error, match=match):
            models.build(bad)
