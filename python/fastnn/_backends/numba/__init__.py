"""The Numba kernels, found by name: they stand in where there is no compiled core.

Serial, compiled at their first use and kept on disk. Contractions go through NumPy's matmul. Importing this package
imports Numba, which takes most of a second.
"""

from __future__ import annotations

from typing import Any

from . import (
    activations,
    arithmetic,
    channel_norms,
    contractions,
    convolution,
    losses,
    movement,
    pooling,
    reductions,
    resampling,
    rowwise,
    updates,
)

MODULES = (
    arithmetic,
    activations,
    reductions,
    rowwise,
    losses,
    contractions,
    convolution,
    movement,
    updates,
    channel_norms,
    pooling,
    resampling,
)
NAME = "numba"


def kernel(name: str) -> Any:
    """The kernel of this name, None where there is none."""
    for module in MODULES:
        found = module.KERNELS.get(name)
        if found is not None:
            return found
    return None
