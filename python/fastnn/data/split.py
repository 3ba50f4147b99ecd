"""Splitting data into a part to learn from and a part to test on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._arrays import Array, array_of, gatherer, generator_of, like, same_length


def train_test_split(
    *arrays: Any,
    test_size: float | int = 0.25,
    seed: int | np.random.Generator | None = None,
    stratify: Any = None,
) -> tuple[Any, ...]:
    """Split arrays by rows, at random, into a training and a test part.

    Parameters
    ----------
    *arrays : array_like or Tensor
        With the same number of rows, n.
    test_size : float or int, default 0.25
        The share of the test part, between 0 and 1 and rounded up to whole rows; or its rows as a whole number.
    seed : int or numpy.random.Generator, optional
        Where the choice comes from; by default from what ``fastnn.manual_seed`` seeds.
    stratify : array_like or Tensor of shape (n,), optional
        Classes: each gets its share of the test part, to within one row (largest remainders).

    Returns
    -------
    tuple of numpy.ndarray or Tensor
        The training and the test part of the first array, then of the second, and so on; Tensors for Tensors.

    Raises
    ------
    TypeError
        For anything that is no array of numbers.
    ValueError
        If numbers of rows differ, a part would be empty, or classes are too small to stand in both parts.

    Examples
    --------
    >>> import fastnn, numpy
    >>> x, y = numpy.arange(10), numpy.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    >>> x_train, x_test, y_train, y_test = fastnn.data.train_test_split(x, y, test_size=0.5, seed=0, stratify=y)
    >>> numpy.bincount(y_train), numpy.bincount(y_test)
    (array([3, 2]), array([3, 2]))
    """
    rows = [array_of("train_test_split", a) for a in arrays]
    n = same_length("train_test_split", rows)
    testing = _test_rows(test_size, n)
    classes = np.zeros(n, np.int64) if stratify is None else array_of("train_test_split: stratify", stratify)
    if classes.shape != (n,):
        raise ValueError(f"train_test_split: stratify wants shape ({n},); got {classes.shape}")
    _, members, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if stratify is not None and (counts.min() < 2 or min(testing, n - testing) < len(counts)):
        raise ValueError(
            f"train_test_split: {len(counts)} classes, the smallest of {counts.min()} rows, cannot all stand in "
            f"parts of {n - testing} and {testing} rows"
        )
    order = generator_of("train_test_split", seed).permutation(n)
    by_class = order[np.argsort(members[order], kind="stable")]
    rank = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)  # of a row within its class
    chosen = np.zeros(n, np.bool_)
    chosen[by_class[rank < np.repeat(_shares(counts, testing), counts)]] = True
    parts = order[~chosen[order]], order[chosen[order]]
    return tuple(like(a, gatherer(r)(part)) for a, r in zip(arrays, rows, strict=True) for part in parts)


def _test_rows(test_size: float | int, n: int) -> int:
    """The number of rows of the test part."""
    if isinstance(test_size, bool) or not isinstance(test_size, (int, float, np.integer, np.floating)):
        raise TypeError(f"train_test_split: test_size wants a number; got {test_size!r}")
    whole = isinstance(test_size, (int, np.integer))
    # 0.07 * 100 is 7.000000000000001, and seven rows are meant
    rows = int(test_size) if whole else math.ceil(round(float(test_size) * n, 6)) if 0 < test_size < 1 else 0
    if not 0 < rows < n:
        raise ValueError(f"train_test_split: test_size wants to leave rows in both parts of {n}; got {test_size}")
    return rows


def _shares(counts: Array, total: int) -> Array:
    """Whole numbers with sum `total` in proportion to `counts`, by the method of largest remainders."""
    exact = counts * total  # in units of 1 / sum(counts), so that remainders are compared exactly
    shares: Array = exact // counts.sum()
    remainders = exact % counts.sum()
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares
