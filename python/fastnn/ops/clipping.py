"""Limits on gradients, in place: by their norm together, or one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import sample
from ._forms import float_array, positive, real

__all__ = ["clip_grad_norm", "clip_grad_value"]

Array = np.ndarray[Any, Any]
SHAPES = [(3, 4), (4,)]


def check_gradients(name: str, g: Any) -> None:
    """Refuse gradients that are not all of one float dtype."""
    for a in g:
        float_array(name, "g", a)
        if a.dtype != g[0].dtype:
            raise TypeError(f"{name}: g wants one dtype; got {g[0].dtype} and {a.dtype}")


def check_clip_grad_norm(g: Any, max_norm: Any, norm_type: Any) -> None:
    check_gradients("clip_grad_norm", g)
    positive("clip_grad_norm: norm_type", norm_type)
    if not real("clip_grad_norm: max_norm", max_norm) >= 0:
        raise ValueError(f"clip_grad_norm: max_norm wants a number of at least 0; got {max_norm!r}")


@op(
    updates="g",
    check=check_clip_grad_norm,
    kind="update",
    samples=[
        sample(SHAPES, max_norm=1.0),
        sample(SHAPES, max_norm=100.0),
        sample(SHAPES, max_norm=1.0, norm_type=1.0),
        sample(SHAPES, max_norm=1.0, norm_type=math.inf),
        sample(SHAPES, max_norm=1.0, norm_type=3.0),
    ],
    tol=Tol(8, 0, 4),
)
def clip_grad_norm(g: list[Array], *, max_norm: float, norm_type: float = 2.0) -> Any:
    r"""Scale all gradients in place by :math:`\min(1, \mathrm{max\_norm}/(\|g\| + 10^{-6}))`; returns the norm.

    Parameters
    ----------
    g : list of arrays or Tensors of one float dtype
        Written. The norm is that of all their values together.
    max_norm : float
    norm_type : float
        Positive: 1, 2, inf (the largest absolute value) or another power.

    Returns
    -------
    array or Tensor: the norm before scaling, a scalar

    Raises
    ------
    TypeError, ValueError
        Where dtypes differ or are no floats; where a number is out of range.

    Notes
    -----
    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013; the
    constant is torch.nn.utils.clip_grad_norm_'s. The norm is accumulated in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> g = np.array([3.0, 4.0])
    >>> ops.clip_grad_norm([g], max_norm=0.5)
    array(5.)
    >>> g.round(3)
    array([0.3, 0.4])
    """
    dtype = g[0].dtype if g else np.dtype(np.float32)
    sizes = [np.abs(a.astype(np.float64)) for a in g]
    if norm_type == math.inf:
        total = np.max([a.max(initial=0.0) for a in sizes], initial=0.0)
    elif norm_type == 2:
        total = np.sqrt(sum((a * a).sum() for a in sizes))
    else:
        total = np.power(sum((a**norm_type).sum() for a in sizes), 1 / norm_type)
    factor = dtype.type(np.minimum(max_norm / (total + 1e-6), 1.0))
    return np.asarray(total, dtype), [a * factor for a in g]


def check_clip_grad_value(g: Any, clip_value: Any) -> None:
    check_gradients("clip_grad_value", g)
    if not real("clip_grad_value: clip_value", clip_value) >= 0:
        raise ValueError(f"clip_grad_value: clip_value wants a number of at least 0; got {clip_value!r}")


@op(
    updates="g",
    outputs=0,
    check=check_clip_grad_value,
    kind="update",
    samples=[sample(SHAPES, clip_value=1.0), sample(SHAPES, clip_value=0.0)],
    tol=Tol(0, 0, 0),
)
def clip_grad_value(g: list[Array], *, clip_value: float) -> Any:
    r"""Cut all gradients off at :math:`\pm` clip_value, in place.

    Parameters
    ----------
    g : list of arrays or Tensors of one float dtype
        Written.
    clip_value : float

    Raises
    ------
    TypeError, ValueError
        Where dtypes differ or are no floats; where clip_value is below 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> g = np.array([3.0, -4.0, 0.5])
    >>> ops.clip_grad_value([g], clip_value=1.0)
    >>> g
    array([ 1. , -1. ,  0.5])
    """
    return ([np.minimum(np.maximum(a, -clip_value), clip_value) for a in g],)
