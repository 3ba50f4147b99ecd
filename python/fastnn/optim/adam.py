"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..capture.hyper import fixed, hyper
from ._tables import TableOptimizer, positive
from .optimizer import Group, Params


class Adam(TableOptimizer):
    r"""Steps scaled by running moments: :math:`\theta \gets \theta - \eta \hat m / (\sqrt{\hat v} + \epsilon)`.

    :math:`m \gets \beta_1 m + (1 - \beta_1) g,\; v \gets \beta_2 v + (1 - \beta_2) g^2`, and at step t
    :math:`\hat m = m / (1 - \beta_1^t),\; \hat v = v / (1 - \beta_2^t)`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        What to optimize (see `Optimizer`).
    lr : float, default 1e-3
        The learning rate :math:`\eta`.
    betas : tuple of two floats, default (0.9, 0.999)
        :math:`\beta_1, \beta_2`.
    eps : float, default 1e-8
        :math:`\epsilon`.
    weight_decay : float, default 0
        The L2 penalty: its multiple of the parameters is added to their gradient.
    amsgrad : bool, default False
        Divide by the greatest :math:`v` so far.
    maximize : bool, default False
        Go up.
    decoupled_weight_decay : bool, default False
        Shrink the parameters instead, as `AdamW` does.
    **hints
        ``foreach``, ``capturable``, ``fused``, ``differentiable=False``: PyTorch's, without effect.

    Raises
    ------
    TypeError, ValueError
        For options of another kind or out of range, and parameters that cannot be optimized.

    Notes
    -----
    Source: torch.optim.Adam; Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Reddi et al., On the
    convergence of Adam and beyond, ICLR 2018 (amsgrad).

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5, -1.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **hints: Any,
    ) -> None:
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options, hints)

    def _check(self, group: Group) -> None:
        """Raise ValueError for options out of range."""
        positive(self, "learning rate", group["lr"])
        positive(self, "epsilon value", group["eps"])
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise TypeError(f"{type(self).__name__}: betas wants two numbers; got {group['betas']!r}")
        for i, beta in enumerate(group["betas"]):
            positive(self, f"beta parameter at index {i}", beta, below=1)
        positive(self, "weight_decay value", group["weight_decay"])

    _eps_hat = 0  # 1: eps stands beside the uncorrected root, as in scikit-learn's networks

    def _slots(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if fixed(group, "amsgrad") else "", "step")

    def _update(self, group: Group, p: Any, g: Any, *slots: Any) -> None:
        ops.adam(
            p,
            g,
            *slots,
            lr=hyper(group, "lr"),
            beta1=hyper(group, "betas", 0),
            beta2=hyper(group, "betas", 1),
            eps=hyper(group, "eps"),
            weight_decay=hyper(group, "weight_decay"),
            decoupled=fixed(group, "decoupled_weight_decay"),
            amsgrad=fixed(group, "amsgrad"),
            maximize=fixed(group, "maximize"),
            eps_hat=self._eps_hat,
        )


class AdamW(Adam):
    r"""Adam with decoupled weight decay: :math:`\theta \gets (1 - \eta \lambda)\, \theta` before each step of Adam.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize, **hints
        As of `Adam`.
    weight_decay : float, default 0.01
        :math:`\lambda`.

    Raises
    ------
    TypeError, ValueError
        As of `Adam`.

    Notes
    -----
    Source: torch.optim.AdamW; Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.AdamW([w], lr=0.5, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.25, -1.  ], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **hints: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, **hints
        )
