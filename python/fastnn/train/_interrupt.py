"""Ctrl-C between steps: a step under way is finished first, so that weights are never half updated."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any


class WholeSteps:
    """A context manager in which SIGINT waits for the end of the step that `run` runs; a second one does not wait."""

    def __init__(self) -> None:
        self.inside = self.pending = False
        self.previous: Any = None

    def __enter__(self) -> WholeSteps:
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self.previous = signal.signal(signal.SIGINT, self.handle)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)

    def handle(self, number: int, frame: Any) -> None:
        """The signal's handler while training."""
        if self.inside and not self.pending:
            self.pending = True
        else:
            self.previous(number, frame)

    def run(self, step: Callable[..., Any], *args: Any) -> Any:
        """``step(*args)``; a signal that came meanwhile is handled after it."""
        self.inside = True
        try:
            return step(*args)
        finally:
            self.inside = False
            if self.pending:
                self.pending = False
                self.previous(signal.SIGINT, None)
