"""MLPClassifier: scikit-learn's, run by fastnn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from ._mlp import BaseMLP

Array = np.ndarray[Any, Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    r"""scikit-learn's MLPClassifier, run by fastnn: change the import and keep everything else.

    Parameters, attributes, methods, warnings and learning curves are those of `sklearn.neural_network.MLPClassifier`:
    the same ``random_state`` draws the same initial weights and the same batches, so that in float64 losses agree to
    the last digits. What differs: solver "lbfgs" goes another way to a loss that is as low.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, or int, default (100,)
        The widths of the hidden layers.
    activation : {"identity", "logistic", "tanh", "relu"}, default "relu"
        Of the hidden layers.
    solver : {"lbfgs", "sgd", "adam"}, default "adam"
        "lbfgs" uses all rows at once, the others batches.
    alpha : float, default 0.0001
        :math:`\alpha / 2n`, times the squares of the weights, is added to the loss of n rows.
    batch_size : int or "auto", default "auto"
        Rows in a batch; "auto" is 200, or all rows if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        For "sgd": as it is; over :math:`(t + 1)^p` after t rows; over 5 each time that training would end.
    learning_rate_init : float, default 0.001
    power_t : float, default 0.5
        The p of "invscaling".
    max_iter : int, default 200
        At most how many epochs, or iterations of "lbfgs".
    shuffle : bool, default True
        Whether each epoch has an order of its own.
    random_state : int, RandomState or None
        What initial weights, order and the part held out follow from.
    tol : float, default 1e-4
        An epoch counts that makes the loss less, or the validation score greater, by this much; "lbfgs" ends where no
        element of the gradient is greater.
    verbose : bool, default False
        Whether each epoch prints a line.
    warm_start : bool, default False
        Whether a fit goes on with the weights of the last.
    momentum : float, default 0.9
    nesterovs_momentum : bool, default True
        For "sgd".
    early_stopping : bool, default False
        Whether a part is held out, whose score ends the training, and the best weights are taken back.
    validation_fraction : float, default 0.1
        That part.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        For "adam".
    n_iter_no_change : int, default 10
        After how many epochs that do not count the training ends.
    max_fun : int, default 15000
        For "lbfgs": at most how many evaluations of the loss.

    Attributes
    ----------
    coefs_, intercepts_ : lists of ndarray
        Weights (in, out) and biases (out,) of the layers, in the dtype of the data.
    classes_ : ndarray of shape (n_classes,)
    loss_ : float
        The loss of the last epoch, with its penalty.
    loss_curve_ : list of float
        That of each epoch.
    best_loss_ : float or None
        The least of them; None with early stopping.
    validation_scores_, best_validation_score_ : list of float and float, or None
        With early stopping.
    n_iter_, t_ : int
        Epochs or iterations of the last fit; rows seen in all.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        What the network is like.

    Notes
    -----
    Steps are captured. ``coefs_`` and ``intercepts_`` may be replaced or written to between calls. Sparse rows are
    made dense batch by batch. Source: scikit-learn 1.9.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from fastnn.sklearn import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    >>> classifier = MLPClassifier(tol=0.01, random_state=0).fit(X_train, y_train)
    >>> classifier.score(X_test, y_test) > 0.9
    True
    >>> classifier.predict_proba(X_test[:2]).shape
    (2, 10)
    """

    loss = "log_loss"

    @available_if(BaseMLP._stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """One epoch over these rows, from the weights that are there.

        Parameters
        ----------
        X, y, sample_weight
            As of `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes of all calls; the first call wants it, unless y is an indicator matrix.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, once=True)

    def predict(self, X: Any) -> Array:
        """The most probable classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_classes) for indicators
        """
        outputs = self._outputs(self._checked(X))
        labels: Array = self._label_binarizer.inverse_transform(outputs.ravel() if outputs.shape[1] == 1 else outputs)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """The probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs = self._outputs(self._checked(X))
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return np.log(self.predict_proba(X))

    def _validate_input(self, X: Any, y: Any, once: bool, fresh: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=fresh,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or once):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(bool)

    def _check_classes(self, classes: Array) -> None:
        """Refuse classes that the network has no outputs for."""
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _targets(self, y: Array, dtype: Any) -> Array:
        return y.argmax(axis=1) if self.out_activation_ == "softmax" else y.astype(dtype)

    def _validation_score(self, X: Any, y: Array, sample_weight: Any) -> float:
        outputs = self._outputs(X)
        if self.out_activation_ == "softmax":
            right = outputs.argmax(axis=1) == y.argmax(axis=1)
        else:
            right = ((outputs > 0.5) == y).all(axis=1)
        return float(np.average(right, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
