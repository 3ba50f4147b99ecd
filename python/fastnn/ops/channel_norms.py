"""Normalization by channels, which are axis 1: of a batch, with given statistics, in groups."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Integers, sample
from ._forms import one_float_dtype, real, whole
from ._stable import centered

__all__ = ["batch_norm", "batch_norm_inference", "group_norm"]

Array = np.ndarray[Any, Any]
SCALE = Floats((3,), 0.5, 2.0)
RUNNING = [Floats((3,)), SCALE]
COUNTED = [*RUNNING, Integers((), 0, 5)]


def at_least_0(op: str, name: str, value: Any) -> float:
    """An attribute that is a number of at least 0."""
    if not real(name, value) >= 0:
        raise ValueError(f"{op}: {name} wants a number of at least 0; got {value!r}")
    return float(value)


def check_channels(op: str, x: Any, **arrays: Any) -> None:
    """Refuse an x without channels, and arrays (None is skipped) without one value for each of them."""
    one_float_dtype(op, x=x, **arrays)
    if x.ndim < 2:
        raise ValueError(f"{op}: x wants at least 2 axes, samples and channels; got shape {x.shape}")
    for name, a in arrays.items():
        if a is not None and a.shape != x.shape[1:2]:
            raise ValueError(f"{op}: {name} wants shape {x.shape[1:2]}, one value for each channel; got {a.shape}")


def check_running(op: str, x: Any, running: Any, counts: tuple[int, ...]) -> None:
    """Refuse running statistics that do not go with x."""
    if not isinstance(running, (list, tuple)):
        raise TypeError(f"{op}: running wants a list of arrays; got {type(running).__name__}")
    if len(running) not in counts:
        raise ValueError(f"{op}: running wants {' or '.join(map(str, counts))} arrays; got {len(running)}")
    if len(running) > 1:
        check_channels(op, x, **{"running mean": running[0], "running var": running[1]})
    if len(running) == 3 and (running[2].dtype != np.int64 or running[2].shape != ()):
        raise TypeError(f"{op}: running count wants a 0-d int64 array; got {running[2].dtype}{running[2].shape}")


def by_channel(a: Any, x: Array) -> Any:
    """One value for each channel, as x wants it."""
    return a.reshape(-1, *(1,) * (x.ndim - 2))


def others(x: Array) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, x.ndim))


def affine(normal: Array, weight: Any, bias: Any, dtype: Any) -> Array:
    """The normal values times weight plus bias."""
    y = normal if weight is None else normal * by_channel(weight, normal)
    y = y if bias is None else y + by_channel(bias, normal)
    return y.astype(dtype)


def batch_norm_form(_: int, momentum: Any, eps: Any) -> tuple[float, float]:
    return -1.0 if momentum is None or real("momentum", momentum) < 0 else float(momentum), at_least_0(
        "batch_norm", "eps", eps
    )


def check_batch_norm(x: Any, weight: Any, bias: Any, running: Any, momentum: float, eps: float) -> None:
    check_channels("batch_norm", x, weight=weight, bias=bias)
    check_running("batch_norm", x, running, (0, 2, 3))
    if len(running) == 2 and momentum < 0:
        raise ValueError("batch_norm: momentum wants a number where running has no count; got None")
    if x.size <= x.shape[1]:
        raise ValueError(f"batch_norm: x wants more than one value for each channel; got shape {x.shape}")


@op(
    saves="x weight mean rstd",
    extras="mean rstd",
    updates="running",
    differentiable="x weight bias",
    canonical=batch_norm_form,
    check=check_batch_norm,
    kind="rowwise",
    samples=[
        sample((5, 3), None, None, []),
        sample((2, 3, 4), SCALE, (3,), RUNNING),
        sample((2, 3, 4, 5), SCALE, (3,), COUNTED, momentum=0.3, eps=0.1),
        sample((2, 3, 2, 3, 2), None, (3,), COUNTED, momentum=None),
        sample(Floats((4, 3, 2, 2), 100.0, 101.0), SCALE, None, COUNTED),
        sample(Floats((300, 3), 0.0, 3.0), SCALE, (3,), []),
    ],
    tol=Tol(4, 8, 16),
)
def batch_norm(
    x: Array,
    weight: Any = None,
    bias: Any = None,
    running: list[Array] = (),  # type: ignore[assignment]
    *,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> Any:
    r"""Batch normalization, :math:`\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} w + b`, of each channel over the batch.

    Parameters
    ----------
    x : array or Tensor (samples, channels, ...), float32 or float64
    weight, bias : array or Tensor (channels,), optional
    running : list of arrays
        Nothing, or running mean and variance (channels,), and how many batches they have seen (0-d int64). They are
        written: :math:`r \gets (1 - m) r + m s` with the batch's mean, and its variance with divisor n - 1.
    momentum : float or None
        m; None, or a negative number, for 1 / count, which averages over all batches.
    eps : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where a channel has no two values; where eps is negative.

    Notes
    -----
    What is kept for backward, mean and 1 / sqrt(var + eps) with divisor n, is float64 for either dtype. Source: Ioffe
    and Szegedy, Batch normalization, ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> mean, var = np.zeros(1), np.ones(1)
    >>> ops.batch_norm(np.array([[1.0], [3.0]]), running=[mean, var], momentum=0.5, eps=0.0)
    array([[-1.],
           [ 1.]])
    >>> mean, var
    (array([1.]), array([1.5]))
    """
    d, middle = centered(x, others(x))
    var = (d * d).mean(others(x))
    mean, rstd = middle.reshape(-1), 1 / np.sqrt(var + eps)
    y = affine(d * by_channel(rstd, x), weight, bias, x.dtype)
    if not running:
        return y, mean, rstd, []
    n = x.size // x.shape[1]
    counts = [running[2] + 1] if len(running) == 3 else []
    m = 1 / float(counts[0]) if counts and momentum is not None and momentum < 0 else momentum
    assert m is not None
    now = (mean, var * (n / (n - 1)))
    moved = [((1 - m) * r + m * s).astype(x.dtype) for r, s in zip(running, now, strict=False)]
    return y, mean, rstd, [*moved, *counts]


@batch_norm.backward
def _(dy: Array, x: Array, weight: Any, mean: Array, rstd: Array, momentum: float, eps: float, needs: int) -> Any:
    r, axis = by_channel(rstd, x), others(x)
    normal = (x - by_channel(mean, x)) * r
    dx = None
    if needs & 1:
        g = dy.astype(np.float64) if weight is None else dy * by_channel(weight, x).astype(np.float64)
        dx = r * (g - g.mean(axis, keepdims=True) - normal * (g * normal).mean(axis, keepdims=True))
    return *of_channels(dx, dy, normal, axis, needs), None


def of_channels(dx: Any, dy: Array, normal: Array, axis: tuple[int, ...], needs: int) -> tuple[Any, ...]:
    """The gradients of x, weight and bias in their dtype."""
    return (
        dx if dx is None else dx.astype(dy.dtype),
        (dy * normal).sum(axis).astype(dy.dtype) if needs & 2 else None,
        dy.sum(axis, dtype=np.float64).astype(dy.dtype) if needs & 4 else None,
    )


def inference_form(_: int, eps: Any) -> tuple[float]:
    return (at_least_0("batch_norm_inference", "eps", eps),)


def check_inference(x: Any, weight: Any, bias: Any, running: Any, eps: float) -> None:
    check_channels("batch_norm_inference", x, weight=weight, bias=bias)
    check_running("batch_norm_inference", x, running, (2,))


@op(
    saves="x weight running",
    differentiable="x weight bias",
    canonical=inference_form,
    check=check_inference,
    kind="rowwise",
    samples=[
        sample((5, 3), None, None, RUNNING),
        sample((2, 3, 4), SCALE, (3,), RUNNING),
        sample((2, 3, 4, 5), SCALE, None, RUNNING, eps=0.1),
        sample((2, 3, 2, 3, 2), None, (3,), RUNNING),
    ],
    tol=Tol(4, 8, 8),
)
def batch_norm_inference(
    x: Array,
    weight: Any = None,
    bias: Any = None,
    running: list[Array] = (),  # type: ignore[assignment]
    *,
    eps: float = 1e-5,
) -> Any:
    r"""Batch normalization by given statistics, :math:`\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} w + b`.

    Parameters
    ----------
    x : array or Tensor (samples, channels, ...), float32 or float64
    weight, bias : array or Tensor (channels,), optional
    running : list of arrays
        Mean and variance (channels,); constants to the gradient.
    eps : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where eps is negative.

    Notes
    -----
    Source: Ioffe and Szegedy, Batch normalization, ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.batch_norm_inference(np.array([[5.0]]), running=[np.array([1.0]), np.array([4.0])], eps=0.0)
    array([[2.]])
    """
    return affine(by_given(x, running, eps)[0], weight, bias, x.dtype)


def by_given(x: Array, running: Any, eps: float) -> tuple[Array, Array]:
    """The normal values in float64, and the factor they owe to the variance."""
    mean, var = (by_channel(a.astype(np.float64), x) for a in running)
    rstd = 1 / np.sqrt(var + eps)
    return (x - mean) * rstd, rstd


@batch_norm_inference.backward
def _(dy: Array, x: Array, weight: Any, running: Any, eps: float, needs: int) -> Any:
    normal, rstd = by_given(x, running, eps)
    dx = None
    if needs & 1:
        dx = dy * (rstd if weight is None else rstd * by_channel(weight, x))
    return *of_channels(dx, dy, normal, others(x), needs), None


def group_norm_form(_: int, groups: Any, eps: Any) -> tuple[int, float]:
    return whole("groups", groups), at_least_0("group_norm", "eps", eps)


def check_group_norm(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> None:
    check_channels("group_norm", x, weight=weight, bias=bias)
    if groups < 1 or x.shape[1] % groups:
        raise ValueError(f"group_norm: groups wants a divisor of the {x.shape[1]} channels; got {groups}")


def in_groups(x: Array, groups: int) -> Array:
    """x with the values of each group of each sample on one axis."""
    return x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)


@op(
    saves="x weight mean rstd",
    extras="mean rstd",
    canonical=group_norm_form,
    check=check_group_norm,
    kind="rowwise",
    samples=[
        sample((3, 6), groups=2),
        sample((2, 6, 4), Floats((6,), 0.5, 2.0), (6,), groups=3),
        sample((2, 4, 4, 5), Floats((4,), 0.5, 2.0), (4,), groups=1, eps=0.1),
        sample((2, 3, 2, 3, 2), SCALE, None, groups=3),
        sample(Floats((2, 4, 3), 100.0, 101.0), None, (4,), groups=2),
    ],
    tol=Tol(4, 8, 8),
)
def group_norm(x: Array, weight: Any = None, bias: Any = None, *, groups: int = 1, eps: float = 1e-5) -> Any:
    r"""Group normalization, :math:`\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} w + b`, of groups of channels.

    Parameters
    ----------
    x : array or Tensor (samples, channels, ...), float32 or float64
    weight, bias : array or Tensor (channels,), optional
    groups : int
        Into how many the channels are divided; as many as channels is instance normalization.
    eps : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where groups does not divide the channels; where eps is negative.

    Notes
    -----
    The variance is that of all values (divisor n). What is kept for backward, mean and 1 / sqrt(var + eps) of shape
    (samples, groups), is float64 for either dtype. Source: Wu and He, Group normalization, ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.group_norm(np.array([[1.0, 3.0, 10.0, 20.0]]), groups=2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    d, mean = centered(in_groups(x, groups), 2)
    rstd = 1 / np.sqrt((d * d).mean(2, keepdims=True) + eps)
    y = affine((d * rstd).reshape(x.shape), weight, bias, x.dtype)
    return y, mean.reshape(len(x), groups), rstd.reshape(len(x), groups)


@group_norm.backward
def _(dy: Array, x: Array, weight: Any, mean: Array, rstd: Array, groups: int, eps: float, needs: int) -> Any:
    r = rstd[..., None]
    normal = (in_groups(x, groups) - mean[..., None]) * r
    dx = None
    if needs & 1:
        g = in_groups(dy if weight is None else dy * by_channel(weight, x).astype(np.float64), groups)
        dx = r * (g - g.mean(2, keepdims=True) - normal * (g * normal).mean(2, keepdims=True))
        dx = dx.reshape(x.shape)
    return of_channels(dx, dy, normal.reshape(x.shape), others(x), needs)
