"""Losses over class numbers: cross_entropy on logits, nll on log-probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Tol, op
from .._samples import Floats, Integers, sample
from ._forms import MEAN, NONE, float_array, one_float_dtype, real, reduction, whole
from ._stable import shifted

__all__ = ["cross_entropy", "nll"]

Array = np.ndarray[Any, Any]
INDEX = ("labels", "class numbers 0 <= label < C, or ignore_index")
# Labels as samples want them: some of class 1, which a sample may ignore.
LABELS = Integers((6,), 0, 3)
WEIGHT = Floats((3,), 0.5, 2.0)


def check_classes(loss: Any, x: Any, labels: Any, weight: Any, ignore_index: int) -> None:
    """Refuse what neither loss takes; `loss` is the public function, whose op words a bad label."""
    name, first = loss.op.name, loss.op.inputs[0]
    float_array(name, first, x)
    one_float_dtype(name, **{first: x, "weight": weight})
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"{name}: {first} wants shape (..., C) with at least one class; got {x.shape}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels wants int64 class numbers; got {labels.dtype}")
    if labels.shape != x.shape[:-1]:
        raise ValueError(f"{name}: labels wants shape {x.shape[:-1]} beside {first} {x.shape}; got {labels.shape}")
    if weight is not None and weight.shape != x.shape[-1:]:
        raise ValueError(f"{name}: weight wants shape {x.shape[-1:]}, one per class; got {weight.shape}")
    bad = ((labels < 0) | (labels >= x.shape[-1])) & (labels != ignore_index)
    if bad.any():
        raise loss.op.bad_index(int(bad.argmax()))


def weights(labels: Array, weight: Any, ignore_index: int, dtype: Any) -> tuple[Array, Array, Array]:
    """Which labels count, the labels with 0 in place of the others, and each one's class weight."""
    counts = labels != ignore_index
    safe = np.where(counts, labels, 0)
    return counts, safe, np.ones(labels.shape, dtype) if weight is None else weight[safe]


def reduce_classes(terms: Array, counts: Array, w: Array, code: int, dtype: Any) -> tuple[Array, Array]:
    """The reduced loss and what it was divided by: for a mean, the weights of the labels that count."""
    terms = np.where(counts, terms, 0.0)
    norm = np.where(counts, w, 0.0).sum(dtype=np.float64) if code == MEAN else np.float64(1)
    loss = terms if code == NONE else terms.sum(dtype=np.float64) / norm
    return np.asarray(loss, dtype), np.asarray(norm)


def each_row(dy: Array, norm: Array, code: int) -> Array:
    """The gradient of each row's term, as a column."""
    scale = dy / norm.astype(dy.dtype)
    return scale[..., None] if code == NONE else scale


def cross_entropy_form(_: int, label_smoothing: Any, ignore_index: Any, how: Any) -> tuple[float, int, int]:
    smoothing = real("label_smoothing", label_smoothing)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing wants 0 <= label_smoothing <= 1; got {label_smoothing!r}")
    return smoothing, whole("ignore_index", ignore_index), reduction(how)


def check_cross_entropy(x: Any, labels: Any, weight: Any, smoothing: float, ignore_index: int, how: int) -> None:
    check_classes(cross_entropy, x, labels, weight, ignore_index)


@op(
    saves="p labels weight norm",
    extras="p norm",
    canonical=cross_entropy_form,
    check=check_cross_entropy,
    index=INDEX,
    differentiable="x",
    kind="loss",
    samples=[
        sample((6, 3), LABELS),
        sample((6, 3), LABELS, reduction="sum"),
        sample((6, 3), LABELS, reduction="none"),
        sample((2, 5, 3), Integers((2, 5), 0, 3)),
        sample((3,), Integers((), 0, 3)),
        sample((6, 3), LABELS, ignore_index=1),
        sample((6, 3), LABELS, WEIGHT),
        sample((6, 3), LABELS, None, label_smoothing=0.1),
        sample((6, 3), LABELS, WEIGHT, label_smoothing=0.2, ignore_index=1),
        sample((6, 3), LABELS, WEIGHT, label_smoothing=0.2, ignore_index=1, reduction="none"),
        sample((6, 3), LABELS, WEIGHT, label_smoothing=1.0, reduction="sum"),
    ],
    tol=Tol(8, 8, 8),
)
def cross_entropy(
    x: Array,
    labels: Array,
    weight: Any = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: Any = "mean",
) -> Any:
    r"""Cross-entropy of logits, :math:`-\log \mathrm{softmax}(x)_{label}`, over the last axis.

    Parameters
    ----------
    x : array or Tensor (..., C), float32 or float64
    labels : array or Tensor (...), int64
    weight : array or Tensor (C,), optional
        A factor for each class; the mean divides by the sum of the labels' factors.
    label_smoothing : float
        The part of each target that is spread evenly over all classes.
    ignore_index : int
        Labels that do not count.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or (...) for "none"; a mean over no labels is NaN

    Raises
    ------
    TypeError, ValueError, IndexError
        Where dtypes or shapes do not fit; where a label is no class.

    Notes
    -----
    Exactly PyTorch's cross_entropy with class numbers. The gradient is softmax(x) minus the target. Source:
    Szegedy et al., Rethinking the inception architecture, CVPR 2016 (label smoothing).

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.cross_entropy(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))
    array(0.69314718)
    """
    z = shifted(x, -1)
    e = np.exp(z)
    s = e.sum(-1, keepdims=True)
    counts, safe, w = weights(labels, weight, ignore_index, x.dtype)
    surprise = np.log(s) - z
    terms = w * np.take_along_axis(surprise, safe[..., None], -1)[..., 0]
    if label_smoothing:
        even = (surprise if weight is None else surprise * weight).sum(-1, dtype=np.float64)
        terms = (1 - label_smoothing) * terms + label_smoothing / x.shape[-1] * even
    loss, norm = reduce_classes(terms, counts, w, int(reduction), x.dtype)
    return loss, e / s, norm


@cross_entropy.backward
def _(
    dy: Array,
    p: Array,
    labels: Array,
    weight: Any,
    norm: Array,
    label_smoothing: float,
    ignore_index: int,
    reduction: int,
) -> Any:
    counts, safe, w = weights(labels, weight, ignore_index, p.dtype)
    hit = np.arange(p.shape[-1]) == safe[..., None]
    target = np.where(hit, ((1 - label_smoothing) * w)[..., None], 0.0)
    total = (1 - label_smoothing) * w
    if label_smoothing:
        even = np.ones(p.shape[-1], p.dtype) if weight is None else weight
        target = target + label_smoothing / p.shape[-1] * even
        total = total + p.dtype.type(label_smoothing / p.shape[-1] * even.sum(dtype=np.float64))
    dx = (p * total[..., None] - target) * each_row(dy, norm, reduction)
    return np.where(counts[..., None], dx, 0.0), None, None


def nll_form(_: int, ignore_index: Any, how: Any) -> tuple[int, int]:
    return whole("ignore_index", ignore_index), reduction(how)


def check_nll(logp: Any, labels: Any, weight: Any, ignore_index: int, how: int) -> None:
    check_classes(nll, logp, labels, weight, ignore_index)


@op(
    saves="logp.shape labels weight norm",
    extras="norm",
    canonical=nll_form,
    check=check_nll,
    index=INDEX,
    differentiable="logp",
    kind="loss",
    samples=[
        sample((6, 3), LABELS),
        sample((6, 3), LABELS, WEIGHT, ignore_index=1),
        sample((2, 5, 3), Integers((2, 5), 0, 3), None, reduction="sum"),
        sample((6, 3), LABELS, WEIGHT, reduction="none"),
        sample((3,), Integers((), 0, 3)),
    ],
)
def nll(logp: Array, labels: Array, weight: Any = None, *, ignore_index: int = -100, reduction: Any = "mean") -> Any:
    r"""Negative log-likelihood of log-probabilities, :math:`-\mathrm{logp}_{label}`, over the last axis.

    Parameters
    ----------
    logp : array or Tensor (..., C), float32 or float64
    labels : array or Tensor (...), int64
    weight : array or Tensor (C,), optional
        A factor for each class; the mean divides by the sum of the labels' factors.
    ignore_index : int
        Labels that do not count.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    array or Tensor: a scalar, or (...) for "none"; a mean over no labels is NaN

    Raises
    ------
    TypeError, ValueError, IndexError
        Where dtypes or shapes do not fit; where a label is no class.

    Notes
    -----
    Source: torch.nn.NLLLoss.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import ops
    >>> ops.nll(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 0]), reduction="sum")
    array(2.07944154)
    """
    counts, safe, w = weights(labels, weight, ignore_index, logp.dtype)
    terms = -w * np.take_along_axis(logp, safe[..., None], -1)[..., 0]
    return reduce_classes(terms, counts, w, int(reduction), logp.dtype)


@nll.backward
def _(dy: Array, logp_shape: Any, labels: Array, weight: Any, norm: Array, ignore_index: int, reduction: int) -> Any:
    counts, safe, w = weights(labels, weight, ignore_index, dy.dtype)
    hit = counts[..., None] & (np.arange(logp_shape[-1]) == safe[..., None])
    return np.where(hit, -w[..., None] * each_row(dy, norm, reduction), 0.0), None, None
