"""Fusions of a captured step: pairs of records that one node of the compiled core takes the place of.

A fused node gives the same bits as its parts and saves a pass over memory. Other activations after a linear layer are
not here: a node of their own costs 25 ns, and its pass over memory that lies in the cache less than 1 % of a step.
"""

from __future__ import annotations

from typing import Any

from .graph import Graph
from .recorder import Record, flat

# (kernel, kernel that alone reads its first output) -> the node for both.
PATTERNS = {
    # relu of a result
    ("linear", "relu"): "linear_relu",
    ("conv", "relu"): "conv_relu",
    ("batch_norm", "relu"): "batch_norm_relu",
    ("batch_norm_inference", "relu"): "batch_norm_inference_relu",
    ("add", "relu"): "add_relu",
    # a gradient where a relu let its input pass; of layers, the relu before them, whose result they know as their input
    ("linear_backward", "relu_backward"): "linear_backward_relu",
    ("max_pool_backward", "relu_backward"): "max_pool_backward_relu",
    ("add", "relu_backward"): "add_relu_backward",
    # a gradient that comes through the relu behind, where it passed being computed again
    ("relu_backward", "batch_norm_backward"): "batch_norm_backward_relu",
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
        if name is None or record.call_back or second.call_back or second.args[0] is not record.outs[0]:
            continue
        if j not in nodes or any(r.op.updates for r in graph.records[i + 1 : j]):
            continue
        args = arguments(graph, nodes, record, second)
        if args is None:
            continue
        del nodes[i], nodes[j]
        if record.name == "relu_backward":  # in the second one's place
            nodes[j] = Record(name, second.op, args, second.outs, second.line)
        else:
            nodes[i] = Record(name, record.op, args, (second.outs[0], *record.outs[1:]), record.line)
            graph.where(second.outs[0])[0].born = i
        between.kind = "inside"
    graph.nodes = sorted(nodes.items())
    for buffer in graph.buffers:
        buffer.died = buffer.born
    for i, record in graph.nodes:  # in their order, so that the last use counts
        for a in flat(record.args):
            graph.where(a)[0].died = i


def arguments(graph: Graph, nodes: dict[int, Record], first: Record, second: Record) -> Any:
    """The arguments of the node for both, or None where they do not fit."""
    if second.name == "relu":
        return first.args
    if first.name == "add":
        return (*first.args, *second.args[1:])
    if second.name == "relu_backward":  # its mask is the layer's input
        return first.args if same(graph, second.args[1], first.args[1]) else None
    norm = nodes.get(graph.where(first.args[1])[0].born)  # behind which the relu is
    if norm is None or norm.name != "batch_norm_relu" or not same(graph, norm.outs[0], first.args[1]):
        return None
    dy, (_, x, weight, *others) = first.args[0], second.args
    if not same(graph, norm.args[0], x) or norm.args[1] is not weight:
        return None
    return (dy, x, weight, norm.args[2], *others)


def same(graph: Graph, a: Any, b: Any) -> bool:
    """Whether both are one view of the same memory."""
    (p, here), (q, there) = graph.where(a), graph.where(b)
    return p is q and here == there and a.shape == b.shape and a.strides == b.strides
