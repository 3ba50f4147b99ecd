"""Trainer: the training loop, captured, with validation, metrics and callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .._engine import no_grad
from .._tensor import Tensor
from ..data import DataLoader
from ..nn import Module
from ..optim import Optimizer
from ..optim._tables import TableOptimizer
from ..optim.lr_scheduler import LRScheduler
from ._batches import batches_of, cast, ready_arrays, taken_apart
from ._captured import Captured, Modes
from ._interrupt import WholeSteps
from ._progress import Progress
from .callbacks import Callback
from .history import History
from .metrics import Metric, is_mean, resolve


class Trainer:
    """Trains a model on data: ``Trainer(model, loss, optimizer).fit(train, validation, epochs=10)``.

    The step runs as `fastnn.compile` captures it; where that cannot be, a warning names the line and it runs eagerly.
    Optimizers of your own always run eagerly.

    Parameters
    ----------
    model : Module
        Called with the inputs of a batch.
    loss : callable
        ``loss(output, target)`` gives a Tensor of one element, the mean over the batch.
    optimizer : Optimizer
        Over the model's parameters.
    metrics : sequence of str or callable, or dict of them by name, default ()
        ``"accuracy"``, ``"top5_accuracy"``, ``"mae"``, ``"mse"``, or functions of (output, target) that give means over
        the batch.
    compile : bool, default True
        Whether steps are captured.
    check_finite : bool, default True
        Whether a loss that is NaN or infinite ends the training.

    Attributes
    ----------
    history : History
        Of the training under way, or the last.
    stop_training : bool
        What callbacks set to end the training after the epoch.

    Raises
    ------
    TypeError, ValueError
        For arguments of another kind.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.manual_seed(0)
    >>> model = fastnn.nn.Sequential(fastnn.nn.Linear(2, 16), fastnn.nn.Tanh(), fastnn.nn.Linear(16, 2))
    >>> optimizer = fastnn.optim.Adam(model.parameters(), lr=0.03)
    >>> trainer = fastnn.Trainer(model, fastnn.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"])
    >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> history = trainer.fit((x, y), epochs=200, batch_size=4)
    >>> history["accuracy"][-1]
    1.0
    >>> trainer.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        metrics: Any = (),
        *,
        compile: bool = True,
        check_finite: bool = True,
    ) -> None:
        for name, value, kind in (("model", model, Module), ("optimizer", optimizer, Optimizer)):
            if not isinstance(value, kind):
                raise TypeError(f"Trainer: {name} wants a {kind.__name__}; got {type(value).__name__}")
        if not callable(loss):
            raise TypeError(f"Trainer: loss wants a callable of (output, target); got {type(loss).__name__}")
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics: dict[str, Metric] = resolve(metrics, loss)
        self.check_finite = check_finite
        self.history = History()
        self.stop_training = False
        self._bar = Progress(False, 0, None)
        self._modes = Modes(model)
        # What Python reads from param_groups would be frozen; fastnn's own optimizers hand it on by reference.
        self._train_step = Captured(self._train, compile and isinstance(optimizer, TableOptimizer))
        self._test_step = Captured(self._test, compile)
        self._predict_step = Captured(model, compile)

    def fit(
        self,
        train: Any,
        validation: Any = None,
        epochs: int = 1,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ) -> History:
        """Train the model.

        Parameters
        ----------
        train : tuple of arrays (inputs..., target), Dataset, DataLoader, or iterable of batches
            Floats are cast to the dtype of the model's parameters.
        validation : the same, optional
            What the model is evaluated on after each epoch.
        epochs : int, default 1
            How many times to go through the data.
        batch_size, shuffle, seed
            Of the DataLoader made for arrays and a Dataset (for validation of 256 rows at least, in order); without a
            seed the order follows from ``fastnn.manual_seed``.
        callbacks : sequence of Callback
            Called in their order.
        progress : bool, default True
            Show a progress bar on standard error where that is a terminal.

        Returns
        -------
        History
            The loss, metrics, ``lr`` of the first group and ``seconds`` of each epoch; those of training are means over
            the epoch's steps, taken while the weights change.

        Raises
        ------
        TypeError, ValueError
            For arguments of another kind, and data without batches.
        FloatingPointError
            If the loss is NaN or infinite; the message names epoch and step. The weights are those after that step.
        KeyboardInterrupt
            Ctrl-C ends the training after the step under way (a second one at once): weights and optimizer are those
            after the last whole step, ``trainer.history`` has the epochs so far and ``interrupted`` set, no weights are
            restored.
        """
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"fit: epochs wants a whole number of at least 1; got {epochs!r}")
        callbacks = checked(callbacks)
        dtype = self._dtype()
        batches = batches_of("fit: train", train, batch_size, dtype, shuffle, seed)
        tests = None if validation is None else batches_of("fit: validation", validation, max(batch_size, 256), dtype)
        self.history, self.stop_training = History(), False
        steps = len(batches) if hasattr(batches, "__len__") else None
        if not all(m.training for m in self.model.modules()):
            self.model.train()
        with WholeSteps() as whole, Progress(progress, epochs, steps) as self._bar:
            try:
                for callback in callbacks:
                    callback.on_train_begin(self)
                for epoch in range(1, epochs + 1):
                    began = time.perf_counter()
                    values = self._epoch(epoch, batches, dtype, whole, callbacks)
                    if tests is not None:
                        values |= {f"val_{name}": value for name, value in self._evaluate(tests, dtype).items()}
                    values["lr"] = float(self.optimizer.param_groups[0]["lr"])
                    values["seconds"] = time.perf_counter() - began
                    self.history.add(values)
                    self._bar.tell(values)
                    for callback in callbacks:
                        callback.on_epoch_end(self, epoch, values)
                    if self.stop_training:
                        break
            except KeyboardInterrupt:
                self.history.interrupted = True
                raise
            finally:
                for callback in callbacks:
                    callback.on_train_end(self)
        return self.history

    def evaluate(self, data: Any, *, batch_size: int = 256) -> dict[str, float]:
        """The loss and the metrics on data, in evaluation mode.

        Parameters
        ----------
        data : tuple of arrays (inputs..., target), Dataset, DataLoader, or iterable of batches
        batch_size : int, default 256
            Of the DataLoader made for arrays and a Dataset.

        Returns
        -------
        dict of str to float
            Means over the samples, ``"loss"`` first.

        Raises
        ------
        TypeError, ValueError
            For data of another kind or without batches.
        """
        dtype = self._dtype()
        return self._evaluate(batches_of("evaluate: data", data, batch_size, dtype), dtype)

    def predict(self, data: Any, *, batch_size: int = 256) -> Any:
        """The model's outputs, in evaluation mode.

        Parameters
        ----------
        data : array, Tensor, Dataset, DataLoader, or tuple of arrays
            The inputs. Of a tuple of arrays all are inputs; of the items of a Dataset or DataLoader the first is.
        batch_size : int, default 256
            How many rows the model gets at once.

        Returns
        -------
        numpy.ndarray, or Tensor if `data` is one
            The outputs of all rows.

        Raises
        ------
        TypeError, ValueError
            For data of another kind or without rows.
        """
        dtype = self._dtype()
        arrays = isinstance(data, (Tensor, np.ndarray, list, tuple))
        rows = data if isinstance(data, tuple) or not arrays else (data,)
        outputs = []
        with self._modes.evaluating(), no_grad():
            for batch in batches_of("predict: data", rows, batch_size, dtype):
                items = list(batch) if isinstance(batch, (tuple, list)) else [batch]
                inputs = [cast(item, dtype) for item in (items if arrays else items[:1])]
                outputs.append(self._predict_step(*inputs).array)
        if not outputs:
            raise ValueError("predict: data has no rows")
        joined = np.concatenate(outputs)
        return Tensor(joined) if isinstance(data, Tensor) else joined

    def write(self, line: str) -> None:
        """Print a line to standard output, above the progress bar where there is one; for callbacks."""
        self._bar.write(line)

    # Steps

    def _train(self, *batch: Tensor) -> Any:
        """One step: the loss and, where metrics want it, the output."""
        self.optimizer.zero_grad()
        output = self.model(*batch[:-1])
        loss = self.loss(output, batch[-1])
        loss.backward()
        self.optimizer.step()
        return self._train_step.finished((loss.detach(), output.detach()) if self.metrics else (loss.detach(),))

    def _test(self, *batch: Tensor) -> Any:
        """The loss and the output of a batch."""
        output = self.model(*batch[:-1])
        return self.loss(output, batch[-1]), output

    def _epoch(
        self, epoch: int, batches: Any, dtype: Any, whole: WholeSteps, callbacks: Iterable[Callback]
    ) -> dict[str, float]:
        """The steps of one epoch."""
        self._bar.epoch(epoch)
        for callback in callbacks:
            callback.on_epoch_begin(self, epoch)
        after = [c.on_step_end for c in callbacks if type(c).on_step_end is not Callback.on_step_end]
        means = Means(self.metrics)
        number = 0
        for steps, losses, output, target in self._steps(batches, dtype, whole, one_by_one=bool(after)):
            values = losses.tolist()
            wrong = [i for i, value in enumerate(values) if not math.isfinite(value)] if self.check_finite else []
            if wrong:
                where = f"epoch {epoch}, step {number + wrong[0] + 1}"
                raise FloatingPointError(f"fit: the loss is {values[wrong[0]]} in {where}")
            means.add(values, output, target)
            for call in after:
                call(self, epoch, values[0])
            number += steps
            self._bar.step(steps)
        return means.values("fit: train")

    def _steps(
        self, batches: Any, dtype: Any, whole: WholeSteps, one_by_one: bool
    ) -> Iterator[tuple[int, Any, list[Any], Any]]:
        """Steps and what they gave: how many, their losses, their outputs (where metrics want them), their targets.

        Where nothing is to happen after each of them, and the data are arrays, many are done at a time.
        """
        if one_by_one or not (type(batches) is DataLoader and ready_arrays(batches, dtype)):
            for batch in batches:
                ready = taken_apart("fit: train", batch, dtype)
                loss, *output = whole.run(self._train_step, *ready)
                yield 1, loss.array.reshape(1), [o.array[None] for o in output], ready[-1].array[None]
            return
        arrays, rows, at = batches._arrays or [], batches._begin_rows(), 0
        chunks = self._train_step.run_epoch(arrays, rows, batches.batch_size)
        while (chunk := whole.run(next, chunks, None)) is not None:
            steps, (loss, *output) = chunk
            here = rows[at : at + steps * batches.batch_size]
            target = arrays[-1][here] if output else here
            at += len(here)
            batches._used(steps)
            yield steps, loss.array, [o.array for o in output], target.reshape(steps, -1, *target.shape[1:])

    def _evaluate(self, batches: Any, dtype: Any) -> dict[str, float]:
        """The means over batches."""
        means = Means(self.metrics)
        with self._modes.evaluating(), no_grad():
            for batch in batches:
                ready = taken_apart("evaluate: data", batch, dtype)
                loss, output = self._test_step(*ready)
                means.add([loss.array.item()], [output.array[None]], ready[-1].array[None])
        return means.values("evaluate: data")

    def _dtype(self) -> Any:
        """The dtype of the model's parameters."""
        return next((p.array.dtype for p in self.model.parameters()), np.dtype(np.float32))


def checked(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks of a training."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"fit: callbacks wants a sequence of Callback; got {type(callbacks).__name__}")
    found = tuple(callbacks)
    for i, callback in enumerate(found):
        if isinstance(callback, LRScheduler):
            raise TypeError(f"fit: callbacks[{i}] is a schedule; give LearningRateScheduler(schedule)")
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: callbacks[{i}] wants a Callback; got {type(callback).__name__}")
    return found


class Means:
    """Means of the loss and the metrics over samples."""

    def __init__(self, metrics: dict[str, Metric]) -> None:
        self.metrics = metrics
        self.sums = [0.0] * (1 + len(metrics))
        self.samples = 0

    def add(self, losses: list[float], output: list[Any], target: Any) -> None:
        """Some steps of equal size: their losses, their outputs if there are metrics, their targets, step by step."""
        n = target.shape[1]
        self.samples += n * len(losses)
        for loss in losses:
            self.sums[0] += loss * n
        for i, metric in enumerate(self.metrics.values(), 1):
            if len(losses) > 1 and is_mean(metric):  # of all samples at once
                y, t = (a.reshape(-1, *a.shape[2:]) for a in (output[0], target))
                self.sums[i] += float(metric(y, t)) * n * len(losses)
            else:
                for y, t in zip(output[0], target, strict=True):
                    self.sums[i] += float(metric(Tensor(y), Tensor(t))) * n

    def values(self, what: str) -> dict[str, float]:
        """The means by name."""
        if not self.samples:
            raise ValueError(f"{what} has no batches")
        return dict(zip(["loss", *self.metrics], (s / self.samples for s in self.sums), strict=True))
