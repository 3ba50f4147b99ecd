"""``compile(step, check=True)``: what a replay leaves behind, bit by bit against an eager run of the same call."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import random
from .._writes import root
from .graph import Buffer, Graph, updated
from .recorder import CaptureError


class Left(NamedTuple):
    """Something that a call leaves behind."""

    record: int  # of the plan, the last that writes it; -1 if none does
    name: str
    value: Any  # a copy of the array; None for a .grad that is not there


class World:
    """All that a call may read and change, as far as the graph of its plan knows: as it was before the call."""

    def __init__(self, graph: Graph, arguments: list[Any]) -> None:
        self.graph, self.arguments = graph, arguments
        self.leaves = list({id(leaf): leaf for leaf, _ in (*graph.grads, *graph.read_grads)}.values())
        self.grads = [leaf._grad for leaf in self.leaves]
        held = [b.array for b in graph.buffers if b.kind == "persistent"]
        held += [*arguments, *(g.array for g in self.grads if g is not None)]
        self.memory = [(a, a.copy(order="K")) for a in held if a.flags.writeable]
        self.random = random.get_rng_state()

    def restore(self) -> None:
        """Make all as it was before the call."""
        for array, values in self.memory:
            array[...] = values
        for leaf, grad in zip(self.leaves, self.grads, strict=True):
            leaf._grad = grad
        random.set_rng_state(self.random)

    def outcome(self, results: list[Any]) -> list[Left]:
        """What there is after a call that returned these arrays; in the same order for each call."""
        graph = self.graph
        left: list[tuple[Buffer | None, str, Any]] = []
        left += ((b, f"result {b.index}", array) for b, array in zip(graph.returned, results, strict=True))
        left += ((b, self.name(b), b.array) for b in graph.buffers if b.kind == "persistent")
        for i, array in enumerate(self.arguments):
            left.append((graph.where(graph.arguments[i])[0], f"argument {i}", array))
        grads = {id(leaf): array for leaf, array in graph.read_grads}
        grads |= {id(leaf): None if grad is None else grad.array for leaf, grad in graph.grads}
        for leaf in self.leaves:
            planned = grads[id(leaf)]
            buffer = None if planned is None else graph.where(planned)[0]
            left.append((buffer, "the .grad of a parameter", None if leaf._grad is None else leaf._grad.array))
        found = [Left(last_writer(graph, b), name, None if a is None else a.copy()) for b, name, a in left]
        return [*found, Left(len(graph.records), "the state of the random generator", random.STATE.copy())]

    def name(self, buffer: Buffer) -> str:
        """What persistent memory is."""
        if any(root(leaf.array) is buffer.array for leaf in self.leaves):
            return "a parameter"
        for record in self.graph.records:
            for name, array in updated(record):
                if self.graph.where(array)[0] is buffer:
                    return f"{record.op.name}'s {name}"
        return "an array"


def last_writer(graph: Graph, buffer: Buffer | None) -> int:
    """The record that writes a buffer last."""
    if buffer is None:
        return -1
    writers = [i for i, r in enumerate(graph.records) for _, a in updated(r) if graph.where(a)[0] is buffer]
    return max(writers, default=buffer.born)


def compare(plan: Graph, replayed: list[Left], eager: list[Left]) -> None:
    """Refuse a replay that differs from the eager run, at the record that comes first in the plan."""
    pairs = [(r, e) for r, e in zip(replayed, eager, strict=True) if not same_bits(r.value, e.value)]
    if not pairs:
        return
    r, e = min(pairs, key=lambda pair: pair[0].record)
    shape = "" if e.value is None or not e.value.ndim else f" of shape {e.value.shape}"
    if 0 <= r.record < len(plan.records):
        record = plan.records[r.record]
        place, after = f"{record.line}: ", f" after {record.name}"
    else:
        place = after = ""
    raise CaptureError(f"{place}check: {r.name}{shape} differs{after}: {difference(r.value, e.value)}")


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays, or what is not there, are the same down to the signs of zeros and the kinds of NaN."""
    if a is None or b is None:
        return a is b
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


def difference(replayed: Any, eager: Any) -> str:
    """How two values differ."""
    if replayed is None or eager is None:
        return f"the {'replay' if replayed is None else 'eager call'} leaves none"
    if replayed.shape != eager.shape or replayed.dtype != eager.dtype:
        return f"{replayed.dtype} {replayed.shape} by the replay, {eager.dtype} {eager.shape} by the eager call"
    a, b = (x.reshape(-1).view(np.uint8).reshape(x.size, -1) for x in (replayed, eager))
    places = np.flatnonzero((a != b).any(1))
    at = tuple(int(i) for i in np.unravel_index(places[0], eager.shape))
    where = f"at {at} " if at else ""
    return (
        f"{where}{replayed[at].item()!r} by the replay, {eager[at].item()!r} by the eager call "
        f"({len(places)} of {eager.size} elements differ)"
    )
