"""From a graph to a plan of the compiled core: lifetimes, one arena, a node for each record."""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

import numpy as np

from .. import random
from .._backends.cpp import core
from .._registry import state
from ..random import Draw
from .fusion import fuse
from .graph import Buffer, Graph
from .hyper import Hyper
from .python_plan import reader
from .recorder import Record, flat
from .report import Node, bad_index, node, size

ALIGNMENT = 64
SECONDS, RESULTS = 0.05, 1 << 20  # after which `run_rows` comes back: for signals and progress
NUMBER = (-1, 0)  # the spot of what has no memory: a number, a gradient that is not wanted
# Besides elementwise ops and dropout, kernels that write their first output where they have just read an array like it.
IN_PLACE = {
    "batch_norm_backward",
    "batch_norm_backward_relu",
    "batch_norm_inference",
    "batch_norm_inference_relu",
    "group_norm_backward",
}


def aligned(n: int) -> int:
    """`n` rounded up, so that every buffer begins on a cache line."""
    return (n + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def work_in_place(graph: Graph) -> None:
    """Let results lie over arguments that nobody reads afterwards.

    Lines of the cache that were just read are written then, and what they held never goes to memory: gradients of batch
    norm over 8 MB take 0.8 of the time, a sum 0.55.
    """
    for i, record in graph.nodes:
        if record.call_back or not in_place(record):
            continue
        out = record.outs[0]
        to = graph.where(out)[0] if out is not None else None
        if to is None or to.kind != "produced" or to.born != i:
            continue
        for a in flat(record.args):
            over = graph.where(a)[0]
            others = [b for b in flat(record.args) if graph.where(b)[0] is over]
            fits = all(congruent(over, b, to, out) for b in others)  # not x + x.T, where x is written before it is read
            if fits and over.kind == "produced" and over.died == i and over is not to:
                to.over = over.over or over
                to.over.died = to.died
                break


def in_place(record: Record) -> bool:
    """Whether a kernel reads a value of its arguments for the last time before it writes the result at that place."""
    if record.name in ("max_pool_backward", "max_pool_backward_relu"):
        x, kernel, stride, padding, dilation = record.args[1:6]
        parts = all(n % k == 0 for n, k in zip(x.shape[2:], kernel, strict=True))
        return bool(kernel == stride and parts and not any(padding) and all(d == 1 for d in dilation))
    one = sum(o is not None for o in record.outs) == 1
    return record.name in IN_PLACE or (record.op.kind in ("elementwise", "random") and one)


def congruent(p: Buffer, a: Any, q: Buffer, b: Any) -> bool:
    """Whether two arrays have one layout, and each is all of its buffer."""
    same = a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype
    return bool(same and p.high - p.low == q.high - q.low == a.nbytes)


def lay_out(buffers: list[Buffer]) -> int:
    """Offsets in one arena, by first fit over lifetimes, the largest first; returns the arena's size.

    Source: Pisarchyk and Lee, Efficient memory management for deep neural net inference, 2020 (greedy by size).
    """
    placed: list[Buffer] = []
    top = 0
    own = [b for b in buffers if b.over is None]
    for b in sorted(own, key=lambda b: (b.low - b.high, b.born)):  # not as their addresses happen to follow
        size, at = aligned(b.high - b.low), 0
        alive = (p for p in placed if p.died >= b.born and b.died >= p.born)
        for p in sorted(alive, key=lambda p: p.offset):
            if at + size <= p.offset:
                break
            at = max(at, p.offset + aligned(p.high - p.low))
        b.offset = at
        placed.append(b)
        top = max(top, at + size)
    for b in buffers:
        if b.over is not None:
            b.offset = b.over.offset
    return top


class CppPlan:
    """A plan that the core runs: ``run`` is a C function."""

    def __init__(self, graph: Graph) -> None:
        self.keep = [b.array for b in graph.buffers if b.kind in ("persistent", "grad")]  # the plan has addresses only
        self.plan = core.Plan()
        self.nodes: list[Node] = []  # the records that became steps of the plan
        self.cost = 0.0  # estimated nanoseconds
        if not graph.nodes:
            fuse(graph)
            work_in_place(graph)
        produced = [b for b in graph.buffers if b.kind == "produced"]
        self.arena_bytes = lay_out(produced)
        self.unshared_bytes = sum(aligned(b.high - b.low) for b in produced)
        self.slots: dict[int, int] = {}
        for b in graph.buffers:
            if b.kind not in ("produced", "inside"):
                self.slots[id(b)] = self.plan.slot(b.low)
        self.plan.arena(self.arena_bytes)
        for array in graph.arguments:
            self.plan.argument(array, self.slots[id(graph.where(array)[0])])
        for b in graph.returned:
            self.plan.returned(b.array, self.slots[id(b)])
        self.returned = [(b.array.shape, b.array.dtype) for b in graph.returned]
        self.dense = all(b.array.flags.c_contiguous for b in graph.returned)
        for i, record in graph.nodes:
            self.add(graph, i, record)
        for leaf, grad in graph.grads:
            self.plan.grad(leaf, grad)
        for group, key, value in graph.fixed:
            self.plan.fixed(group, key, value)
        self.plan.finish(state.epoch, random.STATE, graph.draws, graph.takes_turns)
        self.run = self.plan.runner()  # the returned arrays, or NotImplemented where this plan does not hold

    def quick(self, changed: bytes) -> Any:
        """`run` where one Tensor is returned, and nothing but it: as that, with these writes noted (`owners`)."""
        return self.plan.quick(changed, functools.partial(bad_index, self.nodes))

    def facts(self) -> list[str]:
        """For reports."""
        memory = f"{size(self.arena_bytes)} of temporaries ({size(self.unshared_bytes)} unshared)"
        return ["backend cpp, replayed in C++", f"about {self.cost / 1e3:.3g} us", memory]

    @staticmethod
    def can(graph: Graph) -> bool:
        """Whether the core knows the dtypes of everything that the plan binds or returns."""
        bound = [*graph.arguments, *(b.array for b in graph.returned)]
        return all(a.dtype.char in "fdql?" and a.dtype.itemsize in (1, 4, 8) and a.ndim <= 8 for a in bound)

    def run_rows(self, data: list[Any], order: Any, at: int, batch: int) -> tuple[int, list[Any]]:
        """Replays over batches of rows for 50 ms or until 1 MB of results are there: how many, and the results."""
        if not self.dense:
            return 0, []
        nbytes = sum(math.prod(shape) * dtype.itemsize for shape, dtype in self.returned)
        room = min((len(order) - at) // batch, max(1, RESULTS // max(1, nbytes)))
        results = [np.empty((room, *shape), dtype) for shape, dtype in self.returned]
        steps = self.plan.run_rows(data, order, at, results, SECONDS)
        return steps, [a[:steps] for a in results]

    def spot(self, graph: Graph, array: Any) -> tuple[int, int]:
        """Where an array lies: a slot (0 is the arena) and the offset of its first element."""
        buffer, offset = graph.where(array)
        return (0, buffer.offset + offset) if buffer.kind == "produced" else (self.slots[id(buffer)], offset)

    def add(self, graph: Graph, index: int, record: Record) -> None:
        """One node."""
        if record.call_back is not None:
            self.plan.call_back(self.call_back(graph, index, record))
            self.nodes.append(node(record, 0, compiled=True))
            return
        letters = core.signature(record.name)
        attributes = [a for a, letter in zip(record.args, letters, strict=True) if letter in "fiult"]
        cells = [(i, a.group, a.key, a.item) for i, a in enumerate(attributes) if type(a) is Hyper]
        draws = [(i, int(a) - graph.entry_offset) for i, a in enumerate(attributes) if type(a) is Draw]
        spots = []
        for a, letter in zip(record.args, letters, strict=True):
            if letter not in "fiultn":
                spots += [self.spot(graph, x) for x in flat((a,))] if not isinstance(a, (int, float)) else [NUMBER]
        outs = [self.spot(graph, o) if o is not None else NUMBER for o in record.outs]
        cost = self.plan.add(record.name, list(record.args), spots, outs, list(record.outs), cells, draws)
        if cost is not None:
            self.nodes.append(node(record, cost, compiled=True))
            self.cost += cost

    def call_back(self, graph: Graph, index: int, record: Record) -> Any:
        """A Python kernel as a node: its arrays lie over a frame's memory, made anew at each call."""
        pointer, kernel = self.plan.pointer, record.call_back

        def over(array: Any) -> Any:
            slot, offset = self.spot(graph, array)
            buffer = graph.where(array)[0]
            length, base = buffer.high - buffer.low, (buffer.offset if buffer.kind == "produced" else 0)
            inside, shape, dtype, strides = offset - base, array.shape, array.dtype, array.strides

            def here(frame: int) -> Any:
                memory: Any = (ctypes.c_char * length).from_address(pointer(frame, slot) + base)
                return np.ndarray(shape, dtype, memory, inside, strides)

            return here

        readers = [reader(a, over, graph) for a in record.args]
        # An output in memory that another record made is a view of it, and there already.
        mine = [o is not None and graph.where(o)[0].born == index for o in record.outs]
        writers = [over(o) if w else None for o, w in zip(record.outs, mine, strict=True)]

        def run(frame: int) -> None:
            out = kernel(*[r(frame) for r in readers])
            for w, value in zip(writers, out if type(out) is tuple else (out,), strict=False):
                if w is not None:
                    w(frame)[...] = value

        return run
