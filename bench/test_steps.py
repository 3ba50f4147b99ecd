"""Whole training steps and inference, eager and captured."""

from __future__ import annotations

from typing import Any

KIND = "steps"


def test_steps(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
