"""What is asked of fastnn's speed, beside what is measured now: one table, from one run.

Products and training steps take turns with the other libraries that are installed, vector functions and optimizers
with a plain copy, products with a loop of multiply-adds: every number is a ratio of medians from one process, the worst
among its workloads. ``python bench/figures.py NAME ...`` measures some; FASTNN_ISA chooses the instruction set.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from tqdm import tqdm

import cases
import fastnn
import peers
import roofline
from convnets import CONVNETS
from fastnn._backends import cpp
from measure import machine, medians, pin
from report import figure_cells, head
from rows import Rows
from work import BY_HAND, Column, Net, StepWork

Row = dict[str, Any]
Measured = tuple[float, str]  # a number, and where it is from
PEERS = ("torch", "torch_contiguous", "torch_unfused", "jax", "onnxruntime", "numpy_skylakex")
TORCH = ("torch", "torch unfused", "torch contiguous")  # optimizer fused or not, either order of images: the fastest


@dataclass(frozen=True)
class Figure:
    """A number that is asked for: at least `asked`, over the cases whose names match."""

    name: str
    what: str
    asked: float | None  # None: to be told, whatever it is
    measure: Callable[[list[Row]], Measured | None]
    cases: str = "^$"
    on_avx2: float | None = None  # asked there, where it differs
    at_most: bool = False

    def told(self, rows: list[Row]) -> dict[str, Any]:
        """What is asked and measured, of rows of these cases."""
        on_avx2 = self.on_avx2 and cpp.core and cpp.core.isa() == "avx2"
        asked = self.on_avx2 if on_avx2 else self.asked
        value, where = self.measure(rows) or (None, "not measurable here")
        ideal = self.measure([at_the_roof(row) for row in rows]) if rows else None
        known = value is not None and asked is not None
        settings = "".join(f"{n}={os.environ[n]} " for n in ("FASTNN_ISA", "OPENBLAS_CORETYPE") if n in os.environ)
        return {
            "name": self.name,
            "what": self.what,
            "asked": asked,
            "sign": "<=" if self.at_most else ">=",
            "measured": value,
            "at the roof": ideal[0] if ideal and ideal[0] != value else None,
            "unit": "" if self.measure in (share, hashes) else "x",
            "met": (value <= asked if self.at_most else value >= asked) if known else None,
            "where": where,
            "command": f"{settings}python bench/figures.py {self.name}",
        }


def at_the_roof(row: Row) -> Row:
    """The row as if the compiled backend took no longer than the machine for its multiply-adds, all of them.

    What skips zeros or multiplies by Winograd's algorithm may be faster.
    """
    if not row["flops"] or not row["roof"]:
        return row
    part = row["roof"] / 100
    seconds = row["seconds"] | {"cpp": row["seconds"]["cpp"] * part}
    return row | {"seconds": seconds, "share": row["share"] and row["share"] / part}


def share(rows: list[Row]) -> Measured:
    """The least part of the yardstick's speed."""
    return min((row["share"], row["name"]) for row in rows)


def times(*names: str) -> Callable[[list[Row]], Measured | None]:
    """How many times as fast as the fastest of these columns (of all other libraries without names): the least."""
    return lambda rows: min(ratios(rows, names), default=None)


def numba_to_numpy(rows: list[Row]) -> Measured | None:
    """How many times as fast fastnn's numba backend is as its numpy backend: the least."""
    found = [r for r in rows if {"numba", "numpy"} <= set(r["seconds"])]
    return min(((r["seconds"]["numpy"] / r["seconds"]["numba"], r["name"]) for r in found), default=None)


def mean(rows: list[Row]) -> Measured | None:
    """The geometric mean of ratios to the best other library."""
    found = [ratio for ratio, _ in ratios(rows, ())]
    return (geometric_mean(found), f"{len(found)} products") if found else None


def ratios(rows: list[Row], names: Sequence[str]) -> list[Measured]:
    """For each row the time of the fastest of these columns over fastnn's, and where it is from."""
    found = []
    for row in rows:
        seconds = {n: t for n, t in row["seconds"].items() if n != "cpp" and (n in names or not names)}
        if seconds:
            best = min(seconds, key=seconds.__getitem__)
            found.append((seconds[best] / row["seconds"]["cpp"], f"{row['name']}, {best}"))
    return found


@dataclass
class WithThreads(Column):
    """A column that runs with a number of threads."""

    threads: int = 1

    def enter(self) -> None:
        super().enter()
        fastnn.set_num_threads(self.threads)


def two_threads(_: list[Row]) -> Measured | None:
    """How many times as fast two threads are as one, 1024^3."""
    if not allow(2):
        return None
    work = next(c for c in cases.cases("gemm") if c.name == "matmul NN 1024x1024x1024").make()
    columns = [WithThreads(str(n), work.own().call, threads=n) for n in (1, 2)]
    for column in columns:
        work.check(column)
    seconds = medians(columns, 1.0, 15)
    pin(1)
    return seconds["1"] / seconds["2"], "matmul NN 1024x1024x1024"


def hashes(_: list[Row]) -> Measured:
    """How many different weights come out of 200 steps with 1, 2, 3 and 4 threads, eager and captured."""
    found = set()
    allow(2)
    for threads, captured in itertools.product((1, 2, 3, 4), (False, True)):
        fastnn.set_num_threads(threads)
        column = StepWork(Net((784, 512, 512, 10), 128, "adam"), captured).own()
        for _ in range(200):
            column.call()
        found.add(hashlib.sha256(b"".join(w.tobytes() for w in column.read(None))).hexdigest())
    pin(1)
    return len(found), ", ".join(sorted(h[:12] for h in found))


USABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def allow(threads: int) -> bool:
    """Let this process use so many of the processors that it was started with; False if it has fewer."""
    if USABLE:
        os.sched_setaffinity(0, USABLE[-threads:])
    return len(USABLE) >= threads


def cubes(*sizes: int) -> str:
    """The products of these sizes in their three forms."""
    return rf"^gemm matmul \w\w ({'|'.join(map(str, sizes))})x\1x\1$"


def step(net: str, library: str, asked: float) -> Figure:
    """A captured training step."""
    columns = TORCH if library == "PyTorch" else ("jax",)
    name, case = f"step-{net.split()[0]}-{library}", f"^steps {net} captured"
    return Figure(name, f"step {net}, captured, against {library}", asked, times(*columns), case)


def image_step(net: str) -> list[Figure]:
    """A captured training step of a convolutional network."""
    name, case = net.split()[0].lower(), f"^convnets {net} captured"
    what, lenet = f"step {net}, captured", net.startswith("LeNet")
    return [
        Figure(f"{name}-NumPy", f"{what}, against the NumPy backend", 12 if lenet else None, times("numpy"), case),
        Figure(f"{name}-Numba", f"{what}, Numba against NumPy", 1.5 if lenet else None, numba_to_numpy, case),
        Figure(f"{name}-PyTorch", f"{what}, against PyTorch", None, times(*TORCH), case),
        Figure(f"{name}-JAX", f"{what}, against JAX", None, times("jax"), case),
        Figure(f"{name}-eager", f"step {net}, eager, against PyTorch", None, times(*TORCH), case[:-8] + "eager"),
    ]


def warm(names: str, size: str, asked: float) -> Figure:
    """Vector functions between warm arrays."""
    what = f"{', '.join(names.split('|'))} on {size} floats, of a copy between such arrays"
    return Figure(f"{names.split('|')[0]}-{size}", what, asked, share, f"^parts ({names}) {size} warm")


def adam(size: str, mode: str) -> list[Figure]:
    """Adam on so many tensors of a size, as a call of `step` or captured."""
    name, case = f"adam-{size}-{mode}", f"^parts Adam step {size} {mode}"
    return [
        Figure(name, f"Adam on {size}, {mode}, 28 bytes a parameter, of a copy in as much memory", 0.85, share, case),
        Figure(f"{name}-fused", f"Adam on {size}, {mode}, against PyTorch fused", None, times("torch"), case),
        Figure(f"{name}-unfused", f"Adam on {size}, {mode}, against PyTorch", None, times("torch unfused"), case),
    ]


LARGE = cubes(512, 1000, 1024, 1025, 2048, 4096)
FROM_256 = cubes(256, 257, 300, 320, 383, 384, 511, 512, 1000, 1024, 1025, 2048, 4096)
PEAK = "of the FMA peak"
FIGURES = [
    Figure("gemm-large", f"products >= 512^3, {PEAK}", 0.92, share, LARGE, on_avx2=0.90),
    Figure("gemm-16", f"128^3 to 384^3, multiples of 16, {PEAK}", 0.90, share, cubes(128, 192, 256, 320, 384)),
    Figure("gemm-any", f"128^3 to 384^3, others, {PEAK}", 0.80, share, cubes(129, 200, 255, 257, 300, 383)),
    Figure("gemm-112", f"80^3 to 112^3, multiples of 16, {PEAK}", 0.85, share, cubes(80, 96, 112)),
    Figure("gemm-64", f"64^3, {PEAK}", 0.75, share, cubes(64)),
    Figure("gemm-32", f"32^3, {PEAK}", 0.33, share, cubes(32)),
    Figure("vector", "matrix-vector 2048 x 2048, of a sum over the matrix", 0.80, share, r"^gemm .*\(vector\)"),
    Figure("peers-least", "all products against the best other library, the worst", 0.95, times(), "^gemm "),
    Figure("peers-mean", "all products against the best other library, geometric mean", 1.15, mean, "^gemm "),
    Figure("torch", "products >= 256^3 against PyTorch", 2.0, times("torch"), FROM_256),
    Figure("numpy", "products >= 256^3 against NumPy as installed", 1.8, times(BY_HAND), FROM_256),
    Figure("threads", "two threads against one, 1024^3", 1.85, two_threads),
    step("64-32-32-10 b32 SGD", "PyTorch", 28),
    step("64-32-32-10 b32 SGD", "JAX", 8),
    step("100-100-100 sigmoid b4 SGD", "PyTorch", 35),
    step("100-100-100 sigmoid b4 SGD", "JAX", 10),
    step("17-64-64-6 b1 Adam", "PyTorch", 35),
    step("17-64-64-6 b1 Adam", "JAX", 10),
    step("784-100-100-10 b200 Adam", "PyTorch", 3),
    step("784-100-100-10 b200 Adam", "JAX", 1.5),
    step("784-512-512-10 b128 Adam", "PyTorch", 3.2),
    step("784-512-512-10 b128 Adam", "JAX", 1.5),
    step("1024-1024-1024-1024-1024 b512 Adam", "PyTorch", 2.2),
    step("1024-1024-1024-1024-1024 b512 Adam", "JAX", 1.2),
    Figure("eager", "step 64-32-32-10 b32 SGD, eager, against PyTorch", 4, times(*TORCH), "^steps 64-32.* eager"),
    *(figure for net in CONVNETS for figure in image_step(net.name)),
    Figure(
        "inference",
        "inference 20-64-64-10 b1, captured, against ONNX Runtime",
        2,
        times("onnxruntime"),
        "^steps 20-64-64-10 inference b1 captured",
    ),
    warm("exp", "1e6", 0.60),
    warm("sigmoid|silu|tanh", "1e6", 0.40),
    warm("gelu", "1e6", 0.14),
    warm("exp", "64M", 0.90),
    warm("sigmoid|silu|tanh", "64M", 0.90),
    warm("gelu", "64M", 0.45),
    Figure(
        "loss",
        "softmax + cross-entropy with gradient, 512 x 1000, against PyTorch",
        2,
        times("torch"),
        "^parts cross_entropy with gradient 512x1000 eager",
    ),
    *adam("1x1000000", "eager"),
    *adam("1x1000000", "captured"),
    *adam("3000x3500", "eager"),
    *adam("3000x3500", "captured"),
    Figure("hashes", "weights after 200 steps, 1 to 4 threads, eager and captured", 1, hashes, at_most=True),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    names = [f.name for f in FIGURES]
    parser = argparse.ArgumentParser("figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--seconds", type=float, default=0.1, metavar="S", help="for each column (default: 0.1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    args = parser.parse_args(argv)
    unknown = [n for n in args.names if n not in names]
    if unknown:
        parser.error(f"there is no figure {unknown[0]!r}")
    if "cpp" not in fastnn.backends():
        print(f"figures: {cpp.reason}", file=sys.stderr)
        return 1
    pin(1)
    fastnn.set_backend("cpp")
    others = peers.installed(PEERS, 1)
    rows = Rows(["cpp"], others, args.seconds, 5, roofline.measure(1, 0.3))
    report = told([f for f in FIGURES if f.name in args.names or not args.names], rows)
    report["machine"] = machine(1, others)
    print(head(report["machine"], rows.roof))
    print(table(report["figures"]))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return int(any(figure["met"] is False for figure in report["figures"]))


def told(figures: Sequence[Figure], rows: Rows) -> dict[str, Any]:
    """Figures, from rows that are measured once each."""
    every = {c: f"{c.kind} {c.name}" for kind in cases.PAGE for c in cases.cases(kind, cases.FULL)}
    wanted = [c for c, name in every.items() if any(re.search(f.cases, name) for f in figures)]
    measured = {every[c]: rows.measure(c) for c in tqdm(wanted, disable=None)}
    found = [f.told([row for name, row in measured.items() if re.search(f.cases, name)]) for f in figures]
    return {"roof": rows.roof.plain(), "figures": found, "rows": list(measured.values())}


def table(figures: Sequence[dict[str, Any]]) -> str:
    """In Markdown."""
    lines = ["| what | asked | measured | at the roof | met | where | command |", "|---|---|---|---|---|---|---|"]
    for f in figures:
        cells = [*figure_cells(f), f["where"], f"`{f['command']}`"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
