"""Losses between arrays of one shape: regression, probabilities, distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Made, sample
from ._forms import MEAN, REDUCTIONS, equal_shapes, one_float_dtype, positive, reduction
from ._stable import each_term, reduced_loss, sigmoid, softplus

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "huber", "kl_div", "l1", "mse"]

Array = np.ndarray[Any, Any]
BATCHMEAN = 3


def reduction_form(_: int, how: Any) -> tuple[int]:
    return (reduction(how),)


def check_like(name: str, first: str = "x") -> Any:
    """The check of a loss between two arrays: one float dtype, equal shapes."""

    def check(x: Any, target: Any, *attributes: Any) -> None:
        one_float_dtype(name, **{first: x, "target": target})
        equal_shapes(name, **{first: x, "target": target})

    return check


def apart(rng: np.random.Generator) -> Array:
    """Numbers off 0 and off 1 in absolute value, where l1 and huber have their kinks."""
    return rng.choice([-1.0, 1.0], (4, 5)) * rng.choice([0.0, 1.2], (4, 5)) + rng.uniform(-0.7, -0.1, (4, 5))


ZERO = Floats((4, 5), 0.0, 0.05)
APART = [
    sample(Made(apart), ZERO),
    sample(Made(apart), ZERO, reduction="sum"),
    sample(Made(apart), ZERO, reduction="none"),
]


@op(
    saves="x target",
    canonical=reduction_form,
    check=check_like("mse"),
    kind="loss",
    samples=[
        sample((4, 5), (4, 5)),
        sample((4, 5), (4, 5), reduction="sum"),
        sample((2, 3, 4), (2, 3, 4), reduction="none"),
    ],
)
def mse(x: Array, target: Array, *, reduction: Any = "mean") -> Array:
    r"""Mean squared error, :math:`(x - t)^2`.

    Parameters
    ----------
    x, target : arrays or Tensors of one shape and float dtype
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or like x for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(2.)
    """
    d = x - target
    return reduced_loss(d * d, reduction, x.dtype)


@mse.backward
def _(dy: Array, x: Array, target: Array, reduction: int, needs: int) -> Any:
    dx = 2 * (x - target) * each_term(dy, reduction, x.size)
    return dx if needs & 1 else None, -dx if needs & 2 else None


@op(saves="x target", canonical=reduction_form, check=check_like("l1"), kind="loss", samples=APART)
def l1(x: Array, target: Array, *, reduction: Any = "mean") -> Array:
    r"""Mean absolute error, :math:`|x - t|`.

    Parameters
    ----------
    x, target : arrays or Tensors of one shape and float dtype
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or like x for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.l1(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    array(1.)
    """
    return reduced_loss(np.abs(x - target), reduction, x.dtype)


@l1.backward
def _(dy: Array, x: Array, target: Array, reduction: int, needs: int) -> Any:
    dx = np.sign(x - target) * each_term(dy, reduction, x.size)
    return dx if needs & 1 else None, -dx if needs & 2 else None


def huber_form(_: int, delta: Any, how: Any) -> tuple[float, int]:
    return positive("delta", delta), reduction(how)


@op(
    saves="x target",
    canonical=huber_form,
    check=check_like("huber"),
    kind="loss",
    samples=[*APART, sample(Made(apart), ZERO, delta=0.95), sample((4, 5), (4, 5), delta=10.0, reduction="sum")],
)
def huber(x: Array, target: Array, *, delta: float = 1.0, reduction: Any = "mean") -> Array:
    r"""Huber's loss of d = x - t: :math:`d^2/2` where :math:`|d| \le \delta`, else :math:`\delta (|d| - \delta/2)`.

    Parameters
    ----------
    x, target : arrays or Tensors of one shape and float dtype
    delta : float
        Positive.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or like x for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes differ; where delta is not positive.

    Notes
    -----
    Source: Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.huber(np.array([1.0, 2.0]), np.array([0.0, 5.0]), reduction="none")
    array([0.5, 2.5])
    """
    d = np.abs(x - target)
    return reduced_loss(np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)), reduction, x.dtype)


@huber.backward
def _(dy: Array, x: Array, target: Array, delta: float, reduction: int, needs: int) -> Any:
    dx = np.minimum(np.maximum(x - target, -delta), delta) * each_term(dy, reduction, x.size)
    return dx if needs & 1 else None, -dx if needs & 2 else None


def check_factor(name: str, x: Any, target: Any, first: str, **factors: Any) -> None:
    """Refuse factors that do not broadcast to the shape of x, beside what all losses refuse."""
    check_like(name, first)(x, target)
    one_float_dtype(name, **{first: x}, **factors)
    for key, a in factors.items():
        fits = a is None or (
            a.ndim <= x.ndim and all(n in (1, m) for n, m in zip(a.shape[::-1], x.shape[::-1], strict=False))
        )
        if not fits:
            raise ValueError(
                f"{name}: {key} wants a shape that broadcasts to that of {first}, {x.shape}; got {a.shape}"
            )


def check_bce(p: Any, target: Any, weight: Any, how: int) -> None:
    check_factor("binary_cross_entropy", p, target, "p", weight=weight)


PROBABILITY = Floats((4, 5), 0.1, 0.9)
FACTOR = Floats((5,), 0.5, 2.0)


@op(
    saves="p target weight",
    canonical=reduction_form,
    check=check_bce,
    differentiable="p target",
    kind="loss",
    samples=[
        sample(PROBABILITY, PROBABILITY),
        sample(PROBABILITY, PROBABILITY, FACTOR, reduction="sum"),
        sample(PROBABILITY, PROBABILITY, Floats((4, 5), 0.5, 2.0), reduction="none"),
    ],
    tol=Tol(8, 8, 8),
)
def binary_cross_entropy(p: Array, target: Array, weight: Any = None, *, reduction: Any = "mean") -> Array:
    r"""Binary cross-entropy of probabilities, :math:`-(t \log p + (1 - t) \log(1 - p))`, logarithms at least -100.

    Parameters
    ----------
    p, target : arrays or Tensors of one shape and float dtype, 0 <= p <= 1 (NaN comes out elsewhere)
    weight : array or Tensor, optional
        A factor that broadcasts to that shape; the mean divides by the number of values.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or like p for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes differ or shapes do not fit.

    Notes
    -----
    Derivative (p - t) / (p (1 - p)), the denominator at least 1e-12: all as PyTorch. With logits at hand,
    binary_cross_entropy_with_logits is exact where this one must clamp.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.binary_cross_entropy(np.array([0.5, 1.0]), np.array([1.0, 0.0]), reduction="none")
    array([  0.69314718, 100.        ])
    """
    yes, no = np.maximum(np.log(p), -100.0), np.maximum(np.log1p(-p), -100.0)
    terms = (target - 1) * no - target * yes
    return reduced_loss(terms if weight is None else terms * weight, reduction, p.dtype)


@binary_cross_entropy.backward
def _(dy: Array, p: Array, target: Array, weight: Any, reduction: int, needs: int) -> Any:
    each = each_term(dy, reduction, p.size)
    each = each if weight is None else each * weight
    yes, no = np.maximum(np.log(p), -100.0), np.maximum(np.log1p(-p), -100.0)
    return (
        (p - target) / np.maximum((1 - p) * p, 1e-12) * each if needs & 1 else None,
        (no - yes) * each if needs & 2 else None,
        None,
    )


def check_bce_with_logits(x: Any, target: Any, weight: Any, pos_weight: Any, how: int) -> None:
    check_factor("binary_cross_entropy_with_logits", x, target, "x", weight=weight, pos_weight=pos_weight)


@op(
    saves="x target weight pos_weight",
    canonical=reduction_form,
    check=check_bce_with_logits,
    differentiable="x target",
    kind="loss",
    samples=[
        sample((4, 5), PROBABILITY),
        sample((4, 5), PROBABILITY, Floats((4, 1), 0.5, 2.0), reduction="sum"),
        sample((4, 5), PROBABILITY, None, FACTOR, reduction="none"),
        sample(Floats((4, 5), -30.0, 30.0), PROBABILITY, FACTOR, FACTOR),
    ],
    tol=Tol(8, 8, 8),
)
def binary_cross_entropy_with_logits(
    x: Array, target: Array, weight: Any = None, pos_weight: Any = None, *, reduction: Any = "mean"
) -> Array:
    r"""Binary cross-entropy of logits, :math:`(1 - t) \log(1 + e^x) + w_+ t \log(1 + e^{-x})`.

    Parameters
    ----------
    x, target : arrays or Tensors of one shape and float dtype
    weight : array or Tensor, optional
        A factor that broadcasts to that shape; the mean divides by the number of values.
    pos_weight : array or Tensor, optional
        A factor of the positive part, one per class on the last axis, say.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or like x for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes differ or shapes do not fit.

    Notes
    -----
    A part whose factor is 0 is 0 at infinite logits too. Derivative (1 - t) sigmoid(x) - w t sigmoid(-x).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.binary_cross_entropy_with_logits(np.array([0.0, -np.inf]), np.array([1.0, 0.0]), reduction="none")
    array([0.69314718, 0.        ])
    """
    no, yes = 1 - target, target if pos_weight is None else target * pos_weight
    terms = np.where(no == 0, 0.0, no * softplus(x)) + np.where(yes == 0, 0.0, yes * softplus(-x))
    return reduced_loss(terms if weight is None else terms * weight, reduction, x.dtype)


@binary_cross_entropy_with_logits.backward
def _(dy: Array, x: Array, target: Array, weight: Any, pos_weight: Any, reduction: int, needs: int) -> Any:
    each = each_term(dy, reduction, x.size)
    each = each if weight is None else each * weight
    yes = target if pos_weight is None else target * pos_weight
    slope = softplus(-x) if pos_weight is None else softplus(-x) * pos_weight
    return (
        ((1 - target) * sigmoid(x) - yes * sigmoid(-x)) * each if needs & 1 else None,
        (slope - softplus(x)) * each if needs & 2 else None,
        None,
        None,
    )


def kl_div_form(_: int, log_target: Any, how: Any) -> tuple[int, int]:
    if how == "batchmean" or (how == BATCHMEAN and not isinstance(how, bool)):
        return int(bool(log_target)), BATCHMEAN
    if isinstance(how, str) and how not in REDUCTIONS:
        raise ValueError(f"reduction wants 'none', 'mean', 'sum' or 'batchmean'; got {how!r}")
    return int(bool(log_target)), reduction(how)


def batch(x: Array, reduction: int) -> tuple[int, int]:
    """The reduction, with "batchmean" as a mean over the first axis, and how many terms the mean is over."""
    if reduction != BATCHMEAN:
        return reduction, x.size
    return MEAN, x.shape[0] if x.ndim else 1


@op(
    saves="x target",
    canonical=kl_div_form,
    check=check_like("kl_div"),
    kind="loss",
    samples=[
        sample((4, 5), PROBABILITY),
        sample((4, 5), PROBABILITY, reduction="batchmean"),
        sample((4, 5), (4, 5), log_target=True),
        sample((4, 5), (4, 5), log_target=True, reduction="sum"),
        sample((2, 3, 2), Floats((2, 3, 2), 0.1, 0.9), reduction="none"),
    ],
    tol=Tol(8, 8, 8),
)
def kl_div(x: Array, target: Array, *, log_target: Any = False, reduction: Any = "mean") -> Array:
    r"""Kullback-Leibler divergence of log-probabilities x from a target t, :math:`t (\log t - x)`.

    Parameters
    ----------
    x, target : arrays or Tensors of one shape and float dtype
    log_target : bool
        The target holds log-probabilities too.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean", the mathematical definition, divides the sum by the length of the first axis.

    Returns
    -------
    array or Tensor: a scalar, or like x for "none"

    Raises
    ------
    TypeError, ValueError
        Where dtypes or shapes differ.

    Notes
    -----
    A term with t = 0 is 0. Source: Kullback and Leibler, On information and sufficiency, Annals of Mathematical
    Statistics 22, 1951.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.kl_div(np.log(np.array([[0.5, 0.5]])), np.array([[0.0, 1.0]]), reduction="batchmean")
    array(0.69314718)
    """
    t, log_t = (np.exp(target), target) if log_target else (target, np.log(target))
    terms = np.where((t == 0) & ~np.isnan(x), 0.0, t * (log_t - x))
    if reduction == BATCHMEAN:
        total = terms.sum(dtype=np.float64)
        return np.asarray(total / batch(x, reduction)[1], x.dtype)
    return reduced_loss(terms, reduction, x.dtype)


@kl_div.backward
def _(dy: Array, x: Array, target: Array, log_target: int, reduction: int, needs: int) -> Any:
    t, log_t = (np.exp(target), target) if log_target else (target, np.log(target))
    each = each_term(dy, *batch(x, reduction))
    dt = log_t - x + 1
    return (
        -t * each if needs & 1 else None,
        (np.where(t == 0, 0.0, t * dt) if log_target else dt) * each if needs & 2 else None,
    )
