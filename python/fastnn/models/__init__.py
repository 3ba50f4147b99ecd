"""Networks that are made from a configuration, so that a file's metadata can rebuild them."""

from __future__ import annotations

from ._build import build
from .cnn import CNN
from .ds_cnn import DSCNN
from .mlp import MLP
from .resnet import ResNet8

__all__ = ["CNN", "DSCNN", "MLP", "ResNet8", "build"]
