"""A small network and its data, for the tests of training."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset
from fastnn.train import Trainer


def data(n: int = 40, dtype: Any = np.float32) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 6))
    return x.astype(dtype), (x[:, 0] > x[:, 1]).astype(np.int64)


def network(dropout: float = 0.2) -> nn.Sequential:
    fastnn.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 2))


def trainer(**options: Any) -> Trainer:
    model = network()
    return Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01), ["accuracy"], **options)


def weights(model: nn.Module) -> Any:
    return np.concatenate([p.array.reshape(-1) for p in model.parameters()])


def by_hand(epochs: int, schedule: Any = None) -> Any:
    """The loop as one writes it out."""
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = schedule(optimizer) if schedule else None
    losses = []
    loader = DataLoader(TensorDataset(*data()), batch_size=16, shuffle=True, seed=5)
    for _ in range(epochs):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        if scheduler is not None:
            scheduler.step()
        losses.append(total / 40)
    return losses, weights(model)
