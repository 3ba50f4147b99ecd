"""The network behind MLPClassifier and MLPRegressor: weights, and how rows pass through them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import ops
from .._tensor import Tensor

Array = np.ndarray[Any, Any]

ACTIVATIONS: dict[str, Any] = {"identity": None, "logistic": ops.sigmoid, "tanh": ops.tanh, "relu": ops.relu}


def forward(x: Any, weights: Sequence[Any], biases: Sequence[Any], activation: str) -> Any:
    """Raw outputs of rows, for arrays or Tensors; weights are (out, in)."""
    between = ACTIVATIONS[activation]
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if i and between is not None:
            x = between(x)
        x = ops.linear(x, w, b)
    return x


def drawn(units: Sequence[int], activation: str, random: np.random.RandomState) -> tuple[list[Array], list[Array]]:
    """Initial coefs and intercepts, the numbers that scikit-learn draws.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
    """
    coefs, intercepts = [], []
    for fan_in, fan_out in pairwise(units):
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / (fan_in + fan_out))
        coefs.append(random.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(random.uniform(-bound, bound, fan_out))
    return coefs, intercepts


class Network:
    """Tensors to train, which begin with the values of `coefs` and `intercepts`.

    Attributes
    ----------
    weights, biases : lists of Tensor
        Weights are (out, in) and lie in one piece of memory.
    coefs, intercepts : lists of ndarray
        The same memory; coefs are (in, out).
    """

    def __init__(self, coefs: Sequence[Array], intercepts: Sequence[Array], dtype: Any) -> None:
        self.weights = [Tensor(np.asarray(c.T, dtype)).requires_grad_() for c in coefs]
        self.biases = [Tensor(np.array(b, dtype)).requires_grad_() for b in intercepts]
        self.lay_out()

    def lay_out(self) -> None:
        """Move all weights into one piece of memory, those of the first layer by inputs, others by outputs.

        Inputs that are zero skip rows of memory then (3 % of a fit of MNIST's images).
        """
        first, *others = (w.array for w in self.weights)
        self.flat = Tensor(np.concatenate([first.T.reshape(-1), *(w.reshape(-1) for w in others)]))
        cuts = np.cumsum([w.array.size for w in self.weights])[:-1]
        for w, memory in zip(self.weights, np.split(self.flat.array, cuts), strict=True):
            w.data = Tensor(memory.reshape(w.shape[::-1]).T if w is self.weights[0] else memory.reshape(w.shape))
        self.coefs = [w.array.T for w in self.weights]
        self.intercepts = [b.array for b in self.biases]

    def __getstate__(self) -> dict[str, Any]:
        return {"weights": self.weights, "biases": self.biases}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        vars(self).update(saved)
        self.lay_out()

    def squares(self) -> Any:
        """The sum of the squares of all weights, without gradient."""
        return ops.matmul(self.flat, self.flat)

    def take(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> None:
        """Take these values on, unless they are this network's own arrays."""
        for own, given in zip((*self.coefs, *self.intercepts), (*coefs, *intercepts), strict=True):
            if own is not given:
                ops.assign(own, given)
