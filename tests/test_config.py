"""show_config, threads, instruction sets, threadpoolctl."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _blas
from fastnn._backends import cpp
from fastnn._dispatch import FALLBACKS
from fastnn._registry import state

needs_core = pytest.mark.skipif(cpp.core is None, reason="no compiled core here")


@pytest.fixture(autouse=True)
def restored() -> Any:
    """Threads, instruction set and the way of convolutions as they were."""
    threads = cpp.core.get_num_threads() if cpp.core is not None else 1
    blas, isa = _blas.get_threads(), cpp.core.isa() if cpp.core is not None else ""
    winograd = fastnn.get_winograd()
    yield
    if cpp.core is not None:
        cpp.core.set_winograd(winograd)
        cpp.core.set_num_threads(threads)
        cpp.core.set_isa(isa)
    if blas is not None:
        _blas.set_threads(blas)


def shown(ops: bool = False) -> str:
    file = io.StringIO()
    fastnn.show_config(ops, file=file)
    return file.getvalue()


def test_show_config(target: str) -> None:
    text = shown()
    lines = {line.split()[0]: line for line in text.splitlines()}
    name, _, level = target.partition("-")
    assert f"NumPy {np.__version__}" in lines["fastnn"]
    assert lines["backend"].startswith(f"backend   {name}; usable here: ")
    assert all(backend in lines["backend"] for backend in fastnn.backends())
    assert lines["ISA"].startswith(f"ISA       {level or '-'}; supported here:")
    assert lines["threads"].split()[1] == f"{fastnn.get_num_threads()};"
    assert "BLAS" in lines
    assert "processor" in lines


def test_kernels_that_a_backend_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FALLBACKS, "cpp", {"relu", "gelu_backward"})
    if cpp.core is not None:
        assert "cpp       runs 2 of " in shown()
        assert "kernels in NumPy: gelu_backward, relu" in shown(ops=True)
        assert "show_config(ops=True) names them" in shown()


def test_a_backend_that_cannot_run_says_why() -> None:
    code = "import sys; sys.modules['numba'] = None; import fastnn; fastnn.show_config()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "numba cannot run:" in done.stdout
    assert "pip install 'fastnn[numba]'" in done.stdout


def test_the_blas_is_described() -> None:
    assert _blas.description()
    threadpoolctl = pytest.importorskip("threadpoolctl")
    openblas = [i for i in threadpoolctl.threadpool_info() if "numpy.libs" in i["filepath"]]
    if openblas:
        assert _blas.core() == openblas[0]["architecture"]
        assert _blas.get_threads() == openblas[0]["num_threads"]


def test_threads(target: str) -> None:
    epoch = int(state.epoch)
    fastnn.set_num_threads(1)
    assert fastnn.get_num_threads() == 1
    assert int(state.epoch) != epoch
    fastnn.set_num_threads(np.int64(2))
    assert fastnn.get_num_threads() == 2
    if cpp.core is not None:
        assert cpp.core.get_num_threads() == 2


@needs_core
def test_numpys_blas_is_left_alone_on_cpp() -> None:
    with fastnn.use_backend("cpp"):
        before = _blas.get_threads()
        fastnn.set_num_threads(3)
        assert _blas.get_threads() == before


@pytest.mark.parametrize(
    ("n", "error"),
    [(0, ValueError), (-1, ValueError), (4097, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError)],
)
def test_bad_numbers_of_threads(n: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="set_num_threads: n wants"):
        fastnn.set_num_threads(n)


@needs_core
def test_isa() -> None:
    with fastnn.use_backend("cpp"):
        for level in fastnn.isas():
            epoch = int(state.epoch)
            fastnn.set_isa(level)
            assert fastnn.isa() == level
            assert int(state.epoch) != epoch
        fastnn.set_isa("auto")
        assert fastnn.isa() == fastnn.isas()[-1]
        with fastnn.use_backend("numpy"):
            assert fastnn.isa() == "-"
    with pytest.raises(ValueError, match="set_isa: name wants one of auto, baseline"):
        fastnn.set_isa("mmx")
    other = {"neon", "baseline"} - set(fastnn.isas())
    with pytest.raises(ValueError, match="cannot run on this machine; it supports"):
        fastnn.set_isa(other.pop())


@needs_core
def test_winograd() -> None:
    assert fastnn.get_winograd()
    for on in (False, np.True_):
        epoch = int(state.epoch)
        fastnn.set_winograd(on)
        assert fastnn.get_winograd() is bool(on)
        assert int(state.epoch) != epoch
        assert f"Winograd  {'on' if on else 'off'}, " in shown()
    with pytest.raises(TypeError, match="set_winograd: on wants True or False; got 1"):
        fastnn.set_winograd(1)  # type: ignore[arg-type]


def test_without_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    with fastnn.use_backend("numpy"), monkeypatch.context() as patch:
        patch.setattr(cpp, "core", None)
        patch.setattr(cpp, "reason", "no compiler")
        assert fastnn.isas() == []
        with pytest.raises(RuntimeError, match="no compiler"):
            fastnn.set_isa("auto")
        fastnn.set_num_threads(1)
        fastnn.set_winograd(True)
        assert not fastnn.get_winograd()
        text = shown()
        assert "cpp cannot run: no compiler" in text
        assert "none without the compiled core" in text


def test_a_captured_step_does_not_set_threads() -> None:
    @fastnn.compile
    def step(x: Any) -> Any:
        fastnn.set_num_threads(1)
        return x + 1

    with pytest.raises(fastnn.capture.CaptureError, match="set_num_threads would be frozen"):
        step(fastnn.tensor([1.0]))


@needs_core
def test_threadpoolctl() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    fastnn.register_threadpoolctl()
    fastnn.register_threadpoolctl()
    fastnn.set_num_threads(2)
    found = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "fastnn"]
    assert [(i["num_threads"], i["version"], i["isa"]) for i in found] == [(2, fastnn.__version__, cpp.core.isa())]
    with threadpoolctl.threadpool_limits(1, user_api="fastnn"):
        assert cpp.core.get_num_threads() == 1
    assert cpp.core.get_num_threads() == 2


@needs_core
@pytest.mark.parametrize("order", ["threadpoolctl, fastnn", "fastnn, threadpoolctl"])
def test_threadpoolctl_is_told_at_import(order: str) -> None:
    pytest.importorskip("threadpoolctl")
    code = f"import {order}; print([i['user_api'] for i in threadpoolctl.threadpool_info()].count('fastnn'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("1" if order.startswith("threadpoolctl") else "0")
