"""Fitting by the solvers "adam" and "sgd": epochs over shuffled batches until nothing is gained any more."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from ..train._interrupt import WholeSteps
from ._losses import LOSSES
from ._network import Network
from ._rows import Rows
from ._solvers import Rate, descent
from ._training import Descent

Array = np.ndarray[Any, Any]
HeldOut = tuple[Any, Any, Any]  # inputs, targets and weights to validate on


def descend(model: Any, X: Any, y: Array, sample_weight: Array | None, *, once: bool) -> None:
    """Train the weights in ``coefs_`` and ``intercepts_``: one more epoch, or up to ``max_iter``."""
    prepare(model, once)
    if model.early_stopping and once:
        raise ValueError("partial_fit does not support early_stopping=True")
    held_out: HeldOut | None = None
    if model.early_stopping:
        X, y, sample_weight, held_out = split(model, X, y, sample_weight)
    training, rate = model._descent, model._rate
    dtype = training.network.flat.array.dtype
    rows = Rows(X, model._targets(y, dtype), sample_weight, training.loss.factor, dtype)
    batch, order = batch_size(model, len(rows)), np.arange(len(rows))
    try:
        model.n_iter_ = 0
        with WholeSteps() as whole:
            while model.n_iter_ < model.max_iter:
                if model.shuffle:  # as sklearn.utils.shuffle, which takes as long as several steps
                    permutation = np.arange(len(rows))
                    model._random_state.shuffle(permutation)
                    order = order[permutation]
                model.loss_ = training.epoch(rows, batch, order if model.shuffle else None, whole)
                model.n_iter_ += 1
                model.t_ += len(rows)
                model.loss_curve_.append(model.loss_)
                if model.verbose:
                    print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
                count_improvement(model, held_out)
                rate.after_epoch(model.t_)
                if model._no_improvement_count > model.n_iter_no_change:
                    if rate.stop(no_progress(model), model.verbose):
                        break
                    model._no_improvement_count = 0
                if once:
                    break
                if model.n_iter_ == model.max_iter:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) reached and the optimization "
                        "hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    if model.early_stopping:
        model.coefs_, model.intercepts_ = model._best


def prepare(model: Any, once: bool) -> None:
    """Make ``_descent`` and ``_rate`` ready; one more epoch goes on with the optimizer that is there."""
    known = getattr(model, "_descent", None)
    if once and known is not None:
        known.network.take(model.coefs_, model.intercepts_)
        network, optimizer = known.network, known.optimizer
    else:
        network = Network(model.coefs_, model.intercepts_, model.coefs_[0].dtype)
        optimizer = descent(network, model.get_params())
        model._rate = Rate(optimizer, model.learning_rate if model.solver == "sgd" else "constant", model.power_t)
        known = None
    if known is None or known.activation != model.activation:
        loss = LOSSES[model.out_activation_]
        model._descent = Descent(network, model.activation, loss, model.alpha, optimizer)
    model._descent.alpha = model.alpha
    model.coefs_, model.intercepts_ = list(network.coefs), list(network.intercepts)


def split(model: Any, X: Any, y: Array, sample_weight: Array | None) -> tuple[Any, Array, Array | None, HeldOut]:
    """Rows to train on, and rows to validate on."""
    weights = [] if sample_weight is None else [sample_weight]
    x_train, x_held, y_train, y_held, *w = train_test_split(
        X,
        y,
        *weights,
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=y if is_classifier(model) and model.n_outputs_ == 1 else None,
    )
    if x_held.shape[0] < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    w_train, w_held = w or (None, None)
    return x_train, y_train, w_train, (x_held, y_held, w_held)


def batch_size(model: Any, rows: int) -> int:
    """How many rows a step takes."""
    if model.batch_size == "auto":
        return min(200, rows)
    if model.batch_size > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=5
        )
    return int(min(model.batch_size, rows))


def count_improvement(model: Any, held_out: HeldOut | None) -> None:
    """Count epochs without improvement, of the validation score if there is one; keep the best weights then."""
    if held_out is None:
        better = not model.loss_ > model.best_loss_ - model.tol  # NaN counts as better, as it does in scikit-learn
        model.best_loss_ = min(model.best_loss_, model.loss_)
    else:
        score = model._validation_score(*held_out)
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        better = not score < model.best_validation_score_ + model.tol
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            model._best = [c.copy() for c in model.coefs_], [b.copy() for b in model.intercepts_]
    model._no_improvement_count = 0 if better else model._no_improvement_count + 1


def no_progress(model: Any) -> str:
    """Why training may end."""
    what = "Validation score" if model.early_stopping else "Training loss"
    return f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change:d} consecutive epochs."
