"""Networks that are made from a configuration, so that a file's metadata can rebuild them."""

from __future__ import annotations

from ._build import build
from .mlp import MLP

__all__ = ["MLP", "build"]
