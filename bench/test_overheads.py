"""What a call costs beside its arithmetic, and a batch of data."""

from __future__ import annotations

from typing import Any

KIND = "overheads"


def test_overheads(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
