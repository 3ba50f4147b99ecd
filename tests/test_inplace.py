"""Changes in place: free outside the graph, PyTorch's rules and gradients inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _writes

M = np.arange(12.0).reshape(3, 4) - 7.5


def test_in_place_outside_the_graph(target: str) -> None:
    x = fastnn.tensor(M)
    memory = x.array
    x += 1
    x -= fastnn.tensor(M[0])
    x *= 2.0
    x /= 4
    x.add_(fastnn.ones(3, 4, dtype="float64"), alpha=3).sub_(1.0, alpha=2).mul_(x).div_(2)
    want = ((M + 1 - M[0]) * 2 / 4 + 3 - 2) ** 2 / 2
    assert x.array is memory
    assert np.allclose(memory, want)
    x.clamp_(0, 1)
    assert memory.min() >= 0
    assert memory.max() <= 1
    x.fill_(0.1)
    assert np.all(memory == 0.1)
    x.copy_(fastnn.arange(4))
    assert memory[2].tolist() == [0, 1, 2, 3]
    assert x.zero_() is x
    assert not memory.any()


def test_assignment_to_elements(target: str) -> None:
    x, want = fastnn.zeros(3, 4, dtype="float64"), np.zeros((3, 4))
    rng = np.random.default_rng(0)
    for key in (1, (0, 2), slice(0, 2), (slice(None), -1), Ellipsis, [0, 2], (..., 1), (slice(None, None, -2), [1, 3])):
        value = rng.standard_normal(want[key].shape)
        x[key] = fastnn.tensor(value)
        want[key] = value
        assert np.array_equal(x.numpy(), want)
    x[0, 0] = 0.1
    want[0, 0] = 0.1
    x[x > 0.5] = 9.0
    want[want > 0.5] = 9.0
    x[fastnn.tensor([1])] = [1, 2, 3, 4]
    want[1] = [1, 2, 3, 4]
    assert np.array_equal(x.numpy(), want)
    labels = fastnn.tensor([1, 2])
    labels[0] = 5
    assert labels.tolist() == [5, 2]


# name -> a function of (f, w, x): w is a leaf that requires grad, x one that does not
IN_PLACE: dict[str, Any] = {
    "add": lambda f, w, x: (w * 2).add_(x),
    "+= keeps the name": lambda f, w, x: twice(w * 3),
    "mul by itself": lambda f, w, x: squared(w * 3),
    "into a plain tensor": lambda f, w, x: x.clone().add_(w),
    "copy": lambda f, w, x: (w * 2).copy_(x) + w,
    "copy from the graph": lambda f, w, x: x.clone().copy_(w * 2),
    "copy over the graph": lambda f, w, x: (w * 2).copy_(w * 5) + w,
    "fill": lambda f, w, x: (w * 2).fill_(3.0) * w,
    "zero": lambda f, w, x: (w * 2).zero_() + w * w,
    "clamp": lambda f, w, x: (w * 2).clamp_(-3, 3),
    "div": lambda f, w, x: (w + 1).div_(x * x + 1),
    "item": lambda f, w, x: put(w * 2, 1, 5.0),
    "row from the graph": lambda f, w, x: put(x.clone(), 0, w[1] * 3),
    "after another use": lambda f, w, x: used_twice(w * 2),
    "plain, after another use": lambda f, w, x: used_before(x.clone(), w),
    "slice in the graph": lambda f, w, x: put(w * 2, (slice(None), 1), w[:, 0]),
}


def twice(y: Any) -> Any:
    y += y
    return y


def used_twice(y: Any) -> Any:
    z = y + 1
    y *= 3
    y[0] = z[1]
    return y * z


def used_before(x: Any, w: Any) -> Any:
    z = x + w
    x += w
    x += x
    return x + z


def squared(y: Any) -> Any:
    y *= y.detach().clone()
    return y


def put(y: Any, key: Any, value: Any) -> Any:
    y[key] = value
    return y


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_in_the_graph_against_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for f in (fastnn, torch):
        w, x = f.tensor(M, requires_grad=True), f.tensor(M[::-1].copy())
        y = IN_PLACE[name](f, w, x)
        (y * y).sum().backward()
        results.append((y.detach().numpy(), w.grad.numpy()))
    assert np.allclose(results[0][0], results[1][0])
    assert np.allclose(results[0][1], results[1][1])


def test_in_place_gradients_by_hand(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    y.add_(1.0)
    y.mul_(w)
    y[0] = 7.0
    y.sum().backward()
    assert y.tolist() == [7.0, 14.0]
    assert w.grad is not None
    assert w.grad.tolist() == [0.0, 13.0]


def test_in_place_rules() -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    for change in (lambda: w.add_(1), lambda: w.zero_(), lambda: put(w, 0, 1.0), lambda: w.__imul__(2)):
        with pytest.raises(RuntimeError, match="leaf Tensor that requires grad is being used in an in-place operation"):
            change()
    with fastnn.no_grad():
        w.add_(1)
        w[0] = 5.0
    assert w.tolist() == [5.0, 3.0]
    assert w.is_leaf
    with pytest.raises(RuntimeError, match="view"):
        (w * 2)[:1].add_(w[:1])
    x = fastnn.ones(3)
    with pytest.raises(RuntimeError, match=r"output with shape \(3,\) doesn't match the broadcast shape \(2, 3\)"):
        x.add_(fastnn.ones(2, 3))
    labels = fastnn.tensor([1, 2])
    with pytest.raises(RuntimeError, match="result type float32 can't be cast to the desired output type int64"):
        labels += 1.5
    with pytest.raises(RuntimeError, match="result type float32 can't be cast"):
        labels.div_(2)
    labels += 2
    small = fastnn.tensor([1, 2], dtype="uint8")
    small += labels
    assert small.tolist() == [4, 6]
    assert labels.tolist() == [3, 4]
    with pytest.raises(ValueError, match="broadcast"):
        x.copy_(fastnn.ones(2))
    with pytest.raises(RuntimeError, match="fill_"):
        x.fill_(fastnn.ones(2))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1),
        lambda x: x.zero_(),
        lambda x: x.copy_(3.0),
        lambda x: put(x, 0, 5.0),
        lambda x: put(x, [0], 5.0),
        lambda x: put(x.detach(), 1, 2.0),
        lambda x: x.reshape(1, 2).mul_(2),
    ],
    ids=["add_", "zero_", "copy_", "item", "list", "detached", "view"],
)
def test_saved_values_that_were_changed_are_noticed(change: Any) -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    x = fastnn.tensor([3.0, 4.0])
    y = (w * x).sum()
    change(x)
    with pytest.raises(RuntimeError, match=r"gradient of multiply has been modified by an in-place operation"):
        y.backward()


def test_a_change_of_other_memory_is_no_change() -> None:
    w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y = (w * fastnn.tensor([3.0, 4.0])).sum()
    fastnn.zeros(3).add_(1)
    y.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 4.0]


def test_in_place_changes_in_the_graph_are_captured(target: str) -> None:
    w = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)

    @fastnn.compile
    def step(x: Any) -> Any:
        w.grad = None
        y = w * x
        y += 1
        y[0] = 2.0
        y *= x
        y.sum().backward()
        return y.detach()

    for i in range(1, 6):
        x = np.array([i, 2, 3], np.float32)
        assert step(x).tolist() == [2 * i, 10.0, 30.0]
        assert w.grad is not None
        assert w.grad.tolist() == [0.0, 4.0, 9.0]
        w.grad = None


@pytest.mark.parametrize("others", [0, 2, 5])
def test_a_write_is_remembered_whatever_is_written_after_it(others: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writes, "MOST_LOGGED", len(_writes.LOG) + 3)  # so that the log is folded on the way
    w, other = fastnn.tensor([3.0, 4.0], requires_grad=True), fastnn.zeros(2)
    before = (w * w).sum()
    with fastnn.no_grad():
        w += 1
        for _ in range(others):
            other += 1
    with pytest.raises(RuntimeError, match="modified by an in-place operation"):
        before.backward()
    after = (w * w).sum()
    with fastnn.no_grad():
        other += 1
    after.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [8.0, 10.0]
