"""Normalization of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from ._forms import one_float_dtype, real, whole
from ._stable import centered

__all__ = ["layer_norm"]

Array = np.ndarray[Any, Any]
SCALE = Floats((5,), 0.5, 2.0)


def layer_norm_form(rank: int, dims: Any, eps: Any) -> tuple[int, float]:
    n = whole("dims", dims)
    if not 1 <= n <= rank:
        raise ValueError(f"layer_norm: dims wants 1 <= dims <= {rank}, the rank of x; got {n}")
    if not real("eps", eps) >= 0:
        raise ValueError(f"layer_norm: eps wants a number of at least 0; got {eps!r}")
    return n, float(eps)


def check_layer_norm(x: Any, weight: Any, bias: Any, dims: int, eps: float) -> None:
    one_float_dtype("layer_norm", x=x, weight=weight, bias=bias)
    shape = x.shape[x.ndim - dims :]
    for name, a in (("weight", weight), ("bias", bias)):
        if a is not None and a.shape != shape:
            raise ValueError(f"layer_norm: {name} wants shape {shape}, the last {dims} axes of x; got {a.shape}")


def rows(x: Array, dims: int) -> tuple[int, ...]:
    """The axes that are normalized."""
    return tuple(range(x.ndim - dims, x.ndim))


@op(
    saves="x weight mean rstd",
    extras="mean rstd",
    canonical=layer_norm_form,
    check=check_layer_norm,
    kind="rowwise",
    samples=[
        sample((4, 5)),
        sample((4, 5), SCALE, (5,)),
        sample((2, 3, 5), SCALE),
        sample((2, 3, 5), None, (5,), eps=0.1),
        sample((2, 3, 5), Floats((3, 5), 0.5, 2.0), (3, 5), dims=2),
        sample(Floats((3, 5), 100.0, 101.0), SCALE, (5,)),
        sample((5,), SCALE, (5,)),
    ],
    tol=Tol(4, 8, 8),
)
def layer_norm(x: Array, weight: Any = None, bias: Any = None, *, dims: int = 1, eps: float = 1e-5) -> Any:
    r"""Layer normalization, :math:`\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} w + b`, over the last axes.

    Parameters
    ----------
    x : array or Tensor, float32 or float64
    weight, bias : array or Tensor, optional
        The shape of the last `dims` axes of x, and its dtype.
    dims : int
        How many axes, counted from the last, are normalized together.
    eps : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where dims or eps is out of range.

    Notes
    -----
    The variance is that of all values (ddof 0). What is kept for backward, mean and 1 / sqrt(var + eps), is float64
    for either dtype, of the shape of x without its last `dims` axes. Source: Ba, Kiros and Hinton, Layer
    normalization, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.layer_norm(np.array([[1.0, 3.0]]), eps=0.0)
    array([[-1.,  1.]])
    """
    axis = rows(x, dims)
    d, mean = centered(x, axis)
    rstd = 1 / np.sqrt((d * d).mean(axis, keepdims=True) + eps)
    y = d * rstd
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return y.astype(x.dtype), mean.reshape(x.shape[: x.ndim - dims]), rstd.reshape(x.shape[: x.ndim - dims])


@layer_norm.backward
def _(dy: Array, x: Array, weight: Any, mean: Array, rstd: Array, dims: int, eps: float, needs: int) -> Any:
    axis, lead = rows(x, dims), tuple(range(x.ndim - dims))
    shape = (*mean.shape, *(1,) * dims)
    r = rstd.reshape(shape)
    normal = (x - mean.reshape(shape)) * r
    dx = None
    if needs & 1:
        g = dy.astype(np.float64) if weight is None else dy * weight.astype(np.float64)
        dx = r * (g - g.mean(axis, keepdims=True) - normal * (g * normal).mean(axis, keepdims=True))
    return (
        dx if dx is None else dx.astype(x.dtype),
        (dy * normal).sum(lead).astype(x.dtype) if needs & 2 else None,
        dy.sum(lead, dtype=np.float64).astype(x.dtype) if needs & 4 else None,
    )
