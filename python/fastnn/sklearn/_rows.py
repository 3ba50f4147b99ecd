"""The rows to train on, handed out by batches in memory that is used again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

Array = np.ndarray[Any, Any]
Batch = tuple[Array, Array, Array]  # inputs, targets, and each row's share of the loss as a column
DENSE = 1 << 22  # at most so many elements of a sparse matrix are made dense at a time, but for batches


class Rows:
    """Inputs with targets and weights.

    Parameters
    ----------
    x : ndarray or sparse matrix (rows, features)
        Sparse rows are made dense batch by batch: the update of dense weights costs about as much as their product.
    y : ndarray (rows,) or (rows, outputs)
    weights : ndarray (rows,), optional
        A row's share of the loss is its part of their sum.
    factor : float
        By which all shares are multiplied.
    dtype : dtype
        Of inputs and shares.
    """

    def __init__(self, x: Any, y: Array, weights: Array | None, factor: float, dtype: Any) -> None:
        self.sparse, self.dtype = sparse.issparse(x), dtype
        self.x: Any = x.tocsr().astype(dtype, copy=False) if self.sparse else np.ascontiguousarray(x, dtype)
        self.y, self.weights, self.factor = y, weights, factor
        self.memory: dict[int, Batch] = {}  # by the number of rows

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def plain(self) -> bool:
        """Whether batches are rows of arrays, so that a step can gather them itself (see `columns`)."""
        return not self.sparse and self.weights is None

    def columns(self, batch: int) -> Batch:
        """Inputs, targets and shares of all rows, for batches of so many of them."""
        return self.x, self.y, np.full((len(self), 1), self.factor / batch, self.dtype)

    def at(self, order: Array) -> tuple[Batch, float]:
        """A batch of the rows with these numbers, and the sum of their weights."""
        n = len(order)
        if n not in self.memory:
            x, y = np.empty((n, self.x.shape[1]), self.dtype), np.empty((n, *self.y.shape[1:]), self.y.dtype)
            self.memory[n] = x, y, self.equal(n)
        x, y, share = self.memory[n]
        if self.sparse:
            self.x[order].toarray(out=x)
        else:
            self.x.take(order, 0, x, "clip")  # "raise" would go by a copy
        self.y.take(order, 0, y, "clip")
        return (x, y, share), float(n) if self.weights is None else self.weigh(self.weights[order], share)

    def between(self, low: int, high: int) -> tuple[Batch, float]:
        """A batch of rows as they lie, and the sum of their weights."""
        share = self.equal(high - low)
        total = float(high - low) if self.weights is None else self.weigh(self.weights[low:high], share)
        return (self.dense(low, high), self.y[low:high], share), total

    def parts(self, share: Array) -> Iterator[Batch]:
        """All rows, with their part of `share`; more than one batch only of sparse matrices that are large."""
        n = len(self)
        step = max(1, DENSE // self.x.shape[1]) if self.sparse else n
        for low in range(0, n, step):
            yield self.dense(low, low + step), self.y[low : low + step], share[low : low + step]

    def dense(self, low: int, high: int) -> Array:
        """The inputs of some rows."""
        x: Array = self.x[low:high].toarray() if self.sparse else self.x[low:high]
        return x

    def equal(self, n: int) -> Array:
        """The shares of n rows without weights."""
        return np.full((n, 1), self.factor / n, self.dtype)

    def weigh(self, weights: Array, share: Array) -> float:
        """Write the shares of rows with these weights, of which the sum is returned."""
        total = float(weights.sum())
        if total == 0:
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        np.multiply(weights, self.factor / total, out=share[:, 0], casting="same_kind")
        return total
