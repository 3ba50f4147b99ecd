"""What a Module keeps: state_dict and load_state_dict, copies and pickles, and Parameters themselves."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn


class Scale(nn.Module):
    """A module with a parameter, buffers of both kinds, a place for a parameter and a shared submodule."""

    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.plain = {"a": 1}
        self.inner = nn.Linear(n, n)
        self.factor = nn.Parameter(fastnn.ones(n))
        self.register_buffer("shift", fastnn.zeros(n))
        self.register_buffer("scratch", fastnn.zeros(1), persistent=False)
        self.register_parameter("nothing", None)
        self.again = self.inner

    def forward(self, x: Any, times: int = 1) -> Any:
        return self.inner(x) * self.factor * times + self.shift


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def test_state_dict_is_on_the_same_memory() -> None:
    m = Scale()
    saved = m.state_dict()
    assert list(saved) == ["factor", "shift", "inner.weight", "inner.bias", "again.weight", "again.bias"]
    assert isinstance(saved, OrderedDict)
    assert np.shares_memory(saved["factor"].numpy(), m.factor.array)
    assert not saved["factor"].requires_grad
    assert m.state_dict(keep_vars=True)["factor"] is m.factor
    into: dict[str, Any] = {"x": 1}
    assert m.state_dict(destination=into, prefix="net.") is into
    assert list(into)[:2] == ["x", "net.factor"]


def test_load_takes_values_not_memory() -> None:
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    weight, array = b.weight, b.weight.array
    result = b.load_state_dict(a.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert b.weight is weight
    assert b.weight.array is array
    assert np.array_equal(a.weight.array, b.weight.array)
    values = {"weight": np.arange(6.0).reshape(2, 3), "bias": fastnn.tensor([1, 2])}  # other dtypes are cast
    b.load_state_dict(values)
    assert b.weight.dtype == np.float32
    assert b.weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert b.bias is not None
    assert b.bias.tolist() == [1.0, 2.0]


def test_load_names_all_errors_at_once_and_changes_nothing() -> None:
    m = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    before = {k: v.numpy().copy() for k, v in m.state_dict().items()}
    bad = {"0.weight": np.zeros((2, 3)), "1.weight": np.zeros((2, 2)), "1.bias": "none", "2.weight": np.zeros(1)}
    with pytest.raises(RuntimeError) as error:
        m.load_state_dict(bad)
    assert str(error.value).split("\n\t") == [
        "Error(s) in loading state_dict for Sequential:",
        'Missing key(s) in state_dict: "0.bias". ',
        'Unexpected key(s) in state_dict: "2.weight". ',
        "size mismatch for 1.weight: copying a param with shape (2, 2) from checkpoint, "
        "the shape in current model is (1, 2).",
        "While copying the parameter named \"1.bias\", expected a Tensor or an array but received <class 'str'>",
    ]
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in m.state_dict().items())
    with pytest.raises(TypeError, match="dict-like"):
        m.load_state_dict([1])


def test_load_that_is_not_strict() -> None:
    m = nn.Linear(2, 1)
    result = m.load_state_dict({"weight": np.ones((1, 2)), "other": np.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["other"]
    assert m.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(RuntimeError, match="size mismatch"):
        m.load_state_dict({"weight": np.ones((2, 2))}, strict=False)


def test_load_with_assign_takes_memory() -> None:
    m = nn.Linear(2, 1)
    m.weight.requires_grad_(False)
    values = {"weight": np.ones((1, 2)), "bias": np.zeros(1)}
    m.load_state_dict(values, assign=True)
    assert m.weight.array is values["weight"]
    assert isinstance(m.weight, nn.Parameter)
    assert not m.weight.requires_grad
    assert m.weight.dtype == np.float64
    assert m.bias is not None
    assert m.bias.requires_grad
    with pytest.raises(RuntimeError, match="bias requires grad"):
        m.load_state_dict({**values, "bias": np.zeros(1, np.int64)}, assign=True)


def test_load_is_a_write_that_backward_notices() -> None:
    m = nn.Linear(2, 2)
    y = m(m(fastnn.ones(1, 2))).sum()
    m.load_state_dict(m.state_dict())
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        y.backward()


# Copies


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_deep_copies(how: Any) -> None:
    m = Scale()
    m.eval()
    m.inner(fastnn.ones(1, 3)).sum().backward()
    c = how(m)
    assert c.again is c.inner
    assert c.inner is not m.inner
    assert not c.training
    assert isinstance(c.factor, nn.Parameter)
    assert c.inner.weight.grad is None  # as in PyTorch, a Parameter's copy has no gradient
    assert not np.shares_memory(c.factor.array, m.factor.array)
    assert all(np.array_equal(v.numpy(), m.state_dict()[k].numpy()) for k, v in c.state_dict().items())
    c.new = nn.ReLU()
    assert "new" not in names(m.named_children())
    x = fastnn.ones(2, 3)
    assert np.array_equal(c(x).detach().numpy(), m(x).detach().numpy())


def test_shallow_copy() -> None:
    m = Scale()
    c = copy.copy(m)
    assert c.factor is m.factor
    c.more = nn.Tanh()
    assert names(m.named_children()) == ["inner"]


def test_parameter() -> None:
    p = nn.Parameter(fastnn.tensor([1.0, 2.0]))
    assert repr(p) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    assert isinstance(p, fastnn.Tensor)
    assert p.is_leaf
    assert nn.Parameter().shape == (0,)
    assert not nn.Parameter(fastnn.tensor([1, 2]), requires_grad=False).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(fastnn.tensor([1, 2]))
    p.tag = "no decay"
    assert pickle.loads(pickle.dumps(p)).tag == "no decay"
    c = copy.copy(p)
    assert type(c) is nn.Parameter
    assert c.array is p.array
    array = np.ones(3)
    assert nn.Parameter(array).array is array
