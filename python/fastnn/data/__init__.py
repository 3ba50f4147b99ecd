"""Data on its way into training: data sets, batches, splits, scaling."""

from __future__ import annotations

from .dataset import Dataset, Subset, TensorDataset, random_split
from .encoding import one_hot
from .loader import DataLoader
from .scalers import MinMaxScaler, StandardScaler
from .split import train_test_split

__all__ = [
    "DataLoader",
    "Dataset",
    "MinMaxScaler",
    "StandardScaler",
    "Subset",
    "TensorDataset",
    "one_hot",
    "random_split",
    "train_test_split",
]
