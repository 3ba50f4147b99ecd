"""What NeuralClassifier and NeuralRegressor share: a module is made, trained by Trainer, and applied to rows."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import nn, optim, random
from ..train import Trainer
from ._alone import ALONE
from ._nested import Nested

Array = np.ndarray[Any, Any]
FLOATS = (np.float64, np.float32)
ROWS = 1024  # that a module gets at once


class BaseNeural(Nested, ABC):
    """The estimator behind NeuralClassifier and NeuralRegressor, where parameters and attributes are told."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "module": [callable],
        "loss": [callable],
        "optimizer": [callable],
        "callbacks": ["array-like", None],
        "metrics": ["array-like", dict],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        module: Any,
        loss: Any = nn.CrossEntropyLoss,
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
        self.module = module
        self.loss = loss
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self._keep(nested)

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> Any:
        """Make the module and train it; with a warm start, train on the one that is there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features, ...)
            Floats are cast to the dtype of the module's parameters.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            For data that scikit-learn refuses, parts of another kind, and a module whose outputs do not fit.
        """
        fresh = not (self.warm_start and hasattr(self, "module_"))
        if fresh:
            self.__dict__.pop("classes_", None)
        return self._fit(X, y, self.epochs, fresh)

    def _fit(self, X: Any, y: Any, epochs: int, fresh: bool) -> Any:
        """Check, make what is missing, train."""
        self._refuse_unknown()
        X, y = self._validate_input(X, y, fresh)
        draws = check_random_state(self.random_state)
        with ALONE, seeded(draws):
            if fresh:
                self._begin(X, y)
            targets, held_out = self._targets(y), None
            if self.validation_fraction > 0:
                X, x_held, targets, y_held = train_test_split(
                    X, targets, test_size=self.validation_fraction, random_state=draws, stratify=self._strata(y)
                )
                held_out = (x_held, y_held)
            trainer = self._trainer()
            try:
                trainer.fit(
                    (X, targets),
                    held_out,
                    epochs,
                    batch_size=min(self.batch_size, len(X)),
                    shuffle=self.shuffle,
                    callbacks=self._made_callbacks(self.optimizer_),
                    progress=bool(self.verbose),
                )
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=4)
            self.history_, self.n_iter_ = trainer.history, trainer.history.epochs
        return self

    def _begin(self, X: Array, y: Array) -> None:
        """A module, a loss and an optimizer."""
        who = type(self).__name__
        self.loss_ = self._made_loss()
        n = self._n_outputs(y)
        self.module_ = self._made("module", X.shape[1], n)
        if not isinstance(self.module_, nn.Module):
            raise TypeError(
                f"{who}: module wants a Module or a function (n_features, n_outputs) that makes one; "
                f"got {self.module!r}, which made {type(self.module_).__name__}"
            )
        self.optimizer_ = self._made("optimizer", self.module_.parameters())
        if not isinstance(self.optimizer_, optim.Optimizer):
            raise TypeError(f"{who}: optimizer wants the class of an Optimizer; got {self.optimizer!r}")
        self.__dict__.pop("_training", None)
        shape = self._raw(X[:1]).shape
        if shape != (1, n):
            raise ValueError(f"{who}: module wants outputs of shape (rows, {n}); for one row it gave {shape}")

    def _trainer(self) -> Trainer:
        """The trainer, whose captured steps serve until there is a new module."""
        if not hasattr(self, "_training"):
            self._training = Trainer(self.module_, self.loss_, self.optimizer_, metrics=self.metrics)
        return self._training

    def __getstate__(self) -> dict[str, Any]:
        saved: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in saved.items() if key != "_training"}

    def _raw(self, X: Array) -> Array:
        """The module's outputs; eager, since every number of rows would be a plan of its own."""
        outputs: Array = Trainer(self.module_, self.loss_, self.optimizer_, compile=False).predict(X, batch_size=ROWS)
        return outputs

    def _outputs(self, X: Any) -> Array:
        """The module's outputs for rows that are not checked yet."""
        check_is_fitted(self, "module_")
        return self._raw(validate_data(self, X, dtype=FLOATS, allow_nd=True, reset=False))

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, fresh: bool) -> tuple[Array, Array]:
        """Inputs and targets, checked."""

    @abstractmethod
    def _n_outputs(self, y: Array) -> int:
        """How many outputs the module wants."""

    @abstractmethod
    def _targets(self, y: Array) -> Array:
        """Checked targets as the loss wants them."""

    def _strata(self, y: Array) -> Array | None:
        """What the split for validation keeps the proportions of."""
        return None


@contextmanager
def seeded(draws: np.random.RandomState) -> Iterator[None]:
    """fastnn's random numbers follow from `draws` inside, and go on as before after."""
    before = random.get_rng_state()
    random.manual_seed(int(draws.randint(np.iinfo(np.int32).max)))
    try:
        yield
    finally:
        random.set_rng_state(before)
