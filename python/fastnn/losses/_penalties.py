"""Penalties on parameters, to add to a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import ops
from .._creation import as_tensor
from .._tensor import Tensor


def over_all(name: str, parameters: Any, term: Callable[[Any], Any]) -> Tensor:
    """The sum of one term for each parameter."""
    given = [parameters] if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable) else [*parameters]
    if not given:
        raise ValueError(f"{name}: parameters wants at least one Tensor")
    total = term(as_tensor(given[0]))
    for p in given[1:]:
        total = ops.add(total, term(as_tensor(p)))
    return total  # type: ignore[no-any-return]


def l1_penalty(parameters: Any) -> Tensor:
    r"""Sum of absolute values of all parameters, :math:`\sum |w|`.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors

    Returns
    -------
    Tensor
        A scalar, recorded for backward.

    Raises
    ------
    ValueError
        Where there is no parameter.

    Notes
    -----
    Source: Tibshirani, Regression shrinkage and selection via the lasso, 1996.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.losses.l1_penalty([fastnn.tensor([1.0, -2.0]), fastnn.tensor([3.0])])
    tensor(6.)
    """
    return over_all("l1_penalty", parameters, lambda p: ops.sum(ops.abs(p)))


def l2_penalty(parameters: Any) -> Tensor:
    r"""Sum of squares of all parameters, :math:`\sum w^2`: half of it is what weight decay differentiates.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors

    Returns
    -------
    Tensor
        A scalar, recorded for backward.

    Raises
    ------
    ValueError
        Where there is no parameter.

    Notes
    -----
    Source: Hoerl and Kennard, Ridge regression, 1970.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.losses.l2_penalty([fastnn.tensor([1.0, -2.0]), fastnn.tensor([3.0])])
    tensor(14.)
    """
    return over_all("l2_penalty", parameters, lambda p: ops.sum(ops.square(p)))
