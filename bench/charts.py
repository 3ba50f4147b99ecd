"""Pictures of results, as SVG that is dark on light or light on dark, as its reader prefers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

NAMES = {  # column: what people read, and its color
    "fastnn": ("fastnn", "#e4572e"),
    "fastnn eager": ("fastnn, eager", "#f2a48c"),
    "fastnn direct": ("fastnn, without Winograd", "#f2a48c"),
    "fastnn numba": ("fastnn on Numba", "#a3a948"),
    "fastnn numpy": ("fastnn on NumPy", "#8a8a8a"),
    "torch": ("PyTorch", "#2f7ec7"),
    "torch unfused": ("PyTorch, unfused", "#7fb4e6"),
    "torch contiguous": ("PyTorch, contiguous", "#7fb4e6"),
    "torch.compile": ("torch.compile", "#8d6cc9"),
    "jax": ("JAX", "#1fa078"),
    "onnxruntime": ("ONNX Runtime", "#c9679a"),
    "sklearn": ("scikit-learn", "#d9a21b"),
    "NumPy by hand": ("NumPy", "#8a8a8a"),
    "NumPy SkylakeX": ("NumPy, SkylakeX", "#b0885a"),
}
INK = "#010203"  # stands for the color of the reader's text
STYLE = (
    "<style>svg{color:#1f2328;background:#fff}"
    "@media(prefers-color-scheme:dark){svg{color:#d8dee6;background:#171b21}}</style>"
)
SETTINGS = {
    "svg.hashsalt": "fastnn",  # the same picture is the same file
    "font.size": 11,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def name(column: str) -> str:
    """A column's name for people."""
    return NAMES.get(column, (column, ""))[0]


def color(column: str) -> str:
    """A column's color."""
    return NAMES.get(column, ("", "#999999"))[1]


def svg(figure: Figure) -> str:
    """The file's text."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue().replace(INK, "currentColor")
    begin = text.index(">", text.index("<svg")) + 1
    return "\n".join(line.rstrip() for line in (text[:begin] + STYLE + text[begin:]).splitlines()) + "\n"


def bars(groups: Mapping[str, Mapping[str, float]], label: str, line: str, log: bool = False) -> str:
    """Horizontal bars in groups, a color for each column, beside a line at 1; on a `log` scale they begin there."""
    columns = [c for c in NAMES if any(c in g for g in groups.values())]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 1.6 + sum(0.17 * len(g) + 0.16 for g in groups.values())), layout="constrained")
        axes, left = figure.add_subplot(), 1 if log else 0
        place, middles = 0.0, []
        for values in groups.values():
            first = place
            for column in (c for c in columns if c in values):
                value = values[column]
                axes.barh(place, value - left, 0.9, left=left, color=color(column))
                text, end = f"{value:.2g}" if value < 10 else f"{value:.0f}", max(value, left)
                axes.annotate(text, (end, place), (3, 0), "data", "offset points", va="center", fontsize=8.5)
                place += 1
            middles.append((first + place - 1) / 2)
            place += 0.9
        axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(line, (1, -1.2), (4, 0), "data", "offset points", va="center", fontsize=9)
        if log:
            axes.set_xscale("log")
            plain_ticks(axes.xaxis, [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
        axes.margins(x=0.09)
        axes.set_ylim(place - 0.8, -1.9)
        axes.set_yticks(middles, list(groups))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
        handles = [Patch(color=color(c), label=name(c)) for c in columns]
        rows = -(-len(columns) // 5)
        figure.legend(handles=handles, loc="outside upper center", ncols=-(-len(columns) // rows), fontsize=10)
        return svg(figure)


def curves(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], roof: float | None, label: str) -> str:
    """Curves over size for each column, a panel under the other, with the roof above them."""
    columns = [c for c in NAMES if any(c in p for p in panels.values())]
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(9, 0.8 + 2.9 * len(panels)), layout="constrained")
        every = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, (title, panel) in zip(every, panels.items(), strict=True):
            for column in [c for c in reversed(columns) if c in panel]:
                own = column == "fastnn"
                style = {"linewidth": 2.4 if own else 1.4, "markersize": 4.5 if own else 3.2, "zorder": 3 if own else 2}
                axes.plot(*np.transpose(sorted(panel[column])), "o-", color=color(column), **style)
            if roof:
                axes.axhline(roof, color=INK, linewidth=1.2, linestyle=(0, (5, 3)))
                text = f"roof: {roof:.0f} GFLOP/s of multiply-adds in registers"
                axes.annotate(text, (0.01, roof), (0, 3), axes.get_yaxis_transform(), "offset points", fontsize=9)
            axes.set_xscale("log")
            plain_ticks(axes.xaxis, [16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
            axes.set_ylim(0, 1.13 * max([roof or 0, *(y for line in panel.values() for _, y in line)]))
            axes.set_ylabel(label)
            axes.set_title(title, loc="left", fontsize=11)
            axes.grid(axis="y", color=INK, alpha=0.12)
        every[-1].set_xlabel("size")
        handles = [Line2D([], [], marker="o", markersize=4, color=color(c), label=name(c)) for c in columns]
        figure.legend(handles=handles, loc="outside upper center", ncols=6, fontsize=10)
        return svg(figure)


def plain_ticks(axis: Any, places: Sequence[float]) -> None:
    """Ticks of a logarithmic axis at round numbers."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
