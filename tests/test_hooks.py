"""Hooks on gradients, of Tensors and of Modules, in both forms of the backward pass and in captured steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import Engine, leaf
from fastnn import nn, optim
from fastnn.capture import CaptureError


def ones(y: Any) -> Any:
    return np.ones(y.shape)


class Log:
    """Hooks that note what they are given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[float]]] = []

    def __call__(self, name: str, change: Any = None) -> Any:
        def hook(grad: Any) -> Any:
            self.seen.append((name, grad.tolist()))
            return None if change is None else change(grad)

        return hook


@pytest.fixture
def log() -> Log:
    return Log()


def test_each_hook_sees_the_whole_gradient_as_those_before_left_it(engine: Engine, log: Log) -> None:
    a, b = leaf(1, 2), leaf(3, 5)
    y = a * b + a
    for name, change in (("first", None), ("second", lambda g: g * 2), ("third", None)):
        y.register_hook(log(name, change))
    a.register_hook(log("a"))
    b.register_hook(log("b", lambda g: g * 0))
    z = y * y + y  # two gradients for y; two for a
    engine(z, ones(z), False)
    assert log.seen[:3] == [("first", [9, 25]), ("second", [9, 25]), ("third", [18, 50])]
    assert sorted(log.seen[3:]) == [("a", [72, 300]), ("b", [18, 100])]
    assert (a.grad.tolist(), b.grad.tolist()) == ([72, 300], [0, 0])


def test_hooks_of_leaves_see_the_gradient_of_the_pass(engine: Engine, log: Log) -> None:
    a = leaf(1, 2)
    a.register_hook(log("a", lambda g: g + 1))
    for factor in (1, 2):
        y = a * factor
        engine(y, ones(y), False)
    engine(a, ones(a), False)
    assert log.seen == [("a", [1, 1]), ("a", [2, 2]), ("a", [1, 1])]
    assert a.grad.tolist() == [7, 7]


def test_handles(engine: Engine, log: Log) -> None:
    a = leaf(1, 2)
    y = a * 2
    handles = [t.register_hook(log(name)) for name, t in (("y", y), ("a", a))]
    with a.register_hook(log("block")):
        engine(y, ones(y), True)
    for handle in handles * 2:
        handle.remove()
    engine(y, ones(y), False)
    assert log.seen == [("y", [1, 1]), ("a", [2, 2]), ("block", [2, 2])]
    assert a.grad.tolist() == [4, 4]


def test_what_hooks_keep_change_and_return_is_theirs(engine: Engine) -> None:
    a, b, constant = leaf(1, 2), leaf(3, 5), leaf(7, 7).detach()
    kept: list[Any] = []
    a.register_hook(kept.append)  # append returns None
    b.register_hook(lambda g: constant)
    for _ in range(3):
        y = a + b
        y.register_hook(lambda g: g)
        engine(y, ones(y), False)
    assert [g.tolist() for g in kept] == [[1, 1]] * 3
    assert (constant.tolist(), b.grad.tolist()) == ([7, 7], [21, 21])
    c, d = leaf(1, 2), leaf(3, 5)
    c.register_hook(lambda g: g.zero_().detach())  # the sum's gradient is d's as well
    y = c + d
    engine(y, ones(y), False)
    assert (c.grad.tolist(), d.grad.tolist()) == ([0, 0], [1, 1])


def test_kept_gradients(engine: Engine, log: Log) -> None:
    a = leaf(1, 2)
    y = a * 3
    y.retain_grad()
    a.retain_grad()  # leaves do anyway
    y.register_hook(log("y", lambda g: g * 10))
    assert (y.retains_grad, a.retains_grad) == (True, False)
    z = y * 1
    for times in (1, 2):
        engine(z, ones(z), True)
        assert y.grad.tolist() == [10 * times] * 2
        assert a.grad.tolist() == [30 * times] * 2
    assert not np.shares_memory(y.grad.array, a.grad.array)


def test_hooks_stay_with_the_value_and_kept_gradients_follow_the_tensor(engine: Engine, log: Log) -> None:
    a = leaf(1, 2)
    y = a * 3
    y.register_hook(log("before"))
    y.retain_grad()
    y.mul_(2)
    y.register_hook(log("after"))
    assert y.retains_grad
    z = y * 5
    engine(z, ones(z), False)
    assert log.seen == [("after", [5, 5]), ("before", [10, 10])]
    assert (y.grad.tolist(), a.grad.tolist()) == ([5, 5], [30, 30])

    a = leaf(1, 2)
    base = a * 3
    view = base[:1]
    view.retain_grad()
    base.mul_(2)
    z = view * 5
    assert view.retains_grad
    engine(z, ones(z), False)
    assert (view.grad.tolist(), a.grad.tolist()) == ([5], [30, 0])


def test_results_of_one_function_have_hooks_of_their_own(engine: Engine, log: Log) -> None:
    class Halves(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 0.5, x * 0.25

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Any:
            return first * 0.5 + second * 0.25

    a = leaf(1, 2)
    first, second = Halves.apply(a)
    first.register_hook(log("first"))
    second.register_hook(log("second", lambda g: g * 4))
    second.retain_grad()
    z = second * 2
    engine(z, ones(z), True)
    assert log.seen == [("second", [2, 2])]
    assert second.grad.tolist() == [8, 8]
    assert a.grad.tolist() == [2, 2]


def test_a_pass_that_failed_leaves_nothing_behind(engine: Engine, log: Log) -> None:
    a, b = leaf(1, 2), leaf(3, 5)

    def fails(grad: Any) -> None:
        raise ZeroDivisionError

    a.register_hook(log("a"))
    handle = b.register_hook(fails)
    y = a * 2
    z = y + a + b
    for t in (a, b):
        t.register_hook(log("late"))
    with pytest.raises(ZeroDivisionError):
        engine(z, ones(z), True)
    handle.remove()
    a.grad, log.seen = None, []
    engine(z, ones(z), False)
    assert sorted(log.seen) == [("a", [3, 3]), ("late", [1, 1]), ("late", [3, 3])]
    assert (a.grad.tolist(), b.grad.tolist()) == ([3, 3], [1, 1])


def test_refusals(engine: Engine) -> None:
    x, a = fastnn.ones(2), leaf(1, 2)
    with pytest.raises(RuntimeError, match="register_hook: a hook wants a Tensor that requires grad"):
        x.register_hook(print)
    with pytest.raises(RuntimeError, match="retain_grad wants a Tensor that requires grad"):
        x.retain_grad()
    with pytest.raises(TypeError, match="hook wants a callable; got int"):
        a.register_hook(3)
    for given, kind, words in (
        (3, TypeError, "return None or a Tensor; got int"),
        (fastnn.ones(3), ValueError, r"return a gradient of shape \(2,\); got \(3,\)"),
        (fastnn.ones(2), TypeError, "return a gradient of dtype float64; got float32"),
    ):
        y = a * 2
        y.register_hook(lambda g, given=given: given)
        with pytest.raises(kind, match=f"hook wants to {words}"):
            engine(y, ones(y), False)


def test_a_gradient_that_is_not_kept_is_told() -> None:
    y = leaf(1, 2) * 2
    with pytest.warns(UserWarning, match="no leaf is None; call retain_grad") as told:
        assert y.grad is None
    assert told[0].filename == __file__
    y.retain_grad()
    assert y.grad is None


def watched(net: Any, seen: list[Any]) -> None:
    """Put hooks of all kinds on Linear, Tanh, Linear."""

    def plain(grads: Any) -> Any:
        return [None if g is None else g.clone() for g in grads]

    net[0].register_full_backward_hook(lambda m, gi, go: seen.append(("layer", plain(gi), plain(go))))
    net[1].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    net[1].register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    net.register_full_backward_hook(lambda m, gi, go: seen.append(("net", plain(gi), plain(go))))


def test_module_hooks(target: str) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    grads = []
    for hooks in (False, True):
        seen: list[Any] = []
        if hooks:
            watched(net, seen)
        for wants in (False, True):
            x = fastnn.tensor([[0.1, 0.2], [0.3, 0.4]]).requires_grad_(wants)
            net.zero_grad()
            net(x).sum().backward()
            grads.append([*(p.grad.numpy() for p in net.parameters()), *([x.grad.numpy()] if wants else [])])
    for plain, hooked in zip(grads[:2], grads[2:], strict=True):  # the hooks of Tanh multiply by 6
        for i, (g, h) in enumerate(zip(plain, hooked, strict=True)):
            np.testing.assert_allclose(h, g if i in (2, 3) else 6 * g, rtol=1e-5)
    assert [name for name, _, _ in seen] == ["net", "layer", "layer", "net"]  # the inputs' gradients come last
    assert seen[0][1] == seen[1][1] == [None]
    assert seen[0][2][0].tolist() == seen[3][2][0].tolist() == [[1], [1]]
    assert seen[2][1][0].tolist() == seen[3][1][0].tolist() == x.grad.tolist()
    with fastnn.no_grad():
        net(x)
    assert len(seen) == 4


class Several(nn.Module):
    def forward(self, a: Any, n: int, b: Any) -> Any:
        return a * n, b * 2, n


def test_module_hooks_of_several_arguments_and_outputs(target: str) -> None:
    seen: list[Any] = []
    module = Several()
    handle = module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = fastnn.tensor([1.0], requires_grad=True), fastnn.tensor([5.0])
    x, y, n = module(a, 3, b)
    assert (y.requires_grad, n) == (False, 3)
    x.backward()
    ((into, out),) = seen
    assert (into[0].item(), into[1:], out[0].item(), out[1:]) == (3, (None, None), 1, (None, None))
    handle.remove()
    module(a, 3, b)[0].backward()
    assert len(seen) == 1
    for given, kind, words in (
        (3, RuntimeError, "None or 3 gradients; got 1"),
        ((a, 3, b), TypeError, "Tensors or None; got int"),
        ((fastnn.ones(2), None, None), ValueError, r"shape \(1,\); got \(2,\)"),
        ((fastnn.ones(1).double(), None, None), TypeError, "dtype float32; got float64"),
    ):
        with module.register_full_backward_hook(lambda m, gi, go, given=given: given):
            x = module(a, 3, b)[0]
            with pytest.raises(kind, match=f"backward hook wants to return .*{words}"):
                x.backward()
    with pytest.raises(TypeError, match="hook wants a callable"):
        module.register_full_backward_pre_hook(None)  # type: ignore[arg-type]


def test_outputs_that_module_hooks_cannot_see_are_told() -> None:
    class Named(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x * 2}

    module = Named()
    module.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.warns(RuntimeWarning, match="backward hooks of Named want .* got dict") as told:
        module(fastnn.ones(2).requires_grad_())["y"].sum().backward()
    assert told[0].filename == __file__


def train(kind: str, captured: bool, check: bool) -> list[Any]:
    """Train a network with hooks on its leaves or modules; everything that is left."""
    fastnn.manual_seed(0)
    seen: list[Any] = []
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    mask = fastnn.tensor((np.arange(12).reshape(4, 3) % 2).astype(np.float32))
    if kind == "leaves":
        net[0].weight.register_hook(lambda g: g * mask)
        net[0].bias.register_hook(lambda g: mask[:, 0])
        net[2].bias.register_hook(seen.append)
        net[2].weight.register_hook(lambda g: g.clamp_(-0.1, 0.1))
    else:
        watched(net, seen)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = fastnn.compile(step, check=check) if captured else step
    left = [run(fastnn.ones(4, 3) * i).item() for i in range(6)]
    assert not captured or len(run.plans) == 1
    left += [p.tolist() for p in net.parameters()] + [p.grad.tolist() for p in net.parameters()]
    return left if check else left + [str(s) for s in seen]


@pytest.mark.parametrize("kind", ["leaves", "modules"])
def test_captured_steps_call_hooks(target: str, kind: str) -> None:
    eager = train(kind, False, False)
    assert train(kind, True, False) == eager
    checked = train(kind, True, True)
    assert checked == eager[: len(checked)]


def test_plans_hear_of_hooks_on_leaves() -> None:
    w, calls = leaf(1, 2), []

    @fastnn.compile
    def step(x: Any) -> Any:
        w.grad = None
        y = (x * w).sum()
        y.backward()
        return y

    def calls_in_four_steps() -> int:
        calls.clear()
        for _ in range(4):
            step(np.ones(2))
        return len(calls)

    assert calls_in_four_steps() == 0
    handle = w.register_hook(calls.append)
    assert calls_in_four_steps() == 4
    handle.remove()
    assert calls_in_four_steps() == 0


def test_hooks_on_what_a_captured_step_makes_are_refused() -> None:
    w = leaf(1, 2)
    for name in ("register_hook", "retain_grad"):

        def step(x: Any, name: str = name) -> Any:
            y = x * w
            getattr(y, name)(*([print] if name == "register_hook" else []))
            return y

        with pytest.raises(CaptureError, match=rf"{__file__}:\d+: {name} in a captured step"):
            fastnn.compile(step)(np.ones(2))
