"""Training that goes on from saved states has the bits of training that was never interrupted."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset
from training import data, network, weights

STEPS, PER_EPOCH = 30, 5
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.02, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.02),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.01),
}
SCHEDULES: dict[str, Any] = {
    "cosine": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=STEPS),
    "one cycle": lambda o: optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS, cycle_momentum=False),
    "steps": lambda o: optim.lr_scheduler.StepLR(o, 7, 0.5),
}


class Run:
    """A training run: a captured step with dropout, shuffled batches, a schedule."""

    def __init__(self, kind: str, schedule: str) -> None:
        self.model = network(0.3)
        self.optimizer = OPTIMIZERS[kind](self.model.parameters())
        self.scheduler = SCHEDULES[schedule](self.optimizer)
        self.loader = DataLoader(TensorDataset(*data()), batch_size=8, shuffle=True, seed=1)
        self.step = fastnn.compile(self.one)

    def one(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def go(self, steps: int) -> None:
        while steps:
            for x, y in self.loader:
                self.step(x, y)
                self.scheduler.step()
                steps -= 1
                if not steps:
                    return

    def parts(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        own = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "scheduler", "loader")}
        return copy.deepcopy({**own, "random": fastnn.get_rng_state()})

    def load(self, parts: dict[str, Any]) -> None:
        for name in ("model", "optimizer", "scheduler", "loader"):
            getattr(self, name).load_state_dict(parts[name])
        fastnn.set_rng_state(parts["random"])


def check(kind: str, schedule: str, cut: int) -> None:
    whole = Run(kind, schedule)
    whole.go(STEPS)
    first = Run(kind, schedule)
    first.go(cut)
    parts = first.parts()
    first.go(2)
    fastnn.manual_seed(99)
    second = Run(kind, schedule)
    second.go(3)
    second.load(parts)
    second.go(STEPS - cut)
    np.testing.assert_array_equal(weights(second.model), weights(whole.model))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_resume(kind: str, target: str) -> None:
    for schedule, cut in zip(SCHEDULES, (1, PER_EPOCH, 13), strict=True):
        check(kind, schedule, cut)


@pytest.mark.full
def test_resume_at_200_points(target: str) -> None:
    chosen = random.Random(0)
    for _ in range(200):
        check(chosen.choice([*OPTIMIZERS]), chosen.choice([*SCHEDULES]), chosen.randrange(1, STEPS))


def test_resume_from_a_file(tmp_path: Path) -> None:
    """Weights and optimizer state survive the way through a file."""
    whole = Run("adam", "steps")
    whole.go(STEPS)
    first = Run("adam", "steps")
    first.go(11)
    parts = first.parts()
    state = {f"{i}.{name}": t for i, values in parts["optimizer"]["state"].items() for name, t in values.items()}
    fastnn.save({**parts["model"], **state}, tmp_path / "run")
    arrays = fastnn.load(tmp_path / "run")
    parts["model"] = {name: arrays[name] for name in parts["model"]}
    parts["optimizer"]["state"] = {
        i: {name: arrays[f"{i}.{name}"] for name in values} for i, values in parts["optimizer"]["state"].items()
    }
    second = Run("adam", "steps")
    second.load(parts)
    second.go(STEPS - 11)
    np.testing.assert_array_equal(weights(second.model), weights(whole.model))
