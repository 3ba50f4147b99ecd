"""From records to a graph of buffers: an array is known by where its memory is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .. import random
from .._writes import root
from ..random import Draw
from .hyper import Hyper
from .recorder import CaptureError, Record, Recorder, flat


@dataclass
class Buffer:
    """A piece of memory that the step uses."""

    # argument (bound at each call), persistent, produced (the plan's), grad (pinned), returned (fresh), inside (of a
    # fused node, without memory)
    kind: str
    low: int
    high: int
    array: Any  # keeps the memory alive
    index: int = -1  # which argument or returned value
    born: int = -1  # the records that write a produced buffer first and use it last
    died: int = -1
    over: Buffer | None = None  # whose place it takes
    offset: int = -1  # in the arena


@dataclass
class Graph:
    """All that a plan is built from."""

    records: list[Record]
    arguments: list[Any]
    read_grads: list[tuple[Any, Any]]
    fixed: list[tuple[dict[str, Any], str, bool]]
    entry_offset: int
    draws: int
    buffers: list[Buffer] = field(default_factory=list)
    returned: list[Buffer] = field(default_factory=list)
    grads: list[tuple[Any, Any]] = field(default_factory=list)  # (leaf, its .grad) after the step
    changed: list[Buffer] = field(default_factory=list)
    unknown: dict[tuple[int, int], tuple[Record, Any]] = field(default_factory=dict)
    constants: list[tuple[Record, Any]] = field(default_factory=list)
    lows: list[int] = field(default_factory=list)
    nodes: list[tuple[int, Record]] = field(default_factory=list)  # for the compiled core, see fusion.py
    places: dict[int, tuple[int, int, int, Any]] = field(default_factory=dict)  # by id: each array is asked for often

    @property
    def takes_turns(self) -> bool:
        """Whether calls of several threads have to, since they write memory that they share."""
        return bool(self.changed or self.grads or self.draws)

    def place(self, kind: str, array: Any, **options: Any) -> Buffer:
        """A new buffer for the memory of `array`."""
        low, high, *_ = self.lies(array)
        buffer = Buffer(kind, low, high, array, **options)
        i = bisect_right(self.lows, low)
        self.lows.insert(i, low)
        self.buffers.insert(i, buffer)
        return buffer

    def find(self, array: Any) -> tuple[Buffer | None, int]:
        """The buffer an array lies in, and the offset of its first element there."""
        low, _, first, _ = self.lies(array)
        i = bisect_right(self.lows, low) - 1
        if i >= 0 and low < self.buffers[i].high:
            return self.buffers[i], first - self.buffers[i].low
        return None, 0

    def lies(self, array: Any) -> tuple[int, int, int, Any]:
        """The bounds of an array, the address of its first element, and the array, so that its id stays its own."""
        known = self.places.get(id(array))
        if known is None:
            known = self.places[id(array)] = (*bounds(array), array.ctypes.data, array)
        return known

    def where(self, array: Any) -> tuple[Buffer, int]:
        """`find` for an array that is known to be there."""
        buffer, offset = self.find(array)
        assert buffer is not None
        return buffer, offset


def bounds(array: Any) -> tuple[int, int]:
    """First byte and the one after the last; empty arrays count as one byte."""
    if array.size == 0:
        return array.ctypes.data, array.ctypes.data + 1
    low, high = byte_bounds(array)
    return int(low), int(high)


def build(recorder: Recorder, results: list[Any]) -> Graph:
    """The graph of a recorded call. `results` are the arrays it returns, each produced whole by a record."""
    graph = Graph(
        records=recorder.records,
        arguments=[t.array for t in recorder.arguments],
        read_grads=list(recorder.read_grads.values()),
        fixed=recorder.fixed,
        entry_offset=recorder.entry_offset,
        draws=int(random.STATE[1]) - recorder.entry_offset,
    )
    entry_grads = [g for _, g in graph.read_grads if g is not None]  # hidden arguments: what the step reads from .grad
    graph.arguments += entry_grads
    for i, array in enumerate(graph.arguments):
        graph.place("argument", array, index=i)
    for i, record in enumerate(graph.records):
        for a in flat(record.args):
            buffer, _ = graph.find(a)
            if buffer is None:
                owner = root(a)
                if id(owner) in recorder.constants:
                    graph.constants.append((record, owner))
                else:
                    graph.unknown[graph.lies(owner)[:2]] = record, owner
                buffer = graph.place("persistent", owner)
            buffer.died = i
        for a in record.outs:
            if a is None:
                continue
            buffer, _ = graph.find(a)
            if buffer is None:  # else the output is a view of known memory, which nothing writes
                graph.place("produced", root(a), born=i, died=i)
    for leaf in recorder.touched.values():
        if leaf._grad is None:
            graph.grads.append((leaf, None))
            continue
        buffer, _ = graph.find(leaf._grad.array)
        if buffer is None:  # it was assigned, and no record used it
            buffer = graph.place("persistent", root(leaf._grad.array))
        if buffer.kind == "argument":  # the one that was there before
            continue
        if buffer.kind == "produced":
            buffer.kind = "grad"  # .grad keeps this very memory
        graph.grads.append((leaf, leaf._grad))
    for i, array in enumerate(results):
        buffer, _ = graph.where(array)
        buffer.kind, buffer.index = "returned", i
        graph.returned.append(buffer)
    graph.changed = changed(graph)
    return graph


def produced_whole(recorder: Recorder, array: Any) -> bool:
    """Whether an array is the whole, unshared output of a record, so that a plan may return its memory."""
    held = [t._grad.array for t in recorder.touched.values() if t._grad is not None]
    if any(np.may_share_memory(array, h) for h in held) or type(array.base) is np.ndarray:
        return False
    made = [r for r in recorder.records for o in r.outs if o is array]
    given = any(a is array for t in recorder.arguments for a in (t.array,))
    return len(made) == 1 and not given and not made[0].op.updates


def changed(graph: Graph) -> list[Buffer]:
    """The buffers whose memory a replay changes in place and whose former values somebody may still want."""
    written = (graph.where(a)[0] for r in graph.records for _, a in updated(r))
    buffers = {id(b): b for b in written if b.kind in ("persistent", "argument")}
    return [*buffers.values(), *(b for b in graph.buffers if b.kind == "grad")]


def updated(record: Record) -> Iterator[tuple[str, Any]]:
    """The arrays that a record changes in place, each with the name of its input."""
    if record.name == record.op.name:  # forward: inputs are where the op's declaration says
        for name in record.op.updates:
            for array in flat((record.args[record.op.inputs.index(name)],)):
                yield name, array


def same_world(before: Graph, now: Graph) -> None:
    """Refuse what two recordings of one signature show to be frozen.

    The first recording is kept alive, so memory that fastnn did not make and that lies elsewhere this time was
    computed in the step by other means, or belongs to a name that was bound anew.
    """
    for where, (record, _) in now.unknown.items():
        if where not in before.unknown:
            raise CaptureError(
                f"{record.line}: {record.op.name} got an array that was computed outside fastnn during the step; "
                "its value would be frozen in the plan"
            )
    for a, b in zip(before.records, now.records, strict=False):
        if a.name != b.name or (a.op is not b.op and a.call_back is None):
            raise CaptureError(f"{b.line}: two calls with one signature ran different operations: {a.name}, {b.name}")
        for p, q in zip(a.args, b.args, strict=True):
            if not alike(p, q):
                raise CaptureError(
                    f"{b.line}: {b.op.name} was called with {p!r}, then with {q!r}; "
                    "the value would be frozen in the plan"
                )
    if len(before.records) != len(now.records):
        longer = max(before.records, now.records, key=len)
        line = longer[min(len(before.records), len(now.records))].line
        raise CaptureError(f"{line}: two calls with one signature ran different numbers of operations")
    for (_, p), (record, q) in zip(before.constants, now.constants, strict=False):
        if not np.array_equal(p, q, equal_nan=True):
            raise CaptureError(
                f"{record.line}: {record.op.name} got numbers from Python that changed between two calls with one "
                "signature; they would be frozen in the plan"
            )


def alike(p: Any, q: Any) -> bool:
    """Whether two recorded arguments mean the same to a plan."""
    if type(p) in (Hyper, Draw) or type(q) in (Hyper, Draw):
        return type(p) is type(q)
    if type(p) is np.ndarray and type(q) is np.ndarray:
        return bool(p.shape == q.shape and p.dtype == q.dtype)
    if type(p) in (list, tuple) and type(p) is type(q):
        return len(p) == len(q) and all(map(alike, p, q))
    return type(p) is type(q) and bool(p == q or p != p)
