"""Adagrad."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .._tensor import Tensor
from ..capture.hyper import fixed, hyper
from ._tables import TableOptimizer, positive
from .optimizer import Group, Params


class Adagrad(TableOptimizer):
    r"""Steps scaled by the root of a sum of squares: :math:`\theta \gets \theta - \eta_t g / (\sqrt{s} + \epsilon)`.

    :math:`s \gets s + g^2,\; \eta_t = \eta / (1 + (t - 1)\, \lambda)`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        What to optimize (see `Optimizer`).
    lr : float, default 1e-2
        The learning rate :math:`\eta`.
    lr_decay : float, default 0
        :math:`\lambda`.
    weight_decay : float, default 0
        The L2 penalty: its multiple of the parameters is added to their gradient.
    initial_accumulator_value : float, default 0
        Where :math:`s` begins.
    eps : float, default 1e-10
        :math:`\epsilon`.
    maximize : bool, default False
        Go up.
    **hints
        ``foreach``, ``fused``, ``differentiable=False``: PyTorch's, without effect.

    Raises
    ------
    TypeError, ValueError
        For options of another kind or out of range, and parameters that cannot be optimized.

    Notes
    -----
    Source: torch.optim.Adagrad; Duchi et al., Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 2011.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "maximize": maximize,
        }
        super().__init__(params, options, hints)

    def _check(self, group: Group) -> None:
        """Raise ValueError for options out of range."""
        positive(self, "learning rate", group["lr"])
        positive(self, "lr_decay value", group["lr_decay"])
        positive(self, "weight_decay value", group["weight_decay"])
        positive(self, "initial_accumulator_value value", group["initial_accumulator_value"])
        positive(self, "epsilon value", group["eps"])

    def state_dict(self) -> dict[str, Any]:
        """As of `Optimizer`, with the state of all parameters, as PyTorch's Adagrad has it from the beginning."""
        for group in self.param_groups:
            for p in group["params"]:
                self._complete(p, group, self._slots(group))
        return super().state_dict()

    def _slots(self, group: Group) -> tuple[str, ...]:
        return ("sum", "step")

    def _fresh(self, p: Tensor, group: Group, missing: list[str]) -> dict[str, Tensor]:
        new = super()._fresh(p, group, missing)
        if "sum" in new:
            new["sum"] = Tensor(np.full_like(p.array, float(group["initial_accumulator_value"])))
        return new

    def _update(self, group: Group, p: Any, g: Any, *slots: Any) -> None:
        ops.adagrad(
            p,
            g,
            *slots,
            lr=hyper(group, "lr"),
            lr_decay=hyper(group, "lr_decay"),
            weight_decay=hyper(group, "weight_decay"),
            eps=hyper(group, "eps"),
            maximize=fixed(group, "maximize"),
        )
