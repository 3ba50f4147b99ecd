"""Labels as vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import state
from ._arrays import array_of, like


def one_hot(labels: Any, num_classes: int | None = None, dtype: Any = None) -> Any:
    r"""Vectors with a one at each label's place: :math:`e_{ij} = [l_i = j]`.

    Parameters
    ----------
    labels : array_like or Tensor of integers
        Any shape; values from 0 to ``num_classes - 1``.
    num_classes : int, optional
        The length of the vectors; by default one more than the largest label.
    dtype : dtype, optional
        Of the result; by default the default dtype, float32 unless it was set.

    Returns
    -------
    numpy.ndarray, or Tensor if `labels` is one
        Of shape ``(*labels.shape, num_classes)``.

    Raises
    ------
    TypeError
        If labels are no integers.
    IndexError
        If a label is out of range.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.data.one_hot([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    array = array_of("one_hot: labels", labels)
    if not array.size and not hasattr(labels, "dtype"):  # an empty list tells no dtype
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels wants integers; got dtype {array.dtype}")
    if num_classes is None:
        num_classes = int(array.max()) + 1 if array.size else 0
    if isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer)):
        raise TypeError(f"one_hot: num_classes wants a whole number; got {num_classes!r}")
    outside = array[(array < 0) | (array >= num_classes)]
    if outside.size:
        raise IndexError(f"one_hot: labels wants 0 <= label < {num_classes}; got {outside[0]}")
    return like(labels, (array[..., np.newaxis] == np.arange(num_classes)).astype(dtype or state.default_dtype))
