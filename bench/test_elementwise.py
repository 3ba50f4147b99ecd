"""Every elementwise op of the registry, forward and backward."""

from __future__ import annotations

from typing import Any

KIND = "elementwise"


def test_elementwise(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
