"""Data sets: anything with a length and items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

import numpy as np

from .._tensor import Tensor
from ..ops._forms import whole
from ._arrays import array_of, generator_of, same_length

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


class Subset:
    """Some samples of a data set, in an order of their own.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
        Which samples.

    Attributes
    ----------
    dataset, indices
        As given; the indices as a list.

    Raises
    ------
    TypeError, IndexError
        For indices that are no whole numbers, or of no sample.

    Examples
    --------
    >>> import fastnn
    >>> odd = fastnn.data.Subset(fastnn.data.TensorDataset([0, 1, 2, 3]), [1, 3])
    >>> len(odd), odd[1][0].item()
    (2, 3)
    """

    def __init__(self, dataset: Dataset[Any], indices: Any) -> None:
        n = len(dataset)
        self.dataset = dataset
        self.indices = [whole("Subset: indices", i) for i in indices]
        if wrong := [i for i in self.indices if not 0 <= i < n]:
            raise IndexError(f"Subset: indices wants 0 <= i < {n}; got {wrong[0]}")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        """The sample that stands at this place."""
        return self.dataset[self.indices[index]]


def random_split(
    dataset: Dataset[Any], lengths: Sequence[float], seed: int | np.random.Generator | None = None
) -> list[Subset]:
    """Parts of a data set, of given lengths, whose samples are drawn without repetition.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int or float
        How many samples each part gets, all of them together; or shares that add up to 1, rounded down, the samples
        that are left going to the parts one by one.
    seed : int or numpy.random.Generator, optional
        Where the order comes from; by default from what ``fastnn.manual_seed`` seeds.

    Returns
    -------
    list of Subset

    Raises
    ------
    ValueError
        If the lengths are negative or do not add up.

    See Also
    --------
    train_test_split : Of arrays, with strata.

    Examples
    --------
    >>> import fastnn
    >>> train, val = fastnn.data.random_split(fastnn.data.TensorDataset(list(range(10))), [0.75, 0.25], seed=0)
    >>> len(train), len(val)
    (8, 2)
    """
    n = len(dataset)
    shares = [float(length) for length in lengths]
    counts = [int(share) for share in shares]
    if math.isclose(sum(shares), 1) and n != 1:
        counts = [math.floor(n * share) for share in shares]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    elif counts != shares:
        raise ValueError(f"random_split: lengths wants whole numbers, or shares that add up to 1; got {lengths}")
    if sum(counts) != n or any(c < 0 for c in counts):
        raise ValueError(f"random_split: lengths wants {n} samples in all, the size of the data set; got {lengths}")
    order = generator_of("random_split", seed).permutation(n).tolist()
    ends = np.cumsum([0, *counts]).tolist()
    return [Subset(dataset, order[a:b]) for a, b in pairwise(ends)]
