"""Products on cpp: the same bits whatever the layout, the rows beside them and the threads; right for every path."""

from __future__ import annotations

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import ops

BITS = [t for t in TARGETS if t in ("cpp-avx2", "cpp-avx512", "cpp-neon")]
pytestmark = pytest.mark.skipif(not BITS, reason="bits are promised for cpp on AVX2 and above")

# Each takes another path: few columns, one column, panels, blocks, sweeps over a row and a column, few k, few
# rows; k beyond the longest chain; odd everywhere.
SIZES = [
    (1, 1, 1),
    (3, 5, 7),
    (33, 1, 65),
    (600, 1, 130),
    (70, 3, 300),
    (5, 40, 4100),
    (20, 1, 9000),
    (64, 96, 128),
    (257, 129, 96),
    (400, 300, 5000),
    (2, 2500, 700),
    (2500, 1, 700),
    (301, 259, 1),
    (129, 320, 4),
    (19, 75, 130),
]


def operands(m: int, n: int, k: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([m, n, k])
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_layouts_agree_to_the_bit(size: tuple[int, int, int], dtype: type) -> None:
    a, b = operands(*size, dtype)
    found = []
    for name in BITS:
        with running_on(name):
            for left in (a, np.asfortranarray(a)):
                found += [ops.matmul(left, right) for right in (b, np.asfortranarray(b))]
    exact = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert np.all(np.abs(found[0] - exact) <= 4 * np.finfo(dtype).eps * np.sqrt(size[2]) * scale)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_rows_and_threads_change_no_bit(size: tuple[int, int, int]) -> None:
    a, b = operands(*size, np.float32)
    before = fastnn.get_num_threads()
    with running_on(BITS[-1]):
        whole = ops.matmul(a, b)
        for right in (b, np.asfortranarray(b)):
            rows = np.concatenate([ops.matmul(a[i : i + 1], right) for i in range(min(len(a), 20))])
            np.testing.assert_array_equal(rows, whole[:20])
        try:
            for threads in (1, 3):
                fastnn.set_num_threads(threads)
                np.testing.assert_array_equal(ops.matmul(a, b), whole)
                np.testing.assert_array_equal(ops.matmul(np.asfortranarray(a), b), whole)
        finally:
            fastnn.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whole_numbers_are_exact(size: tuple[int, int, int], target: str) -> None:
    rng = np.random.default_rng(size)
    a, b = rng.integers(-8, 9, (size[0], size[2])), rng.integers(-8, 9, (size[2], size[1]))
    np.testing.assert_array_equal(ops.matmul(a.astype(np.float32), b.astype(np.float32)), a @ b)
