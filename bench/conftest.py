"""What the suites share: one test for each workload and each way to do it, grouped so that pytest compares them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import cases
import fastnn
import measure
import peers
import roofline
from work import BY_HAND, Column, Work

BRIEF = {"benchmark_max_time": Decimal("0.05"), "benchmark_min_rounds": 3, "benchmark_calibration_precision": 5}
KINDS_OF = {
    "sklearn": ("steps",),
    "onnxruntime": ("gemm", "steps"),
    "torch unfused": ("parts", "steps"),
    "torch contiguous": ("convnets",),
}
settings: dict[str, Any] = {"threads": 1, "peers": [], "roof": None}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fastnn")
    group.addoption("--threads", type=int, default=1, metavar="N", help="threads, each with a processor (default: 1)")
    group.addoption("--no-peers", action="store_true", help="leave other libraries out, installed or not")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Brief rounds, unless the command line says otherwise; other libraries may warn."""
    config.addinivalue_line("filterwarnings", "default")
    for name, value in BRIEF.items():
        given = any(str(a).startswith("--" + name.replace("_", "-")) for a in config.invocation_params.args)
        if hasattr(config.option, name) and not given:
            setattr(config.option, name, value)
    settings["threads"] = config.getoption("threads")
    measure.pin(settings["threads"])
    names = [] if config.getoption("no_peers") else [n for n in peers.DEFAULT if n != "numpy_skylakex"]
    settings["peers"] = peers.installed(names, settings["threads"])  # all that this process itself can time


def pytest_report_header() -> list[str]:
    about = measure.machine(settings["threads"], settings["peers"])
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return [f"bench: {about['processor']}, ISA {about['ISA']}, threads: {about['threads']}", f"bench: {versions}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `case` and `column` runs for every case of its module's kind, every backend and every peer."""
    if "case" in metafunc.fixturenames:
        chosen = cases.cases(metafunc.module.KIND)
        names = [BY_HAND, *fastnn.backends()[::-1], *(p.NAME for p in settings["peers"])]
        pairs = [pytest.param(c, n, id=f"{c.name} | {n}") for c in chosen for n in names if may_run(c, n)]
        metafunc.parametrize(("case", "column"), pairs)


def may_run(case: cases.Case, name: str) -> bool:
    """Whether it is worth asking: peers that train have no business with a kernel, and so on."""
    return case.kind in KINDS_OF.get(name, (case.kind,))


@functools.lru_cache(maxsize=1)
def work_of(case: cases.Case) -> Work:
    """The data of a case, kept until the next one."""
    return case.make()


def column_of(work: Work, name: str) -> Column | None:
    """One way to do the work, None for a peer without it."""
    if name == BY_HAND:
        return work.by_hand()
    if name in fastnn.backends():
        return work.on(name)
    return next(p for p in settings["peers"] if name == p.NAME).column(work)


@pytest.fixture
def compare(benchmark: Any) -> Iterator[Any]:
    """``compare(case, name)``: check one way to do a workload, then time it beside the others."""
    before = fastnn.backend()

    def run(case: cases.Case, name: str) -> None:
        work = work_of(case)
        column = column_of(work, name)
        if column is None:
            pytest.skip(f"{name} has no counterpart")
        work.check(column)
        benchmark.group, benchmark.name = f"{case.kind}: {case.name}", name
        column.enter()
        benchmark(column.call)
        if benchmark.stats is not None:
            seconds = benchmark.stats.stats.median
            if settings["roof"] is None:
                settings["roof"] = roofline.measure(settings["threads"], 0.1)
            least = settings["roof"].seconds(work.flops, work.moved, work.dtype)
            speeds = {"GFLOP/s": work.flops / seconds / 1e9, "GB/s": work.moved / seconds / 1e9}
            benchmark.extra_info.update(speeds | {"percent of roof": 100 * least / seconds if least else None})

    yield run
    fastnn.set_backend(before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The roof that was measured in this run."""
    if settings["roof"] is not None:
        for line in settings["roof"].lines():
            terminalreporter.write_line(f"roof with {settings['threads']} threads, {line}")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Into the file that --benchmark-json writes."""
    machine_info["fastnn"] = measure.machine(settings["threads"], settings["peers"])
