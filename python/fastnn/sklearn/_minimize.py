"""Fitting by the solver "lbfgs": the loss of all rows as one function of all weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.optimize import _check_optimize_result

from ._losses import LOSSES
from ._network import Network
from ._rows import Rows
from ._solvers import LBFGS
from ._training import Objective

Array = np.ndarray[Any, Any]


def minimize(model: Any, X: Any, y: Array, sample_weight: Array | None) -> None:
    """Train the weights in ``coefs_`` and ``intercepts_``."""
    network, loss = Network(model.coefs_, model.intercepts_, model.coefs_[0].dtype), LOSSES[model.out_activation_]
    dtype = network.flat.array.dtype
    rows = Rows(X, model._targets(y, dtype), sample_weight, loss.factor, dtype)
    optimizer = LBFGS(network, model.max_iter, model.max_fun, model.tol)
    objective = Objective(network, model.activation, loss, model.alpha, rows, optimizer)
    optimizer.step(objective)
    model.n_iter_ = _check_optimize_result("lbfgs", optimizer.result(), model.max_iter)
    model.loss_ = objective.evaluate()[1]
    model.coefs_, model.intercepts_ = list(network.coefs), list(network.intercepts)
