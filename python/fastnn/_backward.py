"""The backward pass: nodes in the order opposite to their making, so neither sorting nor recursion is needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from . import ops
from ._backends import cpp
from ._engine import Aside, Node, factory, renewed, serial
from ._hooks import ACCUMULATE, HOOKS
from ._registry import BadIndex, Refused, fallback_column, state
from ._writes import written_since


def backward(tensor: Any, gradient: Any = None, retain_graph: bool = False) -> None:
    """Add the gradients of `tensor` with respect to every leaf that requires grad to that leaf's ``.grad``.

    Reverse-mode accumulation (Griewank and Walther, Evaluating Derivatives, 2008, chapter 3).

    Parameters
    ----------
    tensor
        Where to begin, a Tensor or several in a list or tuple; scalars unless `gradient` is given.
    gradient
        The gradient of something with respect to `tensor`, a Tensor or an array of its shape, cast to its dtype; 1 for
        a scalar. For several Tensors a list or tuple, in which None stands for 1.
    retain_graph
        Keep the saved values, so that backward may be called again.

    Raises
    ------
    RuntimeError
        Where there is no graph, it was freed, or a saved value was changed in place.
    TypeError, ValueError
        For other kinds of `tensor` and `gradient`, or another shape.
    """
    if isinstance(tensor, (list, tuple)):
        given = [None] * len(tensor) if gradient is None else gradient
        if not isinstance(given, (list, tuple)) or len(given) != len(tensor):
            raise ValueError(f"backward: gradient wants a list or tuple of length {len(tensor)}")
        run_all([(t, first_gradient(t, g)) for t, g in zip(tensor, given, strict=True)], bool(retain_graph))
        return
    dy = first_gradient(tensor, gradient)
    engine = cpp.core.backward if cpp.core is not None and state.recorder is None else run
    engine(tensor, dy, bool(retain_graph))


def first_gradient(tensor: Any, gradient: Any) -> Any:
    """The array of the gradient to begin with at a Tensor."""
    if not isinstance(tensor, factory.tensor):
        raise TypeError(f"backward: tensor wants a Tensor or several in a list or tuple; got {type(tensor).__name__}")
    array = tensor.array
    if not renewed(tensor).requires:
        raise RuntimeError("backward: this tensor does not require grad and has no graph behind it")
    if gradient is None:
        if array.size != 1:
            raise RuntimeError(f"backward: gradient must be given for a tensor of shape {array.shape}, not a scalar")
        dy = np.empty(array.shape, array.dtype)
        dy.fill(1)  # in 0.2 us, np.ones takes 0.8
        if state.recorder is not None:
            state.recorder.constant(dy)
        return dy
    dy = gradient.array if isinstance(gradient, factory.tensor) else gradient
    if not isinstance(dy, np.ndarray):
        raise TypeError(f"backward: gradient wants a Tensor or an array; got {type(dy).__name__}")
    if dy.shape != array.shape:
        raise ValueError(f"backward: gradient wants shape {array.shape}; got {dy.shape}")
    return dy if type(dy) is np.ndarray and dy.dtype == array.dtype else ops.cast(dy, array.dtype)


def run(tensor: Any, dy: Any, retain_graph: bool) -> None:
    """The pass itself; csrc/bindings/backward.cpp is the same for steps that are not being recorded by `compile`."""
    run_all([(tensor, dy)], retain_graph)


def run_all(roots: list[tuple[Any, Any]], retain_graph: bool) -> None:
    """The pass from several Tensors at once, with a gradient for each."""
    waiting: list[tuple[int, Node]] = []
    held: set[int] = set()
    now = serial()
    try:
        for tensor, dy in roots:
            deliver((tensor,), (dy,), dy, now, waiting, held)
        while waiting:
            node = heappop(waiting)[1]
            dy, node.grad = node.grad, None
            targets, grads, dy = gradients(node, dy, retain_graph)
            deliver(targets, grads, dy, node.serial, waiting, held)
    finally:
        for _, node in waiting:  # after an error: the next pass begins anew
            node.grad = None


def deliver(
    targets: Sequence[Any],
    grads: Sequence[Any],
    dy: Any,
    before: int,
    waiting: list[tuple[int, Node]],
    held: set[int],
) -> None:
    """Hand gradients, computed from `dy`, to what they are with respect to.

    `held` has the ids of the arrays that leaves hold by now: no other leaf may hold the same.
    """
    for t, g in zip(targets, grads, strict=False):
        if g is None or not isinstance(t, factory.tensor) or not t.requires:
            continue
        t, node = receiver(t, before)
        if node is None:
            deposit(t, g, g is dy or type(dy) is list or type(g.base) is np.ndarray or id(g) in held)
            if t._grad.array is g:
                held.add(id(g))
        else:
            if node.grad is None:
                heappush(waiting, (-node.serial, node))
            wait(node, t.output, g)


def receiver(t: Any, before: int) -> tuple[Any, Node | None]:
    """A Tensor as it was `before`, and the node that gets its gradient: None for a leaf."""
    node = t.node
    while node is not None and node.serial >= before:  # it was changed in place since
        t = node.old
        node = t.node
    if node is None and t.accumulator is not None and t.accumulator.serial < before:
        node = t.accumulator
    return t, node


def deposit(leaf: Any, g: Any, shared: bool) -> None:
    """Add to a leaf's gradient; the first becomes it, or its copy becomes it where the array is shared."""
    if state.recorder is not None:
        state.recorder.deposit(leaf)
    if leaf._grad is not None:
        ops.accumulate(leaf._grad.array, g)
    else:
        leaf._grad = factory.make(ops.copy(g) if shared else g, None, 0)


def wait(node: Node, output: int, g: Any) -> None:
    """Add to the gradient of a node's output, never in place: what waits there may be another's."""
    if node.op.outputs == 1:
        node.grad = g if node.grad is None else ops.add(node.grad, g)
        return
    if node.grad is None:
        node.grad = [None] * node.op.outputs
    mine = node.grad[output]
    node.grad[output] = g if mine is None else ops.add(mine, g)


def gradients(node: Node, dy: Any, retain_graph: bool) -> tuple[Sequence[Any], Sequence[Any], Any]:
    """The inputs of a recorded call, the gradients with respect to them, and the `dy` that these were computed from."""
    dy = after_hooks(node, dy)
    op, saved = node.op, node.saved
    if op is ACCUMULATE:
        return node.inputs, (dy,), dy
    if saved is None:
        raise RuntimeError(
            f"backward: the values saved by {op.name} were freed by an earlier backward; "
            "pass retain_graph=True to the first one"
        )
    if node.clock != state.clock:
        check_writes(node)
    try:
        grads = op.backward_kernels[state.active](dy, *saved, node.needs)
        if grads is NotImplemented:  # integers, say
            grads = op.backward_kernels[fallback_column()](dy, *saved, node.needs)
    except (Refused, BadIndex) as why:
        raise TypeError(f"{op.name}: {why}") from None
    if not retain_graph:
        node.saved = None
    if type(grads) is not tuple:
        grads = (grads,)
    return (*apart(node.inputs, grads), dy) if op.lists else (node.inputs, grads, dy)


def after_hooks(node: Node, dy: Any) -> Any:
    """The gradient of a call's results after their hooks."""
    if node.hooks is None:
        return dy
    return [hooked(node, i, g) for i, g in enumerate(dy)] if type(dy) is list else hooked(node, 0, dy)


def hooked(node: Node, output: int, g: Any) -> Any:
    """The gradient of one result after its hooks, which may have put another in its place."""
    if g is None:
        return None
    functions = node.hooks.of(output)
    if functions:
        call: Any = functools.partial(call_hooks, functions)
        if state.recorder is not None:
            call = state.recorder.kernel(HOOKS, HOOKS.name, call, False)
        g = call(g)
    keeper = node.hooks.keeper(output)
    if keeper is not None:
        deposit(keeper, g, True)
    return g


def call_hooks(functions: list[Any], g: Any) -> Any:
    """What hooks make of a gradient, an array of its own.

    They get a copy, since the array may be another's, too, and they may keep or change it.
    """
    with Aside():
        copied = ops.copy(g)
        now = factory.make(copied, None, 0)
        for function in functions:
            given = function(now)
            now = now if given is None else replacement(given, now)
        return copied if now.array is copied else ops.copy(now.array)


def replacement(given: Any, g: Any) -> Any:
    """What a hook returned, if it can take the place of the gradient it was given."""
    if not isinstance(given, factory.tensor):
        raise TypeError(f"hook wants to return None or a Tensor; got {type(given).__name__}")
    if given.shape != g.shape:
        raise ValueError(f"hook wants to return a gradient of shape {g.shape}; got {given.shape}")
    if given.dtype != g.dtype:
        raise TypeError(f"hook wants to return a gradient of dtype {g.dtype}; got {given.dtype}")
    return given


def check_writes(node: Node) -> None:
    """Refuse a backward whose saved values were changed in place after they were saved."""
    saved = [b for a in node.saved for b in (a if type(a) is list else (a,)) if type(b) is np.ndarray]
    changed = written_since(node.clock, saved)
    if changed is not None:
        raise RuntimeError(
            f"one of the values needed for the gradient of {node.op.name} has been modified by an in-place operation "
            f"after it was used (shape {changed.shape}, dtype {changed.dtype})"
        )


def apart(inputs: Any, grads: Any) -> tuple[list[Any], list[Any]]:
    """Inputs and their gradients, those of variadic inputs taken apart."""
    ends: list[Any] = []
    flat: list[Any] = []
    for t, g in zip(inputs, grads, strict=True):
        if type(t) is list or type(t) is tuple:
            ends += t
            flat += [None] * len(t) if g is None else g
        else:
            ends.append(t)
            flat.append(g)
    return ends, flat


if cpp.core is not None:
    cpp.core.backward_parts(gradients, deposit, wait)
