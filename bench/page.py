"""The page of results, from files that ``fastnn bench --page --json FILE`` wrote.

``python bench/page.py FILE ...`` writes the tables between the markers of docs/performance.md, and its pictures beside
it; ``fastnn bench --html`` writes the same as one page. A section is made of the rows that the files have; what the
machine was is told of the first.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import charts
from report import figure_cells, human
from roofline import Roof

Row = dict[str, Any]
DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
PRODUCT = re.compile(r"matmul (?P<form>\w\w) (?P<m>\d+)x(?P<n>\d+)x(?P<k>\d+)(?: \((?P<why>.*)\))?")


@dataclass
class Table:
    """Cells in plain text; ``**`` around the best."""

    head: list[str]
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""

    def markdown(self) -> str:
        """For docs/."""
        lines = [self.head, [":--", *["--:"] * (len(self.head) - 1)], *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + (f"\n\n{self.note}" if self.note else "")

    def html(self) -> str:
        """For one page."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self.head)
        body = "".join(f"<tr>{''.join(f'<td>{rich(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        note = f"<p>{rich(self.note)}</p>" if self.note else ""
        return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>{note}'


@dataclass
class Section:
    """A part of the page."""

    name: str
    title: str
    words: str
    tables: list[Table]
    picture: str = ""  # SVG
    seen: str = ""  # what it shows, for those who cannot see it


def rich(text: str) -> str:
    """A cell in HTML."""
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text))


def own(row: Row) -> float:
    """fastnn's time: its fastest backend's."""
    return float(row["seconds"][row["fastest"]])


def others(row: Row) -> dict[str, float]:
    """The times of other libraries."""
    return {n: t for n, t in row["seconds"].items() if n in charts.NAMES}


def best_first(cells: dict[str, str], values: dict[str, float]) -> dict[str, str]:
    """Cells with the smallest value's in bold."""
    best = min(values, key=values.__getitem__)
    return {n: f"**{c}**" if n == best else c for n, c in cells.items()}


def times(rows: dict[str, dict[str, float]], what: str) -> Table:
    """Times by label and column, and how many times as fast fastnn is as the best other."""
    columns = [c for c in charts.NAMES if any(c in r for r in rows.values())]
    table = Table([what, *map(charts.name, columns), "best other / fastnn"])
    for label, seconds in rows.items():
        cells = best_first({n: human(t) for n, t in seconds.items()}, seconds)
        rest = [t for n, t in seconds.items() if not n.startswith("fastnn")]
        ratio = f"{min(rest) / seconds['fastnn']:.2f}" if rest and "fastnn" in seconds else ""
        table.rows.append([label, *(cells.get(c, "") for c in columns), ratio])
    return table


def relative(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Times of others as multiples of fastnn's."""
    return {k: {n: t / r["fastnn"] for n, t in r.items() if n != "fastnn"} for k, r in rows.items() if "fastnn" in r}


def backends(row: Row) -> dict[str, float]:
    """The times of fastnn's slower backends."""
    return {f"fastnn {n}": row["seconds"][n] for n in ("numba", "numpy") if n in row["seconds"] and n != row["fastest"]}


def by_mode(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Times of workloads that have an eager and a captured row, as one row: captured unless it says eager."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        label, _, mode = row["name"].rpartition(" ")
        seconds = found[label]
        if mode == "captured":
            seconds.update(others(row) | {"fastnn": own(row)})
            if row["kind"] == "convnets":
                seconds.update(backends(row))
        else:
            seconds.update({n: t for n, t in others(row).items() if n not in seconds} | {"fastnn eager": own(row)})
    return found


def steps(rows: Sequence[Row]) -> list[Section]:
    """Training steps and inference."""
    every = by_mode([r for r in rows if r["kind"] == "steps"])
    found = {"steps": {k: v for k, v in every.items() if "inference" not in k}}
    found["inference"] = {k: v for k, v in every.items() if "inference" in k}
    titles = {
        "steps": (
            "Training steps",
            "Gradients cleared, forward, cross-entropy, backward, optimizer, on one batch. fastnn's layers skip what a "
            "relu has set to zero, about half of its results before training, more or fewer after, with the same bits.",
        ),
        "inference": ("Inference of one row", "The forward pass, without gradients."),
    }
    return [
        Section(
            name,
            *titles[name],
            [times(seconds, "network")],
            charts.bars(relative(seconds), "time, in multiples of compiled fastnn's", "fastnn, compiled", log=True),
            f"Times of other libraries as multiples of fastnn's: {titles[name][0]}",
        )
        for name, seconds in found.items()
        if relative(seconds)
    ]


def convnets(rows: Sequence[Row]) -> list[Section]:
    """Training steps of convolutional networks."""
    found = [r for r in rows if r["kind"] == "convnets"]
    seconds = by_mode(found)
    if not relative(seconds):
        return []
    table = times(seconds, "network")
    speeds = {r["name"].removesuffix(" captured"): f"{gflops(r, own(r)):.0f}" for r in found}
    table.head.append("fastnn, GFLOP/s")
    for cells in table.rows:
        cells.append(speeds.get(cells[0], ""))
    words = (
        "The same on images. PyTorch has them in channels-last memory, and in its default order as contiguous; JAX has "
        "them channels-last. GFLOP/s count convolutions and products by their definition."
    )
    label, line = "time, in multiples of compiled fastnn's", "fastnn, compiled"
    picture = charts.bars(relative(seconds), label, line, log=True)
    seen = "Times of other libraries and backends as multiples of fastnn's: training steps of convolutional networks"
    return [Section("convnets", "Training steps of convolutional networks", words, [table], picture, seen)]


def layers(rows: Sequence[Row]) -> list[Section]:
    """Convolutions of well-known networks: means over their layers, of a file that bench/convolutions.py wrote."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "layers":
            found[f"{row['network']}, {row['pass']}"].append(row)
    columns = [c for c in charts.NAMES if any(c in r["seconds"] for group in found.values() for r in group)]
    columns = [c for c in columns if c != "fastnn"]
    heads = ["layers of, pass", "layers", "fastnn, of the peak", "PyTorch, of the peak"]
    table = Table([*heads, *map(charts.name, columns)])
    means: dict[str, dict[str, float]] = {}
    for label, group in found.items():
        ratios = {
            c: [r["seconds"][c] / r["seconds"]["fastnn"] for r in group]
            for c in columns
            if all(c in r["seconds"] for r in group)
        }
        means[label] = {c: geometric_mean(values) for c, values in ratios.items()}
        cells = [f"{means[label][c]:.2f} ({min(ratios[c]):.2f})" if c in ratios else "" for c in columns]
        peak = geometric_mean([r["share"] for r in group])
        torch = f"{peak / means[label]['torch']:.0%}" if "torch" in ratios else ""
        table.rows.append([label, str(len(group)), f"{peak:.0%}", torch, *cells])
    if not means:
        return []
    words = (
        "Times of others as multiples of fastnn's: the geometric mean over the layers, and the least. PyTorch has "
        "images in channels-last memory, and in its default order as contiguous; NumPy is the definition, im2col."
    )
    picture = charts.bars(means, "time, in multiples of fastnn's", "fastnn", log=True)
    seen = "Times of other libraries as multiples of fastnn's: means over the convolutions of networks"
    return [Section("layers", "Convolutions", words, [table], picture, seen)]


def gflops(row: Row, seconds: float) -> float:
    """Speed at a time."""
    return float(row["flops"] / seconds / 1e9)


def products(rows: Sequence[Row], roof: Roof) -> list[Section]:
    """Matrix products: cubes over their size; layers and other shapes beside the best other library."""
    found = [(m, r) for r in rows if r["kind"] == "gemm" and (m := PRODUCT.fullmatch(r["name"]))]
    cubes = [(m, r) for m, r in found if not m["why"]]
    rest = [(m, r) for m, r in found if m["why"]]
    return [*(cube_section(cubes, roof) if cubes else []), *(shape_section(rest) if rest else [])]


def cube_section(found: Sequence[tuple[Any, Row]], roof: Roof) -> list[Section]:
    """Speed over size in the three forms."""
    forms = {"NN": "NN", "NT": "NT: B is a transposed view", "TN": "TN: A is a transposed view"}
    panels: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    speeds: dict[int, dict[str, str]] = defaultdict(dict)
    ratios: dict[int, dict[str, str]] = defaultdict(dict)
    for m, row in found:
        size, form = int(m["m"]), m["form"]
        seconds = {"fastnn": own(row), **others(row)}
        if size % 16 == 0:
            for column, t in seconds.items():
                panels[forms[form]][column].append((size, gflops(row, t)))
        if form == "NN":
            speeds[size] = best_first({n: f"{gflops(row, t):.0f}" for n, t in seconds.items()}, seconds)
        share = f"{row['share']:.0%}" if row["share"] else ""
        best = min(others(row).values(), default=math.nan)
        ratios[size] |= {f"{form} of roof": share, f"{form} best other / fastnn": f"{best / own(row):.2f}"}
    columns = [c for c in charts.NAMES if any(c in row for row in speeds.values())]
    heads = [f"{form} {what}" for form in forms for what in ("of roof", "best other / fastnn")]
    tables = [
        Table(["size, NN, GFLOP/s", *map(charts.name, columns)], cells(speeds, columns)),
        Table(["size", *heads], cells(ratios, heads)),
    ]
    text = (
        "GFLOP/s of float32 products of square matrices; curves show multiples of 16. Parts of the roof are those of a "
        "loop of multiply-adds that took turns with the product."
    )
    seen = "GFLOP/s of each library over the size of a square product, with the roof"
    picture = charts.curves(panels, roof.float32, "GFLOP/s") if panels else ""
    return [Section("cubes", "Square products", text, [t for t in tables if t.rows], picture, seen)]


def cells(rows: dict[int, dict[str, str]], heads: Sequence[str]) -> list[list[str]]:
    """Rows by number."""
    return [[str(number), *(row.get(h, "") for h in heads)] for number, row in sorted(rows.items())]


def shape_section(found: Sequence[tuple[Any, Row]]) -> list[Section]:
    """Dense layers by batch, and other shapes."""
    layers: dict[str, dict[int, str]] = defaultdict(dict)
    shapes = Table(
        ["product, m x n x k", "fastnn, GFLOP/s", "best other", "best other, GFLOP/s", "best other / fastnn"]
    )
    ratios = []
    for m, row in found:
        ours, rest = own(row), others(row)
        if not rest:
            continue
        best = min(rest, key=rest.__getitem__)
        ratios.append(rest[best] / ours)
        layer = re.fullmatch(r"\d+-\d+ (forward|dX|dW)", m["why"])
        if layer:
            batch = int(m["k"] if layer[1] == "dW" else m["m"])
            layers[m["why"]][batch] = f"{ratios[-1]:.2f}"
        else:
            label = f"{m['form']} {m['m']} x {m['n']} x {m['k']}, {m['why']}"
            speeds = f"{gflops(row, ours):.1f}", charts.name(best), f"{gflops(row, rest[best]):.1f}"
            shapes.rows.append([label, *speeds, f"{ratios[-1]:.2f}"])
    if not ratios:
        return []
    batches = sorted({b for row in layers.values() for b in row})
    table = Table(["layer", *(f"batch {b}" for b in batches)])
    table.rows = [[label, *(row.get(b, "") for b in batches)] for label, row in layers.items()]
    mean = geometric_mean(ratios)
    shapes.note = (
        f"All {len(ratios)} products of this section: geometric mean {mean:.2f}, least {min(ratios):.2f}, "
        f"{sum(r < 1 for r in ratios)} below 1."
    )
    words = "The time of the best other library over fastnn's: dense layers by batch, then further shapes."
    return [Section("shapes", "Products of other shapes", words, [t for t in (table, shapes) if t.rows])]


def vectors(rows: Sequence[Row]) -> list[Section]:
    """Vector functions beside a copy between warm arrays."""
    found = [r for r in rows if r["kind"] == "parts" and r["name"].endswith(" warm")]
    shares: dict[str, dict[str, float]] = {}
    table: dict[str, dict[str, float]] = {}
    for row in found:
        label = row["name"].removesuffix(" warm")
        table[label] = {**others(row), "fastnn": own(row)}
        if "copy" in row["yardstick"]:
            shares[label] = {n: row["yardstick"]["copy"] / t for n, t in table[label].items()}
    if not found:
        return []
    text = "Functions on float32 arrays in memory that is in use already, of 10^6 and 64 x 2^20 floats."
    picture = charts.bars(shares, "speed, as a part of a plain copy's", "a copy") if shares else ""
    seen = "Speed of vector functions as a part of a plain copy's"
    return [Section("vectors", "Vector functions", text, [times(table, "function, floats")], picture, seen)]


def losses_and_optimizers(rows: Sequence[Row]) -> list[Section]:
    """The loss with its gradient, and Adam."""
    found = [r for r in rows if r["kind"] == "parts" and not r["name"].endswith(" warm")]
    if not found:
        return []
    table = times(by_mode(found), "work")
    shares = [f"{r['name']} {r['share']:.2f}" for r in found if r["share"]]
    if shares:
        table.note = f"Adam at 28 bytes a parameter, as a part of a copy in as much memory: {', '.join(shares)}."
    text = "Softmax and cross-entropy with the gradient of the logits; the step of Adam on one tensor and on many."
    return [Section("updates", "Loss and optimizer", text, [table])]


def remaining(rows: Sequence[Row]) -> list[Section]:
    """Workloads of other kinds, if the run had any."""
    kinds: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for row in rows:
        if row["kind"] not in ("gemm", "parts", "steps", "convnets", "layers"):
            kinds[row["kind"]][row["name"]] = {**others(row), "fastnn": own(row)}
    return [Section(kind, kind.capitalize(), "", [times(found, "work")]) for kind, found in kinds.items()]


def machine(report: dict[str, Any], roof: Roof) -> Section:
    """What all else depends on."""
    about = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    table = Table(["", "this run"])
    table.rows = [
        ["processor", about["processor"]],
        ["instruction set", about["ISA"]],
        ["threads", str(about["threads"])],
        ["versions", versions],
        ["NumPy's BLAS", about["BLAS"]],
        *([f"roof, {name}", line] for name, line in (text.split(": ", 1) for text in roof.lines())),
    ]
    return Section("machine", "The machine", "", [table])


def sections(report: dict[str, Any]) -> list[Section]:
    """All that the report has something for."""
    rows, plain = report["rows"], report["roof"]
    by_size = {name: {int(size): speed for size, speed in plain[name].items()} for name in ("copy", "read")}
    roof = Roof(plain["float32"], plain["float64"], **by_size)
    networks = [*steps(rows), *convnets(rows), *layers(rows)]
    found = [*products(rows, roof), *vectors(rows), *losses_and_optimizers(rows), *remaining(rows)]
    return [machine(report, roof), *asked(report), *networks, *found]


def asked(report: dict[str, Any]) -> list[Section]:
    """What is asked of fastnn, of a file that bench/figures.py wrote."""
    table = figures_table(report.get("figures", ()))
    words = (
        "At the roof: what would have been measured if all multiply-adds had taken the machine no longer than those of "
        "a loop in registers (or the update of parameters than its memory), with nothing else to do. Steps that skip "
        "zeros and convolutions by Winograd's algorithm do fewer of them, and may be faster."
    )
    second = (
        "Another run, with `FASTNN_ISA=avx2`: fastnn and the loop of multiply-adds are AVX2's, the other libraries "
        "those of the run above."
    )
    found = [
        Section("figures", "What is asked, and what was measured", words, [table]),
        Section("avx2", "The same on AVX2", second, [figures_table(report.get("avx2", ()))]),
    ]
    return [section for section in found if section.tables[0].rows]


def figures_table(figures: Sequence[dict[str, Any]]) -> Table:
    """What is asked, and what was measured."""
    return Table(["what", "asked", "measured", "at the roof", "met"], [figure_cells(f) for f in figures])


def write(report: dict[str, Any], page: Path) -> None:
    """Put each section between its markers, and its picture into a folder beside the page."""
    text, folder = page.read_text(encoding="utf-8"), page.parent / "pictures"
    for section in sections(report):
        parts = [part for part in (section.words, *(table.markdown() for table in section.tables)) if part]
        if section.picture:
            folder.mkdir(exist_ok=True)
            (folder / f"{section.name}.svg").write_text(section.picture, encoding="utf-8")
            parts.insert(1, f"![{section.seen}]({folder.name}/{section.name}.svg)")
        begin, end = f"<!-- {section.name} -->\n", "<!-- end -->"
        first = text.find(begin)
        if first >= 0:
            last = text.index(end, first)
            text = text[: first + len(begin)] + "\n" + "\n\n".join(parts) + "\n\n" + text[last:]
    page.write_text(text, encoding="utf-8")


CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --line: #d5dae0; --soft: #f3f5f7 }
@media (prefers-color-scheme: dark) { :root { --ink: #d8dee6; --paper: #171b21; --line: #3a424c; --soft: #1f252c } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 62rem; padding: 1rem 1.25rem 3rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.25rem; margin-top: 2.2rem }
img { width: 100%; max-width: 52rem; display: block; margin: 1rem 0 }
.wide { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th { background: var(--soft); white-space: normal; vertical-align: bottom }
th:first-child, td:first-child { text-align: left }
#machine th, #machine td { white-space: normal; text-align: left }
"""
INTRODUCTION = (
    "Medians of runs that took turns in one process: every library does the same work on the same numbers, and each "
    "result was checked against the definition in float64 before it was timed. Ratios are what to quote."
)


def page(report: dict[str, Any]) -> str:
    """All sections as one HTML page that needs nothing else."""
    parts = []
    for section in sections(report):
        words = f"<p>{rich(section.words)}</p>" if section.words else ""
        data = base64.b64encode(section.picture.encode()).decode()
        image = f'<img alt="{escape(section.seen)}" src="data:image/svg+xml;base64,{data}">' if data else ""
        tables = "".join(table.html() for table in section.tables)
        parts.append(f'<section id="{section.name}"><h2>{section.title}</h2>{words}{image}{tables}</section>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>fastnn: performance</title><style>{CSS}</style></head>"
        f"<body><h1>fastnn: performance</h1><p>{INTRODUCTION}</p>{''.join(parts)}</body></html>\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write docs/performance.md, and return the exit code."""
    parser = argparse.ArgumentParser("page", description=__doc__)
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="what 'fastnn bench --json FILE', bench/figures.py or bench/convolutions.py wrote",
    )
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="PAGE", help="default: docs/performance.md")
    parser.add_argument("--avx2", type=Path, metavar="FILE", help="what bench/figures.py wrote with FASTNN_ISA=avx2")
    args = parser.parse_args(argv)
    first, *more = [json.loads(file.read_text(encoding="utf-8")) for file in args.files]
    rows = [row for report in (first, *more) for row in report["rows"]]
    avx2 = json.loads(args.avx2.read_text(encoding="utf-8"))["figures"] if args.avx2 else ()
    write({**first, "rows": rows, "avx2": avx2}, args.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
