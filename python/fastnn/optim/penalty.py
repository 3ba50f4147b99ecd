"""Penalties on parameters, as terms of a loss."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from .. import ops
from .._tensor import Tensor


def l1_penalty(parameters: Tensor | Iterable[Tensor], weight: float) -> Any:
    r"""The L1 norm of all parameters, :math:`\lambda \sum_i |\theta_i|`, to be added to a loss.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Of any shapes, one float dtype.
    weight : float
        :math:`\lambda`.

    Returns
    -------
    Tensor of shape ()

    Raises
    ------
    ValueError
        If there are no parameters.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> fastnn.optim.l1_penalty([w], 0.5).backward()
    >>> w.grad
    tensor([ 0.5, -0.5])
    """
    return ops.multiply(total(ops.sum(ops.abs(p)) for p in listed(parameters)), float(weight))


def l2_penalty(parameters: Tensor | Iterable[Tensor], weight: float) -> Any:
    r"""Half the squared L2 norm of all parameters, :math:`\frac{\lambda}{2} \sum_i \theta_i^2`, to be added to a loss.

    Its gradient :math:`\lambda \theta` is what the ``weight_decay`` of SGD, Adam, RMSprop and Adagrad adds.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Of any shapes, one float dtype.
    weight : float
        :math:`\lambda`.

    Returns
    -------
    Tensor of shape ()

    Raises
    ------
    ValueError
        If there are no parameters.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> fastnn.optim.l2_penalty([w], 0.5).backward()
    >>> w.grad
    tensor([ 0.5, -1. ])
    """
    return ops.multiply(total(ops.sum(ops.square(p)) for p in listed(parameters)), float(weight) / 2)


def listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list that is not empty."""
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not found:
        raise ValueError("a penalty wants at least one parameter; got none")
    return found


def total(terms: Iterable[Any]) -> Any:
    """The sum of scalars, from the left."""
    return reduce(ops.add, terms)
