"""Other libraries, each in a file of its own; those that are not installed are left out.

A peer module has NAME, its LIBRARY, ``version()``, ``use(threads)`` and ``column(work)``, which gives None for work
that it has no counterpart for. Each is given its best setting. One that raises ImportError has nothing to say here.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

MODULES = (
    *("torch", "torch_contiguous", "torch_unfused", "torch_compiled"),
    *("jax", "sklearn", "onnxruntime", "numpy_skylakex"),
)
DEFAULT = tuple(name for name in MODULES if name != "torch_compiled")  # which compiles for seconds, every time


def installed(names: Sequence[str], threads: int) -> list[Any]:
    """The peers among `names` that can be imported, told how many threads to use."""
    found = []
    for name in names:
        if name not in MODULES:
            raise ValueError(f"peers: wants some of {', '.join(MODULES)}; got {name!r}")
        try:
            peer = importlib.import_module(f"{__name__}.{name}")
            peer.use(threads)
        except ImportError:
            continue
        found.append(peer)
    return found
