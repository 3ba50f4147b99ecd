"""PyTorch with torch.compile around the forward pass and the loss; slow to start, so only where it is asked for."""

from __future__ import annotations

import functools

import torch

from parts import LossWork
from work import Column, InferenceWork, StepWork, Work

from . import torch as eager

NAME = "torch.compile"
LIBRARY, version, use = eager.LIBRARY, eager.version, eager.use
compiled = functools.partial(torch.compile, dynamic=False)


def column(work: Work) -> Column | None:
    """How compiled PyTorch does this work."""
    if isinstance(work, StepWork) and work.captured:
        return eager.step(work, NAME, compiled)
    if isinstance(work, LossWork) and work.captured:
        return eager.loss(work, NAME, compiled)
    if isinstance(work, InferenceWork) and work.captured:
        return eager.inference(work, NAME, compiled)
    return None
