"""Gradients with respect to chosen Tensors: the backward pass over the part of the graph that leads to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

import numpy as np

from . import ops
from ._backward import after_hooks, first_gradient, gradients, receiver, wait
from ._engine import Node, factory, renewed, serial

Place = tuple[int, int]  # what a gradient belongs to: a leaf, or one result of a node


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of the sum of `outputs` with respect to `inputs`; no ``.grad`` changes.

    ``sum_k grad_outputs[k] d outputs[k] / d inputs[j]`` for each j (Griewank and Walther, Evaluating Derivatives,
    2008, chapter 3). Only the part of the graph that leads to `inputs` is gone through.

    Parameters
    ----------
    outputs
        A Tensor or several in a list or tuple; scalars unless `grad_outputs` is given.
    inputs
        A Tensor or several in a list or tuple, leaves or results on the way.
    grad_outputs
        For each output a Tensor or an array of its shape; None stands for 1.
    retain_graph
        Keep the saved values, so that the graph may be gone through again.
    allow_unused
        Give None for an input that no output depends on, instead of an error.

    Returns
    -------
    tuple
        For each input a Tensor of its shape and dtype, without a graph behind it: there are no second derivatives.

    Raises
    ------
    RuntimeError
        Where an input does not require grad or was not used, and where backward raises it.
    TypeError, ValueError
        For other kinds of arguments, or other shapes.

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> fastnn.autograd.grad((x * x).sum(), x)
    (tensor([2., 4., 6.]),)
    >>> x.grad is None
    True
    """
    ends = [renewed(t) for t in tensors("inputs", inputs)]
    for t in ends:
        if not t.requires:
            raise RuntimeError("grad: one of the inputs does not require grad")
    begins = tensors("outputs", outputs)
    single = [None] * len(begins) if grad_outputs is None else [grad_outputs]
    given = grad_outputs if isinstance(grad_outputs, (list, tuple)) else single
    if len(given) != len(begins):
        raise ValueError(f"grad: grad_outputs wants a list or tuple of length {len(begins)}")
    roots = [(t, first_gradient(t, g)) for t, g in zip(begins, given, strict=True)]
    now = serial()
    places = [place(*receiver(t, now)) for t in ends]
    found = run_toward(set(places), roots, now, bool(retain_graph))
    if not allow_unused and any(p not in found for p in places):
        raise RuntimeError(
            "grad: one of the inputs was not used for the outputs; pass allow_unused=True to get None for its gradient"
        )
    mine = Own(dy for _, dy in roots)
    return tuple(factory.make(mine.array(found[p]), None, 0) if p in found else None for p in places)


def tensors(name: str, given: Any) -> list[Any]:
    """The Tensors of an argument: one, or several in a list or tuple."""
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    for t in several:
        if not isinstance(t, factory.tensor):
            raise TypeError(f"grad: {name} wants a Tensor or several in a list or tuple; got {type(t).__name__}")
    return several


def place(t: Any, node: Node | None) -> Place:
    """What the gradient of a Tensor belongs to, as `receiver` tells it; the node before a leaf stands for the leaf."""
    return (id(t), -1) if node is None or node is t.accumulator else (id(node), t.output)


def run_toward(places: set[Place], roots: list[tuple[Any, Any]], now: int, retain_graph: bool) -> dict[Place, Any]:
    """The backward pass toward some places: the gradients that arrive there."""
    leading = nodes_toward(places, roots, now)
    found: dict[Place, Any] = {}
    waiting: list[tuple[int, Node]] = []

    def send(t: Any, g: Any, before: int) -> None:
        t, node = receiver(t, before)
        at = place(t, node)
        if node is None:
            if at in places:
                found[at] = ops.add(found[at], g) if at in found else g
        elif id(node) in leading or at in places:
            if node.grad is None:
                heappush(waiting, (-node.serial, node))
            wait(node, t.output, g)

    try:
        for tensor, dy in roots:
            send(tensor, dy, now)
        while waiting:
            node = heappop(waiting)[1]
            dy, node.grad = node.grad, None
            if id(node) in leading:
                targets, grads, dy = gradients(node, dy, retain_graph)
                for t, g in zip(targets, grads, strict=False):
                    if g is not None and isinstance(t, factory.tensor) and t.requires:
                        send(t, g, node.serial)
            else:
                dy = after_hooks(node, dy)
            for i, g in enumerate(dy if type(dy) is list else [dy]):
                if g is not None and (id(node), i) in places:
                    found[id(node), i] = g
    finally:
        for _, node in waiting:  # after an error: the next pass begins anew
            node.grad = None
    return found


def nodes_toward(places: set[Place], roots: list[tuple[Any, Any]], now: int) -> set[int]:
    """The ids of the nodes from which a gradient goes on to one of the places."""
    reached: dict[int, Node] = {}
    before = [receiver(t, now)[1] for t, _ in roots]
    while before:
        node = before.pop()
        if node is not None and id(node) not in reached:
            reached[id(node)] = node
            before += [receiver(t, node.serial)[1] for t in differentiable(node)]
    leading: set[int] = set()
    for node in sorted(reached.values(), key=lambda n: n.serial):  # inputs come before what is made of them
        for t, source in (receiver(t, node.serial) for t in differentiable(node)):
            if place(t, source) in places or id(source) in leading:
                leading.add(id(node))
    return leading


def differentiable(node: Node) -> Iterator[Any]:
    """The inputs of a recorded call that gradients may go to."""
    for given in node.inputs:
        for t in given if isinstance(given, (list, tuple)) else (given,):
            if isinstance(t, factory.tensor) and t.requires:
                yield t


class Own:
    """Sees to it that every result has memory of its own: gradients pass through some ops as they are."""

    def __init__(self, taken: Iterable[Any]) -> None:
        self.kept = list(taken)  # as long as they live, nothing else has their ids
        self.ids = set(map(id, self.kept))

    def array(self, g: Any) -> Any:
        """The array, or a copy where it lies in another's memory or was given out before."""
        if id(g) in self.ids or type(g.base) is np.ndarray:
            return ops.copy(g)
        self.kept.append(g)
        self.ids.add(id(g))
        return g
