"""Other libraries, each in a file of its own; those that are not installed are left out.

A peer module has NAME, ``version()``, ``use(threads)`` and ``column(work)``, which gives None for work that it has no
counterpart for. Each is given its best setting.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

MODULES = ("torch", "torch_compiled", "jax", "sklearn", "onnxruntime")


def installed(names: Sequence[str], threads: int) -> list[Any]:
    """The peers among `names` that can be imported, told how many threads to use."""
    found = []
    for name in names:
        if name not in MODULES:
            raise ValueError(f"peers: wants some of {', '.join(MODULES)}; got {name!r}")
        try:
            peer = importlib.import_module(f"{__name__}.{name}")
        except ImportError:
            continue
        peer.use(threads)
        found.append(peer)
    return found
