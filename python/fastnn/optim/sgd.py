"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from .._tensor import Tensor
from ..capture.hyper import fixed, hyper
from ._tables import TableOptimizer, positive
from .optimizer import Group, Params


class SGD(TableOptimizer):
    r"""Stochastic gradient descent with momentum: :math:`v \gets \mu v + (1 - d)\, g,\; \theta \gets \theta - \eta v`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        What to optimize (see `Optimizer`).
    lr : float, default 1e-3
        The learning rate :math:`\eta`.
    momentum : float, default 0
        :math:`\mu`; with 0 there is no velocity, :math:`v = g`.
    dampening : float, default 0
        :math:`d`; the first velocity is the gradient itself.
    weight_decay : float, default 0
        The L2 penalty: its multiple of the parameters is added to their gradient.
    nesterov : bool, default False
        Look ahead: :math:`\theta \gets \theta - \eta (g + \mu v)`.
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
    Source: torch.optim.SGD; Sutskever et al., On the importance of initialization and momentum in deep learning,
    ICML 2013.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.25, momentum=0.25)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w
    tensor([ 0.125, -0.25 ], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, options, hints)

    def _check(self, group: Group) -> None:
        """Raise ValueError for options out of range."""
        positive(self, "learning rate", group["lr"])
        positive(self, "momentum value", group["momentum"])
        positive(self, "weight_decay value", group["weight_decay"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def state_dict(self) -> dict[str, Any]:
        """As of `Optimizer`, without the step counts, which PyTorch's SGD does not have."""
        saved = super().state_dict()
        velocities = {i: {k: v for k, v in own.items() if k != "step"} for i, own in saved["state"].items()}
        return {**saved, "state": {i: own for i, own in velocities.items() if own}}

    def _slots(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer" if fixed(group, "momentum") else "", "step")

    def _fresh(self, p: Tensor, group: Group, missing: list[str]) -> dict[str, Tensor]:
        # The count tells the first step with momentum; velocities that were loaded come without one, and after it.
        new = super()._fresh(p, group, missing)
        if "momentum_buffer" in new:
            new["step"] = Tensor(np.zeros((), np.int64))
        elif "momentum_buffer" in self.state[p]:
            new["step"] = Tensor(np.ones((), np.int64))
        return new

    def _update(self, group: Group, p: Any, g: Any, *slots: Any) -> None:
        ops.sgd(
            p,
            g,
            *slots,
            lr=hyper(group, "lr"),
            momentum=hyper(group, "momentum"),
            dampening=hyper(group, "dampening"),
            weight_decay=hyper(group, "weight_decay"),
            nesterov=fixed(group, "nesterov"),
            maximize=fixed(group, "maximize"),
        )
