"""The dtype of arithmetic between kinds, 0-d tensors and Python numbers: PyTorch's table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn

KINDS = ["bool", "uint8", "int32", "int64", "float32", "float64"]
PYTHON = {"2": 2, "2.5": 2.5}


# The common dtype of a row's and a column's, as torch.promote_types gives it.
TABLE = {
    "bool": ["bool", "uint8", "int32", "int64", "float32", "float64"],
    "uint8": ["uint8", "uint8", "int32", "int64", "float32", "float64"],
    "int32": ["int32", "int32", "int32", "int64", "float32", "float64"],
    "int64": ["int64", "int64", "int64", "int64", "float32", "float64"],
    "float32": ["float32", "float32", "float32", "float32", "float32", "float64"],
    "float64": ["float64"] * 6,
}


def typed(dtype: str, rank: int = 1) -> Any:
    return fastnn.tensor(np.ones((2,) * rank, dtype))


@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", KINDS)
def test_promotion(left: str, right: str) -> None:
    want = TABLE[left][KINDS.index(right)]
    assert (typed(left) * typed(right)).dtype == want
    assert (typed(left) / typed(right)).dtype == (want if want.startswith("float") else "float32")
    category = {"bool": 0, "uint8": 1, "int32": 1, "int64": 1, "float32": 2, "float64": 2}
    weak = left if category[left] >= category[right] else "float64" if right == "float64" else right
    assert (typed(left) * typed(right, 0)).dtype == weak  # a 0-d tensor is weak within its category
    assert (typed(right, 0) * typed(left)).dtype == weak


@pytest.mark.parametrize("left", KINDS)
def test_python_numbers_are_weak(left: str) -> None:
    floating = left.startswith("float")
    assert (typed(left) * 2.5).dtype == (left if floating else "float32")
    assert (2 * typed(left)).dtype == ("int64" if left == "bool" else left)
    assert (typed(left) / 2).dtype == (left if floating else "float32")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("left", KINDS)
@pytest.mark.parametrize("right", [*KINDS, "2", "2.5"])
def test_promotion_of_torch(left: str, right: str, rank: int) -> None:
    torch = pytest.importorskip("torch")

    def other(f: Any) -> Any:
        if right in PYTHON:
            return PYTHON[right]
        array = np.ones((2,) * rank, right)
        return f.tensor(array)

    for operate in (lambda a, b: a * b, lambda a, b: b + a, lambda a, b: a / b):
        ours = operate(fastnn.tensor(np.ones(2, left)), other(fastnn))
        theirs = operate(torch.tensor(np.ones(2, left)), other(torch))
        assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
