"""Fusions of a captured step: pairs of records that one node of the compiled core takes the place of.

A fused node gives the same bits as its parts. Other activations after a linear layer are not here: a node of their own
costs 25 ns, and its pass over memory that lies in the cache less than 1 % of a step.
"""

from __future__ import annotations

from .graph import Graph
from .recorder import Record, flat

# (kernel, kernel that alone reads its first output) -> the node for both.
PATTERNS = {
    ("linear", "relu"): "linear_relu",  # Y = relu(X W^T + b)
    ("linear_backward", "relu_backward"): "linear_backward_relu",  # dX = dY W where X > 0, X the result of that relu
}


def fuse(graph: Graph) -> None:
    """Fill in the graph's nodes: records, some of them for two, each with its place in time."""
    users: dict[int, list[int]] = {}
    for i, record in enumerate(graph.records):
        for a in flat(record.args):
            users.setdefault(id(graph.where(a)[0]), []).append(i)
    nodes = dict(enumerate(graph.records))
    for i, record in enumerate(graph.records):
        if not record.outs or record.outs[0] is None or i not in nodes:
            continue
        between = graph.where(record.outs[0])[0]
        if between.kind != "produced" or between.born != i or len(users.get(id(between), ())) != 1:
            continue
        (j,) = users[id(between)]
        second = graph.records[j]
        name = PATTERNS.get((record.name, second.name))
        if name is None or record.call_back or second.call_back or not fits(graph, record, second):
            continue
        if any(r.op.updates for r in graph.records[i + 1 : j]):
            continue
        nodes[i] = Record(name, record.op, record.args, (second.outs[0], *record.outs[1:]), record.line)
        del nodes[j]
        between.kind = "inside"
        graph.where(second.outs[0])[0].born = i
    graph.nodes = sorted(nodes.items())


def fits(graph: Graph, first: Record, second: Record) -> bool:
    """Whether the second record reads the first one's output whole, and a derivative's mask is the layer's input."""
    out = first.outs[0]
    if second.args[0] is not out:
        return False
    if second.name == "relu":
        return True
    mask, inputs = second.args[1], first.args[1]
    (a, here), (b, there) = graph.where(mask), graph.where(inputs)
    return a is b and here == there and mask.shape == inputs.shape and mask.strides == inputs.strides
