"""Metrics: functions of a batch's outputs and targets. Those of a data set are means over its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .._tensor import Tensor

Array = np.ndarray[Any, Any]
Metric = Callable[[Any, Any], Any]


def accuracy(output: Any, target: Any, threshold: float = 0.5) -> float:
    """The share of right predictions.

    Parameters
    ----------
    output : Tensor or array of shape (N, C, ...), (N, 1) or (N,)
        Scores of classes, the largest of which is the prediction; or, in the shape of `target`, one value each, which
        predicts class 1 above `threshold`.
    target : Tensor or array of shape (N, ...)
        Classes.
    threshold : float, default 0.5
        0 for logits; the name ``"accuracy"`` takes 0 beside BCEWithLogitsLoss.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not go together.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.train.accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    """
    scores, classes = array(output), array(target)
    if scores.size == classes.size:
        return float(((scores > threshold).reshape(-1) == (classes > 0.5).reshape(-1)).mean())
    right: Array = scores.argmax(1) == in_classes("accuracy", scores, classes)
    return float(right.mean())


def top5_accuracy(output: Any, target: Any) -> float:
    """The share of targets among the five classes of highest score.

    Parameters
    ----------
    output : Tensor or array of shape (N, C, ...)
        Scores.
    target : Tensor or array of shape (N, ...)
        Classes.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not go together.

    Examples
    --------
    >>> import fastnn, numpy
    >>> fastnn.train.top5_accuracy(numpy.arange(20.0).reshape(2, 10), [9, 4])
    0.5
    """
    scores, classes = array(output), array(target)
    classes = np.expand_dims(in_classes("top5_accuracy", scores, classes), 1)
    return float(((scores > np.take_along_axis(scores, classes, 1)).sum(1) < 5).mean())


def mse(output: Any, target: Any) -> float:
    """The mean of squared errors.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.train.mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    return float(np.square(errors("mse", output, target)).mean())


def mae(output: Any, target: Any) -> float:
    """The mean of absolute errors.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.train.mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return float(np.abs(errors("mae", output, target)).mean())


METRICS: dict[str, Metric] = {"accuracy": accuracy, "top5_accuracy": top5_accuracy, "mse": mse, "mae": mae}


def resolve(metrics: Any, loss: Any) -> dict[str, Metric]:
    """Functions by name, from names and callables."""
    if isinstance(metrics, (str, bytes)) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise TypeError(f"Trainer: metrics wants names or callables; got {metrics!r}")
    pairs = metrics.items() if isinstance(metrics, Mapping) else ((name_of(m), m) for m in metrics)
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        function = METRICS.get(metric) if isinstance(metric, str) else metric
        if function is None:
            raise ValueError(f"Trainer: metrics wants one of {', '.join(METRICS)}, or a callable; got {metric!r}")
        if not callable(function):
            raise TypeError(f"Trainer: metrics wants names or callables; got {metric!r}")
        if name in found or name == "loss":
            raise ValueError(f"Trainer: metrics has two values of the name {name!r}")
        logits = getattr(loss, "__name__", type(loss).__name__) in LOGIT_LOSSES
        found[name] = partial(accuracy, threshold=0.0) if metric == "accuracy" and logits else function
    return found


LOGIT_LOSSES = {"BCEWithLogitsLoss", "binary_cross_entropy_with_logits"}


def is_mean(metric: Metric) -> bool:
    """Whether a metric is known to be a mean over samples, so that batches may be joined for it."""
    return getattr(metric, "func", metric) in METRICS.values()


def name_of(metric: Any) -> str:
    """What a metric's values are called."""
    return metric if isinstance(metric, str) else str(getattr(metric, "__name__", type(metric).__name__))


def array(value: Any) -> Array:
    """The array of a Tensor or of anything like one."""
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def in_classes(name: str, scores: Array, classes: Array) -> Array:
    """The classes, if there is one for each vector of scores."""
    if scores.ndim < 2 or (scores.shape[0], *scores.shape[2:]) != classes.shape:
        raise ValueError(
            f"{name}: target wants the shape of output without its axis 1, {scores.shape}; got {classes.shape}"
        )
    return classes


def errors(name: str, output: Any, target: Any) -> Array:
    """The differences between outputs and targets, in float64."""
    x, y = array(output), array(target)
    if x.shape != y.shape:
        raise ValueError(f"{name}: target wants the shape of output, {x.shape}; got {y.shape}")
    difference: Array = np.subtract(x, y, dtype=np.float64)
    return difference
