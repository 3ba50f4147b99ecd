"""The same script on every backend: the same network after its first 20 steps, within the stated tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.data import DataLoader, TensorDataset

# Of docs/numerics.md: losses relative to their size, parameters to 1.
LOSSES = {np.float32: 3e-5, np.float64: 1e-12}
PARAMETERS = {np.float32: 1e-4, np.float64: 1e-11}


def first_steps(dtype: Any) -> tuple[list[float], Any]:
    fastnn.manual_seed(0)
    x, y = fastnn.datasets.digits()
    net = nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Dropout(0.2), nn.LayerNorm(48), nn.Linear(48, 10)).to(dtype)
    optimizer = optim.Adam(net.parameters(), lr=3e-3)
    loader = DataLoader(TensorDataset((x / 16).astype(dtype), y), batch_size=64, shuffle=True, seed=1)
    losses = []
    for (images, labels), _ in zip(loader, range(20), strict=False):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, np.concatenate([p.array.reshape(-1) for p in net.parameters()])


@pytest.mark.parametrize("dtype", LOSSES)
def test_backends_go_the_same_way(dtype: Any) -> None:
    with fastnn.use_backend("numpy"):
        losses, parameters = first_steps(dtype)
    assert losses[-1] < 0.6 * losses[0]
    for name in set(fastnn.backends()) - {"numpy"}:
        with fastnn.use_backend(name):
            got, weights = first_steps(dtype)
        assert got == pytest.approx(losses, rel=LOSSES[dtype])
        assert np.abs(weights - parameters).max() < PARAMETERS[dtype]
