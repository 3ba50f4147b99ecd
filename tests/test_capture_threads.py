"""Captured functions called by several threads: inference at once, up to four calls of a plan, training by turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops, optim

PATIENCE = 60.0  # seconds after which a test fails, where it would wait for ever


def in_threads(n: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returned or raised in each of n threads."""
    found: list[Any] = [None] * n

    def run(i: int) -> None:
        try:
            found[i] = work(i)
        except Exception as why:
            found[i] = why

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE)
        assert not t.is_alive(), "a thread waits for ever"
    return found


def some(i: int, *shape: int) -> Any:
    """Numbers of its own for each i."""
    return np.random.default_rng(i).standard_normal(shape).astype(np.float32)


def same(a: Any, b: Any) -> bool:
    """The same bits."""
    return bool(np.array_equal(a.array, b.array, equal_nan=True))


def through(visit: Callable[[], None]) -> Any:
    """An identity that calls `visit` on its way: of a plan, a call-back node."""

    class Through(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            visit()
            return x.clone()

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy

    return Through.apply


def ready(function: Any, *args: Any) -> Any:
    """Compiled, with its plan made."""
    compiled = fastnn.compile(function)
    for _ in range(2):
        compiled(*args)
    return compiled


@pytest.mark.parametrize("warm", [True, False], ids=["replays", "from the first call"])
def test_each_thread_gets_its_own_results(warm: bool, target: str) -> None:
    fastnn.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 4)).eval()

    def function(x: Any) -> Any:  # numbers and planned copies lie in the nodes, which each frame has of its own
        return ops.softmax(2.0 * model(x).T - 0.5, 0) + x[:, ::5].T

    with fastnn.no_grad():
        expected = [function(fastnn.tensor(some(i, 32, 20))) for i in range(8)]
    run = fastnn.compile(function)
    if warm:
        with fastnn.no_grad():
            for _ in range(2):
                run(some(0, 32, 20))

    def work(i: int) -> bool:
        x = some(i, 32, 20)
        with fastnn.no_grad():
            return all(same(run(x), expected[i]) for _ in range(40))

    assert in_threads(8, work) == [True] * 8
    assert len(run.plans) == 1


def test_four_calls_run_at_once(target: str) -> None:
    together, recorded = threading.Barrier(4), False
    meet = through(lambda: together.wait(PATIENCE) if recorded else None)
    run = ready(lambda x: meet(x * 2.0) + x, some(0, 50))
    recorded = True
    found = in_threads(4, lambda i: run(some(i, 50)))
    for i, y in enumerate(found):
        np.testing.assert_array_equal(y.numpy(), some(i, 50) * 2 + some(i, 50))


@pytest.mark.skipif("cpp" not in fastnn.backends(), reason="other backends keep nothing between calls: no limit")
def test_a_fifth_call_waits() -> None:
    inside, go, recorded = threading.Semaphore(0), threading.Event(), False

    def visit() -> None:
        if recorded:
            inside.release()
            assert go.wait(PATIENCE)

    found: list[Any] = []
    with fastnn.use_backend("cpp"):
        hold = through(visit)
        run = ready(lambda x: hold(x * 2.0) + x, some(0, 50))
        recorded = True
        caller = threading.Thread(target=lambda: found.extend(in_threads(6, lambda i: run(some(i, 50)))), daemon=True)
        caller.start()
        assert all(inside.acquire(timeout=PATIENCE) for _ in range(4))
        assert not inside.acquire(timeout=0.1)
        go.set()
        caller.join(PATIENCE)
    for i, y in enumerate(found):
        np.testing.assert_array_equal(y.numpy(), some(i, 50) * 2 + some(i, 50))
    assert len(found) == 6


def test_an_error_is_its_callers_alone(target: str) -> None:
    run = ready(lambda x, y: nn.functional.cross_entropy(x, y), some(0, 6, 3), np.zeros(6, int))
    good, bad = np.arange(6) % 3, np.array([0, 1, 2, 3, 0, 1])
    expected = [nn.functional.cross_entropy(fastnn.tensor(some(i, 6, 3)), fastnn.tensor(good)) for i in range(8)]

    def work(i: int) -> bool:
        for _ in range(30):
            if i % 2:
                with pytest.raises(IndexError):
                    run(some(i, 6, 3), bad)
            elif not same(run(some(i, 6, 3), good), expected[i]):
                return False
        return True

    assert in_threads(8, work) == [True] * 8


def test_an_error_in_a_call_back_gives_its_frame_back(target: str) -> None:
    fails = False

    def visit() -> None:
        if fails:
            raise ZeroDivisionError("by the user")

    step = through(visit)
    run = ready(lambda x: step(x * 2.0), some(0, 5))
    fails = True
    assert [type(e) for e in in_threads(9, lambda i: run(some(i, 5)))] == [ZeroDivisionError] * 9
    fails = False
    (y,) = in_threads(1, lambda _: run(some(1, 5)))
    np.testing.assert_array_equal(y.numpy(), some(1, 5) * 2)


def test_training_takes_turns(target: str) -> None:
    w = nn.Parameter(np.zeros(3, np.float32))
    optimizer = optim.SGD([w], lr=1.0)
    inside: list[int] = []
    crowds: list[int] = []

    def visit() -> None:
        inside.append(0)
        crowds.append(len(inside))
        threading.Event().wait(1e-4)  # others may run
        inside.pop()

    alone = through(visit)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = (alone(w) * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones(3, np.float32)
    run = ready(step, x)
    in_threads(6, lambda _: [run(x) for _ in range(10)])
    assert set(crowds) == {1}
    assert w.tolist() == [-62.0] * 3


def test_random_numbers_are_drawn_by_turns(target: str) -> None:
    run = ready(lambda x: nn.functional.dropout(x, 0.5), np.ones(64, np.float32))
    before = int(fastnn.get_rng_state()["philox"][1])
    found = in_threads(4, lambda _: [run(np.ones(64, np.float32)).numpy().tobytes() for _ in range(10)])
    assert len({mask for masks in found for mask in masks}) == 40
    assert int(fastnn.get_rng_state()["philox"][1]) - before == 40 * 64
