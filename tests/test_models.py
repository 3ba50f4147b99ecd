"""Networks from configurations: what they consist of, that they learn, and that configurations rebuild them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import models, nn
from fastnn.data import train_test_split
from fastnn.models.mlp import ACTIVATIONS
from fastnn.models.resnet import Residual


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
        ({**config, "model": "GAN"}, ValueError, "'GAN'"),
        ({**config, "depth": 3}, TypeError, "does not fit MLP"),
        ({"model": "MLP"}, TypeError, "does not fit MLP"),
    ):
        with pytest.raises(error, match=match):
            models.build(bad)


IMAGE_MODELS = {
    "CNN": lambda **options: models.CNN(options.pop("in_channels", 1), (8, 8), 10, **options),
    "ResNet8": lambda **options: models.ResNet8(options.pop("in_channels", 1), 10, **options),
    "DSCNN": lambda **options: models.DSCNN(options.pop("in_channels", 1), 10, **options),
}


@pytest.mark.parametrize(
    ("make", "width", "parameters"),
    [
        # 9 w c + 2 w, then 18 w^2 + 4 w, then 10 (8 w + 1)
        ("CNN", 4, 108 + 8 + 288 + 16 + 330),
        # the stem, blocks of w, 2 w and 4 w channels, two shortcuts, and 10 (4 w + 1)
        ("ResNet8", 4, 116 + 2 * 152 + (304 + 592 + 48) + (1184 + 2336 + 160) + 170),
        # the stem, four blocks, and 10 (w + 1)
        ("DSCNN", 4, 116 + 4 * (36 + 8 + 16 + 8) + 50),
    ],
)
def test_image_networks(make: str, width: int, parameters: int, target: str) -> None:
    net = IMAGE_MODELS[make](in_channels=3, width=width)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert net(fastnn.randn(2, 3, 8, 8)).shape == (2, 10)
    config = json.loads(json.dumps(net.config()))
    again = models.build(config)
    assert repr(again) == repr(net)
    assert again.config() == net.config() == config
    again.load_state_dict(net.state_dict())
    x = fastnn.randn(2, 3, 8, 8)
    assert np.array_equal(again.eval()(x).detach().numpy(), net.eval()(x).detach().numpy())


def test_networks_that_pool_take_images_of_any_size() -> None:
    for net in (models.ResNet8(1, 10, width=4), models.DSCNN(1, 10, width=4)):
        assert net(fastnn.zeros(2, 1, 13, 9)).shape == (2, 10)
    assert models.CNN(1, [13, 9], 10, width=4)(fastnn.zeros(2, 1, 13, 9)).shape == (2, 10)


def test_a_residual_block_adds_to_its_input(target: str) -> None:
    for shape, block in (((4, 6, 6), Residual(4, 4)), ((8, 3, 3), Residual(4, 8, stride=2))):
        block.eval()
        nn.init.zeros_(block.residual[3].weight)  # so that the residual is 0
        x = fastnn.randn(2, 4, 6, 6)
        want = block.shortcut(x).detach().numpy() if shape[0] == 8 else x.numpy()
        assert np.array_equal(block(x).detach().numpy(), np.maximum(want, 0))
        assert want.shape[1:] == shape


@pytest.mark.parametrize(("make", "width"), [("CNN", 8), ("ResNet8", 8), ("DSCNN", 24)])
def test_image_networks_learn(make: str, width: int) -> None:
    if fastnn.backend() != "cpp":
        pytest.skip("takes up to half a minute without the compiled core")
    x, y = fastnn.datasets.digits()
    x_train, x_test, y_train, y_test = train_test_split(
        x.reshape(-1, 1, 8, 8) / 8 - 0.6, y, test_size=0.2, seed=0, stratify=y
    )
    net = IMAGE_MODELS[make](width=width)
    trainer = fastnn.Trainer(net, nn.CrossEntropyLoss(), fastnn.optim.Adam(net.parameters(), lr=5e-3), ["accuracy"])
    trainer.fit((x_train, y_train), epochs=8, seed=0, progress=False)
    assert trainer.evaluate((x_test, y_test))["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("model", "arguments", "error", "match"),
    [
        (models.CNN, (1, 8, 10), TypeError, "CNN: image_size wants height and width; got 8"),
        (models.CNN, (1, (8, 8, 8), 10), TypeError, "CNN: image_size"),
        (models.CNN, (1, (3, 8), 10), ValueError, "CNN: image_size wants 4 x 4 at least.*3 x 8"),
        (models.ResNet8, (0, 10), ValueError, "ResNet8: in_channels"),
        (models.ResNet8, (1, 2.5), TypeError, "ResNet8: classes"),
        (models.DSCNN, (1, 10, -4), ValueError, "DSCNN: width"),
    ],
)
def test_what_image_networks_refuse(model: Any, arguments: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        model(*arguments)
