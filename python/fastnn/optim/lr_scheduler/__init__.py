"""Learning-rate schedules: PyTorch's names, arguments, defaults, results and state_dict keys.

A schedule writes plain numbers into the optimizer's ``param_groups``; call ``step()`` after the optimizer's.
"""

from __future__ import annotations

from ._base import LRScheduler
from ._curves import CosineAnnealingLR, ExponentialLR, LinearLR
from ._lambda import LambdaLR
from ._one_cycle import OneCycleLR
from ._plateau import ReduceLROnPlateau
from ._steps import MultiStepLR, StepLR

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]
