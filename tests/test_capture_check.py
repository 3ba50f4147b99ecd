"""``compile(step, check=True)``: silent where replays are right, and says what differs where they are not."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn._registry import OPS
from fastnn.capture import CaptureError, compiled

OPTIMIZERS = {
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=1e-2, amsgrad=True),
}
STEPS = 6


class Square(fastnn.autograd.Function):
    """A call-back node."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, dy: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * dy


class Training:
    """A small network and its step, eager or captured."""

    def __init__(self, name: str = "momentum", wrap: Callable[[Any], Any] = lambda step: step) -> None:
        fastnn.manual_seed(7)
        self.layer, self.w = nn.Linear(4, 3), nn.Parameter(some(4))
        self.optimizer = OPTIMIZERS[name]([*self.layer.parameters(), self.w])
        self.run = wrap(self.step)
        self.losses: list[float] = []

    def step(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        hidden = nn.functional.dropout(Square.apply(x * self.w).relu(), 0.25)
        loss = nn.functional.cross_entropy(self.layer(hidden).tanh(), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def go_on(self, steps: int = STEPS) -> Any:
        for i in range(steps):
            self.losses.append(self.run(fastnn.tensor(some(5, 4) * i), fastnn.tensor(np.arange(5) % 3)).item())
        return self

    def left(self) -> Any:
        params = self.optimizer.param_groups[0]["params"]
        state = [v.tolist() for p in params for v in self.optimizer.state[p].values()]
        values = [(p.tolist(), p.grad.tolist()) for p in params]
        return self.losses, values, state, fastnn.get_rng_state()["philox"].tolist()


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def checked(function: Any) -> Any:
    return fastnn.compile(function, check=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_leaves_all_as_after_one_eager_step(name: str, target: str) -> None:
    expected, captured = Training(name).go_on().left(), Training(name, checked).go_on()
    assert captured.run.plans
    assert captured.left() == expected


def test_as_a_decorator() -> None:
    @fastnn.compile(check=True)
    def twice(x: Any) -> Any:
        return x * 2

    for _ in range(4):
        assert twice(some(3)).tolist() == (some(3) * 2).tolist()
    assert twice.check
    assert copy.copy(twice).check
    model = fastnn.compile(nn.Linear(2, 1), check=True)
    assert model._replay.check
    assert copy.deepcopy(model)._replay.check


def nudged(array: Any) -> None:
    array.reshape(-1)[0] = np.nextafter(array.reshape(-1)[0], np.inf, dtype=array.dtype)


WRONG = {  # what a wrong plan does after a replay, and what is said about it
    "result": (lambda t, out: nudged(out[0]), r"result 0 differs after cross_entropy"),
    "parameter": (
        lambda t, out: nudged(t.layer.weight.array),
        r"a parameter of shape \(3, 4\) differs after sgd: at \(0, 0\) .* by the eager call \(1 of 12 elements differ",
    ),
    "state": (
        lambda t, out: nudged(t.optimizer.state[t.w]["momentum_buffer"].array),
        r"sgd's v of shape \(4,\) differs after sgd",
    ),
    "gradient": (
        lambda t, out: nudged(t.layer.bias.grad.array),
        r"the \.grad of a parameter of shape \(3,\) differs after linear_backward",
    ),
    "no gradient": (
        lambda t, out: setattr(t.w, "grad", None),
        r"the \.grad of a parameter of shape \(4,\) differs after \w+: the replay leaves none",
    ),
    "argument": (lambda t, out: nudged(t.x), r"argument 0 of shape \(5, 4\) differs: at \(0, 0\)"),
    "random": (lambda t, out: fastnn.random.reserve(1), r"check: the state of the random generator of shape \(2,\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_difference_is_named(what: str, target: str) -> None:
    expected = Training().go_on(STEPS + 1).left()
    training = Training(wrap=checked).go_on()
    (entry,) = training.run.plans
    harm, words = WRONG[what]
    right, training.x = entry.run, some(5, 4) * STEPS

    def wrong(*args: Any) -> Any:
        out = right(*args)
        harm(training, out)
        return out

    entry.run = wrong
    with pytest.raises(CaptureError, match=words) as error:
        training.run(training.x, np.arange(5) % 3)
    assert what in ("argument", "random") or __file__ in str(error.value)
    assert training.left()[1:] == expected[1:]  # as after the eager step
    entry.run = right
    training.go_on(2)


def test_a_wrong_plan_is_caught(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """One that was built with another operation than the recorded one, and one that takes the wrong array."""

    class Wrong(compiled.Entry):
        def __init__(self, owner: Any, graph: Any, *rest: Any) -> None:
            super().__init__(owner, change(graph), *rest)
            self.graph = graph

    def other_op(r: Any) -> Any:
        return dataclasses.replace(r, name="sigmoid", op=OPS["sigmoid"], call_back=None) if r.name == "tanh" else r

    def other_array(r: Any) -> Any:
        return dataclasses.replace(r, args=r.args[::-1]) if r.name == "subtract" else r

    class Checked(compiled.CheckedEntry, Wrong):
        pass

    monkeypatch.setattr(compiled, "CheckedEntry", Checked)
    for alter, op, function in (
        (other_op, "tanh", lambda x, y: (x - y).tanh()),
        (other_array, "subtract", lambda x, y: x - y),
    ):

        def change(graph: Any, alter: Any = alter) -> Any:
            return dataclasses.replace(graph, records=[alter(r) for r in graph.records])

        run, x = checked(function), some(4)
        for _ in range(2):
            run(x, x + 1)
        with pytest.raises(CaptureError, match=rf"{__file__}:\d+: check: result 0 of shape \(4,\) differs after {op}"):
            run(x, x + 1)


def test_what_is_frozen_in_the_plan_is_named(target: str) -> None:
    factor, bias = [2.0], [fastnn.tensor(some(3))]
    run = checked(lambda x: nn.functional.leaky_relu(x + bias[0], factor[0]))
    for _ in range(3):
        run(some(3))
    factor[0] = 3.0
    with pytest.raises(CaptureError, match=r"test_capture_check\.py:\d+: leaky_relu was called with 2\.0, then with 3"):
        run(some(3))
    factor[0], bias[0] = 2.0, fastnn.tensor(some(3) + 1)
    with pytest.raises(CaptureError, match="add got an array that was computed outside fastnn"):
        run(some(3))


def test_arguments_that_are_changed(target: str) -> None:
    run, x = checked(lambda x, y: x.add_(y)), fastnn.tensor(some(3))
    for i in range(5):
        run(x, fastnn.ones(3))
        np.testing.assert_allclose(x.numpy(), some(3) + i + 1, rtol=1e-5)


def test_gradients_that_add_up(target: str) -> None:
    grads = []
    for wrap in (lambda f: f, checked):
        w = nn.Parameter(some(3))

        def step(x: Any, w: Any = w) -> Any:
            loss = (w * x).sum()
            loss.backward()
            return loss

        run = wrap(step)
        for i in range(6):
            run(fastnn.tensor(some(3) * i))
        grads.append(w.grad.tolist())
    assert grads[0] == grads[1]


def test_both_may_fail() -> None:
    run = checked(lambda x, y: nn.functional.cross_entropy(x, y))
    for _ in range(3):
        run(some(2, 3), np.array([0, 1]))
    with pytest.raises(IndexError, match="flat position 1"):
        run(some(2, 3), np.array([0, 9]))
    run(some(2, 3), np.array([0, 1]))


def test_only_the_replay_fails(target: str) -> None:
    run = checked(lambda x: x + 1)
    for _ in range(3):
        run(some(3))

    def wrong(*args: Any) -> Any:
        raise ValueError("no")

    run.plans[0].run = wrong
    with pytest.raises(CaptureError, match=r"the replay raised ValueError\('no'\), the eager call did not"):
        run(some(3))


def test_epochs_are_checked_step_by_step(target: str) -> None:
    eager, x, y = Training(), some(20, 4), np.arange(20) % 3
    for i in range(0, 20, 5):
        eager.run(fastnn.tensor(x[i : i + 5]), fastnn.tensor(y[i : i + 5]))
    expected, captured = eager.left(), Training(wrap=checked)
    counts = [steps for steps, _ in captured.run.run_epoch([x, y], np.arange(20), 5)]
    assert counts == [1] * 4
    assert captured.left()[1:] == expected[1:]
