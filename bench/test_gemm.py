"""Matrix products: cubes, skinny ones, the three products of dense layers."""

from __future__ import annotations

from typing import Any

KIND = "gemm"


def test_gemm(case: Any, column: str, compare: Any) -> None:
    compare(case, column)
