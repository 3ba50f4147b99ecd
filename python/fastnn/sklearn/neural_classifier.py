"""NeuralClassifier: any module as a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import validate_data

from .. import ops
from ._neural import FLOATS, BaseNeural

Array = np.ndarray[Any, Any]

INDEPENDENT = ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits")  # losses of logits, one for each label
LOGARITHMIC = ("NLLLoss", "nll_loss")  # losses of log-probabilities


class NeuralClassifier(ClassifierMixin, BaseNeural):
    r"""A module of fastnn as a classifier.

    The module is trained by `Trainer`, so its steps are captured.

    Parameters
    ----------
    module : Module, or function of (n_features, n_outputs) that makes one
        A Module is copied, and each fit begins with its weights; a class, too, is a function. There is an output for
        each class, one for each label with BCEWithLogitsLoss.
    loss : class, Module or function, default nn.CrossEntropyLoss
        A loss of outputs and class numbers. BCEWithLogitsLoss wants two classes or an indicator matrix; NLLLoss says
        that the outputs are log-probabilities.
    optimizer : class or function, default optim.Adam
        Called with the module's parameters.
    callbacks : list, optional
        Callbacks of `fastnn.train`, their classes, or functions that make them of the optimizer, alone or as pairs
        ``(name, callback)``; without a name theirs is that of the class. Each fit has copies of its own.
    metrics : as of Trainer, default ()
        Further values for ``history_`` and for callbacks.
    epochs : int, default 100
    batch_size : int, default 32
    shuffle : bool, default True
        Of training, as of ``Trainer.fit``.
    validation_fraction : float, default 0
        The part of the rows that is held out for validation; `EarlyStopping` wants some.
    random_state : int, RandomState or None
        What initial weights, order, dropout and the part held out follow from.
    warm_start : bool, default False
        Whether a fit goes on with the module, loss and optimizer of the last.
    verbose : bool, default False
        Whether there is a progress bar.
    **nested
        Parameters of parts: ``module__width=32``, ``optimizer__lr=0.01``, ``loss__label_smoothing=0.1``,
        ``callbacks__EarlyStopping__patience=3``; ``callbacks__EarlyStopping=None`` leaves it out.

    Attributes
    ----------
    module_, loss_, optimizer_
        What was made of the parameters, trained.
    classes_ : ndarray of shape (n_classes,)
    history_ : History
        Of the last fit, an entry for each epoch.
    n_iter_ : int
        Its number of epochs.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where all names of features are strings.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> import fastnn
    >>> from fastnn.sklearn import NeuralClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> def network(n_features, n_outputs, width=16):
    ...     return fastnn.models.MLP(n_features, [width], n_outputs)
    >>> classifier = NeuralClassifier(network, epochs=30, random_state=0, optimizer__lr=0.01)
    >>> model = make_pipeline(StandardScaler(), classifier).set_params(neuralclassifier__module__width=32)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Any:
        """One epoch over these rows, on the module that is there or a new one.

        Parameters
        ----------
        X, y
            As of `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes of all calls; the first call wants it.

        Returns
        -------
        self
        """
        _check_partial_fit_first_call(self, classes)
        return self._fit(X, y, 1, not hasattr(self, "module_"))

    def predict(self, X: Any) -> Array:
        """The most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features, ...)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_classes) for indicators
        """
        p = self.predict_proba(X)
        if self._indicators:
            return (p > 0.5).astype(int)
        labels: Array = self.classes_.take(p.argmax(axis=1), mode="clip")  # of one class there may be two columns
        return labels

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features, ...)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs, name = self._outputs(X), name_of(self.loss)
        if name in INDEPENDENT:
            p: Array = ops.sigmoid(outputs)
            return p if self._indicators else np.hstack([1 - p, p])
        return np.exp(outputs) if name in LOGARITHMIC else ops.softmax(outputs, axis=-1)

    def _validate_input(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, dtype=FLOATS, allow_nd=True, multi_output=True, reset=fresh)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self._indicators = type_of_target(y) == "multilabel-indicator"
        if y.ndim == 2 and not (self._indicators and name_of(self.loss) in INDEPENDENT):
            raise ValueError(
                f"NeuralClassifier: y wants shape (n_samples,), or with BCEWithLogitsLoss an indicator matrix; "
                f"got shape {y.shape} and {name_of(self.loss)}"
            )
        classes = unique_labels(y)
        if not hasattr(self, "classes_"):
            self.classes_ = classes
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ValueError(f"y has classes {unknown} that are not in classes_, {self.classes_}")
        if name_of(self.loss) in INDEPENDENT and not self._indicators and len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported by {name_of(self.loss)}. "
                "The type of the target is multiclass."
            )
        return X, y

    def _n_outputs(self, y: Array) -> int:
        if name_of(self.loss) in INDEPENDENT:
            return int(y.shape[1]) if self._indicators else 1
        return len(self.classes_)

    def _targets(self, y: Array) -> Array:
        if self._indicators:
            return y.astype(np.float64)
        numbers: Array = np.searchsorted(self.classes_, y)
        return numbers[:, None].astype(np.float64) if name_of(self.loss) in INDEPENDENT else numbers

    def _strata(self, y: Array) -> Array | None:
        return None if self._indicators else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = name_of(self.loss) in INDEPENDENT
        tags.classifier_tags.multi_class = name_of(self.loss) not in INDEPENDENT
        return tags


def name_of(loss: Any) -> str:
    """The name of a loss: its class's or function's."""
    return str(getattr(loss, "__name__", type(loss).__name__))
