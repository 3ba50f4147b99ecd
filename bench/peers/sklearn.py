"""scikit-learn's own network: MLPClassifier, one batch at a time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from work import Column, Net, StepWork, Work

NAME = "sklearn"
LIBRARY = "scikit-learn"


def version() -> str:
    """The installed version."""
    return str(sklearn.__version__)


def use(threads: int) -> None:
    """It multiplies by NumPy, whose threads are set."""


def column(work: Work) -> Column | None:
    """A training step by partial_fit."""
    if not isinstance(work, StepWork) or not isinstance(work.net, Net) or work.net.sizes[-1] > 100:
        return None
    net = work.net
    model: Any = MLPClassifier(
        net.sizes[1:-1],
        activation={"relu": "relu", "sigmoid": "logistic"}[net.activation],
        solver=net.optimizer,
        alpha=0.0,
        batch_size=net.batch,
        shuffle=False,
        learning_rate_init=1e-3,
        epsilon=4e-10,  # stands where 1e-8 sqrt(1 - beta2^t) does in PyTorch's formula: the same in the steps checked
        nesterovs_momentum=False,
    )
    batch = work.batches()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = net.x, net.labels[0]
        model.partial_fit(x, y, classes=np.arange(net.sizes[-1]))  # sets it up; its state is then set back
    for i, w in enumerate(net.weights):
        (model.intercepts_ if i % 2 else model.coefs_)[i // 2][...] = w if i % 2 else w.T
    del model._optimizer
    model.t_ = 0

    def run() -> None:
        model.partial_fit(*batch())

    def read(_: Any) -> list[Any]:
        return [a for w, b in zip(model.coefs_, model.intercepts_, strict=True) for a in (w.T, b)]

    return Column(NAME, run, read)
