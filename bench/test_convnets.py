"""Whole training steps of convolutional networks, eager and captured."""

from __future__ import annotations

from typing import Any

KIND = "convnets"


def test_convnets(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
