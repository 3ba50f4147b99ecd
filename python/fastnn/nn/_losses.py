"""Losses under PyTorch's names and arguments: the class dimension is 1, deprecated arguments are understood."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import ops
from .._creation import as_tensor
from .._registry import state
from .._tensor import Tensor
from ..ops._forms import broadcastable


def reduction_of(size_average: Any, reduce: Any, reduction: str) -> str:
    """The reduction, also from PyTorch's deprecated arguments."""
    if size_average is None and reduce is None:
        return reduction
    mean, some = size_average is None or bool(size_average), reduce is None or bool(reduce)
    reduction = "none" if not some else "mean" if mean else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction={reduction!r} instead.",
        stacklevel=3,
    )
    return reduction


def pair(input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors of one shape; PyTorch warns before it broadcasts."""
    x, t = as_tensor(input), as_tensor(target)
    if x.array.shape == t.array.shape:
        return x, t
    broadcastable("loss", input=x, target=t)
    warnings.warn(
        f"Using a target size ({t.shape}) that is different to the input size ({x.shape}). "
        "This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    shape = np.broadcast_shapes(x.shape, t.shape)
    return ops.broadcast_to(x, shape), ops.broadcast_to(t, shape)


def weighted(terms: Tensor, weight: Any, reduction: str, mean_of_weights: bool) -> Tensor:
    """Terms times weights, reduced; the mean is over the terms or over the weights."""
    w = as_tensor(weight)
    if w.shape != terms.shape:
        raise ValueError(f"Weights and input must have the same size; got {w.shape} and {terms.shape}")
    terms = ops.multiply(terms, w)
    if reduction == "none":
        return terms
    total = ops.sum(terms)
    if reduction == "sum":
        return total  # type: ignore[no-any-return]
    if reduction == "mean":
        return total / (ops.sum(w) if mean_of_weights else terms.array.size)  # type: ignore[no-any-return]
    raise ValueError(f"{reduction} is not a valid value for reduction")


def mse_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    r"""Mean squared error, :math:`(x - t)^2`; see `fastnn.ops.mse`.

    Parameters
    ----------
    input, target : array_like of one shape and float dtype
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}
    weight : array_like of the same shape, optional
        The mean divides by its sum.

    Returns
    -------
    Tensor
        A scalar, or one like input for "none".

    Warns
    -----
    UserWarning
        Where the shapes differ and are broadcast.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.mse_loss([1.0, 2.0], [1.0, 4.0])
    tensor(2.)
    """
    how = reduction_of(size_average, reduce, reduction)
    x, t = pair(input, target)
    if weight is None:
        return ops.mse(x, t, reduction=how)  # type: ignore[no-any-return]
    return weighted(ops.mse(x, t, reduction="none"), weight, how, True)


def l1_loss(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    r"""Mean absolute error, :math:`|x - t|`; arguments as of `mse_loss`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.l1_loss([1.0, 2.0], [1.0, 4.0])
    tensor(1.)
    """
    how = reduction_of(size_average, reduce, reduction)
    x, t = pair(input, target)
    if weight is None:
        return ops.l1(x, t, reduction=how)  # type: ignore[no-any-return]
    return weighted(ops.l1(x, t, reduction="none"), weight, how, True)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    r"""Huber's loss: squared up to `delta`, absolute beyond; see `fastnn.ops.huber`.

    Parameters
    ----------
    input, target : array_like of one shape and float dtype
    reduction : {"mean", "sum", "none"}
    delta : float
        Positive.
    weight : array_like of the same shape, optional
        The mean divides by the number of values.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.huber_loss([1.0, 2.0], [0.0, 5.0], reduction="none")
    tensor([0.5, 2.5])
    """
    x, t = pair(input, target)
    if weight is None:
        return ops.huber(x, t, delta=delta, reduction=reduction)  # type: ignore[no-any-return]
    return weighted(ops.huber(x, t, delta=delta, reduction="none"), weight, reduction, False)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Binary cross-entropy of probabilities, :math:`-(t \log p + (1 - t) \log(1 - p))`.

    Parameters
    ----------
    input : array_like
        Probabilities.
    target : array_like of the same shape and dtype
    weight : array_like, optional
        A factor that broadcasts to that shape.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where shapes differ; where input is outside [0, 1] or NaN (in a captured step the loss is NaN then).

    Notes
    -----
    See `fastnn.ops.binary_cross_entropy`; with logits at hand use `binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.binary_cross_entropy([0.5, 1.0], [1.0, 1.0], reduction="sum")
    tensor(0.6931)
    """
    how = reduction_of(size_average, reduce, reduction)
    p, t = as_tensor(input), as_tensor(target)
    if p.shape != t.shape:
        raise ValueError(
            f"Using a target size ({t.shape}) that is different to the input size ({p.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    loss = ops.binary_cross_entropy(p, t, weight, reduction=how)
    if state.recorder is None and np.isnan(loss.array).any():  # only then can one be outside: no pass in other cases
        outside = p.array[~((p.array >= 0) & (p.array <= 1))]
        if outside.size:
            raise ValueError(f"binary_cross_entropy: input wants values from 0 to 1; got {outside[0]}")
    return loss  # type: ignore[no-any-return]


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    r"""Binary cross-entropy of the sigmoid of logits, without its rounding.

    Parameters
    ----------
    input : array_like
    target : array_like of the same shape and dtype
    weight, pos_weight : array_like, optional
        Factors of each term, and of its part for t = 1; they broadcast to that shape.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor

    Raises
    ------
    ValueError
        Where shapes differ.

    Notes
    -----
    See `fastnn.ops.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.binary_cross_entropy_with_logits([0.0], [1.0])
    tensor(0.6931)
    """
    how = reduction_of(size_average, reduce, reduction)
    x, t = as_tensor(input), as_tensor(target)
    if x.array.shape != t.array.shape:
        raise ValueError(f"Target size ({t.shape}) must be the same as input size ({x.shape})")
    return ops.binary_cross_entropy_with_logits(x, t, weight, pos_weight, reduction=how)  # type: ignore[no-any-return]


def classes_last(x: Tensor) -> Tensor:
    """The class dimension, 1 in PyTorch, as the last."""
    if x.array.ndim <= 2:
        return x
    return ops.transpose(x, (0, *range(2, x.ndim), 1))  # type: ignore[no-any-return]


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy between logits and classes, or probabilities of classes.

    Parameters
    ----------
    input : array_like (C,), (N, C) or (N, C, d1, ...), float
        Logits.
    target : array_like
        Class numbers, of the input's shape without C; or probabilities, in floats of the input's shape.
    weight : array_like (C,), optional
        A factor for each class; with class numbers the mean divides by the sum of the factors of the targets.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    ignore_index : int
        Class numbers that do not count.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        The part of each target, 0 to 1, that is spread evenly over all classes.

    Returns
    -------
    Tensor
        A scalar, or (N, d1, ...) for "none".

    Raises
    ------
    TypeError, ValueError, IndexError
        Where dtypes or shapes do not fit; where a class number is no class.

    Notes
    -----
    See `fastnn.ops.cross_entropy`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.cross_entropy([[0.0, 0.0]], [1])
    tensor(0.6931)
    >>> fastnn.nn.functional.cross_entropy([[0.0, 0.0]], [[0.5, 0.5]])
    tensor(0.6931)
    """
    how = reduction if size_average is None and reduce is None else reduction_of(size_average, reduce, reduction)
    x = input if type(input) is Tensor else as_tensor(input)
    t = target if type(target) is Tensor else as_tensor(target)
    rank = x.array.ndim
    if t.array.ndim == rank > 0 and t.array.shape == x.array.shape:
        if t.dtype.kind != "f":
            raise TypeError(f"Expected floating point type for target with class probabilities, got {t.dtype}")
        if ignore_index >= 0:
            raise ValueError("ignore_index is not supported for floating point target")
        return probabilities(x, t, weight, how, label_smoothing)
    x = x if rank <= 2 else classes_last(x)
    return ops.cross_entropy(  # type: ignore[no-any-return]
        x, t, weight, label_smoothing=label_smoothing, ignore_index=ignore_index, reduction=how
    )


def probabilities(x: Tensor, t: Tensor, weight: Any, reduction: str, label_smoothing: float) -> Tensor:
    """Cross-entropy with probabilities: the mean divides by the number of rows, whatever the weights."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    dim = 0 if x.ndim == 1 else 1
    classes = x.shape[dim]
    terms = ops.multiply(ops.log_softmax(x, axis=dim), smoothed(t, label_smoothing, classes))
    if weight is not None:
        w = as_tensor(weight)
        if w.shape != (classes,):
            raise ValueError(f"cross_entropy: weight wants shape {(classes,)}, one per class; got {w.shape}")
        terms = ops.multiply(terms, ops.reshape(w, (classes, *(1,) * (x.ndim - dim - 1))))
    if reduction == "none":
        return -ops.sum(terms, axis=dim)  # type: ignore[no-any-return]
    if reduction == "sum":
        return -ops.sum(terms)  # type: ignore[no-any-return]
    if reduction == "mean":
        return -ops.sum(terms) / (x.array.size // max(classes, 1))  # type: ignore[no-any-return]
    raise ValueError(f"{reduction} is not a valid value for reduction")


def smoothed(t: Tensor, label_smoothing: float, classes: int) -> Tensor:
    """Targets with a part spread evenly over all classes."""
    return t * (1 - label_smoothing) + label_smoothing / classes if label_smoothing else t


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Negative log-likelihood of class numbers under log-probabilities; arguments as of `cross_entropy`.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.nll_loss([[-0.5, -1.0]], [1])
    tensor(1.)
    """
    how = reduction_of(size_average, reduce, reduction)
    x = classes_last(as_tensor(input))
    return ops.nll(x, as_tensor(target), weight, ignore_index=ignore_index, reduction=how)  # type: ignore[no-any-return]


def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    r"""Kullback-Leibler divergence of log-probabilities x from a target t, :math:`t (\log t - x)`.

    Parameters
    ----------
    input : array_like
        Log-probabilities.
    target : array_like
        Probabilities, or with log_target their logarithms; shapes broadcast.
    size_average, reduce : bool, optional
        Deprecated forms of `reduction`.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean", the mathematical definition, divides the sum by the length of input's first dimension.
    log_target : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import fastnn
    >>> fastnn.nn.functional.kl_div([[-1.0, -1.0]], [[0.0, 1.0]], reduction="batchmean")
    tensor(1.)
    """
    how = reduction_of(size_average, reduce, reduction)
    x, t = as_tensor(input), as_tensor(target)
    if x.array.shape == t.array.shape:
        return ops.kl_div(x, t, log_target=log_target, reduction=how)  # type: ignore[no-any-return]
    shape = np.broadcast_shapes(x.shape, t.shape)
    inner = "sum" if how == "batchmean" else how
    loss = ops.kl_div(ops.broadcast_to(x, shape), ops.broadcast_to(t, shape), log_target=log_target, reduction=inner)
    return loss / x.shape[0] if how == "batchmean" and x.ndim else loss  # type: ignore[no-any-return]
