"""NeuralRegressor: any module as a regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .. import nn, optim
from ._neural import FLOATS, BaseNeural

Array = np.ndarray[Any, Any]


class NeuralRegressor(RegressorMixin, BaseNeural):
    """A module of fastnn as a regressor.

    Parameters
    ----------
    module, optimizer, callbacks, metrics, epochs, batch_size, shuffle, validation_fraction, random_state, warm_start, \
verbose, **nested
        As of `NeuralClassifier`. The module has an output for each target.
    loss : class, Module or function, default nn.MSELoss
        A loss of outputs and targets (n_samples, n_targets), one target being a column, too.

    Attributes
    ----------
    module_, loss_, optimizer_, history_, n_iter_, n_features_in_, feature_names_in_
        As of `NeuralClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> import fastnn
    >>> from fastnn.sklearn import NeuralRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> def network(n_features, n_outputs, width=16):
    ...     return fastnn.models.MLP(n_features, [width], n_outputs, activation="tanh")
    >>> regressor = NeuralRegressor(network, loss=fastnn.nn.HuberLoss, epochs=20, random_state=0, module__width=8)
    >>> regressor.fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.4
    True
    """

    def __init__(
        self,
        module: Any,
        loss: Any = nn.MSELoss,
        optimizer: Any = optim.Adam,
        callbacks: Any = None,
        *,
        metrics: Any = (),
        epochs: int = 100,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_fraction: float = 0.0,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: Any = False,
        **nested: Any,
    ) -> None:
        super().__init__(
            module,
            loss,
            optimizer,
            callbacks,
            metrics=metrics,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            validation_fraction=validation_fraction,
            random_state=random_state,
            warm_start=warm_start,
            verbose=verbose,
            **nested,
        )

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any) -> Any:
        """One epoch over these rows, on the module that is there or a new one.

        Parameters
        ----------
        X, y
            As of `fit`.

        Returns
        -------
        self
        """
        return self._fit(X, y, 1, not hasattr(self, "module_"))

    def predict(self, X: Any) -> Array:
        """The expected targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features, ...)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self._single else outputs

    def _validate_input(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, dtype=FLOATS, allow_nd=True, multi_output=True, y_numeric=True, reset=fresh)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._single = y.ndim == 1
        return X, y

    def _n_outputs(self, y: Array) -> int:
        return 1 if y.ndim == 1 else int(y.shape[1])

    def _targets(self, y: Array) -> Array:
        return y.reshape(len(y), -1).astype(np.float64, copy=False)
