"""Learning-rate schedules: PyTorch's names, arguments, defaults, results and state_dict keys.

A schedule writes plain numbers into the optimizer's ``param_groups``; call ``step()`` after the optimizer's.
"""

from __future__ import annotations

from ._base import LRScheduler
from ._combined import ChainedScheduler, SequentialLR
from ._curves import CosineAnnealingLR, ExponentialLR, LinearLR, PolynomialLR
from ._lambda import LambdaLR, MultiplicativeLR
from ._one_cycle import OneCycleLR
from ._plateau import ReduceLROnPlateau
from ._restarts import CosineAnnealingWarmRestarts
from ._steps import ConstantLR, MultiStepLR, StepLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
