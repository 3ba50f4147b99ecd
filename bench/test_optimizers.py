"""Every optimizer update and gradient clipping."""

from __future__ import annotations

from typing import Any

KIND = "optimizers"


def test_optimizers(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
