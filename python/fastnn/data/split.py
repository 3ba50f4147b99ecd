"""Splitting data into a part to learn from and a part to test on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ._arrays import Array, array_of, gatherer, generator_of, like, same_length


def train_test_split(
    *arrays: Any,
    test_size: float | int | None = None,
    train_size: float | int | None = None,
    seed: int | np.random.Generator | None = None,
    random_state: int | None = None,
    shuffle: bool = True,
    stratify: Any = None,
) -> tuple[Any, ...]:
    """Split arrays by rows into a training and a test part, at random unless told otherwise.

    Parameters
    ----------
    *arrays : array_like or Tensor
        With the same number of rows, n.
    test_size : float or int, optional
        The share of the test part, between 0 and 1 and rounded up to whole rows; or its rows as a whole number. By
        default what the training part leaves, or 0.25.
    train_size : float or int, optional
        The same of the training part, rounded down; by default what the test part leaves.
    seed : int or numpy.random.Generator, optional
        Where the choice comes from; by default from what ``fastnn.manual_seed`` seeds.
    random_state : int, optional
        scikit-learn's word for `seed`.
    shuffle : bool, default True
        Whether rows are drawn; else the first ones are the training part and those after them the test part.
    stratify : array_like or Tensor of shape (n,), optional
        Classes: each gets its share of each part, to within one row (largest remainders). Only where rows are drawn.

    Returns
    -------
    tuple of numpy.ndarray or Tensor
        The training and the test part of the first array, then of the second, and so on; Tensors for Tensors.

    Raises
    ------
    TypeError
        For anything that is no array of numbers; for `seed` and `random_state` at once.
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
    training, testing = _part_rows(train_size, test_size, n)
    if seed is not None and random_state is not None:
        raise TypeError("train_test_split: random_state is another word for seed; give one of them")
    if not shuffle:
        if stratify is not None:
            raise ValueError("train_test_split: stratify wants shuffle to be True")
        return _taken(arrays, rows, np.arange(training), np.arange(training, training + testing))
    classes = np.zeros(n, np.int64) if stratify is None else array_of("train_test_split: stratify", stratify)
    if classes.shape != (n,):
        raise ValueError(f"train_test_split: stratify wants shape ({n},); got {classes.shape}")
    _, members, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if stratify is not None and (counts.min() < 2 or min(testing, training) < len(counts)):
        raise ValueError(
            f"train_test_split: {len(counts)} classes, the smallest of {counts.min()} rows, cannot all stand in "
            f"parts of {training} and {testing} rows"
        )
    order = generator_of("train_test_split", random_state if seed is None else seed).permutation(n)
    by_class = order[np.argsort(members[order], kind="stable")]
    rank = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)  # of a row within its class
    for_test = _shares(counts, testing)
    last = for_test + _shares(counts - for_test, training)
    part = np.zeros(n, np.int64)  # 1 for the test part, 2 for the training part, 0 for what is left out
    part[by_class] = np.select([rank < np.repeat(for_test, counts), rank < np.repeat(last, counts)], [1, 2])
    return _taken(arrays, rows, order[part[order] == 2], order[part[order] == 1])


def _taken(arrays: tuple[Any, ...], rows: list[Array], *parts: Array) -> tuple[Any, ...]:
    """The parts of each array."""
    return tuple(like(a, gatherer(r)(part)) for a, r in zip(arrays, rows, strict=True) for part in parts)


def _part_rows(train_size: float | int | None, test_size: float | int | None, n: int) -> tuple[int, int]:
    """The numbers of rows of the training and the test part."""
    if test_size is None and train_size is None:
        test_size = 0.25
    testing = 0 if test_size is None else _rows_of("test_size", test_size, n, math.ceil)
    training = n - testing if train_size is None else _rows_of("train_size", train_size, n, math.floor)
    if test_size is None:
        testing = n - training
    if testing < 1 or training < 1 or testing + training > n:
        given = {"test_size": test_size, "train_size": train_size}
        words = " and ".join(f"{name} {size}" for name, size in given.items() if size is not None)
        raise ValueError(f"train_test_split: test_size and train_size want rows in both parts of {n}; got {words}")
    return training, testing


def _rows_of(name: str, size: float | int, n: int, rounded: Callable[[float], int]) -> int:
    """The number of rows of a part; 0 for a share out of range."""
    if isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating)):
        raise TypeError(f"train_test_split: {name} wants a number; got {size!r}")
    if isinstance(size, (int, np.integer)):
        return int(size)
    # 0.07 * 100 is 7.000000000000001, and seven rows are meant
    return rounded(round(float(size) * n, 6)) if 0 < size < 1 else 0


def _shares(counts: Array, total: int) -> Array:
    """Whole numbers with sum `total` in proportion to `counts`, by the method of largest remainders."""
    exact = counts * total  # in units of 1 / sum(counts), so that remainders are compared exactly
    shares: Array = exact // counts.sum()
    remainders = exact % counts.sum()
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares
