"""Gradient clipping, under PyTorch's names. It is made of operations, so captured steps may clip."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ops
from .._registry import state
from .._tensor import Tensor, make


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    r"""Scale all gradients together, in place, so that their norm is at most `max_norm`.

    :math:`g \gets g \min(1, m / (\lVert g \rVert_p + 10^{-6}))`, the norm being taken over all gradients as one vector.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without ``.grad`` are passed over; the gradients want one float dtype.
    max_norm : float
        :math:`m`.
    norm_type : float, default 2
        :math:`p`; ``inf`` for the largest magnitude, ``-inf`` for the smallest, and 0, as in PyTorch, for the number of
        gradients that are not all zeros.
    error_if_nonfinite : bool, default False
        Raise, before anything changes, if the norm is NaN or infinite; not for captured steps, since it reads the norm.
    foreach : bool, optional
        PyTorch's, without effect.

    Returns
    -------
    Tensor of shape ()
        The norm before clipping.

    Raises
    ------
    RuntimeError
        If the norm is not finite and `error_if_nonfinite` is set.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * fastnn.tensor([3.0, 4.0])).sum().backward()
    >>> fastnn.optim.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6, 0.8])
    """
    grads = gradients(parameters)
    if not grads:
        return Tensor(np.zeros((), np.float32))
    clip = clip_by_extreme if norm_type in (0, -math.inf) else ops.clip_grad_norm
    if error_if_nonfinite:
        total = make(clip([g.copy() for g in grads], max_norm=float(max_norm), norm_type=float(norm_type)), None, 0)
        if not np.isfinite(float(total)):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
                "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
                "`error_if_nonfinite=False`"
            )
    return make(clip(grads, max_norm=float(max_norm), norm_type=float(norm_type)), None, 0)


def clip_by_extreme(grads: list[Any], max_norm: float, norm_type: float) -> Any:
    """As `fastnn.ops.clip_grad_norm`, for the limits of norms: 0 and -inf."""
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm wants a number of at least 0; got {max_norm!r}")
    sizes = [ops.abs(g) for g in grads if g.size]
    if norm_type == 0:
        there = [ops.cast(ops.cast(ops.max(a), dtype=np.bool_), dtype=a.dtype) for a in sizes]
        total = functools.reduce(ops.add, there)
    else:
        total = functools.reduce(ops.minimum, map(ops.min, sizes))
    factor = ops.minimum(ops.divide(max_norm, ops.add(total, 1e-6)), 1.0)
    for g in grads:
        ops.assign(g, ops.multiply(g, factor))
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    r"""Bound all elements of gradients, in place: :math:`g \gets \min(\max(g, -c), c)`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without ``.grad`` are passed over.
    clip_value : float
        :math:`c`.
    foreach : bool, optional
        PyTorch's, without effect.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * fastnn.tensor([3.0, -4.0])).sum().backward()
    >>> fastnn.optim.clip_grad_value_([w], 3.5)
    >>> w.grad
    tensor([ 3. , -3.5])
    """
    grads = gradients(parameters)
    if grads:
        ops.clip_grad_value(grads, clip_value=float(clip_value))


def gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The arrays of those gradients that are there."""
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if state.recorder is not None:
        for p in params:
            state.recorder.deposit(p)
    return [p._grad.array for p in params if p._grad is not None]
