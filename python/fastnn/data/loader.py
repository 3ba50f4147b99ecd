"""DataLoader: batches, in the order of a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from .._tensor import Tensor
from ..ops._forms import whole
from ..random import host
from ._arrays import Array, array_of, checked_seed, gatherer
from .dataset import Dataset, Subset, TensorDataset

Gather = Callable[[Array], Array]
Batches = Iterator[tuple[int, Array]]


class DataLoader:
    """Iterate over a data set in batches of Tensors; each loop is one epoch.

    The order of an epoch follows from the seed and the number of the epoch alone. The batches of a `TensorDataset` are
    gathered from its arrays, one gather for each; the samples of other data sets are read one by one and stacked.

    Parameters
    ----------
    dataset : Dataset
        Anything with a length and items. Arrays of a `TensorDataset`, or a `Subset` of one, are read when the loader is
        made.
    batch_size : int, default 1
        Samples in a batch; the last one of an epoch may be smaller.
    shuffle : bool, default False
        Go through the samples in a new random order in each epoch.
    drop_last : bool, default False
        Leave out a last batch that is not full.
    seed : int or numpy.random.Generator, optional
        Where the orders come from. By default it is drawn, at the first epoch, from what ``fastnn.manual_seed`` seeds.
    dtype : dtype, optional
        Cast arrays of floats to this dtype, once. By default arrays keep theirs (float64 too) and Python's floats
        get the default dtype; integers and booleans are never cast.
    collate_fn : callable, optional
        Makes a batch from a list of samples. By default tuples, lists and dicts are stacked item by item; strings
        stay in a list.
    sampler : iterable of int with a length, optional
        The samples of each epoch in their order, instead of `shuffle`; it is gone through anew in every epoch.
    num_workers, pin_memory
        PyTorch's, without effect: batches are made in this process.

    Raises
    ------
    TypeError, ValueError
        For arguments of another kind or out of range; for a sampler beside `shuffle`.
    IndexError
        From a loop, if the sampler gives what is no sample of the data set.

    Examples
    --------
    >>> import fastnn, numpy
    >>> dataset = fastnn.data.TensorDataset(numpy.zeros((10, 3)), numpy.arange(10))
    >>> loader = fastnn.data.DataLoader(dataset, batch_size=4, shuffle=True, seed=0, dtype=numpy.float32)
    >>> len(loader)
    3
    >>> [(x.shape, str(x.dtype), len(y.tolist())) for x, y in loader]
    [((4, 3), 'float32', 4), ((4, 3), 'float32', 4), ((2, 3), 'float32', 2)]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | np.random.Generator | None = None,
        dtype: Any = None,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        sampler: Any = None,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: dataset wants a length and items; got {type(dataset).__name__}")
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
            raise TypeError(f"DataLoader: batch_size wants a whole number; got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size wants at least 1; got {batch_size}")
        for name, value in (("shuffle", shuffle), ("drop_last", drop_last)):
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"DataLoader: {name} wants True or False; got {value!r}")
        if sampler is not None and not (hasattr(sampler, "__len__") and hasattr(sampler, "__iter__")):
            raise TypeError(f"DataLoader: sampler wants an iterable with a length; got {type(sampler).__name__}")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler wants shuffle to be False, since it gives the order")
        if isinstance(seed, np.random.Generator):
            seed = int(seed.integers(1 << 63))
        self.dataset = dataset
        self.sampler = sampler
        self.batch_size = int(batch_size)
        self.shuffle = bool(shuffle)
        self.drop_last = bool(drop_last)
        self.seed = None if seed is None else checked_seed("DataLoader", seed)
        self.dtype = None if dtype is None else np.dtype(dtype)
        if self.dtype is not None and self.dtype.kind != "f":
            raise TypeError(f"DataLoader: dtype wants a dtype of floats; got {self.dtype}")
        self.collate_fn = collate_fn
        self._arrays: list[Array] | None = None
        # A subclass with items of its own (augmented ones, say) is read item by item.
        source: Any = dataset.dataset if type(dataset) is Subset else dataset
        if collate_fn is None and type(source).__getitem__ is TensorDataset.__getitem__:
            arrays = [t.array for t in source.tensors]
            if type(dataset) is Subset:
                arrays = [a[dataset.indices] for a in arrays]
            self._arrays = [self._cast(a) for a in arrays]
        self._next_epoch = self._first_batch = 0  # where the next loop begins
        self._epoch = self._given = 0  # where the loop under way stands

    def __len__(self) -> int:
        samples = len(self.dataset if self.sampler is None else self.sampler)
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._next_epoch, self._first_batch
        self._next_epoch, self._first_batch = epoch + 1, 0
        self._epoch, self._given = epoch, first
        batches = self._batches(self._order(epoch), first)
        if self._arrays is None:
            return self._collated(batches, epoch)
        return self._gathered([gatherer(a) for a in self._arrays], batches, epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the loop stands: the seed, the epoch, and how many of its batches were given out.

        Examples
        --------
        >>> import fastnn
        >>> def loader():
        ...     dataset = fastnn.data.TensorDataset([0, 1, 2, 3, 4, 5])
        ...     return fastnn.data.DataLoader(dataset, batch_size=2, shuffle=True, seed=3)
        >>> whole = [x.tolist() for (x,) in loader()]
        >>> interrupted, resumed = loader(), loader()
        >>> first = next(iter(interrupted))
        >>> resumed.load_state_dict(interrupted.state_dict())
        >>> [x.tolist() for (x,) in resumed] == whole[1:]
        True
        """
        return {"seed": self.seed, "epoch": self._epoch, "batch": self._given}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next loop go on where `state_dict` was taken.

        Parameters
        ----------
        state_dict : dict
            What `state_dict` gave, of a loader over the same data with the same arguments.

        Raises
        ------
        ValueError
            For anything else.
        """
        state = dict(state_dict)
        places = [state.get("epoch"), state.get("batch")]
        if set(state) != {"seed", "epoch", "batch"} or not all(type(n) is int and n >= 0 for n in places):
            raise ValueError(f"DataLoader: state_dict wants seed, epoch and batch; got {state_dict!r}")
        self.seed = None if state["seed"] is None else checked_seed("DataLoader", state["seed"])
        self._epoch, self._given = self._next_epoch, self._first_batch = state["epoch"], state["batch"]

    def _begin_rows(self) -> Array:
        """Begin an epoch for somebody who gathers rows of `_arrays`: the samples in order. `_used` counts batches."""
        self._epoch, self._given = self._next_epoch, self._first_batch
        self._next_epoch, self._first_batch = self._epoch + 1, 0
        order = self._order(self._epoch)
        end = len(order) // self.batch_size * self.batch_size if self.drop_last else len(order)
        return order[self._given * self.batch_size : end]

    def _used(self, batches: int) -> None:
        """So many more batches were used of the epoch that `_begin_rows` began."""
        self._given += batches
        if self._given >= len(self):
            self._end(self._epoch)

    def _order(self, epoch: int) -> Array:
        """The samples in the order of an epoch."""
        if self.sampler is not None:
            order = np.array([whole("DataLoader: sampler", i) for i in self.sampler], np.int64)
            if order.size and not 0 <= order.min() <= order.max() < len(self.dataset):
                raise IndexError(
                    f"DataLoader: sampler wants 0 <= i < {len(self.dataset)}; got {order.min()} to {order.max()}"
                )
            return order
        if not self.shuffle:
            return np.arange(len(self.dataset))
        if self.seed is None:
            self.seed = int(host().integers(1 << 63))
        bits = np.random.Philox(key=np.array([self.seed, epoch], np.uint64))
        return np.random.Generator(bits).permutation(len(self.dataset))

    def _batches(self, order: Array, first: int) -> Batches:
        """How many batches were given out with each, and its rows."""
        whole = len(order) // self.batch_size * self.batch_size
        rest = [] if self.drop_last or whole == len(order) else [order[whole:]]
        batches = chain(order[:whole].reshape(-1, self.batch_size), rest)
        return enumerate(islice(batches, first, None), first + 1)

    def _gathered(self, gathers: list[Gather], batches: Batches, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """The batches of arrays; all but a microsecond of the time goes into the gather."""
        new = Tensor.__new__
        for given, rows in batches:
            self._given = given
            batch = []
            for gather in gathers:  # as [make(gather(rows), None, 0) ...], in 0.2 us less
                tensor = new(Tensor)
                tensor.array, tensor._grad = gather(rows), None
                tensor.node, tensor.output, tensor.accumulator, tensor.requires = None, 0, None, False
                batch.append(tensor)
            yield tuple(batch)
        self._end(epoch)

    def _collated(self, batches: Batches, epoch: int) -> Iterator[Any]:
        """The batches of samples that are read one by one."""
        collate = self.collate_fn or self._stack
        for given, rows in batches:
            samples = [self.dataset[i] for i in rows.tolist()]
            self._given = given
            yield collate(samples)
        self._end(epoch)

    def _end(self, epoch: int) -> None:
        """The state after an epoch is that before the next."""
        self._epoch, self._given = epoch + 1, 0

    def _stack(self, samples: list[Any]) -> Any:
        """Samples as one Tensor, or one for each item of a sample; words as they are."""
        first = samples[0]
        if isinstance(first, (tuple, list)):
            return tuple(self._stack(list(column)) for column in zip(*samples, strict=True))
        if isinstance(first, dict):
            return {key: self._stack([s[key] for s in samples]) for key in first}
        if isinstance(first, str):
            return samples
        arrays = [self._cast(array_of("DataLoader: a sample", s)) for s in samples]
        return Tensor(np.stack(arrays))

    def _cast(self, array: Array) -> Array:
        """Floats in the dtype asked for."""
        return array if self.dtype is None or array.dtype.kind != "f" else array.astype(self.dtype, copy=False)
