"""What all tests share: the combinations of backend and instruction set to run on, and the state they leave behind."""

from __future__ import annotations

import os
import platform
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _backward, _dispatch
from fastnn._backends import cpp
from fastnn._registry import BACKENDS, OPS, Op

# Background jobs of a shell have it ignored, and their children too; tests of Ctrl-C want Python's own handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DTYPES = [np.float32, np.float64]

Engine = Callable[[Any, Any, bool], None]
ENGINES = [pytest.param(_backward.run, id="python")]
if cpp.core is not None:
    ENGINES.append(pytest.param(cpp.core.backward, id="compiled"))


# What a level of x86-64 has beyond the one before it, in Linux's words.
LEVELS = {
    "baseline": "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3",
    "avx2": "abm avx avx2 bmi1 bmi2 f16c fma movbe",
    "avx512": "avx512f avx512bw avx512cd avx512dq avx512vl",
}


def levels_of_processor() -> list[str]:
    """The levels that this machine supports by what Linux tells of its processor, without asking fastnn."""
    if platform.machine() in ("aarch64", "arm64"):
        return ["neon"]
    found: list[str] = []
    info = Path("/proc/cpuinfo")
    line = re.search(r"^flags\s*:(.*)$", info.read_text(encoding="utf-8"), re.M) if info.exists() else None
    for level, flags in LEVELS.items():
        if line is None or not set(flags.split()) <= set(line[1].split()):
            break
        found.append(level)
    return found


def backends_and_isas() -> list[str]:
    """``numpy``, ``numba`` and ``cpp-LEVEL`` for every level of this machine, or those that FASTNN_TEST_ON names.

    With FASTNN_CI none of them may be missing.
    """
    names = [b for b in fastnn.backends() if b != "cpp"]
    if cpp.core is not None:
        names += [f"cpp-{level}" for level in cpp.core.supported_isas()]
    wanted = expected = [n for n in os.environ.get("FASTNN_TEST_ON", "").split(",") if n]
    if os.environ.get("FASTNN_CI") and not wanted:
        expected = ["numpy", "numba", *(f"cpp-{level}" for level in levels_of_processor())]
    missing = [n for n in expected if n not in names]
    if missing:
        reasons = "; ".join(filter(None, map(_dispatch.usable, BACKENDS)))
        raise pytest.UsageError(f"{', '.join(missing)} cannot be tested; there are {', '.join(names)}. {reasons}")
    return wanted or names


TARGETS = backends_and_isas()


@contextmanager
def running_on(target: str) -> Iterator[None]:
    """Run ops on a target of `backends_and_isas`."""
    name, _, level = target.partition("-")
    before = cpp.core.isa() if cpp.core is not None else ""
    if level:
        assert cpp.core.set_isa(level)
    try:
        with fastnn.use_backend(name):
            assert fastnn.backend() == name
            assert not level or cpp.core.isa() == level
            yield
    finally:
        if level:
            cpp.core.set_isa(before)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once on each backend and instruction set."""
    with running_on(request.param):
        yield request.param


@pytest.fixture(params=DTYPES, ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> type:
    """The test runs once in each float dtype."""
    return request.param


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """The test runs once with each form of the backward pass, Python's and the compiled one."""
    return request.param  # type: ignore[no-any-return]


def leaf(*values: float) -> Any:
    """A float64 Tensor that wants a gradient."""
    return fastnn.tensor(list(values), dtype=fastnn.float64, requires_grad=True)


@pytest.fixture(autouse=True)
def same_world() -> Iterator[None]:
    """Every test leaves the backend as it found it, and begins with the same random numbers."""
    before = fastnn.backend()
    fastnn.manual_seed(0)
    yield
    if fastnn.backend() != before:
        fastnn.set_backend(before)
        pytest.fail("the test left another backend behind")


def ops_with(**wanted: object) -> list[Op]:
    """Ops whose attributes are as wanted: ``ops_with(kind="elementwise")``."""
    return [o for o in OPS.values() if all(getattr(o, k) == v for k, v in wanted.items())]
