"""PyTorch, eager, with its optimizers as they are without ``fused=True``."""

from __future__ import annotations

from parts import AdamWork
from work import Column, Net, StepWork, Work

from . import torch as eager

NAME = "torch unfused"
LIBRARY, version, use = eager.LIBRARY, eager.version, eager.use


def column(work: Work) -> Column | None:
    """Training steps of dense networks, and steps of an optimizer."""
    if isinstance(work, StepWork) and isinstance(work.net, Net):
        return eager.step(work, NAME, fused=False)
    return eager.adam(work, NAME, fused=False) if isinstance(work, AdamWork) else None
