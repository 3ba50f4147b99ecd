"""Normalization by channels as functions, under PyTorch's names and arguments."""

from __future__ import annotations

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
