"""Trainer: the same as the loop written out, on every backend; callbacks, metrics, interruptions, refusals."""

from __future__ import annotations

import copy
import math
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset
from fastnn.train import History, LearningRateScheduler, Trainer
from training import by_hand, data, network, trainer, weights


@pytest.mark.parametrize("compile", [True, False])
def test_fit_is_the_loop_written_out(compile: bool, target: str) -> None:
    losses, expected = by_hand(4)
    t = trainer(compile=compile)
    history = t.fit(data(), validation=data(20), epochs=4, batch_size=16, seed=5)
    assert history["loss"] == losses
    np.testing.assert_array_equal(weights(t.model), expected)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert history.epochs == 4
    assert not history.interrupted
    assert t.history is history


def test_plans_stay_good_from_epoch_to_epoch() -> None:
    """Evaluation in between does not make the captured steps stale, nor mix the two modes up."""
    before = fastnn._registry.state.recordings
    t = trainer()
    t.fit(data(), validation=data(), epochs=6, batch_size=16, seed=5)
    recorded = fastnn._registry.state.recordings - before
    assert recorded == 6  # two batch sizes to train on and one to validate on, twice each
    assert all(m.training for m in t.model.modules())
    first = t.evaluate(data())
    assert t.evaluate(data()) == first == t.evaluate(data())
    t.model.eval()
    assert t.evaluate(data()) == first
    t.model[2].p = 0.9
    assert t.evaluate(data()) == first
    t.model.train()
    frozen = t.model[0]
    frozen.eval()
    t.predict(data()[0])
    assert not frozen.training
    assert t.model[2].training


@pytest.mark.parametrize("kind", ["tuple", "dataset", "loader", "batches"])
def test_kinds_of_data(kind: str) -> None:
    x, y = data()
    dataset = TensorDataset(x, y)
    loader = DataLoader(dataset, batch_size=16, shuffle=True, seed=5)
    given = {"tuple": (x, y), "dataset": dataset, "loader": loader, "batches": [(x[:20], y[:20]), (x[20:], y[20:])]}[
        kind
    ]
    if kind == "batches":

        class Batches:
            def __iter__(self) -> Any:
                return iter([(x[:20], y[:20]), (x[20:], y[20:])])

        given = Batches()
    t = trainer()
    history = t.fit(given, epochs=2, batch_size=16, seed=5)
    if kind != "batches":
        assert history["loss"] == by_hand(2)[0]
    assert t.evaluate(given)["loss"] == pytest.approx(t.evaluate((x, y))["loss"], rel=1e-6)
    outputs = t.predict(x)
    np.testing.assert_array_equal(t.predict(fastnn.tensor(x)).numpy(), outputs)
    if kind != "tuple":
        shuffled = kind == "loader"
        np.testing.assert_allclose(
            np.sort(t.predict(given), axis=0) if shuffled else t.predict(given),
            np.sort(outputs, axis=0) if shuffled else outputs,
            rtol=1e-5,
        )


def test_floats_are_cast_to_the_models_dtype() -> None:
    x, y = data(dtype=np.float64)
    t = trainer()
    assert t.fit(DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True, seed=5))["loss"] == by_hand(1)[0]
    model = nn.Linear(6, 1).double()
    regression = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), ["mae", "mse"])
    history = regression.fit((x.astype(np.float32), x[:, :1].astype(np.float32)), epochs=30, validation=(x, x[:, :1]))
    assert history["val_mse"][-1] == pytest.approx(history["val_loss"][-1])
    assert history["val_mae"][-1] < 0.01
    assert regression.predict(x.tolist()).dtype == np.float64


def test_several_inputs() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, a: Any, b: Any) -> Any:
            return self.linear(a + b)

    x, _ = data()
    model = Sum()
    t = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    history = t.fit((x[:, :3], x[:, 3:], x[:, :1] + x[:, 3:4]), epochs=40)
    assert history["loss"][-1] < 1e-3
    assert t.predict((x[:, :3], x[:, 3:])).shape == (40, 1)


def test_a_model_that_cannot_be_captured_runs_eagerly() -> None:
    class Peeks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = network()

        def forward(self, x: Any) -> Any:
            y = self.layers(x)
            return y if y.sum().item() > 1e9 else y * 1.0  # reads a value

    fastnn.manual_seed(3)
    model = Peeks()
    t = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01))
    with pytest.warns(RuntimeWarning, match=r"runs eagerly: .*test_train\.py:\d+: item\(\) reads a value") as caught:
        losses = t.fit(data(), epochs=3, batch_size=16, seed=5)["loss"]
    assert len(caught) == 1
    assert losses == pytest.approx(by_hand(3)[0], rel=1e-6)


def test_what_is_refused_late_is_not_run_twice() -> None:
    """A step whose second recording differs has been made: its weights count, and it is not repeated."""
    calls = []

    def loss(output: Any, target: Any) -> Any:
        calls.append(1)
        return nn.functional.cross_entropy(output, target) * (1.0 if len(calls) != 2 else 1.5)

    model = network(0.0)
    t = Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1))
    with pytest.warns(RuntimeWarning, match="runs eagerly"):
        t.fit(data(), epochs=1, batch_size=10, shuffle=False)
    captured = weights(model)
    calls.clear()
    model = network(0.0)
    Trainer(model, loss, optim.SGD(model.parameters(), lr=0.1), compile=False).fit(
        data(), epochs=1, batch_size=10, shuffle=False
    )
    np.testing.assert_array_equal(weights(model), captured)


def test_an_optimizer_of_ones_own_is_not_frozen() -> None:
    class Descent(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with fastnn.no_grad():
                for p in self.param_groups[0]["params"]:
                    p -= self.param_groups[0]["lr"] * p.grad

    results = []
    for kind in (Descent, optim.SGD):
        model = network()
        optimizer = kind(model.parameters(), lr=0.5)
        schedule = LearningRateScheduler(optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
        t = Trainer(model, nn.CrossEntropyLoss(), optimizer)
        results.append(t.fit(data(), epochs=4, seed=1, callbacks=[schedule])["loss"])
    assert results[0] == pytest.approx(results[1], rel=1e-5)


# Metrics and history


def test_metrics() -> None:
    scores = np.array([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [0.2, 0.3, 0.5]])
    assert fastnn.train.accuracy(scores, [1, 1, 2]) == pytest.approx(2 / 3)
    assert fastnn.train.accuracy(scores[:, :1], [[0], [1], [1]]) == pytest.approx(2 / 3)
    assert fastnn.train.accuracy(np.array([-1.0, 0.2]), np.array([0.0, 1.0]), threshold=0.0) == 1.0
    assert fastnn.train.accuracy(np.zeros((2, 3, 4)), np.zeros((2, 4), int)) == 1.0
    with pytest.raises(ValueError, match="accuracy: target wants the shape of output without its axis 1"):
        fastnn.train.accuracy(scores, [1, 2])
    with pytest.raises(ValueError, match="mse: target wants the shape of output"):
        fastnn.train.mse([1.0], [[1.0]])

    def mean_output(output: Any, target: Any) -> Any:
        return output.mean()

    model = nn.Linear(6, 1)
    t = Trainer(
        model, nn.BCEWithLogitsLoss(), optim.SGD(model.parameters()), {"accuracy": "accuracy", "mean": mean_output}
    )
    x, y = data()
    values = t.evaluate((x, y[:, None].astype(np.float32)), batch_size=16)
    logits = t.predict(x)
    assert values["accuracy"] == pytest.approx(((logits[:, 0] > 0) == y).mean())
    assert values["mean"] == pytest.approx(logits.mean(), abs=1e-6)


def test_history(tmp_path: Path) -> None:
    history = History()
    with pytest.raises(ValueError, match="no epoch"):
        history.plot()
    for i in range(3):
        history.add({"loss": 1 / (i + 1), "val_loss": 1 / (i + 2), "accuracy": i / 3, "lr": 0.1})
    assert history.epochs == 3
    figure = history.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    assert copy.deepcopy(history) == history


def test_bad_arguments() -> None:
    model = network()
    optimizer = optim.SGD(model.parameters())
    for make, error, words in (
        (lambda: Trainer(3, nn.MSELoss(), optimizer), TypeError, "model wants a Module; got int"),
        (lambda: Trainer(model, "mse", optimizer), TypeError, "loss wants a callable"),
        (lambda: Trainer(model, nn.MSELoss(), "adam"), TypeError, "optimizer wants a Optimizer; got str"),
        (lambda: Trainer(model, nn.MSELoss(), optimizer, ["speed"]), ValueError, "metrics wants one of accuracy"),
        (lambda: Trainer(model, nn.MSELoss(), optimizer, [3]), TypeError, "names or callables; got 3"),
        (lambda: Trainer(model, nn.MSELoss(), optimizer, ["mae", "mae"]), ValueError, "two values of the name 'mae'"),
        (lambda: trainer().fit(data(), epochs=0), ValueError, "epochs wants a whole number of at least 1"),
        (lambda: trainer().fit(3), TypeError, "fit: train wants a tuple of arrays"),
        (lambda: trainer().fit(iter([])), TypeError, "fit: train wants a tuple of arrays"),
        (lambda: trainer().fit(data(0)), ValueError, "fit: train has no batches"),
        (lambda: trainer().fit((data()[0],)), TypeError, "batches of inputs and a target"),
        (lambda: trainer().predict(data(0)[0]), ValueError, "data has no rows"),
        (lambda: trainer().evaluate(data(0)), ValueError, "evaluate: data has no batches"),
    ):
        with pytest.raises(error, match=words):
            make()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_training(bad: float) -> None:
    x, y = data()
    x[25, 0] = bad
    t = trainer()
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, step 2"):
        t.fit((x, y), batch_size=16, shuffle=False)
    t = trainer(check_finite=False)
    assert math.isnan(t.fit((x, y), batch_size=16, shuffle=False)["loss"][0])


def test_fit_in_another_thread() -> None:
    histories = []
    thread = threading.Thread(target=lambda: histories.append(trainer().fit(data(), epochs=2)))
    thread.start()
    thread.join()
    assert histories[0].epochs == 2


def test_training_twice_gives_the_same_bits() -> None:
    results = []
    for _ in range(2):
        fastnn.manual_seed(11)
        t = trainer()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            t.fit(data(), epochs=3, batch_size=16, seed=2)
        results.append(weights(t.model))
    np.testing.assert_array_equal(*results)
