"""The table of ``fastnn bench``, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roofline import Roof

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def head(machine: dict[str, Any], roof: Roof) -> str:
    """The lines above a table."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['processor']}, ISA {machine['ISA']}, threads: {machine['threads']}",
        f"{versions}; NumPy's BLAS: {machine['BLAS']}",
        *(f"roof, {line}" for line in roof.lines()),
    ]
    return "\n".join(lines)


def human(seconds: float) -> str:
    """A time in three digits: 4.61 us."""
    scale, unit = next((u for u in UNITS if seconds >= u[0]), UNITS[-1])
    return f"{float(f'{seconds / scale:.3g}'):g} {unit}"


def figure_cells(f: dict[str, Any]) -> list[str]:
    """A figure of bench/figures.py for a table: what, asked, measured, at the roof, met."""
    asked = "-" if f["asked"] is None else f"{f['sign']} {f['asked']:g}{f['unit']}"
    values = ["-" if f[key] is None else f"{f[key]:.3g}{f['unit']}" for key in ("measured", "at the roof")]
    return [f["what"], asked, *values, {None: "-", True: "yes", False: "no"}[f["met"]]]


class Table:
    """The table, row by row as they come."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.kind = list(names), ""

    def print(self, row: dict[str, Any]) -> None:
        """Print a row; above the first one of a kind, the names of the columns."""
        if row["kind"] != self.kind:
            self.kind = row["kind"]
            names = "".join(f"{n:>18}" for n in self.names)
            print(f"\n{self.kind:46}{names}{'GFLOP/s':>9}{'GB/s':>7}{'% of roof':>11}")
        cells = "".join(f"{self.cell(row, n):>18}" for n in self.names)
        speeds = (("gflops", 9), ("gbytes", 7), ("roof", 11))
        rest = "".join(f"{'' if row[k] is None else format(row[k], '.3g'):>{w}}" for k, w in speeds)
        beside = "".join(f"  {row['share']:.2f} of {name}" for name in row["yardstick"])
        print(f"{row['name']:46}{cells}{rest}{beside}", flush=True)

    def cell(self, row: dict[str, Any], name: str) -> str:
        """A time, and its ratio where it is not the baseline's."""
        if name not in row["seconds"]:
            return "-"
        ratio = "" if name == row["baseline"] or not row["ratio"] else f" {row['ratio'][name]:5.2f}x"
        return human(row["seconds"][name]) + (ratio or "       ")
