"""Sequential, ModuleList and ModuleDict: lists and dictionaries whose modules belong to the module that has them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def test_sequential() -> None:
    layers = a, b, c = nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)
    m = nn.Sequential(*layers)
    x = fastnn.ones(4, 2)
    assert np.array_equal(m(x).detach().numpy(), c(b(a(x))).detach().numpy())
    assert len(m) == 3
    assert m[-1] is c
    assert list(m[1:]) == [b, c]
    assert names(m[1:].named_children()) == ["1", "2"]
    assert names(nn.Sequential(OrderedDict(first=a, last=c)).named_children()) == ["first", "last"]
    m[1] = nn.Tanh()
    assert isinstance(m[1], nn.Tanh)
    del m[0]
    assert names(m.named_children()) == ["0", "1"]
    m.insert(0, a)
    m.append(b)
    m.extend([nn.Tanh(), nn.Tanh()])
    assert [type(part).__name__ for part in m] == ["Linear", "Tanh", "Linear", "ReLU", "Tanh", "Tanh"]
    assert names(m.named_children()) == list("012345")
    assert m.pop(3) is b
    del m[3:]
    assert len(m) == 3
    assert len(nn.Sequential(a) + nn.Sequential(b)) == 2
    assert len(2 * nn.Sequential(a, b)) == 4
    m *= 2
    assert len(m) == 6
    m += nn.Sequential(b)
    assert m[6] is b
    for wrong in (7, -8):
        with pytest.raises(IndexError, match="out of range"):
            m[wrong]
    with pytest.raises(TypeError, match="Module"):
        nn.Sequential(a, 3)
    with pytest.raises(ValueError, match="Sequential"):
        m + layers
    assert list(m.state_dict())[:2] == ["0.weight", "0.bias"]


def test_module_list() -> None:
    layers = [nn.Linear(2, 2) for _ in range(3)]
    m = nn.ModuleList(layers)
    assert list(m) == layers
    assert list(m[:2]) == layers[:2]
    assert isinstance(m[:2], nn.ModuleList)
    m += [nn.ReLU()]
    m.insert(1, nn.Tanh())
    assert [type(part).__name__ for part in m] == ["Linear", "Tanh", "Linear", "Linear", "ReLU"]
    assert names(m.named_children()) == list("01234")
    assert len(m + layers) == 8
    with pytest.raises(TypeError, match="iterable"):
        m.extend(3)
    with pytest.raises(NotImplementedError, match="forward"):
        m(1)


def test_module_dict() -> None:
    m = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    m.update([("c", nn.Linear(1, 1)), ("a", nn.SELU())])
    assert list(m.keys()) == list(m) == ["a", "b", "c"]
    assert isinstance(m["a"], nn.SELU)
    assert [type(v).__name__ for v in m.values()] == ["SELU", "Tanh", "Linear"]
    assert dict(m.items())["b"] is m["b"]
    assert list(m.state_dict()) == ["c.weight", "c.bias"]
    assert isinstance(m.pop("b"), nn.Tanh)
    del m["a"]
    assert len(m) == 1
    assert "a" not in m
    m.clear()
    assert not len(m)
    with pytest.raises(KeyError):
        m["a"]
    with pytest.raises(KeyError, match="already exists"):
        m["keys"] = nn.ReLU()
