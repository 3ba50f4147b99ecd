"""PyTorch, eager, with images in its default order, channel by channel; the other columns have channels-last memory."""

from __future__ import annotations

from convnets import ConvStepWork
from work import Column, Work

from . import torch as eager

NAME = "torch contiguous"
LIBRARY, version, use = eager.LIBRARY, eager.version, eager.use


def column(work: Work) -> Column | None:
    """Training steps of convolutional networks."""
    return eager.step(work, NAME, channels_last=False) if isinstance(work, ConvStepWork) else None
