"""Interleaved medians: all columns of a workload take turns in one process, so that noise meets them alike."""

from __future__ import annotations

import gc
import os
import platform
import statistics
from collections.abc import Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

import fastnn
from fastnn import _blas, _config
from fastnn._backends import cpp
from fastnn._registry import BACKENDS
from work import Column, Work, Yardstick

MOST_ROUNDS = 101


def pin(threads: int) -> None:
    """Let this process, and every library in it, use so many threads on as many processors, the last ones."""
    for name in ("OMP", "OPENBLAS", "MKL"):  # for libraries that are imported later
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, usable[-threads:])
    if cpp.core is not None:
        cpp.core.set_num_threads(threads)
    _blas.set_threads(threads)


def columns(work: Work, backends: Sequence[str], others: Sequence[Any] = ()) -> list[Column]:
    """All ways to do a piece of work, each checked against the definition."""
    with kept_world():
        own = [work.on(name) for name in backends if name in fastnn.backends()]
        others = [peer.column(work) for peer in others]
        found = [c for c in (work.by_hand(), *own, *others) if c is not None]
        for column in found:
            work.check(column)
    return found


def yardsticks(work: Work) -> list[Yardstick]:
    """The yardstick of a piece of work, if there is one; they are for one thread."""
    if fastnn.get_num_threads() > 1:
        return []
    with kept_world():
        found = work.yardstick()
    return [] if found is None else [found]


@contextmanager
def kept_world() -> Any:
    """Columns change the active backend; afterwards it is what it was."""
    before = fastnn.backend()
    try:
        yield
    finally:
        fastnn.set_backend(before)


def interleaved(found: Sequence[Column], seconds: float, rounds: int = 7) -> dict[str, list[float]]:
    """Times for a call of each column, by name; at least `rounds` of them, more if `seconds` per column allow it."""
    slice_ = seconds / max(rounds, 15)
    times: dict[str, list[float]] = {c.name: [] for c in found}
    calls, longest = [], 1e-9
    with kept_world(), quiet():
        for column in found:
            column.enter()
            once = column.seconds(1)
            if once < seconds:
                column.seconds(2)  # a captured step is recorded twice and then planned
                once = column.seconds(1)
            calls.append(max(1, int(slice_ / max(once, 1e-9))))
            longest += calls[-1] * once
        for turn in range(min(MOST_ROUNDS, max(rounds, int(seconds * len(found) / longest)))):
            first = turn % len(found)  # nobody always follows the same neighbor
            for i in (*range(first, len(found)), *range(first)):
                found[i].enter()
                times[found[i].name].append(found[i].seconds(calls[i]))
    return times


@contextmanager
def quiet() -> Any:
    """No garbage collection while the clock runs."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def medians(found: Sequence[Column], seconds: float, rounds: int = 7) -> dict[str, float]:
    """Median seconds for a call of each column."""
    return {name: statistics.median(t) for name, t in interleaved(found, seconds, rounds).items()}


def machine(threads: int, others: Sequence[Any] = ()) -> dict[str, Any]:
    """What a table of times is worth nothing without."""
    versions = {"fastnn": fastnn.__version__, "Python": platform.python_version(), "NumPy": np.__version__}
    if "numba" in fastnn.backends():
        versions["Numba"] = metadata.version("numba")
    versions |= {peer.LIBRARY: peer.version() for peer in others}
    return {
        "processor": _config.processor(),
        "ISA": "-" if cpp.core is None else cpp.core.isa(),
        "threads": threads,
        "BLAS": f"{_blas.description()} {_blas.core()}".strip(),
        "versions": versions,
        "backends": [name for name in BACKENDS if name in fastnn.backends()],
    }
