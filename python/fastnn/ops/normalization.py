"""Normalization of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from ._forms import one_float_dtype, real, whole
from ._stable import centered

__all__ = ["layer_norm", "rms_norm"]

Array = np.ndarray[Any, Any]
SCALE = Floats((5,), 0.5, 2.0)


def axes_from_the_end(op: str, rank: int, dims: Any) -> int:
    """How many axes are normalized."""
    n = whole("dims", dims)
    if not 1 <= n <= rank:
        raise ValueError(f"{op}: dims wants 1 <= dims <= {rank}, the rank of x; got {n}")
    return n


def layer_norm_form(rank: int, dims: Any, eps: Any) -> tuple[int, float]:
    n = axes_from_the_end("layer_norm", rank, dims)
    if not real("eps", eps) >= 0:
        raise ValueError(f"layer_norm: eps wants a number of at least 0; got {eps!r}")
    return n, float(eps)


def check_factors(op: str, x: Any, dims: int, **factors: Any) -> None:
    """Refuse factors (None is skipped) that have not the shape of the last axes of x, and its dtype."""
    one_float_dtype(op, x=x, **factors)
    shape = x.shape[x.ndim - dims :]
    for name, a in factors.items():
        if a is not None and a.shape != shape:
            raise ValueError(f"{op}: {name} wants shape {shape}, the last {dims} axes of x; got {a.shape}")


def check_layer_norm(x: Any, weight: Any, bias: Any, dims: int, eps: float) -> None:
    check_factors("layer_norm", x, dims, weight=weight, bias=bias)


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


def rms_norm_form(rank: int, dims: Any, eps: Any) -> tuple[int, float]:
    return axes_from_the_end("rms_norm", rank, dims), -1.0 if eps is None else max(real("eps", eps), -1.0)


def check_rms_norm(x: Any, weight: Any, dims: int, eps: float) -> None:
    check_factors("rms_norm", x, dims, weight=weight)


@op(
    saves="x weight rstd",
    extras="rstd",
    canonical=rms_norm_form,
    check=check_rms_norm,
    kind="rowwise",
    samples=[
        sample((4, 5), eps=0.01),
        sample((4, 5), SCALE, eps=0.01),
        sample((2, 3, 5), Floats((3, 5), 0.5, 2.0), dims=2, eps=0.0),
        sample((300, 5), SCALE, eps=0.1),
    ],
    tol=Tol(4, 8, 8),
)
def rms_norm(x: Array, weight: Any = None, *, dims: int = 1, eps: float | None = None) -> Any:
    r"""Root-mean-square normalization, :math:`\frac{x}{\sqrt{\mathrm{mean}(x^2) + \epsilon}} w`, over the last axes.

    Parameters
    ----------
    x : array or Tensor, float32 or float64
    weight : array or Tensor, optional
        The shape of the last `dims` axes of x, and its dtype.
    dims : int
        How many axes, counted from the last, are normalized together.
    eps : float or None
        None, or a negative number, for the distance from 1 to the next number of the dtype.

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where dims is out of range.

    Notes
    -----
    What is kept for backward, 1 / sqrt(mean + eps), is float64 for either dtype. Source: Zhang and Sennrich, Root mean
    square layer normalization, NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.rms_norm(np.array([[3.0, 4.0]]), np.array([5.0, 5.0]), eps=0.0) ** 2
    array([[18., 32.]])
    """
    axis = rows(x, dims)
    added = float(np.finfo(x.dtype).eps) if eps is None or eps < 0 else eps
    wide = x.astype(np.float64)
    rstd = 1 / np.sqrt((wide * wide).mean(axis, keepdims=True) + added)
    y = wide * rstd
    y = y if weight is None else y * weight
    return y.astype(x.dtype), rstd.reshape(x.shape[: x.ndim - dims])


@rms_norm.backward
def _(dy: Array, x: Array, weight: Any, rstd: Array, dims: int, eps: float, needs: int) -> Any:
    axis, lead = rows(x, dims), tuple(range(x.ndim - dims))
    r = rstd.reshape((*rstd.shape, *(1,) * dims))
    normal = x * r
    dx = None
    if needs & 1:
        g = dy.astype(np.float64) if weight is None else dy * weight.astype(np.float64)
        dx = r * (g - normal * (g * normal).mean(axis, keepdims=True))
    return (
        dx if dx is None else dx.astype(x.dtype),
        (dy * normal).sum(lead).astype(x.dtype) if needs & 2 else None,
    )
