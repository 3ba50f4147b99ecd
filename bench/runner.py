"""What ``fastnn bench`` runs: every workload on every backend, interleaved in one process, as one table.

Each way of doing the work is checked against the NumPy definition in float64 before it is timed. Ratios are against the
faster of NumPy by hand (bench/baseline.py, or the op's definition called directly) and fastnn's numpy backend.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cases
import fastnn
import peers
import roofline
from measure import columns, machine, medians, pin
from report import Table, head
from work import BY_HAND, Work


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser("fastnn bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few workloads, briefly")
    parser.add_argument("--full", action="store_true", help="all workloads, large products and tensors too")
    parser.add_argument(
        "--only", type=pattern, metavar="PATTERN", help="workloads whose 'kind name' matches a regular expression"
    )
    parser.add_argument("--list", action="store_true", help="print the workloads, measure nothing")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="each with a processor (default: 1)")
    parser.add_argument(
        "--backends", nargs="+", choices=fastnn.backends(), metavar="NAME", help="default: all that can run here"
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=peers.MODULES,
        metavar="NAME",
        help=f"other libraries that are installed, of {', '.join(peers.MODULES)}; without names all but torch_compiled",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="for each column of a workload (default: 0.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, too")
    return parser


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"wants a regular expression; got {text!r} ({error})") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = arguments()
    args = parser.parse_args(argv)
    if args.threads < 1:
        parser.error(f"--threads wants a whole number of at least 1; got {args.threads}")
    if args.json and not args.json.parent.is_dir():
        parser.error(f"--json: there is no folder {args.json.parent}")
    chosen = cases.cases(level=cases.QUICK if args.quick else cases.FULL if args.full else cases.STANDARD)
    if args.only:
        chosen = [c for c in chosen if args.only.search(f"{c.kind} {c.name}")]
    if not chosen:
        parser.error(f"no workload matches {args.only.pattern!r}; --list names them")
    if args.list:
        print("\n".join(f"{c.kind:11} {c.name}" for c in chosen))
        return 0
    pin(args.threads)
    backends = args.backends or fastnn.backends()[::-1]
    names = [n for n in peers.MODULES if n != "torch_compiled"] if args.peers == [] else args.peers or []
    others = peers.installed(names, args.threads)
    seconds = args.seconds or (0.05 if args.quick else 0.5)
    report = {"machine": machine(args.threads, others), "rows": []}
    roof = roofline.measure(args.threads, 0.02 if args.quick else 0.3)
    report["roof"] = roof.plain()
    print(head(report["machine"], roof))
    table = Table([BY_HAND, *backends, *(p.NAME for p in others)])
    for case in chosen:
        work = case.make()
        times = medians(columns(work, backends, others), seconds, 3 if args.quick else 7)
        row = result(case, work, times, roof)
        report["rows"].append(row)
        table.print(row)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def result(case: cases.Case, work: Work, times: dict[str, float], roof: roofline.Roof) -> dict[str, Any]:
    """One row: times, ratios to the baseline, speed of the fastest backend and its part of the roof."""
    baseline = min((n for n in (BY_HAND, "numpy") if n in times), key=times.__getitem__)
    own = min((n for n in times if n in fastnn.backends()), key=times.__getitem__)
    least = roof.seconds(work.flops, work.moved, work.dtype)
    return {
        "kind": case.kind,
        "name": case.name,
        "dtype": str(work.dtype),
        "seconds": times,
        "baseline": baseline,
        "ratio": {n: times[baseline] / t for n, t in times.items()},
        "fastest": own,
        "gflops": work.flops / times[own] / 1e9 if work.flops else None,
        "gbytes": work.moved / times[own] / 1e9 if work.moved else None,
        "roof": 100 * least / times[own] if least else None,
    }


if __name__ == "__main__":
    sys.exit(main())
