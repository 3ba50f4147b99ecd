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
from typing import Any

import numpy as np

import fastnn
from fastnn._backends import cpp
from work import Array, Column, OpWork, Yardstick

SIZES = (1 << 14, 1 << 18, 1 << 21, 1 << 24, 1 << 28)  # bytes of an array: in L1, in L2, around it, beyond, in memory
ROUNDS = 15
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


def rate(work: list[Callable[[], Any]], amount: float, seconds: float) -> float:
    """The best `amount` per nanosecond, over some rounds, of functions that run at once in threads of their own."""
    times = max(1, round(seconds / ROUNDS / max(once(work[0], 1), 1e-9)))
    with ThreadPoolExecutor(len(work)) as pool:
        rates = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            list(pool.map(lambda f: once(f, times), work))
            rates.append(len(work) * times * amount / (time.perf_counter() - begin) / 1e9)
    return max(rates)


def once(function: Callable[[], Any], times: int) -> float:
    """Seconds for so many calls."""
    begin = time.perf_counter()
    for _ in range(times):
        function()
    return time.perf_counter() - begin


def fma(threads: int, double: bool, seconds: float) -> float | None:
    """GFLOP/s of the active instruction set's loop."""
    if cpp.core is None:
        return None
    flops, _ = cpp.core.probe_fma(1, double)
    rounds = 50_000
    return rate([lambda: cpp.core.probe_fma(rounds, double)] * threads, rounds * flops, seconds)


def repeated_copy(size: int) -> tuple[Callable[[], Any], int]:
    """Copies half of `size` bytes to the other half, over and over; how often."""
    times = max(1, (1 << 22) // size)
    a = np.ones(size // 8, np.float32)
    over = (times, len(a)), (0, a.itemsize)  # rows that all lie in one place, so that a call's own cost does not count
    source, target = (np.lib.stride_tricks.as_strided(x, *over) for x in (a, np.ones_like(a)))
    return lambda: np.copyto(target, source), times


def one_sum(a: Array) -> Callable[[], Any]:
    """Reads an array once."""
    if fastnn.backend() == "cpp":
        total = fastnn.ops.sum
        return lambda: total(a)
    flat = a.reshape(-1)
    return lambda: np.dot(flat, flat)


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
    column = OpWork("sum", [dense], {}).on("cpp") if cpp.core else Column("", one_sum(dense))
    column.name = "sum"
    return Yardstick(column, moved=dense.nbytes)


def measure(threads: int = 1, seconds: float = 0.1) -> Roof:
    """The roof for so many threads; `seconds` go into each of its figures."""
    largest = SIZES[-1] if seconds >= 0.05 else SIZES[-2]
    sizes = [s for s in SIZES if s <= largest]
    copies, reads = {}, {}
    for s in sizes:
        made = [repeated_copy(s) for _ in range(threads)]
        copies[s * threads] = rate([call for call, _ in made], s * made[0][1], seconds)
        reads[s * threads] = rate([one_sum(np.ones(s // 4, np.float32)) for _ in range(threads)], s, seconds)
    return Roof(fma(threads, False, seconds), fma(threads, True, seconds), copies, reads)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    threads = parser.parse_args().threads
    from measure import pin

    pin(threads)
    print("\n".join(measure(threads, 0.3).lines()))
