"""``Compiled.report``: what plans consist of, for people."""

from __future__ import annotations

from typing import Any

from .._registry import BACKENDS
from .call import Given
from .cpp_plan import CppPlan
from .entry import Entry
from .fusion import PATTERNS
from .recorder import Record, flat

MOST_SHAPES = 4  # that a node shows; of more it tells the number
HEAD = ("node", "shapes", "ns", "line")


def table(entry: Entry) -> str:
    """A plan: a line about it, a line for each node."""
    plan, graph = entry.plan, entry.graph
    compiled = isinstance(plan, CppPlan)
    facts = [f"backend {BACKENDS[entry.backend]}", f"replayed in {'C++' if compiled else 'Python'}"]
    if isinstance(plan, CppPlan):
        facts.append(f"about {sum(plan.costs) / 1e3:.3g} us")
        facts.append(f"{size(plan.arena_bytes)} of temporaries ({size(plan.unshared_bytes)} unshared)")
    facts.append("calls take turns" if graph.takes_turns else "calls run at once")
    costs = plan.costs if isinstance(plan, CppPlan) else [0.0] * len(entry.nodes)
    rows = [HEAD, *(row(r, cost, compiled) for r, cost in zip(entry.nodes, costs, strict=True))]
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    lines = [f"{r[0]:{widths[0]}}  {r[1]:{widths[1]}}  {r[2]:>{widths[2]}}  {r[3]}" for r in rows]
    return "\n  ".join([f"{signature(entry.given)}: {', '.join(facts)}", *lines])


def signature(given: Given) -> str:
    """The arguments that a plan is for: dtypes and shapes of arrays, other values as they are."""
    words = [repr(v) for v in given.values]
    for i, a in zip(given.places, given.arrays, strict=True):
        words[i] = f"{a.dtype} {a.shape}"
    names = [""] * given.count + [f"{name}=" for name in given.names]
    return ", ".join(n + w for n, w in zip(names, words, strict=True)) or "no arguments"


def row(record: Record, cost: float, compiled: bool) -> tuple[str, str, str, str]:
    """A node: name, shapes of arguments and results, estimated nanoseconds (of compiled ones), line."""
    mark = " (call-back)" if record.call_back and compiled else " (fused)" if record.name in PATTERNS.values() else ""
    shapes = f"{shapes_of(record.args)} -> {shapes_of(record.outs)}" if record.outs else shapes_of(record.args)
    return record.name + mark, shapes, f"{cost:.0f}" if cost else "", record.line


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
