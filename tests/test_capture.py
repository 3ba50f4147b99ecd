"""Captured steps: a replay leaves everything as the eager call does, bit for bit, on every backend."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops, optim
from fastnn._registry import OPS, op
from fastnn.capture import CaptureError

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=1e-3),
    "amsgrad": lambda p: optim.Adam(p, lr=1e-3, amsgrad=True, weight_decay=1e-2),
    "adamw": lambda p: optim.AdamW(p, lr=1e-3),
    "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3),
    "rmsprop centered": lambda p: optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=1e-2, lr_decay=1e-3),
}
BATCHES = (16, 16, 7, 16, 1)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(20, 12), nn.ReLU(), nn.Dropout(0.2), nn.LayerNorm(12), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 5)
    )


def train(captured: bool, make_optimizer: Any, steps: int = 12, clip: bool = False) -> dict[str, Any]:
    """Train a small network; everything that a step leaves behind."""
    fastnn.manual_seed(7)
    model = network()
    optimizer = make_optimizer(model.parameters())
    loss_fn = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    run = fastnn.compile(step) if captured else step
    rng = np.random.default_rng(5)
    losses, grads = [], []
    for i in range(steps):
        n = BATCHES[i % len(BATCHES)]
        x, y = rng.standard_normal((n, 20)).astype(np.float32), rng.integers(0, 5, n)
        for group in optimizer.param_groups:
            group["lr"] *= 0.97
        losses.append(run(fastnn.tensor(x), fastnn.tensor(y)).item())
        grads.append([p.grad.numpy().copy() for p in model.parameters()])
    return {
        "losses": losses,
        "grads": grads,
        "weights": [p.detach().numpy() for p in model.parameters()],
        "state": [v for s in optimizer.state_dict()["state"].values() for v in s.values()],
        "random": fastnn.get_rng_state()["philox"],
        "plans": len(run.plans) if captured else 0,
    }


def same(a: Any, b: Any) -> bool:
    """Equal bits, all the way down."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    a, b = getattr(a, "array", a), getattr(b, "array", b)
    return bool(np.array_equal(a, b, equal_nan=True)) if isinstance(a, np.ndarray) else a == b


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replay_is_the_eager_step(name: str, target: str) -> None:
    eager, captured = train(False, OPTIMIZERS[name]), train(True, OPTIMIZERS[name])
    for key in ("losses", "grads", "weights", "state", "random"):
        assert same(eager[key], captured[key]), key
    assert captured["plans"] >= 2


def test_gradient_clipping_is_captured(target: str) -> None:
    eager, captured = train(False, OPTIMIZERS["adam"], clip=True), train(True, OPTIMIZERS["adam"], clip=True)
    assert same(eager["weights"], captured["weights"])


def both(function: Any, calls: list[tuple[Any, ...]]) -> None:
    """Eager and captured on the same calls."""
    compiled = fastnn.compile(function)
    for args in calls:
        want = function(*[fastnn.tensor(a) for a in args])
        got = compiled(*args)
        assert same(want.detach(), got.detach())


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_one_array_for_two_arguments(target: str) -> None:
    a, b = some(4), some(4) + 1
    both(lambda x, y: ops.add(x, y), [(a, a), (a, a), (a, b), (b, a)])


def test_overlapping_arguments(target: str) -> None:
    a = some(9)
    both(lambda x, y: ops.add(x, y), [(a[:8], a[1:]), (a[:8], a[1:]), (some(8), some(8))])


def test_views_of_arguments(target: str) -> None:
    both(lambda x: ops.relu(x[::-1, 1:].T[:, ::2]), [(some(6, 5),) for _ in range(4)])
    both(lambda x: ops.relu(x.T.reshape(10, 3)), [(some(6, 5),) for _ in range(4)])
    both(lambda x: ops.relu(x), [(some(6, 5)[::2, ::-1],) for _ in range(4)])


def test_returned_values_are_fresh(target: str) -> None:
    step = fastnn.compile(lambda x: ops.relu(x))
    results = [step(np.full(3, i, np.float32)) for i in range(1, 5)]
    assert [r.array[0] for r in results] == [1, 2, 3, 4]


def test_values_belong_to_the_signature(target: str) -> None:
    step = fastnn.compile(lambda x, scale, shift=0: x * scale + shift)
    for scale in (1.0, 2.0, 1.0, 2.0, 1.0, 2.0):
        for shift in (0, 5):
            assert same(step(np.ones(3, np.float32), scale, shift=shift), np.full(3, scale + shift, np.float32))


def test_a_constant_is_read_at_each_call(target: str) -> None:
    c = some(4)
    step = fastnn.compile(lambda x: ops.add(x, c))
    x = some(4)
    step(x), step(x)
    c += 1
    assert same(step(x), x + c)


def test_gradients_accumulate(target: str) -> None:
    """Without zero_grad a .grad that is there is read; whether it is there belongs to the signature."""
    xs, y, results = [some(5, 4) * i for i in range(8)], np.arange(5) % 3, []
    for captured in (False, True):
        fastnn.manual_seed(3)
        linear = nn.Linear(4, 3)

        def step(x: Any, y: Any, linear: Any = linear) -> Any:
            loss = nn.functional.cross_entropy(linear(x), y)
            loss.backward()
            return loss

        run = fastnn.compile(step) if captured else step
        for i, x in enumerate(xs):
            if i == 4:
                linear.weight.grad = linear.bias.grad = None
            if i == 6:
                linear.weight.grad = fastnn.ones(3, 4)
            run(fastnn.tensor(x), fastnn.tensor(y))
        results.append([p.grad.numpy().copy() for p in linear.parameters()])
    assert same(*results)


def test_own_function_is_a_call_back(target: str) -> None:
    class Square(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * dy

    results = []
    for captured in (False, True):
        w = nn.Parameter(np.arange(4, dtype=np.float32))
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = Square.apply(x + w).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = fastnn.compile(step) if captured else step
        results.append([(run(fastnn.tensor(some(4) * i)).item(), w.grad.numpy().copy()) for i in range(5)])
    assert same(*results)
    if target.startswith("cpp"):
        assert "Square (call-back)" in run.report()


def test_usual_calls_are_quick(target: str) -> None:
    """Arrays by position, one Tensor out: on the compiled backend no Python stands between a call and its plan."""
    step, pair = fastnn.compile(lambda x, y: x * y), fastnn.compile(lambda x, y: (x * y, x + y))
    for run in (step, pair):
        for _ in range(3):
            run(some(3), some(3))
        assert (run.quick is not None) == (target.startswith("cpp") and run is step)
    for _ in range(2):
        step(some(4), some(4))
    assert same(step(some(3), some(3)), fastnn.tensor(some(3) * some(3)))  # another plan than that used last


def test_an_op_declared_in_a_step_is_recorded(target: str) -> None:
    def step(x: Any) -> Any:
        if "doubled_here" not in OPS:
            declare()
        return OPS["doubled_here"].public(x) * 3

    def declare() -> None:
        @op
        def doubled_here(x: Any) -> Any:
            """Twice x."""
            return 2 * x

    try:
        run = fastnn.compile(step)
        for _ in range(3):
            assert same(run(some(3)), fastnn.tensor(some(3) * 2 * 3))
    finally:
        OPS.pop("doubled_here", None)


def test_bad_index_in_a_replay(target: str) -> None:
    step = fastnn.compile(lambda x, y: nn.functional.cross_entropy(x, y))
    x, words = some(3, 4), set()
    for _ in range(3):
        step(x, np.array([0, 1, 2]))
    for call in (
        step,
        lambda x, y: step.plans[0].call((x, y), {}),
        lambda x, y: nn.functional.cross_entropy(fastnn.tensor(x), fastnn.tensor(y)),
    ):
        with pytest.raises(IndexError) as error:
            call(x, np.array([0, 1, 9]))
        words.add(str(error.value))
    assert len(words) == 1
    assert same(step(x, np.array([0, 1, 2])), step(x, np.array([0, 1, 2])))


REFUSED = {
    "item()": lambda x: x * x.sum().item(),
    "bool()": lambda x: x if x.sum() > 0 else -x,
    "float()": lambda x: x * float(x.sum()),
    "numpy()": lambda x: fastnn.tensor(x.numpy()) + 1,
    "host": lambda x: x + fastnn.rand(3),
    "greater": lambda x: ops.where(x > 0, x, -x),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_its_line(what: str, target: str) -> None:
    step = fastnn.compile(REFUSED[what])
    with pytest.raises(CaptureError, match=r"test_capture\.py:\d+"):
        for _ in range(2):
            step(some(3))
    assert fastnn.backend() == target.partition("-")[0]


def test_numpy_temporaries_are_refused(target: str) -> None:
    step = fastnn.compile(lambda x: ops.relu(fastnn.Tensor(x.array * 2)))
    step(some(4))
    with pytest.raises(CaptureError, match=r"test_capture\.py:\d+.*outside fastnn"):
        step(some(4))


def test_hyperparameters_may_not_be_computed_with(target: str) -> None:
    w = nn.Parameter(some(3))
    optimizer = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = fastnn.compile(step)
    for lr in (0.1, 0.2, 0.0, 0.4):
        optimizer.param_groups[0]["lr"] = lr
        before = w.detach().numpy().copy()
        run(np.ones(3, np.float32))
        assert np.allclose(w.detach().numpy(), before - np.float32(lr), atol=1e-6)


def test_hyperparameters_reach_a_kernel_in_python(target: str) -> None:
    """An update that the core declines (here for the memory order of its parameter) reads them at each call, too."""
    finals = []
    for captured in (False, True):
        w = fastnn.Tensor(np.asfortranarray(some(3, 4))).requires_grad_()
        optimizer = optim.Adam([w], lr=0.1, weight_decay=0.1)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        run = fastnn.compile(step) if captured else step
        for i in range(5):
            optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
            run(fastnn.tensor(some(3, 4)))
        finals.append(w.detach().numpy().copy())
    assert same(*finals)


def test_changes_of_the_world_are_noticed(target: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    step = fastnn.compile(lambda x: model(x).detach())
    x = some(2, 4)
    for _ in range(3):
        step(x)
    model.eval()
    assert same(step(x), model(fastnn.tensor(x)).detach())
    model[1].p = 0.9
    model.train()
    for _ in range(4):
        out = step(x)
    assert (out.array == 0).any()


def test_more_signatures_than_plans_warn(target: str) -> None:
    step = fastnn.compile(lambda x: x + 1)
    with pytest.warns(RuntimeWarning, match="argument 0"):
        for n in range(1, 12):
            for _ in range(3):
                assert same(step(np.ones(n, np.float32)), np.full(n, 2, np.float32))
    assert len(step.plans) == 8


def test_copies_and_pickles_capture_anew() -> None:
    step = fastnn.compile(ops.relu)
    for _ in range(3):
        step(some(3))
    for again in (copy.copy(step), pickle.loads(pickle.dumps(step))):
        assert not again.plans
        assert same(again(some(3)), ops.relu(some(3)))


def test_nested_compiled_functions_are_one_plan(target: str) -> None:
    inner = fastnn.compile(lambda x: x * 2)
    outer = fastnn.compile(lambda x: inner(x) + 1)
    for i in range(4):
        assert same(outer(np.full(3, i, np.float32)), np.full(3, 2 * i + 1, np.float32))
    assert not inner.plans


def trained(w: Any) -> Any:
    """A captured step that has a plan: gradient descent on w."""
    optimizer = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = fastnn.compile(step)
    for _ in range(3):
        run(some(3))
    assert len(run.plans) == 1
    return run


def test_a_replay_that_changes_saved_parameters_is_noticed(target: str) -> None:
    w, other = nn.Parameter(some(3)), nn.Parameter(some(3))
    step = trained(w)
    loss, harmless = (w * w).sum(), (other * other).sum()
    step(some(3))
    with pytest.raises(RuntimeError, match="gradient of multiply has been modified by an in-place operation"):
        loss.backward()
    harmless.backward()
    (w * w).sum().backward()


def test_a_replay_that_changes_saved_gradients_is_noticed(target: str) -> None:
    """The plan's .grad is the same memory each time, on all backends."""
    w, v = nn.Parameter(some(3)), nn.Parameter(some(3))
    step = trained(w)
    assert w.grad is not None
    grad, values, loss = w.grad, w.grad.tolist(), (v * w.grad).sum()
    step(some(3) + 1)
    assert w.grad is grad
    assert grad.tolist() != values
    with pytest.raises(RuntimeError, match="gradient of multiply has been modified by an in-place operation"):
        loss.backward()


def test_a_replay_that_adds_to_saved_gradients_is_noticed(target: str) -> None:
    w, v = nn.Parameter(some(3)), nn.Parameter(some(3))

    def step(x: Any) -> Any:
        loss = (w * x).sum()
        loss.backward()
        return loss

    run = fastnn.compile(step)
    for _ in range(4):
        run(some(3))
    assert w.grad is not None
    loss = (v * w.grad).sum()
    run(some(3))
    with pytest.raises(RuntimeError, match="gradient of multiply has been modified by an in-place operation"):
        loss.backward()


def test_a_replay_that_fails_on_its_way_may_have_written(target: str) -> None:
    w = nn.Parameter(some(3))

    def step(x: Any, y: Any) -> Any:
        with fastnn.no_grad():
            w.add_(1.0)
        return nn.functional.cross_entropy(x, y)

    run = fastnn.compile(step)
    for _ in range(3):
        run(some(2, 3), np.array([0, 1]))
    loss = (w * w).sum()
    with pytest.raises(IndexError):
        run(some(2, 3), np.array([0, 9]))
    with pytest.raises(RuntimeError, match="gradient of multiply has been modified by an in-place operation"):
        loss.backward()


def test_a_replay_that_changes_nothing_notes_nothing(target: str) -> None:
    w = nn.Parameter(some(3))
    step = fastnn.compile(lambda x: (w * x).sum().detach())
    for _ in range(3):
        step(some(3))
    loss = (w * w).sum()
    step(some(3))
    loss.backward()


def test_changes_of_arguments_are_the_callers(target: str) -> None:
    """In recorded calls, too, though those run on copies."""
    step = fastnn.compile(lambda x: x.add_(1.0))
    x = fastnn.tensor(some(3))
    want = x.numpy().copy()
    for _ in range(5):
        w = nn.Parameter(some(3))
        loss = (w * x).sum()
        step(x)
        want += 1
        assert same(x, want)
        with pytest.raises(RuntimeError, match="gradient of multiply has been modified by an in-place operation"):
            loss.backward()


def test_a_plan_lets_go_of_the_recording(target: str) -> None:
    w, between = nn.Parameter(some(4)), []
    optimizer = optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        y = ops.exp(x * w)
        between.append(weakref.ref(y.array))
        loss = y.sum()
        loss.backward()
        optimizer.step()
        return loss

    run = fastnn.compile(step)
    for _ in range(3):
        run(fastnn.ones(4))
    gc.collect()
    assert [r() is None for r in between] == [True, True]
