"""Data sets: anything with a length and items."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np

from .._tensor import Tensor
from ._arrays import array_of, same_length

Item = TypeVar("Item", covariant=True)


class Dataset(Protocol[Item]):
    """What `DataLoader` reads: ``len(dataset)`` and ``dataset[i]``; deriving from this class is possible, not needed.

    Examples
    --------
    >>> import fastnn
    >>> class Squares(fastnn.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> for x, y in fastnn.data.DataLoader(Squares(), batch_size=4):
    ...     print(x.tolist(), y.tolist())
    [0, 1, 2, 3] [0, 1, 4, 9]
    """

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, index: int, /) -> Item:
        """One sample."""


class TensorDataset:
    """Arrays in memory whose rows belong together: samples and labels, say.

    Parameters
    ----------
    *tensors : array_like or Tensor
        At least one, all with the same number of rows. They are not copied; lists become arrays.

    Attributes
    ----------
    tensors : tuple of Tensor
        The arrays.

    Raises
    ------
    TypeError
        For anything that is no array of numbers.
    ValueError
        If the numbers of rows differ.

    Examples
    --------
    >>> import fastnn
    >>> dataset = fastnn.data.TensorDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> len(dataset)
    2
    >>> x, y = dataset[1]
    >>> x.tolist(), y.item()
    ([3.0, 4.0], 1)
    """

    def __init__(self, *tensors: Any) -> None:
        arrays = [array_of("TensorDataset", t) for t in tensors]
        self._length = same_length("TensorDataset", arrays)
        self.tensors = tuple(Tensor(a) for a in arrays)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """The rows of all arrays at an index, a slice or an array of indices."""
        return tuple(Tensor(np.asarray(t.array[index])) for t in self.tensors)
