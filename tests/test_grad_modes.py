"""Recording switched on and off: for a block, a function, a generator, a thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import fastnn
from fastnn import is_grad_enabled


@pytest.fixture(autouse=True)
def recording() -> Iterator[None]:
    yield
    on = is_grad_enabled()
    fastnn.set_grad_enabled(True)
    assert on, "recording was left off"


def test_set_grad_enabled_as_a_block() -> None:
    with fastnn.set_grad_enabled(False):
        assert not is_grad_enabled()
        with fastnn.set_grad_enabled(True):
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    switch = fastnn.set_grad_enabled(False)
    for _ in range(2):
        with switch, switch:
            assert not is_grad_enabled()
        assert is_grad_enabled()
    with pytest.raises(ZeroDivisionError), fastnn.set_grad_enabled(False):
        _ = 1 / 0
    assert is_grad_enabled()


def test_set_grad_enabled_for_good() -> None:
    fastnn.set_grad_enabled(False)
    assert not is_grad_enabled()
    fastnn.set_grad_enabled(True)
    assert is_grad_enabled()


@pytest.mark.parametrize(
    "decorator",
    [fastnn.no_grad, fastnn.no_grad(), fastnn.inference_mode, lambda f: fastnn.set_grad_enabled(False)(f)],
    ids=str,
)
def test_decorators(decorator: Any) -> None:
    @decorator
    def inside(x: int) -> tuple[int, bool]:
        """Mine."""
        return x, is_grad_enabled()

    assert is_grad_enabled()
    assert inside(3) == (3, False)
    assert (inside.__name__, inside.__doc__) == ("inside", "Mine.")
    assert is_grad_enabled()


@pytest.mark.parametrize("decorator", [fastnn.no_grad, fastnn.inference_mode()], ids=["plain", "called"])
def test_generators(decorator: Any) -> None:
    seen = []

    @decorator
    def numbers() -> Any:
        try:
            got = yield is_grad_enabled()
            seen.append((got, is_grad_enabled()))
            try:
                yield 1
            except KeyError:
                seen.append(("caught", is_grad_enabled()))
            yield 2
        finally:
            seen.append(("end", is_grad_enabled()))
        return 5

    g = numbers()
    assert next(g) is False
    assert is_grad_enabled()
    assert g.send("sent") == 1
    assert g.throw(KeyError()) == 2
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stopped:
        next(g)
    assert stopped.value.value == 5
    assert seen == [("sent", False), ("caught", False), ("end", False)]
    g = numbers()
    next(g)
    g.close()
    assert seen[3:] == [("end", False)]
    assert is_grad_enabled()


def test_inference_mode_may_be_off() -> None:
    with fastnn.inference_mode(False):
        assert is_grad_enabled()
    with fastnn.inference_mode():
        assert not is_grad_enabled()
