"""Replay of the recorded list as it is, by kernels that make their own outputs: for the numpy and numba backends."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from .._registry import BACKENDS, state
from .._tensor import Tensor
from ..random import Draw
from .graph import Buffer, Graph, bounds
from .hyper import Hyper
from .report import node

Reader = Callable[[Any], Any]  # of a frame: the memory of one call


class PythonPlan:
    """A plan of Python kernels."""

    def __init__(self, graph: Graph, backend: int) -> None:
        self.epoch = int(state.epoch)
        self.backend, self.fixed, self.draws = BACKENDS[backend], graph.fixed, graph.draws
        self.nodes = [node(r, 0, compiled=False) for r in graph.records]
        self.wanted = [(a.shape, a.dtype, a.strides) for a in graph.arguments]
        number = {id(b): i for i, b in enumerate(graph.buffers)}
        self.memory = [b.array if b.kind == "persistent" else None for b in graph.buffers]  # the rest: at each call
        self.turn = threading.Lock() if graph.takes_turns else contextlib.nullcontext()

        def over(array: Any) -> Reader:
            buffer, offset = graph.where(array)
            n = number[id(buffer)]
            if is_all_of(array, buffer) and offset == 0:
                return lambda memory: memory[n]
            shape, dtype, strides = array.shape, array.dtype, array.strides
            return lambda memory: view_in(memory[n], shape, dtype, offset, strides)

        self.steps = []
        for i, r in enumerate(graph.records):
            kernels = (
                () if r.call_back else r.op.backward_kernels if r.name.endswith("_backward") else r.op.forward_kernels
            )
            kernel = r.call_back or kernels[backend]
            writes = []
            for j, o in enumerate(r.outs):
                buffer = graph.where(o)[0] if o is not None else None
                if buffer is not None and buffer.born == i:
                    writes.append((j, number[id(buffer)]))
            self.steps.append((kernel, [reader(a, over, graph) for a in r.args], writes))
        self.grads = [(t, g, None if g is None else over(g.array)) for t, g in graph.grads]
        self.argument_slots = [number[id(graph.where(a)[0])] for a in graph.arguments]
        self.result_slots = [number[id(b)] for b in graph.returned]

    def facts(self) -> list[str]:
        """For reports."""
        return [f"backend {self.backend}", "replayed in Python"]

    def run(self, *args: Any) -> Any:
        """The returned arrays, or NotImplemented where the arguments or the world are other ones."""
        with self.turn:
            return self.replay(args)

    def replay(self, args: tuple[Any, ...]) -> Any:
        """`run`, by one thread at a time where the plan wants it."""
        if self.epoch != int(state.epoch) or len(args) != len(self.wanted):
            return NotImplemented
        if any(bool(group[key]) != value for group, key, value in self.fixed):
            return NotImplemented
        memory = list(self.memory)  # of this call alone
        for a, want, slot in zip(args, self.wanted, self.argument_slots, strict=True):
            array = a.array if isinstance(a, Tensor) else a
            if type(array) is not np.ndarray or (array.shape, array.dtype, array.strides) != want:
                return NotImplemented
            memory[slot] = array
        for kernel, readers, writes in self.steps:
            out = kernel(*[r(memory) for r in readers])
            for j, n in writes:
                memory[n] = out[j] if type(out) is tuple else out
        with random.lock:
            random.STATE[1] += np.uint64(self.draws)
        for leaf, grad, made in self.grads:
            if made is not None:  # the plan's own Tensor each time, as in compiled plans
                grad.array[...] = made(memory)
            leaf._grad = grad
        return tuple(memory[n] for n in self.result_slots)

    def run_rows(self, data: list[Any], order: Any, at: int, batch: int) -> tuple[int, list[Any]]:
        """Nothing: Python gathers no faster in here."""
        return 0, []


def reader(a: Any, over: Callable[[Any], Reader], graph: Graph) -> Reader:
    """A function that gives an argument of a record anew; `over` makes it for an array.

    What is no array is a hyperparameter or a random offset as it is now, or always the same.
    """
    if type(a) is np.ndarray:
        return over(a)
    if type(a) is list:
        parts = [reader(x, over, graph) for x in a]
        return lambda frame: [p(frame) for p in parts]
    if type(a) is Hyper:
        group, key, item = a.group, a.key, a.item
        return lambda _: float(group[key] if item < 0 else group[key][item])
    if type(a) is Draw:
        ahead = int(a) - graph.entry_offset
        return lambda _: int(random.STATE[1]) + ahead
    return lambda _: a


def is_all_of(a: Any, buffer: Buffer) -> bool:
    """Whether an array is a buffer's whole array."""
    b = buffer.array
    return bool(a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype)


def view_in(owner: Any, shape: Any, dtype: Any, offset: int, strides: Any) -> Any:
    """A view into an array's memory, `offset` bytes from its lowest address."""
    low, high = bounds(owner)
    memory: Any = (ctypes.c_char * (high - low)).from_address(low)
    return np.ndarray(shape, dtype, memory, offset, strides)
