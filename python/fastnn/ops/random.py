"""Random operations: pure functions of (seed, offset), so that backward makes the same numbers again."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from . import _philox
from ._forms import float_array, real, whole

__all__ = ["dropout"]

Array = np.ndarray[Any, Any]


def check_dropout(x: Any, p: Any, seed: Any, offset: Any) -> None:
    float_array("dropout", "x", x)
    if not 0 <= real("dropout: p", p) <= 1:
        raise ValueError(f"dropout: p wants 0 <= p <= 1; got {p!r}")
    for name, value in (("seed", seed), ("offset", offset)):
        if whole(f"dropout: {name}", value, 1 << 64) < 0:
            raise ValueError(f"dropout: {name} wants 0 <= {name} < 2**64; got {value!r}")


@op(
    check=check_dropout,
    kind="random",
    samples=[
        sample((4, 7), p=0.5, seed=0, offset=0),
        sample((5, 3), p=0.1, seed=123456789, offset=7),
        sample((3, 3), p=0.0, seed=1, offset=2),
        sample((3, 3), p=1.0, seed=1, offset=3),
        sample((9,), p=0.3, seed=(1 << 64) - 1, offset=1 << 40),
    ],
    tol=Tol(1, 1, 0),
)
def dropout(x: Array, *, p: float, seed: int, offset: int) -> Array:
    r"""Zeros in place of a random part p of the values, the others times :math:`1/(1-p)`.

    Parameters
    ----------
    x : array or Tensor, any shape, float32 or float64
    p : float
        The probability of a zero, 0 <= p <= 1.
    seed, offset : int
        Value i (in C order) stays where word offset + i of the seed's Philox4x32-10 stream is at least
        floor(p 2^32).

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where x is no float; where p, seed or offset is out of range.

    Notes
    -----
    Source: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.dropout(np.ones(6), 0.5, seed=0, offset=0)
    array([0., 2., 2., 2., 2., 0.])
    """
    keep = _philox.words(x.size, int(seed), int(offset)).reshape(x.shape) >= int(p * 2**32)
    return np.where(keep, x * (1 / (1 - p) if p < 1 else 0.0), 0.0)


@dropout.backward
def _(dy: Array, p: float, seed: int, offset: int) -> Array:
    return dropout.op.definition(dy, p=p, seed=seed, offset=offset)
