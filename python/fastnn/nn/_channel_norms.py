"""Normalization by channels as functions, under PyTorch's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from .._creation import as_tensor
from .._tensor import Tensor


def running_statistics(function: str, mean: Any, var: Any) -> list[Any]:
    """Both of them, or none."""
    if (mean is None) != (var is None):
        raise ValueError(f"{function}: running_mean and running_var want to be given both or not at all")
    return [] if mean is None else [mean, var]


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Mean 0 and variance 1 of each channel over the batch, then times weight, plus bias; see `fastnn.ops.batch_norm`.

    Parameters
    ----------
    input : array_like (N, C, ...)
    running_mean, running_var : Tensor (C,), or None
        Unless training, what the input is normalized by; in training they are moved, in place, towards the batch's.
    weight, bias : array_like (C,), optional
    training : bool
    momentum : float
        The weight of the batch's statistics.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where shapes do not fit, where training sees one value per channel, where there are no statistics to use.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.batch_norm([[1.0], [3.0]], None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    x = as_tensor(input)
    running = running_statistics("batch_norm", running_mean, running_var)
    if training:
        return ops.batch_norm(x, weight, bias, running, momentum=momentum, eps=eps)  # type: ignore[no-any-return]
    if not running:
        raise ValueError("batch_norm: running_mean and running_var must be given unless training")
    return ops.batch_norm_inference(x, weight, bias, running, eps=eps)  # type: ignore[no-any-return]


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    r"""Mean 0 and variance 1 of groups of channels, then times weight, plus bias; see `fastnn.ops.group_norm`.

    Parameters
    ----------
    input : array_like (N, C, ...)
    num_groups : int
        Into how many the C channels are divided.
    weight, bias : array_like (C,), optional
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where shapes do not fit, where num_groups does not divide C.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.group_norm([[1.0, 3.0, 10.0, 20.0]], 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    return ops.group_norm(as_tensor(input), weight, bias, groups=num_groups, eps=eps)  # type: ignore[no-any-return]


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Mean 0 and variance 1 of each channel of each sample; see `fastnn.ops.instance_norm`.

    Parameters
    ----------
    input : array_like (N, C, ...)
    running_mean, running_var : Tensor (C,), optional
        What the input is normalized by unless use_input_stats; else they are moved, in place, towards the input's.
    weight, bias : array_like (C,), optional
    use_input_stats : bool
    momentum : float
        The weight of the input's statistics.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where shapes do not fit, where channels have one value, where there are no statistics to use.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.instance_norm([[[1.0, 3.0], [10.0, 20.0]]], eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    x = as_tensor(input)
    if use_input_stats and x.ndim > 1 and math.prod(x.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {x.shape}")
    if not use_input_stats and running_mean is None:
        raise ValueError("Expected running_mean and running_var to be defined when use_input_stats=False")
    y: Tensor = ops.instance_norm(
        x,
        weight,
        bias,
        running_statistics("instance_norm", running_mean, running_var),
        use_input_stats=use_input_stats,
        momentum=momentum,
        eps=eps,
    )
    return y


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    r"""Each value over a power of the mean square of channels near it; see `fastnn.ops.local_response_norm`.

    Parameters
    ----------
    input : array_like (N, C, ...), 3 dimensions or more
    size : int
        How many channels are near.
    alpha, beta, k : float

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        For fewer dimensions.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.local_response_norm([[[1.0], [1.0]]], 1, alpha=1.0, beta=1.0)
    tensor([[[0.5],
             [0.5]]])
    """
    y: Tensor = ops.local_response_norm(as_tensor(input), size=size, alpha=alpha, beta=beta, k=k)
    return y
