"""Softmax, layer norm and reductions."""

from __future__ import annotations

from typing import Any

KIND = "rowwise"


def test_rowwise(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
