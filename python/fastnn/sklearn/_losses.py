"""The four pairs of output activation and loss that scikit-learn's networks have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Loss:
    """A loss of raw outputs z, before their activation, and targets; its gradient in z is activation(z) - target.

    scikit-learn computes it from probabilities that it keeps between eps and 1 - eps, so that the numbers that it
    reports are bounded, and coarse where a probability is near 1; `reported` gives these numbers.
    """

    activation: Callable[[Any], Any]  # of raw outputs, for predictions
    terms: Callable[[Any, Any], Any]  # of raw outputs and targets: (rows, columns)
    reported: Callable[[Any, Any, Any], Any] | None = None  # of raw outputs, targets and terms; None: the terms
    factor: float = 1.0  # of the terms
    averaged: bool = False  # whether the reported loss, unlike the gradient, is a mean over columns


def softmax(z: Any) -> Any:
    """Probabilities of classes."""
    return ops.softmax(z, axis=-1)


def identity(z: Any) -> Any:
    """The raw outputs themselves."""
    return z


def multiclass(z: Any, labels: Any) -> Any:
    """Minus the logarithm of the label's probability."""
    return ops.reshape(ops.cross_entropy(z, labels, reduction="none"), (-1, 1))


def multiclass_reported(z: Any, labels: Any, terms: Any) -> Any:
    """The same of bounded probabilities."""
    eps = float(np.finfo(z.dtype).eps)
    return ops.clip(terms, low=-math.log1p(-eps), high=-math.log(eps))


def binary(z: Any, targets: Any) -> Any:
    """Minus the logarithm of the probability of each target, 0 or 1."""
    return ops.binary_cross_entropy_with_logits(z, targets, reduction="none")


def binary_reported(z: Any, targets: Any, terms: Any) -> Any:
    """The same of bounded probabilities."""
    eps = float(np.finfo(z.dtype).eps)
    return ops.binary_cross_entropy(ops.clip(ops.sigmoid(z), low=eps, high=1 - eps), targets, reduction="none")


def squared(z: Any, targets: Any) -> Any:
    """Squares of the errors."""
    return ops.mse(z, targets, reduction="none")


def poisson(z: Any, targets: Any) -> Any:
    """Half the deviance, t log(t / e^z) - t + e^z."""
    return ops.add(ops.kl_div(z, targets, reduction="none"), ops.subtract(ops.exp(z), targets))


LOSSES = {
    "softmax": Loss(softmax, multiclass, multiclass_reported),
    "logistic": Loss(ops.sigmoid, binary, binary_reported),
    "identity": Loss(identity, squared, factor=0.5, averaged=True),
    "exp": Loss(ops.exp, poisson),
}
