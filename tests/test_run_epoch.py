"""`run_epoch`: the same bits as one call for each batch, on every backend, with plans and without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset
from fastnn.train import Callback


def network() -> tuple[Any, Any, Any]:
    """A compiled step with dropout and momentum, its parameters, and data."""
    fastnn.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 3))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    @fastnn.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        output = model(x)
        loss = nn.functional.cross_entropy(output, y)
        loss.backward()
        optimizer.step()
        return loss, output

    rng = np.random.default_rng(0)
    return step, list(model.parameters()), (rng.standard_normal((50, 6)).astype(np.float32), rng.integers(0, 3, 50))


def test_same_bits_as_one_call_for_each_batch(target: str) -> None:
    order = np.random.default_rng(1).permutation(50)
    step, parameters, (x, y) = network()
    one_by_one = [step(x[order[i : i + 8]], y[order[i : i + 8]]) for _ in range(3) for i in range(0, 50, 8)]
    step, others, _ = network()
    losses, outputs, counts = [], [], []
    for _ in range(3):
        for steps, (loss, output) in step.run_epoch([x, y], order, 8):
            assert loss.shape[0] == output.shape[0] == steps
            counts.append(steps)
            losses += list(loss.numpy())
            outputs += list(output.numpy())
    assert (max(counts) > 1) == target.startswith("cpp")  # several steps at a time
    assert losses == [a.item() for a, _ in one_by_one]
    for a, (_, b) in zip(outputs, one_by_one, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    for p, q in zip(parameters, others, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


def test_reads_the_learning_rate_and_stops_at_a_loss_that_is_not_finite() -> None:
    step, _, (x, y) = network()
    for _ in step.run_epoch([x, y], np.arange(48), 8):
        pass
    x[20] = np.nan
    found = list(step.run_epoch([x, y], np.arange(48), 8))
    many = [steps for steps, _ in found]
    assert sum(many) == 6
    if fastnn.backend() == "cpp":
        assert many[0] == 3
    assert not np.isfinite(found[0][1][0].numpy()[-1] if len(many) < 6 else found[2][1][0].numpy()[0])


@pytest.mark.parametrize(
    ("arrays", "rows", "size", "error"),
    [
        ([np.zeros((4, 6), np.float32), np.zeros(3, np.int64)], [0], 1, ValueError),
        ([np.zeros((4, 6), np.float32), np.zeros(4, np.int64)], [4], 1, IndexError),
        ([np.zeros((4, 6), np.float32), np.zeros(4, np.int64)], [-1], 1, IndexError),
        ([np.zeros((4, 6), np.float32), np.zeros(4, np.int64)], [0], 0, ValueError),
        ([np.zeros((4, 6), np.float32), np.full(4, 7)], [0, 1, 2, 3], 1, IndexError),
    ],
)
def test_refuses(arrays: Any, rows: Any, size: Any, error: type[Exception]) -> None:
    step, _, (x, y) = network()
    for _ in step.run_epoch([x, y], np.arange(4), 1):
        pass
    with pytest.raises(error):
        list(step.run_epoch(arrays, rows, size))


class Counter(Callback):
    """A call after each step, which makes the trainer take one step at a time."""

    def on_step_end(self, trainer: Any, epoch: int, loss: float) -> None:
        """Nothing."""


@pytest.mark.parametrize("metrics", [(), ("accuracy",)], ids=str)
def test_trainer_with_and_without_a_call_after_each_step(metrics: Any) -> None:
    histories, weights, places = [], [], []
    for callbacks in ([], [Counter()]):
        fastnn.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        trainer = fastnn.Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters()), metrics=metrics)
        _, _, (x, y) = network()
        loader = DataLoader(TensorDataset(x, y), 7, shuffle=True, seed=5)
        history = trainer.fit(loader, validation=(x, y), epochs=4, callbacks=callbacks)
        histories.append({k: v for k, v in history.items() if k != "seconds"})
        weights.append([p.detach().numpy() for p in model.parameters()])
        places.append(loader.state_dict())
    assert places[0] == places[1]
    for p, q in zip(*weights, strict=True):
        np.testing.assert_array_equal(p, q)
    for key in histories[0]:
        np.testing.assert_allclose(histories[0][key], histories[1][key], rtol=1e-12)
