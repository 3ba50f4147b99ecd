"""Steps that are captured where they can be, and a model's two modes without making what was captured stale."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import random
from .._registry import state
from ..capture import CaptureError, Compiled, compile
from ..nn import Module


class Captured:
    """A function as `fastnn.compile` runs it; where that refuses it warns once and goes on eagerly."""

    def __init__(self, function: Callable[..., Any], enabled: bool) -> None:
        self.function = function
        self.compiled = compile(function) if enabled else None
        self.result: Any = None

    def finished(self, result: Any) -> Any:
        """To be called by the function when all that it changes is changed: it is not run again then."""
        self.result = result
        return result

    def __call__(self, *args: Any) -> Any:
        if self.compiled is None:
            return self.function(*args)
        offset, self.result = int(random.STATE[1]), None
        try:
            return self.compiled(*args)
        except CaptureError as why:
            self.compiled = None
            warnings.warn(f"the step cannot be captured and runs eagerly: {why}", RuntimeWarning, stacklevel=5)
        if self.result is not None:
            return self.result
        with random.lock:
            random.STATE[1] = np.uint64(offset)
        return self.function(*args)

    def run_epoch(self, arrays: list[Any], rows: Any, batch_size: int) -> Iterator[tuple[int, Any]]:
        """Steps over batches of rows, as `Compiled.run_epoch` makes them."""
        compiled: Compiled = self.compiled or compile(self.function)
        return compiled.run_epoch(arrays, rows, batch_size, call=self)


class Modes:
    """Puts a model into evaluation mode and back.

    Captured plans hold for one epoch number of the process's settings, which changes with every mode that is set. Both
    modes' numbers are remembered and put back, so that plans of earlier epochs of training are still good.
    """

    def __init__(self, model: Module) -> None:
        self.model = model
        self.known = (-1, -1)  # the epoch numbers of training and of evaluation

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode inside; each module has its former mode again after."""
        modules = [m for m in self.model.modules() if m.training]
        before = int(state.epoch)
        own = all(type(m).train is Module.train and type(m).eval is Module.eval for m in self.model.modules())
        if not modules:
            yield
            return
        self.model.eval()
        if own and self.known[0] == before:
            state.epoch[...] = self.known[1]
        inside = int(state.epoch)
        if inside != before:
            self.known = before, inside
        try:
            yield
        finally:
            unchanged = int(state.epoch) == inside
            for m in modules:
                m.training = True
            if unchanged and own:
                state.epoch[...] = before
