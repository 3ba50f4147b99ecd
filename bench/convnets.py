"""Convolutional networks, and whole training steps of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import fastnn
from fastnn import models, nn
from work import Array, Column, StepWork


@dataclass(frozen=True)
class ConvNet:
    """A network for images and how it is trained; what `Net` is for dense ones."""

    title: str
    make: Callable[[], Any]
    shape: tuple[int, int, int]  # channels, height, width
    classes: int
    batch: int
    optimizer: str

    @property
    def name(self) -> str:
        """As in tables: ``LeNet b64 Adam``."""
        return f"{self.title} b{self.batch} {({'sgd': 'SGD', 'adam': 'Adam'})[self.optimizer]}"

    def model(self) -> Any:
        """The network in fastnn; always with the same weights."""
        fastnn.manual_seed(0)
        return self.make()

    @cached_property
    def weights(self) -> list[Array]:
        """Its parameters."""
        return [p.detach().numpy().copy() for p in self.model().parameters()]

    @cached_property
    def x(self) -> Array:
        """A batch."""
        return np.random.default_rng(2).standard_normal((self.batch, *self.shape)).astype(np.float32)

    @cached_property
    def labels(self) -> list[Array]:
        """Contradicting labels for it, as for `Net`."""
        return list(np.random.default_rng(3).integers(0, self.classes, (16, self.batch)))

    @cached_property
    def multiplications(self) -> list[int]:
        """Those of each convolution and linear layer, for one sample."""
        found = []

        def note(layer: Any, _: Any, y: Any) -> None:
            found.append(math.prod(y.shape) * math.prod(layer.weight.shape[1:]))

        model = self.model().eval()
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.register_forward_hook(note)
        with fastnn.no_grad():
            model(fastnn.zeros(1, *self.shape))
        return found


def lenet() -> Any:
    """Two convolutions, each halved by its maxima, and two linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def conv_bn_relu() -> Any:
    """Three convolutions with batch norm, the last two by steps of 2, and the mean of each channel."""
    layers: list[Any] = []
    for before, after, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 2)):
        layers += [nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


CONVNETS = [
    ConvNet("LeNet", lenet, (1, 28, 28), 10, 64, "adam"),
    ConvNet("conv-BN-ReLU 32-64-128", conv_bn_relu, (3, 32, 32), 10, 64, "sgd"),
    ConvNet("ResNet-8", functools.partial(models.ResNet8, 3, 10), (3, 32, 32), 10, 100, "sgd"),
    ConvNet("DS-CNN", functools.partial(models.DSCNN, 1, 12), (1, 49, 10), 12, 100, "sgd"),
]


class ConvStepWork(StepWork):
    """A whole training step of a convolutional network; the definition is fastnn's numpy backend in float64."""

    net: Any

    def by_hand(self, dtype: Any = np.float32) -> Column | None:
        """None: fastnn's numpy backend is the baseline."""
        return None

    @property
    def reference(self) -> list[Array]:  # type: ignore[override]
        return reference(self.net)


@functools.lru_cache(maxsize=1)
def reference(net: ConvNet) -> list[Array]:
    """Losses, then the weights after the steps of a check; kept for the captured one after the eager one."""
    work = ConvStepWork(net, captured=False)
    work.dtype = np.dtype(np.float64)
    with fastnn.use_backend("numpy"):
        column = work.own()
        losses = [float(column.call()) for _ in range(work.STEPS)]
    return [np.array(losses), *column.read(None)]
