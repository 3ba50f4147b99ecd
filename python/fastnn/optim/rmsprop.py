"""RMSprop."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..capture.hyper import fixed, hyper
from ._tables import TableOptimizer, positive
from .optimizer import Group, Params


class RMSprop(TableOptimizer):
    r"""Steps scaled by a running root mean square: :math:`\theta \gets \theta - \eta g / (\sqrt{s} + \epsilon)`.

    :math:`s \gets \alpha s + (1 - \alpha) g^2`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        What to optimize (see `Optimizer`).
    lr : float, default 1e-2
        The learning rate :math:`\eta`.
    alpha : float, default 0.99
        :math:`\alpha`.
    eps : float, default 1e-8
        :math:`\epsilon`.
    weight_decay : float, default 0
        The L2 penalty: its multiple of the parameters is added to their gradient.
    momentum : float, default 0
        :math:`\mu`: steps go along :math:`b \gets \mu b + g / (\sqrt{s} + \epsilon)`.
    centered : bool, default False
        Subtract the square of the running mean gradient from :math:`s`.
    maximize : bool, default False
        Go up.
    **hints
        ``foreach``, ``capturable``, ``differentiable=False``: PyTorch's, without effect.

    Raises
    ------
    TypeError, ValueError
        For options of another kind or out of range, and parameters that cannot be optimized.

    Notes
    -----
    Source: torch.optim.RMSprop; Hinton, Neural networks for machine learning, lecture 6e, 2012; Graves, Generating
    sequences with recurrent neural networks, 2013 (centered).

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.RMSprop([w], lr=0.05)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, options, hints)

    def _check(self, group: Group) -> None:
        """Raise ValueError for options out of range."""
        positive(self, "learning rate", group["lr"])
        positive(self, "epsilon value", group["eps"])
        positive(self, "momentum value", group["momentum"])
        positive(self, "weight_decay value", group["weight_decay"])
        positive(self, "alpha value", group["alpha"])

    def _slots(self, group: Group) -> tuple[str, ...]:
        return (
            "square_avg",
            "momentum_buffer" if fixed(group, "momentum") else "",
            "grad_avg" if fixed(group, "centered") else "",
            "step",
        )

    def _update(self, group: Group, p: Any, g: Any, *slots: Any) -> None:
        ops.rmsprop(
            p,
            g,
            *slots,
            lr=hyper(group, "lr"),
            alpha=hyper(group, "alpha"),
            eps=hyper(group, "eps"),
            weight_decay=hyper(group, "weight_decay"),
            momentum=hyper(group, "momentum"),
            centered=fixed(group, "centered"),
            maximize=fixed(group, "maximize"),
        )
