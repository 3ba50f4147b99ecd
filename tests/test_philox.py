"""Philox4x32-10 by Random123's known answers, and dropout's masks, the same bits on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import ops
from fastnn.ops import _philox

FULL = 0xFFFFFFFF
# Random123 1.14, tests/kat_vectors: "philox4x32 10", counter, key, expected.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL,) * 4, (FULL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]) -> None:
    c0, c1, c2, c3 = (np.uint64(i) for i in counter)
    assert tuple(int(w) for w in _philox.blocks((c0, c1, c2, c3), key)) == answer


def test_words_are_one_stream() -> None:
    """Any part of the stream, from any position, is that part of the whole."""
    whole = _philox.words(64, seed=12345678901234567890, offset=0)
    for offset in range(9):
        for n in (0, 1, 3, 4, 5, 17):
            part = _philox.words(n, 12345678901234567890, offset)
            assert part.dtype == np.uint32
            assert np.array_equal(part, whole[offset : offset + n])


def test_key_and_block_are_the_seed_and_the_position() -> None:
    seed, offset = 0x299F31D0A4093822, 4 * 0x85A308D3243F6A88
    c0, c1, zero = np.uint64(0x243F6A88), np.uint64(0x85A308D3), np.uint64(0)
    want = _philox.blocks((c0, c1, zero, zero), (0xA4093822, 0x299F31D0))
    assert _philox.words(4, seed, offset).tolist() == [int(w) for w in want]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 33, 1000])
@pytest.mark.parametrize("offset", [0, 1, 6, (1 << 34) + 3])
def test_dropout_follows_the_words(n: int, offset: int, target: str, dtype: type) -> None:
    x = np.linspace(1, 2, n).astype(dtype)
    words = _philox.words(n, 7, offset)
    for p in (0.0, 0.25, 0.5, 0.9, 1.0):
        y = ops.dropout(x, p=p, seed=7, offset=offset)
        keep = words >= int(p * 2**32)
        scale = dtype(1 / (1 - p)) if p < 1 else dtype(0)
        assert y.dtype == dtype
        assert np.array_equal(y, np.where(keep, x * scale, dtype(0)))
        back = ops.dropout.op.backward_kernels[0](x, p, 7, offset, 1)
        assert np.array_equal(back, y)


def test_dropout_drops_the_wanted_part(target: str) -> None:
    y = ops.dropout(np.ones((100, 1000)), p=0.3, seed=3, offset=0)
    dropped = float((y == 0).mean())
    assert abs(dropped - 0.3) < 4 * (0.3 * 0.7 / y.size) ** 0.5
    assert abs(float(y.mean()) - 1) < 0.01


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("p", -0.1, ValueError),
        ("p", 1.1, ValueError),
        ("p", float("nan"), ValueError),
        ("p", "half", TypeError),
        ("seed", -1, ValueError),
        ("seed", 1.5, TypeError),
        ("offset", 1 << 64, ValueError),
    ],
)
def test_dropout_refuses_by_name(name: str, value: object, error: type[Exception], target: str) -> None:
    attributes = {"p": 0.5, "seed": 0, "offset": 0} | {name: value}
    with pytest.raises(error, match=f"dropout: {name} wants"):
        ops.dropout(np.ones(3), **attributes)
