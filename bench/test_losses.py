"""Every loss of the registry, forward and backward."""

from __future__ import annotations

from typing import Any

KIND = "losses"


def test_losses(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
