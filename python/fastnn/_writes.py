"""Writes in place: backward refuses a value that was changed after it was saved, and asks here.

A clock counts the writes. What each of them changed is appended to a log, as ids of the arrays that own the memory: for
a captured step always the same tuple, so that noting a step costs one append however many parameters it has (20 of them
took 0.9 us as entries of a dict). Old parts of the log are folded into that dict.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._registry import state

LOG: list[tuple[int, ...]] = []  # what the latest ticks of the clock changed
OLDER: dict[int, int] = {}  # id -> the clock at its latest write, of the ticks before
MOST_LOGGED, MOST_OLDER = 1 << 12, 1 << 16


def root(array: Any) -> Any:
    """The array that owns the memory of a view."""
    while type(array.base) is np.ndarray:
        array = array.base
    return array


def wrote(*arrays: Any) -> None:
    """Note that the memory of arrays, or of lists of them, was changed in place."""
    ids = []
    for group in arrays:
        for a in (group,) if type(group) is np.ndarray else group:
            while type(a.base) is np.ndarray:
                a = a.base
            ids.append(id(a))
    wrote_ids(tuple(ids))


def wrote_ids(ids: tuple[int, ...]) -> None:
    """`wrote` for arrays that own their memory, by their ids."""
    LOG.append(ids)
    state.clock = state.folded + len(LOG)
    if len(LOG) == MOST_LOGGED:
        fold()


def fold() -> None:
    """Take the log over into the dict."""
    latest = {id(ids): (clock, ids) for clock, ids in enumerate(LOG, start=state.folded + 1)}
    for clock, ids in sorted(latest.values(), key=lambda entry: entry[0]):
        OLDER.update(dict.fromkeys(ids, clock))
    state.folded += len(LOG)
    LOG.clear()
    if len(OLDER) > MOST_OLDER:  # a reused id with an old clock does no harm, so the oldest half may go
        for key in sorted(OLDER, key=OLDER.__getitem__)[: MOST_OLDER // 2]:
            del OLDER[key]


def written_since(clock: int, arrays: list[Any]) -> Any:
    """The first of the arrays whose memory was changed after a tick of the clock; None if none was."""
    recent = set().union(*LOG[max(clock - state.folded, 0) :])
    for a in arrays:
        key = id(root(a))
        if key in recent or OLDER.get(key, 0) > clock:
            return a
    return None
