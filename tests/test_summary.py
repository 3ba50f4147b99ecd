"""summary: shapes, parameters and multiply-adds, and that the network is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.random import STATE


class Twice(nn.Module):
    """Goes through one layer twice and past another; takes two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(4, 4, bias=False)
        self.unused = nn.Linear(9, 9)
        self.tail = nn.Sequential(nn.Dropout(), nn.LayerNorm(4))

    def forward(self, a: Any, b: Any) -> Any:
        return {"y": self.tail(self.shared(input=self.shared(a))), "both": (a, b)}


def rows(table: Any) -> list[tuple[Any, ...]]:
    return [(r.name, r.kind, r.depth, r.output_shape, r.parameters, r.multiply_adds) for r in table.rows]


def test_the_numbers() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 2, bias=False))
    net[4].requires_grad_(False)
    table = fastnn.summary(net, (7, 3, 4))
    assert rows(table) == [
        ("", "Sequential", 0, (7, 2), 0, 0),
        ("0", "Flatten", 1, (7, 12), 0, 0),
        ("1", "Linear", 1, (7, 5), 65, 7 * 12 * 5),
        ("2", "ReLU", 1, (7, 5), 0, 0),
        ("3", "LayerNorm", 1, (7, 5), 10, 35),
        ("4", "Linear", 1, (7, 2), 10, 7 * 5 * 2),
    ]
    assert table.total_parameters == 85
    assert table.trainable_parameters == 75
    assert table.multiply_adds == 7 * 60 + 35 + 70


def test_networks_for_images() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, groups=2),
        nn.BatchNorm2d(6),
        nn.GroupNorm(3, 6, affine=False),
        nn.ConvTranspose2d(6, 8, 3, stride=2, groups=2),
        nn.InstanceNorm2d(8, affine=True),
        nn.Flatten(2),
        nn.RMSNorm(81),
    )
    table = fastnn.summary(net, (5, 4, 8, 6))
    assert [r.output_shape for r in table.rows[1:5]] == [(5, 6, 4, 4)] * 3 + [(5, 8, 9, 9)]
    values, after = 5 * 6 * 16, 5 * 8 * 81
    # A result of the first convolution sums 2 channels times 3 x 2 taps, a value into the second goes to 4 x 3 x 3.
    expected = [0, values * 2 * 6, values, 0, values * 4 * 9, after, 0, after]
    assert [r.multiply_adds for r in table.rows] == expected
    assert table.multiply_adds == sum(expected)


def test_inputs_outputs_and_sharing() -> None:
    table = fastnn.summary(Twice(), [(2, 3, 4), (1,)])
    assert rows(table) == [
        ("", "Twice", 0, {"y": (2, 3, 4), "both": ((2, 3, 4), (1,))}, 0, 0),
        ("shared", "Linear", 1, (2, 3, 4), 16, 2 * (24 * 4)),
        ("unused", "Linear", 1, None, 90, 0),
        ("tail", "Sequential", 1, (2, 3, 4), 0, 0),
        ("0", "Dropout", 2, (2, 3, 4), 0, 0),
        ("1", "LayerNorm", 2, (2, 3, 4), 8, 24),
    ]
    tied = nn.Linear(3, 3)
    tied.again = nn.Linear(3, 3)
    tied.again.weight = tied.weight
    assert fastnn.summary(tied, (1, 3)).total_parameters == 9 + 3 + 3


def test_the_text() -> None:
    text = str(fastnn.summary(nn.Sequential(nn.Linear(1000, 20), nn.Linear(20, 2)), (1, 1000)))
    assert text.splitlines() == [
        "Layer         Output shape  Parameters  Multiply-adds",
        "-----------------------------------------------------",
        "Sequential    (1, 2)                 -              -",
        "  Linear (0)  (1, 20)           20,020         20,000",
        "  Linear (1)  (1, 2)                42             40",
        "-----------------------------------------------------",
        "Input shape: (1, 1000)",
        "Parameters: 20,062 (20,062 trainable, 0 frozen)",
        "Multiply-adds: 20,040",
    ]
    assert text == repr(fastnn.summary(nn.Sequential(nn.Linear(1000, 20), nn.Linear(20, 2)), (1, 1000)))


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2)).double()
    net[1].eval()
    seen: list[Any] = []
    net[0].register_forward_hook(lambda module, args, out: seen.append((args[0].dtype, module.training)))
    before = {k: v.numpy().copy() for k, v in net.state_dict().items()}
    offset = int(STATE[1])
    fastnn.summary(net, (3, 4))
    assert seen == [(np.float64, False)]
    assert [m.training for m in net.modules()] == [True, True, False, True]
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert int(STATE[1]) == offset
    with pytest.raises(ValueError, match="4"):
        fastnn.summary(net, (3, 5))
    assert net.training
    net(np.zeros((1, 4)))
    assert len(seen) == 2


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="Module"):
        fastnn.summary(lambda x: x, (1,))
    with pytest.raises(TypeError, match="dtype"):
        fastnn.summary(nn.ReLU(), (1,), dtype="text")
    assert fastnn.summary(nn.ReLU(), (2, 3), dtype="float64").rows[0].output_shape == (2, 3)
