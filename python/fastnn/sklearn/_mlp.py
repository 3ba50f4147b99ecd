"""What MLPClassifier and MLPRegressor share: parameters, the course of a fit, outputs for rows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, _fit_context
from sklearn.neural_network import MLPClassifier as Reference
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._alone import ALONE
from ._descend import descend
from ._losses import LOSSES
from ._minimize import minimize
from ._network import drawn, forward
from ._rows import DENSE

Array = np.ndarray[Any, Any]
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
STOCHASTIC = ("sgd", "adam")


class BaseMLP(BaseEstimator, ABC):
    """The estimator behind MLPClassifier and MLPRegressor, where parameters and attributes are told."""

    _parameter_constraints: ClassVar[dict[str, Any]] = Reference._parameter_constraints

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the network on rows X and their targets y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            float32 is kept, all else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For data and parameters that scikit-learn refuses, too; where the weights grow beyond bounds.

        Warns
        -----
        ConvergenceWarning
            Where ``max_iter`` ends the training.
        """
        return self._fit(X, y, sample_weight, once=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, once: bool) -> Any:
        """Train: `once` is one more epoch."""
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        fresh = not hasattr(self, "coefs_") or not (self.warm_start or once)
        X, y = self._validate_input(X, y, once, fresh)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        y = y.reshape(-1, 1) if y.ndim == 1 else y
        self.n_outputs_ = y.shape[1]
        self._random_state = check_random_state(self.random_state)
        if fresh:
            self._begin([X.shape[1], *sizes, self.n_outputs_], X.dtype)
        with ALONE:
            if self.solver in STOCHASTIC:
                descend(self, X, y, sample_weight, once=once)
            else:
                minimize(self, X, y, sample_weight)
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to "
                "be preprocessed."
            )
        return self

    def _begin(self, units: list[int], dtype: Any) -> None:
        """New weights, and nothing learned yet."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._out_activation()
        coefs, intercepts = drawn(units, self.activation, self._random_state)
        self.coefs_ = [c.astype(dtype, copy=False) for c in coefs]
        self.intercepts_ = [b.astype(dtype, copy=False) for b in intercepts]
        self._best = [c.copy() for c in self.coefs_], [b.copy() for b in self.intercepts_]
        if self.solver in STOCHASTIC:
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_ = None if self.early_stopping else np.inf
            self.validation_scores_: list[float] | None = [] if self.early_stopping else None
            self.best_validation_score_ = -np.inf if self.early_stopping else None

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, once: bool, fresh: bool) -> tuple[Any, Array]:
        """Inputs and targets, checked: floats, or for a classifier one column of bool for each output."""

    @abstractmethod
    def _out_activation(self) -> str:
        """The name of the output activation, which tells the loss."""

    @abstractmethod
    def _targets(self, y: Array, dtype: Any) -> Array:
        """Checked targets as the loss wants them."""

    @abstractmethod
    def _validation_score(self, X: Any, y: Array, sample_weight: Any) -> float:
        """The score of rows that were held out, of checked inputs and targets."""

    def _stochastic(self) -> bool:
        """Whether there is partial_fit; raises AttributeError otherwise."""
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def _checked(self, X: Any) -> Any:
        """Inputs to predict for; a plain array that is right is seen to be so in 2 us, where validate_data takes 40."""
        if (
            type(X) is np.ndarray
            and X.dtype in FLOATS
            and X.ndim == 2
            and X.shape[0] > 0
            and X.shape[1] == getattr(self, "n_features_in_", None)
            and not hasattr(self, "feature_names_in_")
            and math.isfinite(np.vdot(X, X))
        ):
            return X
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)

    def _outputs(self, X: Any) -> Array:
        """The activated outputs (n_samples, n_outputs) for checked inputs."""
        single = all(array.dtype == np.float32 for array in self.coefs_) and X.dtype in (np.float32, np.float16)
        dtype = np.float32 if single else np.float64
        weights = [np.asarray(c.T, dtype) for c in self.coefs_]
        biases = [np.asarray(b, dtype) for b in self.intercepts_]
        activate = LOSSES[self.out_activation_].activation
        if not sparse.issparse(X):
            outputs: Array = activate(forward(np.asarray(X, dtype), weights, biases, self.activation))
            return outputs
        X, step = X.tocsr().astype(dtype, copy=False), max(1, DENSE // X.shape[1])
        parts = (X[low : low + step].toarray() for low in range(0, X.shape[0], step))
        return np.concatenate([activate(forward(part, weights, biases, self.activation)) for part in parts])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
