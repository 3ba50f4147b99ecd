"""The roof of this machine, measured now: fused multiply-adds in registers, and memory in the caches and beyond.

``python bench/roofline.py [--threads N]`` prints it.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

import fastnn
from fastnn._backends import cpp
from work import Array, Column, OpWork, Yardstick

SIZES = (1 << 14, 1 << 18, 1 << 21, 1 << 24, 1 << 28)  # bytes of an array: in L1, in L2, around it, beyond, in memory
TURN = 0.002  # seconds: shorter than the slices of a processor that other programs want, too
ITERATIONS = 5000  # of the loop of multiply-adds: about 20 us


@dataclass(frozen=True)
class Roof:
    """GFLOP/s in float32 and float64 (None without the compiled core), GB/s by bytes touched."""

    float32: float | None
    float64: float | None
    copy: dict[int, float]  # bytes of both arrays -> bytes read and written per nanosecond
    read: dict[int, float]  # bytes of the array -> bytes read per nanosecond

    def seconds(self, flops: float, moved: float, dtype: Any) -> float | None:
        """The least time for this much work; None where nothing is known."""
        peak = self.float64 if np.dtype(dtype) == np.float64 else self.float32
        times = [flops / peak / 1e9] if flops and peak else []
        if moved:
            size = min(self.copy, key=lambda s: abs(math.log(s / moved)))
            times.append(moved / max(self.copy[size], self.read[size]) / 1e9)
        return max(times, default=None)

    def lines(self) -> list[str]:
        """For people."""
        flops = [f"{n} {v:.0f}" for n, v in (("float32", self.float32), ("float64", self.float64)) if v]
        texts = [f"FMA: {', '.join(flops)} GFLOP/s"] if flops else []
        for name, speeds in (("copy", self.copy), ("sum", self.read)):
            texts.append(f"{name}: {', '.join(f'{human(size)} {speed:.0f}' for size, speed in speeds.items())} GB/s")
        return texts

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def human(size: int) -> str:
    """Bytes in words: 16 KB."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GB"


class Probe:
    """Functions that run at once, each in a thread of its own; a call of each does `amount` of work."""

    def __init__(self, calls: list[Callable[[], Any]], amount: float) -> None:
        self.calls, self.amount = calls, amount
        self.best = self.spent = 0.0  # amount per nanosecond; seconds
        self.times = max(1, round(TURN / min(repeated(calls[0], 1) for _ in range(3))))

    def turn(self, pool: ThreadPoolExecutor) -> None:
        """Run for about `TURN`, and remember the best turn."""
        begin = time.perf_counter()
        list(pool.map(lambda call: repeated(call, self.times), self.calls))
        seconds = time.perf_counter() - begin
        self.spent += seconds
        self.best = max(self.best, len(self.calls) * self.times * self.amount / seconds / 1e9)


def repeated(function: Callable[[], Any], times: int) -> float:
    """Seconds for so many calls."""
    begin = time.perf_counter()
    for _ in range(times):
        function()
    return time.perf_counter() - begin


def fma(threads: int, double: bool) -> Probe | None:
    """Flops of the active instruction set's loop."""
    if cpp.core is None:
        return None
    flops, _ = cpp.core.probe_fma(1, double)
    rounds = 50_000
    return Probe([lambda: cpp.core.probe_fma(rounds, double)] * threads, rounds * flops)


def copies_and_sums(threads: int, size: int) -> tuple[Probe, Probe]:
    """Bytes touched by copies from half of `size` bytes to the other half, and by sums over all of them.

    One call does many, so that its own cost does not count. Each copy begins a cache line after the one before: NumPy
    takes the axis with the smallest step of the target for the inner loop, and with a step of 0 that is not the row.
    """
    times, n, line = max(1, (1 << 22) // size), size // 4, 16
    total = fastnn.ops.sum if fastnn.backend() == "cpp" else np.add.reduce
    copies: list[Callable[[], Any]] = []
    sums: list[Callable[[], Any]] = []
    for _ in range(threads):
        memory = np.ones(n + line * (times + 1), np.float32)
        memory = memory[-memory.ctypes.data % 64 // memory.itemsize :]  # loads that cross lines are slower
        source, target = rows(memory, n // 2, times, 0), rows(memory[n // 2 :], n // 2, times, line)
        copies.append(partial(np.copyto, target, source))
        sums.append(partial(total, rows(memory, n, times, 0), 1))
    return Probe(copies, size * times), Probe(sums, size * times)


def rows(memory: Array, n: int, times: int, step: int) -> Array:
    """So many rows of n numbers, each `step` numbers after the one before."""
    return as_strided(memory, (times, n), (step * memory.itemsize, memory.itemsize))


def multiplying() -> Yardstick | None:
    """Multiply-adds in registers, in float32; None without the compiled core."""
    if cpp.core is None:
        return None
    flops, _ = cpp.core.probe_fma(ITERATIONS, False)
    return Yardstick(Column("FMA", lambda: cpp.core.probe_fma(ITERATIONS, False)), flops=flops)


def copying(source: Array, target: Array) -> Yardstick:
    """NumPy's copy between two arrays."""
    return Yardstick(Column("copy", lambda: np.copyto(target, source)), moved=2.0 * source.nbytes)


def summing(a: Array) -> Yardstick:
    """A sum over an array as it lies in memory."""
    dense = a if a.flags.c_contiguous else a.T
    flat = dense.reshape(-1)
    column = OpWork("sum", [dense], {}).on("cpp") if cpp.core else Column("", lambda: np.dot(flat, flat))
    column.name = "sum"
    return Yardstick(column, moved=dense.nbytes)


def measure(threads: int = 1, seconds: float = 0.1) -> Roof:
    """The roof for so many threads; `seconds` go into each of its figures, which are measured in turns."""
    sizes = SIZES if seconds >= 0.05 else SIZES[:-1]
    peaks = [fma(threads, double) for double in (False, True)]
    by_size = {size * threads: copies_and_sums(threads, size) for size in sizes}
    probes = [p for p in (*peaks, *chain.from_iterable(by_size.values())) if p]
    with ThreadPoolExecutor(threads) as pool:
        while waiting := [p for p in probes if p.spent < seconds]:
            for probe in waiting:
                probe.turn(pool)
    copy, read = ({size: pair[i].best for size, pair in by_size.items()} for i in (0, 1))
    return Roof(*(p and p.best for p in peaks), copy, read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    threads = parser.parse_args().threads
    from measure import pin

    pin(threads)
    print("\n".join(measure(threads, 0.3).lines()))
