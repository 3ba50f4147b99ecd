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
from measure import machine, pin
from report import Table, head
from rows import Rows
from work import BY_HAND


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser("fastnn bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few workloads, briefly")
    size.add_argument("--full", action="store_true", help="all workloads, large products and tensors too")
    size.add_argument(
        "--page", action="store_true", help="the workloads of docs/performance.md, on cpp and all other libraries"
    )
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
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page with tables and pictures; of the workloads of --page, if nothing else is said",
    )
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
    for option, file in (("--json", args.json), ("--html", args.html)):
        if file and not file.parent.is_dir():
            parser.error(f"{option}: there is no folder {file.parent}")
    args.page = args.page or (args.html is not None and not (args.quick or args.full or args.only))
    chosen = cases.cases(level=cases.QUICK if args.quick else cases.FULL if args.full or args.page else cases.STANDARD)
    if args.page:
        chosen = [c for c in chosen if c.kind in cases.PAGE]
    if args.only:
        chosen = [c for c in chosen if args.only.search(f"{c.kind} {c.name}")]
    if not chosen:
        parser.error(f"no workload matches {args.only.pattern!r}; --list names them")
    if args.list:
        print("\n".join(f"{c.kind:11} {c.name}" for c in chosen))
        return 0
    report = measured(args, chosen)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.html:
        from page import page  # with matplotlib

        args.html.write_text(page(report), encoding="utf-8")
    return 0


def measured(args: argparse.Namespace, chosen: Sequence[cases.Case]) -> dict[str, Any]:
    """Measure and print the cases; what goes into the file."""
    pin(args.threads)
    backends, names = args.backends, args.peers
    if args.page:
        backends, names = backends or ["cpp"], peers.MODULES if names is None else names
    backends = backends or fastnn.backends()[::-1]
    others = peers.installed(peers.DEFAULT if names == [] else names or [], args.threads)
    seconds = args.seconds or (0.05 if args.quick else 0.1 if args.page else 0.5)
    roof = roofline.measure(args.threads, 0.02 if args.quick else 0.3)
    report: dict[str, Any] = {"machine": machine(args.threads, others), "roof": roof.plain(), "rows": []}
    print(head(report["machine"], roof))
    print("times are medians of interleaved runs; x: how many times as fast as the better of NumPy by hand and numpy")
    table = Table([BY_HAND, *backends, *(p.NAME for p in others)])
    rows = Rows(backends, others, seconds, 3 if args.quick else 5 if args.page else 7, roof)
    for case in chosen:
        row = rows.measure(case)
        report["rows"].append(row)
        table.print(row)
    return report


if __name__ == "__main__":
    sys.exit(main())
