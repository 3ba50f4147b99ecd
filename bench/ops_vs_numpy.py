"""Is any op slower on ``cpp`` than in NumPy? Every kernel of the registry at 10^3, 10^5 and 10^7 elements, one thread.

Each op's public function on cpp against its NumPy definition called directly, and each backward kernel against the
definition's rule, in float32 and float64: the ratio of medians of interleaved runs. Where it is close, NumPy takes two
turns in each round; they differ by noise alone, and the slower of them counts. Prints the exceptions, what takes more
than 2 % longer, and exits with 1 where there are any.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import fastnn
from arguments import arguments
from fastnn._registry import OPS, Op
from measure import columns, interleaved, machine, medians, pin
from work import BY_HAND, GradientWork, OpWork, Work

SIZES = (10**3, 10**5, 10**7)
CLOSE = 0.9  # above this ratio an op is measured again, longer
SLOWER = 1.02


def kernels(pattern: str) -> list[tuple[Op, type[OpWork], str]]:
    """Every kernel that cpp should have: ``(op, forward or backward, name)``."""
    found: list[tuple[Op, type[OpWork], str]] = []
    for op in OPS.values():
        if not (op.view or op.composite):
            found.append((op, OpWork, op.name))
            if op.rule is not None and not op.rule_is_composite:
                found.append((op, GradientWork, f"{op.name}_backward"))
    return [k for k in found if re.search(pattern, k[2])]


def works(op: Op, make: type[OpWork], n: int, dtype: Any) -> Iterator[tuple[str, Work]]:
    """The work of a kernel at a size; a reduction's along each axis and over all."""
    inputs, attributes = arguments(op, n, dtype)
    if "axis" in op.attributes and op.kind == "reduction":
        for axis in (None, 0, -1):
            yield f" axis={axis}", make(op.name, inputs, attributes | {"axis": axis})
    else:
        yield "", make(op.name, inputs, attributes)


def ratio(work: Work, seconds: float) -> tuple[float, float, float]:
    """Seconds in NumPy and on cpp, and how many times as long cpp takes."""
    found = columns(work, ["cpp"])
    times = medians(found, seconds, 5)
    if times["cpp"] > CLOSE * times[BY_HAND]:
        found.append(dataclasses.replace(found[0], name="again"))
        times = {n: statistics.median(t) for n, t in interleaved(found, 4 * seconds, 15).items()}
        times[BY_HAND] = max(times[BY_HAND], times["again"])
    return times[BY_HAND], times["cpp"], times["cpp"] / times[BY_HAND]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, list the exceptions, and return the exit code."""
    parser = argparse.ArgumentParser("ops_vs_numpy", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="kernels whose name matches a regular expression")
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES, metavar="N", help="numbers of elements")
    parser.add_argument("--seconds", type=float, default=0.1, metavar="S", help="for each measurement (default: 0.1)")
    parser.add_argument("--all", action="store_true", help="print every ratio, not only the exceptions")
    args = parser.parse_args(argv)
    if "cpp" not in fastnn.backends():
        print(f"ops_vs_numpy: {fastnn._backends.cpp.reason}", file=sys.stderr)
        return 1
    pin(1)
    about = machine(1)
    print(f"{about['processor']}, ISA {about['ISA']}, one thread, NumPy {about['versions']['NumPy']}, {about['BLAS']}")
    ratios, exceptions = defaultdict(list), 0
    for (op, make, name), n, dtype in itertools.product(kernels(args.only), args.sizes, (np.float32, np.float64)):
        for what, work in works(op, make, int(n), dtype):
            numpy_seconds, cpp_seconds, value = ratio(work, args.seconds)
            ratios[f"{n:.0e} {np.dtype(dtype)}"].append(value)
            exceptions += value > SLOWER
            if value > SLOWER or args.all:
                row = f"{name + what:36} {n:>6.0e} {np.dtype(dtype)!s:8} cpp {cpp_seconds * 1e6:11.2f} us"
                print(f"{row}, NumPy {numpy_seconds * 1e6:11.2f} us, ratio {value:.2f}", flush=True)
    print()
    for key, values in ratios.items():
        best, worst, middle = min(values), max(values), statistics.median(values)
        print(f"{key:14} cpp / NumPy: median {middle:.2f}, from {best:.3f} to {worst:.2f} ({len(values)} kernels)")
    print(f"{exceptions} exceptions of {sum(map(len, ratios.values()))}")
    return int(exceptions > 0)


if __name__ == "__main__":
    sys.exit(main())
