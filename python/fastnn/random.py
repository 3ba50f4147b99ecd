"""The process-wide random generator: Philox4x32-10, counter-based, the same words on every backend.

State is one array ``[seed, offset]``, so that a captured plan can read and advance it. Ops such as dropout are pure
functions of (seed, offset) and regenerate their words in backward; what the host draws (initial weights, shuffling)
comes from NumPy's ``Generator(Philox)``. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ._registry import state

STATE = np.array([0, 0], np.uint64)
lock = threading.RLock()
MASK = (1 << 64) - 1


class Draw(int):
    """An offset handed out while recording: the plan recognizes it by its type."""


class _Host:
    """The generator behind what the host draws."""

    generator = np.random.Generator(np.random.Philox(key=0))


def manual_seed(seed: int) -> None:
    """Start all of fastnn's random numbers anew from `seed`.

    Parameters
    ----------
    seed : int
        Any whole number from 0 to 2**64 - 1.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.manual_seed(0)
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"manual_seed: seed wants a whole number; got {seed!r}")
    if not 0 <= seed <= MASK:
        raise ValueError(f"manual_seed: seed wants 0 <= seed < 2**64; got {seed}")
    refuse_while_recording("manual_seed")
    with lock:
        STATE[:] = seed, 0
        _Host.generator = np.random.Generator(np.random.Philox(key=int(seed)))


def reserve(n: int) -> tuple[int, int]:
    """``(seed, offset)`` for an op that will use `n` words; the next caller gets the words after them."""
    with lock:
        seed, offset = int(STATE[0]), int(STATE[1])
        STATE[1] = np.uint64((offset + n) & MASK)
    return seed, Draw(offset) if state.recorder is not None else offset


def host() -> np.random.Generator:
    """NumPy's generator for what is drawn on the host; a captured step may not draw from it."""
    refuse_while_recording("a random draw on the host")
    return _Host.generator


def refuse_while_recording(what: str) -> None:
    """Host draws happen once, at recording; a plan would repeat their values for ever."""
    if state.recorder is not None:
        state.recorder.refuse(f"{what} would be frozen in a captured step")


def get_rng_state() -> dict[str, Any]:
    """All of the generator's state, for `set_rng_state`."""
    with lock:
        return {"philox": STATE.copy(), "host": _Host.generator.bit_generator.state}


def set_rng_state(saved: dict[str, Any]) -> None:
    """Put back what `get_rng_state` gave."""
    if not isinstance(saved, dict) or set(saved) != {"philox", "host"}:
        raise TypeError("set_rng_state: wants what get_rng_state returned")
    refuse_while_recording("set_rng_state")
    with lock:
        STATE[:] = saved["philox"]
        _Host.generator.bit_generator.state = saved["host"]
