"""Functions that run before and after a Module's forward, and the handles that take them off again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from .._registry import state

number = count().__next__


@dataclass(frozen=True)
class Hook:
    """A function, whether it runs before forward or after it, and whether it sees keyword arguments."""

    function: Callable[..., Any]
    before: bool
    with_kwargs: bool


class RemovableHandle:
    """Takes a hook off its Module; as a context manager, at the end of the block.

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

    def __init__(self, hooks: dict[int, Hook], key: int) -> None:
        self.hooks, self.id = hooks, key

    def remove(self) -> None:
        """Take the hook off; nothing happens the second time."""
        if self.hooks.pop(self.id, None) is not None:
            state.bump()

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register(module: Any, hook: Hook, prepend: bool) -> RemovableHandle:
    """Put a hook on a Module, last or first."""
    if not callable(hook.function):
        raise TypeError(f"hook wants a callable; got {type(hook.function).__name__}")
    hooks = module.__dict__.setdefault("_hooks", {})
    key = number()
    if prepend:
        others = dict(hooks)
        hooks.clear()
        hooks[key] = hook
        hooks.update(others)
    else:
        hooks[key] = hook
    state.bump()
    return RemovableHandle(hooks, key)


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Forward with the hooks around it; what a hook returns takes the place of what it was given."""
    for hook in [h for h in module._hooks.values() if h.before]:
        if hook.with_kwargs:
            given = hook.function(module, args, kwargs)
            if given is not None:
                if not isinstance(given, tuple) or len(given) != 2:
                    raise RuntimeError(f"forward pre-hook wants to return None or (args, kwargs); got {given!r}")
                args, kwargs = given
        else:
            given = hook.function(module, args)
            if given is not None:
                args = given if isinstance(given, tuple) else (given,)
    output = module.forward(*args, **kwargs)
    for hook in [h for h in module._hooks.values() if not h.before]:
        changed = (
            hook.function(module, args, kwargs, output) if hook.with_kwargs else hook.function(module, args, output)
        )
        output = output if changed is None else changed
    return output
