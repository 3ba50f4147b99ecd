"""Writes in place: backward refuses a value that was changed after it was saved, and asks here.

A clock counts the writes. What each of them changed is appended to a log, as the ids of the arrays that own the memory,
packed into bytes: noting a step costs one append however many parameters it has, and nothing for Python's collector of
garbage to go through (as tuples of ints, 18 of them took 1.3 us). Old parts of the log are folded into a dict.
"""

from __future__ import annotations

from array import array as packed
from typing import Any

import numpy as np

from ._registry import state

LOG: list[bytes] = []  # what the latest ticks of the clock changed
OLDER: dict[int, int] = {}  # id -> the clock at its latest write, of the ticks before
MOST_LOGGED, MOST_OLDER = 1 << 12, 1 << 16


def root(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def owners(*arrays: Any) -> bytes:
    """The ids of what owns the memory of arrays, or of lists of them, packed."""
    ids = []
    for group in arrays:
        for a in (group,) if type(group) is np.ndarray else group:
            while type(a.base) is np.ndarray:
                a = a.base
            ids.append(id(a))
    return packed("Q", ids).tobytes()


def wrote(*arrays: Any) -> None:
    """Note that the memory of arrays, or of lists of them, was changed in place."""
    wrote_ids(owners(*arrays))


def wrote_ids(ids: bytes) -> None:
    """`wrote` for what `owners` gave; compiled kernels do the same (csrc/bindings/eager.cpp)."""
    LOG.append(ids)
    state.clock = state.folded + len(LOG)
    if len(LOG) >= MOST_LOGGED:
        fold()


def fold() -> None:
    """Take the log over into the dict."""
    latest = {ids: clock for clock, ids in enumerate(LOG, start=state.folded + 1)}
    for ids, clock in sorted(latest.items(), key=lambda entry: entry[1]):
        OLDER.update(dict.fromkeys(packed("Q", ids), clock))
    state.folded += len(LOG)
    LOG.clear()
    if len(OLDER) > MOST_OLDER:  # a reused id with an old clock does no harm, so the oldest half may go
        for key in sorted(OLDER, key=OLDER.__getitem__)[: MOST_OLDER // 2]:
            del OLDER[key]


def written_since(clock: int, arrays: list[Any]) -> Any:
    """The first of the arrays whose memory was changed after a tick of the clock; None if none was."""
    recent = set(packed("Q", b"".join(LOG[max(clock - state.folded, 0) :])))
    for a in arrays:
        key = id(root(a))
        if key in recent or OLDER.get(key, 0) > clock:
            return a
    return None
