"""The progress bar: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """A bar over all steps of a training run; silent where standard error is no terminal."""

    def __init__(self, shown: bool, epochs: int, steps: int | None) -> None:
        self.epochs = epochs
        self.bar: Any = None
        if shown and sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            total = None if steps is None else epochs * steps
            self.bar = tqdm(total=total, file=sys.stderr, leave=False, dynamic_ncols=True, unit=" steps")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def epoch(self, number: int) -> None:
        """A new epoch begins."""
        if self.bar is not None:
            self.bar.set_description(f"epoch {number}/{self.epochs}", refresh=False)

    def step(self, count: int = 1) -> None:
        """So many steps were made."""
        if self.bar is not None:
            self.bar.update(count)

    def tell(self, values: dict[str, float]) -> None:
        """Show the values of an epoch beside the bar."""
        if self.bar is not None:
            shown = {name: f"{value:.4g}" for name, value in values.items() if name not in ("lr", "seconds")}
            self.bar.set_postfix(shown, refresh=False)

    def write(self, line: str) -> None:
        """Print a line to standard output, above the bar."""
        if self.bar is not None:
            self.bar.write(line, file=sys.stdout)
        else:
            print(line, flush=True)
