"""Parts of a training step: vector functions between warm arrays, a loss with its gradient, the step of Adam."""

from __future__ import annotations

from typing import Any

KIND = "parts"


def test_parts(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
