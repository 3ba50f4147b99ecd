"""Philox4x32-10, the counter-based generator behind dropout: any word is computed from its position alone.

Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011; the constants are those of
their Random123 library.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LOW = 0xFFFFFFFF
ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85  # added to the key after each round: golden ratio, sqrt(3) - 1


def blocks(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[Array, ...]:
    """The four words of each counter; all are uint64 arrays that hold 32-bit values.

    Examples
    --------
    >>> import numpy as np
    >>> [hex(int(w)) for w in blocks((np.uint64(0),) * 4, (0, 0))]  # Random123, kat_vectors
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p, q = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & LOW, (p >> 32) ^ c3 ^ k1, p & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def words(n: int, seed: int, offset: int) -> Array:
    """Words offset ... offset + n - 1 of the stream of a seed, as uint32: word i is number i % 4 of block i // 4."""
    first = offset // 4
    i = np.arange(first, (offset + n + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(i)
    made = blocks((i & LOW, i >> 32, zero, zero), (seed & LOW, seed >> 32))
    return np.stack(made, 1).reshape(-1)[offset - 4 * first :][:n].astype(np.uint32)
