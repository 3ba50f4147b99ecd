"""Normalizations that are made of other ops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, sample
from ._forms import real, whole
from .arithmetic import add, divide, multiply, power
from .channel_norms import (
    RUNNING,
    at_least_0,
    batch_norm,
    batch_norm_inference,
    check_channels,
    check_running,
    group_norm,
)
from .elementary import square
from .engine import assign
from .indexing import pad
from .joining import concatenate
from .pooling import avg_pool
from .reductions import mean
from .shape import reshape, transpose

__all__ = ["instance_norm", "local_response_norm"]

Array = np.ndarray[Any, Any]
SCALE = Floats((3,), 0.5, 2.0)


def instance_norm_form(_: int, use_input_stats: Any, momentum: Any, eps: Any) -> tuple[int, float, float]:
    return int(bool(use_input_stats)), real("momentum", momentum), at_least_0("instance_norm", "eps", eps)


def check_instance_norm(x: Any, weight: Any, bias: Any, running: Any, use_input_stats: int, *others: float) -> None:
    check_channels("instance_norm", x, weight=weight, bias=bias)
    check_running("instance_norm", x, running, (0, 2) if use_input_stats else (2,))


@op(
    differentiable="x weight bias",
    canonical=instance_norm_form,
    check=check_instance_norm,
    composite=True,
    kind="rowwise",
    samples=[
        sample((2, 3, 4), None, None, []),
        sample((2, 3, 4, 5), SCALE, (3,), []),
        sample((2, 3, 4, 5), SCALE, (3,), RUNNING),
        sample((2, 3, 2, 3, 2), SCALE, (3,), RUNNING, use_input_stats=False),
    ],
)
def instance_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    running: list[Array] = (),  # type: ignore[assignment]
    *,
    use_input_stats: Any = 1,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    r"""Instance normalization, :math:`\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} w + b`, of each sample's channels.

    Parameters
    ----------
    x : array or Tensor (samples, channels, ...), float32 or float64
    weight, bias : array or Tensor (channels,), optional
    running : list of arrays
        Nothing, or running mean and variance (channels,). With the input's own statistics they are written, as in
        `batch_norm`, with the mean over the samples.
    use_input_stats : bool
        Whether x is normalized by its own statistics; else by the running ones.
    momentum, eps : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes do not fit; where eps is negative.

    Notes
    -----
    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.instance_norm(np.array([[[1.0, 3.0], [10.0, 20.0]]]), eps=0.0)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    if not use_input_stats:
        return batch_norm_inference(x, weight, bias, running, eps=eps)
    n, channels = x.shape[:2]
    if not running:
        return group_norm(x, weight, bias, groups=channels, eps=eps)
    # All channels of all samples as those of one sample, each with statistics of its own.
    tiled = [concatenate([r] * n) for r in running]
    factors = [a if a is None else concatenate([a] * n) for a in (weight, bias)]
    whole_batch = reshape(x, shape=(1, n * channels, *x.shape[2:]))
    y = batch_norm(whole_batch, *factors, tiled, momentum=momentum, eps=eps)
    for r, new in zip(running, tiled, strict=True):
        assign(r, mean(reshape(new, shape=(n, channels)), axis=0))
    return reshape(y, shape=x.shape)


def response_form(_: int, size: Any, alpha: Any, beta: Any, k: Any) -> tuple[int, float, float, float]:
    n = whole("size", size)
    if n < 1:
        raise ValueError(f"local_response_norm: size wants a positive number; got {size}")
    return n, real("alpha", alpha), real("beta", beta), real("k", k)


def check_response(x: Any, *attributes: Any) -> None:
    check_channels("local_response_norm", x)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm: x wants at least 3 axes; got shape {x.shape}")


@op(
    canonical=response_form,
    check=check_response,
    composite=True,
    kind="rowwise",
    samples=[
        sample((2, 7, 4), size=3, alpha=0.5),
        sample((2, 6, 3, 4), size=4, alpha=0.3, beta=0.5, k=2.0),
        sample((1, 3, 2, 2, 2), size=5, alpha=1.0),
    ],
    tol=Tol(),
)
def local_response_norm(x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    r"""Local response normalization, :math:`x / (k + \alpha\, \mathrm{mean}(x^2))^\beta`, the mean over near channels.

    Parameters
    ----------
    x : array or Tensor (samples, channels, ...), float32 or float64
    size : int
        How many channels the mean is over, centered at each; those beyond the ends count as 0.
    alpha, beta, k : float

    Returns
    -------
    array or Tensor like x

    Raises
    ------
    TypeError, ValueError
        For other dtypes and shapes; where size is not positive.

    Notes
    -----
    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification, NeurIPS 2012; as in PyTorch alpha is for the
    mean, not for the sum.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.local_response_norm(np.ones((1, 3, 1)), size=3, alpha=3.0, beta=1.0).reshape(-1)
    array([0.33333333, 0.25      , 0.33333333])
    """
    n, channels, *space = x.shape
    if 0 in x.shape:
        return multiply(x, 1.0)
    lines = transpose(reshape(square(x), shape=(n, channels, math.prod(space))), axes=(0, 2, 1))
    lines = pad(lines, width=((0, 0), (0, 0), (size // 2, (size - 1) // 2)))
    means = transpose(avg_pool(lines, kernel_size=size, stride=1), axes=(0, 2, 1))
    return divide(x, power(add(multiply(reshape(means, shape=x.shape), alpha), k), beta))
