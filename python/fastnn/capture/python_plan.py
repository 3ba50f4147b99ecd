"""Replay of the recorded list as it is, by kernels that make their own outputs: for the numpy and numba backends."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from .._registry import state
from .._tensor import Tensor
from ..random import Draw
from .graph import Buffer, Graph, bounds
from .hyper import Hyper


class PythonPlan:
    """A plan of Python kernels."""

    def __init__(self, graph: Graph, backend: int) -> None:
        self.epoch = int(state.epoch)
        self.graph = graph
        self.wanted = [(a.shape, a.dtype, a.strides) for a in graph.arguments]
        self.number = {id(b): i for i, b in enumerate(graph.buffers)}
        self.memory = [b.array if b.kind == "persistent" else None for b in graph.buffers]
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
                    writes.append((j, self.number[id(buffer)]))
            self.steps.append((kernel, [self.reader(a) for a in r.args], writes))
        self.grads = [(t, g, None if g is None else self.reader(g.array)) for t, g in graph.grads]
        self.argument_slots = [self.number[id(graph.where(a)[0])] for a in graph.arguments]
        self.result_slots = [self.number[id(b)] for b in graph.returned]

    def reader(self, a: Any) -> Callable[[], Any]:
        """A function that gives an argument of a record anew."""
        memory = self.memory
        if type(a) is list:
            parts = [self.reader(x) for x in a]
            return lambda: [p() for p in parts]
        if type(a) is not np.ndarray:
            return number_reader(a, self.graph)
        buffer, offset = self.graph.where(a)
        n = self.number[id(buffer)]
        if is_all_of(a, buffer) and offset == 0:
            return lambda: memory[n]
        shape, dtype, strides = a.shape, a.dtype, a.strides
        return lambda: view_in(memory[n], shape, dtype, offset, strides)

    def run(self, *args: Any) -> Any:
        """The returned arrays, or NotImplemented where the arguments or the world are other ones."""
        if self.epoch != int(state.epoch) or len(args) != len(self.wanted):
            return NotImplemented
        if any(bool(group[key]) != value for group, key, value in self.graph.fixed):
            return NotImplemented
        memory = self.memory
        for a, want, slot in zip(args, self.wanted, self.argument_slots, strict=True):
            array = a.array if isinstance(a, Tensor) else a
            if type(array) is not np.ndarray or (array.shape, array.dtype, array.strides) != want:
                return NotImplemented
            memory[slot] = array
        for kernel, readers, writes in self.steps:
            out = kernel(*[r() for r in readers])
            for j, n in writes:
                memory[n] = out[j] if type(out) is tuple else out
        with random.lock:
            random.STATE[1] += np.uint64(self.graph.draws)
        for leaf, grad, reader in self.grads:
            if reader is not None:  # the plan's own Tensor each time, as in compiled plans
                grad.array[...] = reader()
            leaf.grad = grad
        return tuple(memory[n] for n in self.result_slots)

    def run_rows(self, data: list[Any], order: Any, at: int, batch: int) -> tuple[int, list[Any]]:
        """Nothing: Python gathers no faster in here."""
        return 0, []


def number_reader(a: Any, graph: Graph) -> Callable[[], Any]:
    """A function that gives an argument that is no array: a hyperparameter or a random offset as it is now."""
    if type(a) is Hyper:
        group, key, item = a.group, a.key, a.item
        return lambda: float(group[key] if item < 0 else group[key][item])
    if type(a) is Draw:
        ahead = int(a) - graph.entry_offset
        return lambda: int(random.STATE[1]) + ahead
    return lambda: a


def is_all_of(a: Any, buffer: Buffer) -> bool:
    """Whether an array is a buffer's whole array."""
    b = buffer.array
    return bool(a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype)


def view_in(owner: Any, shape: Any, dtype: Any, offset: int, strides: Any) -> Any:
    """A view into an array's memory, `offset` bytes from its lowest address."""
    low, high = bounds(owner)
    memory: Any = (ctypes.c_char * (high - low)).from_address(low)
    return np.ndarray(shape, dtype, memory, offset, strides)
