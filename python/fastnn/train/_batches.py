"""What `Trainer` is given as data, as batches of Tensors in the model's dtype."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._tensor import Tensor, make
from ..data import DataLoader, TensorDataset


def batches_of(
    what: str, data: Any, batch_size: int, dtype: Any, shuffle: bool = False, seed: int | None = None
) -> Any:
    """Something that gives batches, each time it is iterated over."""
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, tuple):
        data = TensorDataset(*data)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return DataLoader(data, batch_size, shuffle, seed=seed, dtype=dtype)
    if not isinstance(data, Iterable) or iter(data) is data:
        kinds = "a tuple of arrays, a Dataset, a DataLoader or another collection of batches"
        raise TypeError(f"{what} wants {kinds}; got {type(data).__name__}")
    return data


def ready_arrays(loader: DataLoader, dtype: Any) -> bool:
    """Whether a loader's batches are rows of arrays that need no cast."""
    arrays = loader._arrays or []
    return len(arrays) > 1 and all(a.dtype == dtype or a.dtype.kind != "f" for a in arrays)


def taken_apart(what: str, batch: Any, dtype: Any) -> list[Tensor]:
    """The Tensors of a batch (inputs, then the target), floats in the model's dtype."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError(f"{what} wants batches of inputs and a target; got {type(batch).__name__}")
    return [cast(t, dtype) for t in batch]


def cast(value: Any, dtype: Any) -> Tensor:
    """A Tensor, in `dtype` if it holds floats."""
    t = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
    if t.array.dtype.kind != "f" or t.array.dtype == dtype:
        return t
    return make(t.array.astype(dtype), None, 0)
