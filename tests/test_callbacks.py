"""Callbacks of the Trainer: schedules, stopping early, checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.train import Callback, EarlyStopping, LearningRateScheduler, ModelCheckpoint, Trainer
from training import by_hand, data, trainer, weights


def test_learning_rate_schedules() -> None:
    losses, expected = by_hand(5, lambda o: optim.lr_scheduler.StepLR(o, 2, 0.1))
    t = trainer()
    schedule = LearningRateScheduler(optim.lr_scheduler.StepLR(t.optimizer, 2, 0.1))
    history = t.fit(data(), epochs=5, batch_size=16, seed=5, callbacks=[schedule])
    assert history["loss"] == losses
    assert history["lr"] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4])
    np.testing.assert_array_equal(weights(t.model), expected)

    t = trainer()
    cycle = optim.lr_scheduler.OneCycleLR(t.optimizer, 0.1, epochs=3, steps_per_epoch=3)
    t.fit(data(), epochs=3, batch_size=16, callbacks=[LearningRateScheduler(cycle, each="step")])
    assert cycle.last_epoch == 9

    t = trainer()
    plateau = optim.lr_scheduler.ReduceLROnPlateau(t.optimizer, patience=0, threshold=1e9)
    t.fit(data(), epochs=3, callbacks=[LearningRateScheduler(plateau, monitor="accuracy")])
    assert t.optimizer.param_groups[0]["lr"] < 0.01
    for each in ("month", "step"):
        with pytest.raises(ValueError, match="each wants"):
            LearningRateScheduler(plateau, each=each)
    with pytest.raises(TypeError, match="LRScheduler"):
        LearningRateScheduler(3)  # type: ignore[arg-type]


def test_early_stopping_takes_back_the_best_weights() -> None:
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
            values["score"] = [3.0, 2.0, float("nan"), 2.5, 2.0, 0.0][epoch - 1]
            seen.append(weights(trainer.model))

    t = trainer()
    stopping = EarlyStopping("score", patience=3)
    history = t.fit(data(), epochs=6, callbacks=[Watch(), stopping])
    assert history.epochs == 5
    assert (stopping.best_epoch, stopping.stopped_epoch) == (2, 5)
    np.testing.assert_array_equal(weights(t.model), seen[1])
    kept = EarlyStopping("score", patience=3, restore_best_weights=False)
    t.fit(data(), epochs=6, callbacks=[Watch(), kept])
    np.testing.assert_array_equal(weights(t.model), seen[-1])
    up = EarlyStopping("score", patience=1, mode="max", min_delta=0.5)
    assert t.fit(data(), epochs=6, callbacks=[Watch(), up]).epochs == 2
    assert EarlyStopping("val_accuracy").monitor.sign == 1.0
    with pytest.raises(ValueError, match="monitor wants one of loss, accuracy, lr, seconds; got 'val_loss'"):
        t.fit(data(), callbacks=[EarlyStopping()])
    for options, words in (({"patience": 0}, "patience"), ({"mode": "up"}, "mode"), ({"min_delta": -1}, "min_delta")):
        with pytest.raises(ValueError, match=f"EarlyStopping: {words} wants"):
            EarlyStopping(**options)  # type: ignore[arg-type]


def test_checkpoints(tmp_path: Path) -> None:
    fastnn.manual_seed(0)
    model = fastnn.models.MLP(6, [8], 2)
    t = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01))
    best = ModelCheckpoint(tmp_path / "best.safetensors", "loss", save_best_only=True)
    each = ModelCheckpoint(tmp_path / "net-{epoch:02d}.safetensors", metadata={"note": "a test"})
    t.fit(data(), epochs=3, callbacks=[each, best])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.safetensors",
        *(f"net-0{i}.safetensors" for i in (1, 2, 3)),
    ]
    text = fastnn.io.load_metadata(tmp_path / "net-03.safetensors")
    assert (text["epoch"], text["note"]) == ("3", "a test")
    again = fastnn.models.build(json.loads(text["model"]))
    again.load_state_dict(fastnn.load(tmp_path / "net-03.safetensors"))
    np.testing.assert_array_equal(weights(again), weights(model))
    assert json.loads(text["values"])["loss"] == t.history["loss"][-1]


def test_callbacks_are_called_in_order() -> None:
    calls: list[Any] = []

    class Log(Callback):
        def on_train_begin(self, trainer: Any) -> None:
            calls.append("begin")

        def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
            calls.append(epoch)

        def on_step_end(self, trainer: Any, epoch: int, loss: float) -> None:
            calls.append(round(loss, 3) > 0)

        def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
            calls.append(-epoch)
            trainer.stop_training = epoch == 2

        def on_train_end(self, trainer: Any) -> None:
            calls.append("end")

    trainer().fit(data(), epochs=9, batch_size=20, callbacks=[Log()])
    assert calls == ["begin", 1, True, True, -1, 2, True, True, -2, "end"]
