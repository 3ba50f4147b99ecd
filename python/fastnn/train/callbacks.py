"""What happens beside training: stopping early, saving, learning-rate schedules."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from string import Formatter
from typing import Any

from ..io import save
from ..optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

Values = dict[str, float]


class Callback:
    """What `Trainer.fit` calls; override what you need.

    Epochs are counted from 1. Values are those of `History`, under the same names. Set ``trainer.stop_training = True``
    to end the training after the epoch under way.

    Examples
    --------
    >>> import fastnn
    >>> class Announce(fastnn.train.Callback):
    ...     def on_epoch_end(self, trainer, epoch, values):
    ...         print(f"epoch {epoch}: {sorted(values)}")
    """

    def on_train_begin(self, trainer: Any) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        """Before the first step of an epoch."""

    def on_step_end(self, trainer: Any, epoch: int, loss: float) -> None:
        """After each step."""

    def on_epoch_end(self, trainer: Any, epoch: int, values: Values) -> None:
        """After the last step of an epoch, and its validation."""

    def on_train_end(self, trainer: Any) -> None:
        """After the last epoch, also where an error or Ctrl-C ends the training."""


class Monitor:
    """Watches one value: whether it got better."""

    def __init__(self, who: str, name: str, mode: str, min_delta: float) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{who}: mode wants 'auto', 'min' or 'max'; got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"{who}: min_delta wants a number that is not negative; got {min_delta!r}")
        self.who, self.name, self.min_delta = who, name, float(min_delta)
        self.sign = 1.0 if mode == "max" or (mode == "auto" and "accuracy" in name) else -1.0
        self.start()

    def start(self) -> None:
        """Forget the best value."""
        self.best = -math.inf

    def improved(self, values: Values) -> bool:
        """Whether it is better than the best so far, by more than `min_delta`; NaN never is."""
        value = self.sign * watched(self.who, self.name, values)
        better = value > self.best + self.min_delta if self.best > -math.inf else not math.isnan(value)
        if better:
            self.best = value
        return better


def watched(who: str, name: str, values: Values) -> float:
    """The value that a callback watches."""
    if name not in values:
        raise ValueError(f"{who}: monitor wants one of {', '.join(values)}; got {name!r}")
    return values[name]


class EarlyStopping(Callback):
    """Stop when a value has not become better for `patience` epochs, and take back the best weights.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The value to watch.
    patience : int, default 5
        Epochs without improvement that end the training.
    min_delta : float, default 0
        By more than how much a value must be better to count.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; ``auto`` wants accuracies great, all else small.
    restore_best_weights : bool, default True
        At the end, however many epochs there were, give the model the weights of the best epoch; not after Ctrl-C.

    Attributes
    ----------
    best_epoch : int
        The epoch of the best value; 0 if there is none.
    stopped_epoch : int
        The epoch after which the training was ended; 0 if it was not.

    Raises
    ------
    ValueError
        For arguments out of range; from fit, for a value that is not there.

    Examples
    --------
    >>> import fastnn
    >>> stopping = fastnn.train.EarlyStopping("loss", patience=2)
    >>> class Trainer:
    ...     model = fastnn.nn.Linear(1, 1)
    ...     stop_training = False
    >>> for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.1], start=1):
    ...     stopping.on_epoch_end(Trainer, epoch, {"loss": loss})
    >>> Trainer.stop_training, stopping.best_epoch
    (True, 2)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best_weights: bool = True,
    ) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise ValueError(f"EarlyStopping: patience wants a whole number of at least 1; got {patience!r}")
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience, self.restore_best_weights = patience, restore_best_weights
        self.best_epoch = self.stopped_epoch = self.waited = 0
        self.weights: dict[str, Any] | None = None

    def on_train_begin(self, trainer: Any) -> None:
        """Begin anew."""
        self.monitor.start()
        self.best_epoch = self.stopped_epoch = self.waited = 0
        self.weights = None

    def on_epoch_end(self, trainer: Any, epoch: int, values: Values) -> None:
        """Keep the weights if they are the best; stop if that is too long ago."""
        if self.monitor.improved(values):
            self.best_epoch, self.waited = epoch, 0
            if self.restore_best_weights:
                self.weights = {name: t.array.copy(order="K") for name, t in trainer.model.state_dict().items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch, trainer.stop_training = epoch, True

    def on_train_end(self, trainer: Any) -> None:
        """Take back the best weights."""
        if self.weights is not None and not trainer.history.interrupted:
            trainer.model.load_state_dict(self.weights)
        self.weights = None


class ModelCheckpoint(Callback):
    """Save the model's weights after epochs, by `fastnn.save`: a file is there whole or not at all.

    Parameters
    ----------
    path : str or os.PathLike
        The file; ``{epoch}`` and names of values in it are filled in: ``"net-{epoch:03d}-{val_loss:.2f}.safetensors"``.
    monitor : str, default "val_loss"
        The value that tells the best weights.
    save_best_only : bool, default False
        Save only when that value became better.
    mode : {"auto", "min", "max"}, default "auto"
        As of `EarlyStopping`.
    metadata : mapping of str to str, optional
        Text to keep in the file. The epoch, its values and, where the model has a ``config()``, the network's
        configuration are there too, as ``epoch``, ``values`` and ``model`` (JSON).

    Raises
    ------
    ValueError
        For arguments out of range; from fit, for a value that is not there.
    OSError
        From fit, if the file cannot be written.

    Examples
    --------
    >>> import fastnn, tempfile
    >>> checkpoint = fastnn.train.ModelCheckpoint(tempfile.mkdtemp() + "/net-{epoch}.safetensors")
    >>> class Trainer:
    ...     model = fastnn.nn.Linear(2, 1)
    >>> checkpoint.on_epoch_end(Trainer, 1, {"loss": 0.5})
    >>> sorted(fastnn.load(checkpoint.saved))
    ['bias', 'weight']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: str = "auto",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.save_best_only, self.metadata = os.fspath(path), save_best_only, dict(metadata or {})
        try:
            fields = [name for _, name, _, _ in Formatter().parse(self.path) if name is not None]
        except ValueError as error:
            raise ValueError(f"ModelCheckpoint: path wants names in braces; got {self.path!r} ({error})") from None
        if not all(name.isidentifier() for name in fields):
            raise ValueError(f"ModelCheckpoint: path wants names in braces; got {self.path!r}")
        self.monitor = Monitor("ModelCheckpoint", monitor, mode, 0.0)
        self.saved = ""  # the file saved last

    def on_train_begin(self, trainer: Any) -> None:
        """Begin anew."""
        self.monitor.start()

    def on_epoch_end(self, trainer: Any, epoch: int, values: Values) -> None:
        """Save, if it is the best or any will do."""
        if self.save_best_only and not self.monitor.improved(values):
            return
        config = getattr(trainer.model, "config", None)
        text = {"epoch": str(epoch), "values": json.dumps(values)}
        if callable(config):
            text["model"] = json.dumps(config())
        try:
            self.saved = self.path.format(epoch=epoch, **values)
        except KeyError as error:
            known = ", ".join(["epoch", *values])
            raise ValueError(f"ModelCheckpoint: path wants names among {known}; got {error}") from None
        save(trainer.model.state_dict(), self.saved, {**text, **self.metadata})


class LearningRateScheduler(Callback):
    """Let a schedule of `fastnn.optim.lr_scheduler` go on with training.

    Parameters
    ----------
    scheduler : LRScheduler
        Of the trainer's optimizer.
    each : {"epoch", "step"}, default "epoch"
        After what it goes on; OneCycleLR is meant for steps.
    monitor : str, optional
        The value that ReduceLROnPlateau follows; by default ``val_loss``, or ``loss`` without validation.

    Raises
    ------
    TypeError, ValueError
        For anything else; from fit, for a value that is not there.

    Examples
    --------
    >>> import fastnn
    >>> optimizer = fastnn.optim.SGD(fastnn.nn.Linear(1, 1).parameters(), lr=1.0)
    >>> schedule = fastnn.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> fastnn.train.LearningRateScheduler(schedule).on_epoch_end(None, 1, {})
    >>> optimizer.param_groups[0]["lr"]
    0.5
    """

    def __init__(self, scheduler: LRScheduler, each: str = "epoch", monitor: str | None = None) -> None:
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"LearningRateScheduler: scheduler wants an LRScheduler; got {type(scheduler).__name__}")
        if each not in ("epoch", "step"):
            raise ValueError(f"LearningRateScheduler: each wants 'epoch' or 'step'; got {each!r}")
        if isinstance(scheduler, ReduceLROnPlateau) and each == "step":
            raise ValueError("LearningRateScheduler: each wants 'epoch' for ReduceLROnPlateau; got 'step'")
        self.scheduler, self.each, self.monitor = scheduler, each, monitor

    def on_step_end(self, trainer: Any, epoch: int, loss: float) -> None:
        """Go on, if that is to be after each step."""
        if self.each == "step":
            self.scheduler.step()

    def on_epoch_end(self, trainer: Any, epoch: int, values: Values) -> None:
        """Go on, if that is to be after each epoch."""
        if self.each == "step":
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            name = self.monitor or ("val_loss" if "val_loss" in values else "loss")
            self.scheduler.step(watched("LearningRateScheduler", name, values))
        else:
            self.scheduler.step()
