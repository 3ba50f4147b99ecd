"""What a training run told, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ._pictures import new_figure


class History(dict[str, list[float]]):
    """Lists of values by name, one for each epoch: ``loss``, metrics, the same with ``val_``, ``lr``, ``seconds``.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training.

    Examples
    --------
    >>> import fastnn
    >>> history = fastnn.train.History()
    >>> history.add({"loss": 0.5, "val_loss": 0.6})
    >>> history.add({"loss": 0.3, "val_loss": 0.5})
    >>> history["loss"], history.epochs
    ([0.5, 0.3], 2)
    """

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = False

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return max(map(len, self.values()), default=0)

    def add(self, values: Mapping[str, float]) -> None:
        """Append the values of an epoch."""
        for name, value in values.items():
            self.setdefault(name, []).append(float(value))

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the learning curves: the loss and each metric over the epochs, of training and of validation.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Where to write the picture; its ending tells the format (.png, .svg, .pdf).

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ImportError
            Without matplotlib; the message says how to get it.
        ValueError
            If there is no epoch to draw.
        """
        names = [n for n in self if not n.startswith("val_") and n not in ("lr", "seconds")]
        if not self.epochs or not names:
            raise ValueError("plot: there is no epoch to draw")
        figure = new_figure(4.8 * len(names), 3.6)
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for key, label in ((name, "training"), (f"val_{name}", "validation")):
                if key in self:
                    values = self[key]
                    axes.plot(range(1, len(values) + 1), values, marker="." if len(values) < 30 else "", label=label)
            axes.set(xlabel="epoch", ylabel=name)
            axes.grid(alpha=0.3)
            axes.legend()
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure
