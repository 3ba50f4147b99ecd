"""Pictures by matplotlib, the extra `plot`: images with what a network makes of them, and what its layer weighs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MOST = 400  # tiles in a picture
WRONG = "#c0392b"


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches; ImportError without matplotlib, with how to get it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"plot needs matplotlib ({error}); pip install 'fastnn[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def picture_formats() -> list[str]:
    """The endings of files that pictures can be written to."""
    return sorted(new_figure(1, 1).canvas.get_supported_filetypes())


def tiles(figure: Any, count: int, columns: int) -> list[Any]:
    """Axes without ticks in rows; those of the last row that are left over are blank."""
    grid = figure.subplots(-(-count // columns), columns, squeeze=False).ravel()
    for i, axes in enumerate(grid):
        axes.set(xticks=[], yticks=[])
        if i >= count:
            axes.axis("off")
    return list(grid[:count])


def draw_predictions(path: str, title: str, images: Array, labels: Array, scores: Array) -> Any:
    """Images (n, height, width) in rows, above each what was predicted and how probable it was; wrong ones in red."""
    columns = min(len(images), 10)
    figure = new_figure(max(1.0 * columns, 5), 1.3 * -(-len(images) // columns) + 0.5)
    figure.suptitle(title, fontsize=11)
    for axes, image, label, row in zip(tiles(figure, len(images), columns), images, labels, scores, strict=True):
        best = int(row.argmax())
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=max(float(images.max()), 1e-12))
        axes.set_title(f"{best}" if best == label else f"{best}, is {label}", fontsize=11, pad=4)
        axes.set_xlabel(f"{row[best]:.0%}", fontsize=8, color="#777777", labelpad=2)
        for spine in axes.spines.values():
            spine.set(color="#dddddd")
        if best != label:
            axes.title.set(color=WRONG, fontweight="bold")
            for spine in axes.spines.values():
                spine.set(color=WRONG, linewidth=2.5)
    figure.savefig(path, dpi=150)
    return figure


def draw_filters(path: str, title: str, filters: Array) -> Any:
    """Filters (n, height, width) in rows, on one scale of colors with white at 0."""
    columns = min(len(filters), max(8, math.ceil(math.sqrt(2 * len(filters)))))
    figure = new_figure(0.62 * columns + 1.4, 0.62 * -(-len(filters) // columns) + 0.8)
    figure.suptitle(title, fontsize=11)
    bound = max(float(np.abs(filters).max()), 1e-12)
    grid = tiles(figure, len(filters), columns)
    for axes, weights in zip(grid, filters, strict=True):
        shown = axes.imshow(weights, cmap="RdBu_r", vmin=-bound, vmax=bound)
        for spine in axes.spines.values():
            spine.set(color="#dddddd")
    figure.colorbar(shown, ax=grid, label="weight", shrink=0.9, aspect=15, pad=0.02)
    figure.savefig(path, dpi=150)
    return figure
