"""Functions that see gradients on their way, or a Module's calls, and the handles that take them off again."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from ._registry import state

number = count().__next__


class RemovableHandle:
    """Takes a hook off; as a context manager, at the end of the block.

    Examples
    --------
    >>> import fastnn
    >>> layer = fastnn.nn.ReLU()
    >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
    >>> layer(fastnn.tensor([-1.0, 1.0]))
    tensor([1., 2.])
    >>> handle.remove()
    >>> layer(fastnn.tensor([-1.0, 1.0]))
    tensor([0., 1.])
    """

    def __init__(self, hooks: dict[int, Any], key: int, planned: bool) -> None:
        self.hooks, self.id, self.planned = hooks, key, planned

    def remove(self) -> None:
        """Take the hook off; nothing happens the second time."""
        if self.hooks.pop(self.id, None) is not None and self.planned:
            state.bump()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register(
    hooks: dict[int, Any], function: Any, hook: Any, prepend: bool = False, planned: bool = True
) -> RemovableHandle:
    """Put a hook that calls a function among others, last or first; captured plans may depend on those `planned`."""
    if not callable(function):
        raise TypeError(f"hook wants a callable; got {type(function).__name__}")
    key = number()
    others = dict(hooks) if prepend else {}
    if prepend:
        hooks.clear()
    hooks[key] = hook
    hooks.update(others)
    if planned:
        state.bump()
    return RemovableHandle(hooks, key, planned)


class Role:
    """What a node or a record has in place of an op, where its work is the engine's own."""

    lists: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    outputs = 1
    view = False

    def __init__(self, name: str) -> None:
        self.name = name


ACCUMULATE = Role("accumulate_grad")  # of the node before a leaf that has hooks, where the gradients of one pass add up
HOOKS = Role("gradient_hooks")  # of the call-back in a captured step


class GradientHooks:
    """The hooks on the results of one call: functions of their gradients, and Tensors that keep theirs."""

    __slots__ = ("functions", "kept")

    def __init__(self) -> None:
        self.functions: dict[int, tuple[int, Callable[[Any], Any]]] = {}  # which result, and the function
        self.kept: dict[int, weakref.ref[Any]] = {}  # which result: the Tensor whose .grad gets it

    def of(self, output: int) -> list[Callable[[Any], Any]]:
        """The functions for one result, in the order of their registration."""
        return [function for number, function in self.functions.values() if number == output]

    def keeper(self, output: int) -> Any:
        """The Tensor that keeps the gradient of one result, or None."""
        kept = self.kept.get(output)
        return None if kept is None else kept()


def hooks_of(node: Any) -> GradientHooks:
    """The hooks of a node, with room for more."""
    if node.hooks is None:
        node.hooks = GradientHooks()
    hooks: GradientHooks = node.hooks
    return hooks


def follow(t: Any, node: Any, output: int) -> None:
    """A Tensor whose node became another one, by a change in place, keeps its gradient as before."""
    if node is not None and node.hooks is not None and node.hooks.keeper(output) is t:
        hooks_of(t.node).kept[t.output] = node.hooks.kept.pop(output)
