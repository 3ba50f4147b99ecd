"""``Compiled.report``: what plans consist of, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .._registry import BadIndex
from .fusion import PATTERNS
from .recorder import Record, flat

if TYPE_CHECKING:
    from .entry import Entry

MOST_SHAPES = 4  # that a node shows; of more it tells the number
HEAD = ("node", "shapes", "ns", "line")


class Node(NamedTuple):
    """What is left of a record when its plan is made: no arrays, so that the recording's memory is free again."""

    op: Any
    name: str
    mark: str
    shapes: str
    cost: str  # estimated nanoseconds; nothing where the core does not know
    line: str


def node(record: Record, cost: float, compiled: bool) -> Node:
    """A record of a plan in C++ or in Python."""
    mark = " (call-back)" if record.call_back and compiled else " (fused)" if record.name in PATTERNS.values() else ""
    shapes = f"{shapes_of(record.args)} -> {shapes_of(record.outs)}" if record.outs else shapes_of(record.args)
    return Node(record.op, record.name, mark, shapes, f"{cost:.0f}" if cost else "", record.line)


def bad_index(nodes: list[Node], why: BadIndex) -> Exception:
    """The op's words for an index out of range, found by a node."""
    position, number = why.args
    error: IndexError = nodes[number].op.bad_index(position)
    return error


def table(entry: Entry) -> str:
    """A plan: a line about it, a line for each node."""
    rows = [HEAD, *((n.name + n.mark, n.shapes, n.cost, n.line) for n in entry.nodes)]
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    lines = [f"{r[0]:{widths[0]}}  {r[1]:{widths[1]}}  {r[2]:>{widths[2]}}  {r[3]}" for r in rows]
    turns = "calls take turns" if entry.takes_turns else "calls run at once"
    return "\n  ".join([f"{entry.signature}: {', '.join([*entry.plan.facts(), turns])}", *lines])


def shapes_of(arrays: Any) -> str:
    """The shapes among arguments or results."""
    shapes = [str(a.shape) for a in flat(arrays)]
    return " ".join(shapes) if len(shapes) <= MOST_SHAPES else f"{len(shapes)} arrays"


def size(count: float) -> str:
    """Bytes in words."""
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GB"
