"""Losses as Modules; see the functions of `fastnn.nn.functional` for the formulas."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from . import functional as F
from ._losses import reduction_of
from .module import Module


class Loss(Module):
    """What losses share: how terms are reduced, and factors that are part of the state.

    Parameters
    ----------
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}
    """

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction_of(size_average, reduce, reduction)


class MSELoss(Loss):
    r"""Mean squared error, :math:`(x - t)^2`.

    Parameters
    ----------
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.MSELoss()(fastnn.tensor([1.0, 2.0]), fastnn.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss between two Tensors of one shape."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    r"""Mean absolute error, :math:`|x - t|`; arguments as of `MSELoss`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.L1Loss(reduction="sum")(fastnn.tensor([1.0, 2.0]), fastnn.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss between two Tensors of one shape."""
        return F.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Loss):
    """Squared up to `delta`, absolute beyond.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    delta : float
        Positive.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.HuberLoss()(fastnn.tensor([3.0]), fastnn.tensor([0.0]))
    tensor(2.5)
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss between two Tensors of one shape."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class WeightedLoss(Loss):
    """What losses with a factor share: the buffer `weight`."""

    weight: Tensor | None

    def __init__(
        self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class BCELoss(WeightedLoss):
    r"""Binary cross-entropy of probabilities, :math:`-(t \log p + (1 - t) \log(1 - p))`.

    Parameters
    ----------
    weight : Tensor, optional
        A factor that broadcasts to the shape of the input.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        From a call, where shapes differ or a probability is outside [0, 1] or NaN (in a captured step the loss is NaN
        then; PyTorch raises RuntimeError).

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.BCELoss()(fastnn.tensor([0.5]), fastnn.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss of probabilities for a target of the same shape."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross-entropy of the sigmoid of logits, without its rounding.

    Parameters
    ----------
    weight : Tensor, optional
        A factor that broadcasts to the shape of the input.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        A factor of the part for t = 1.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.BCEWithLogitsLoss()(fastnn.tensor([0.0]), fastnn.tensor([1.0]))
    tensor(0.6931)
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss of logits for a target of the same shape."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CrossEntropyLoss(WeightedLoss):
    """Cross-entropy between logits (N, C, ...) and class numbers (N, ...), or probabilities of classes (N, C, ...).

    Parameters
    ----------
    weight : Tensor (C,), optional
        A factor for each class.
    size_average : bool, optional
        Deprecated form of `reduction`.
    ignore_index : int
        Class numbers that do not count.
    reduce : bool, optional
        Deprecated form of `reduction`.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        The part of each target, 0 to 1, that is spread evenly over all classes.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.CrossEntropyLoss()(fastnn.zeros(3, 2), fastnn.tensor([0, 1, 1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss of logits."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """Negative log-likelihood of class numbers (N, ...) under log-probabilities (N, C, ...).

    Parameters
    ----------
    weight : Tensor (C,), optional
        A factor for each class.
    size_average : bool, optional
        Deprecated form of `reduction`.
    ignore_index : int
        Class numbers that do not count.
    reduce : bool, optional
        Deprecated form of `reduction`.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.NLLLoss()(fastnn.tensor([[-0.5, -1.0]]), fastnn.tensor([1]))
    tensor(1.)
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: Any = None,
        ignore_index: int = -100,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss of log-probabilities."""
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class KLDivLoss(Loss):
    r"""Kullback-Leibler divergence of log-probabilities x from a target t, :math:`t (\log t - x)`.

    Parameters
    ----------
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean" is the mathematical definition.
    log_target : bool
        The target holds log-probabilities too.

    Examples
    --------
    >>> import fastnn
    >>> loss = fastnn.nn.KLDivLoss(reduction="batchmean")
    >>> loss(fastnn.tensor([[-1.0, -1.0]]), fastnn.tensor([[0.0, 1.0]]))
    tensor(1.)
    """

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Tensor:
        """The loss of log-probabilities."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
