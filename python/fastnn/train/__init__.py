"""Training: Trainer, what it is told by (callbacks, metrics) and what it tells (History)."""

from __future__ import annotations

from .callbacks import Callback, EarlyStopping, LearningRateScheduler, ModelCheckpoint
from .history import History
from .metrics import accuracy, mae, mse, top5_accuracy
from .trainer import Trainer

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "Trainer",
    "accuracy",
    "mae",
    "mse",
    "top5_accuracy",
]
