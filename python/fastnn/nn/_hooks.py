"""Functions that run before and after a Module's forward, and with its gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import _hooks
from .._engine import mode
from .._hooks import RemovableHandle
from .._tensor import Tensor
from ..autograd import Function


@dataclass(frozen=True)
class Hook:
    """A function, where it runs (forward or backward, before it or after), and whether it sees keyword arguments."""

    function: Callable[..., Any]
    kind: str  # forward_pre, forward, backward_pre, backward
    with_kwargs: bool = False


def register(module: Any, hook: Hook, prepend: bool) -> RemovableHandle:
    """Put a hook on a Module, last or first."""
    return _hooks.register(module.__dict__.setdefault("_hooks", {}), hook.function, hook, prepend)


def those(module: Any, kind: str) -> list[Hook]:
    """The hooks of one kind, in their order."""
    return [h for h in module._hooks.values() if h.kind == kind]


def call(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Forward with the hooks around it; what a hook returns takes the place of what it was given."""
    for hook in those(module, "forward_pre"):
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
    before, after = those(module, "backward_pre"), those(module, "backward")
    watch = Watch(module, before, after) if (before or after) and mode.enabled else None
    if watch is not None:
        args = watch.inputs(args)
    output = module.forward(*args, **kwargs)
    for hook in those(module, "forward"):
        changed = (
            hook.function(module, args, kwargs, output) if hook.with_kwargs else hook.function(module, args, output)
        )
        output = output if changed is None else changed
    return output if watch is None else watch.outputs(output)


class Watch:
    """One call of a Module with backward hooks: passes its Tensors on through nodes, where these meet the gradients."""

    def __init__(self, module: Any, before: list[Hook], after: list[Hook]) -> None:
        self.module, self.before, self.after = module, before, after
        self.watched = False  # whether an input requires grad, so that its node calls the hooks
        self.grad_output: tuple[Any, ...] | None = None

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, through a node if one of them requires grad."""
        passed = through(self.at_inputs, args)
        self.watched = passed is not args
        self.count = len(args)
        return passed

    def outputs(self, output: Any) -> Any:
        """What the Module returns, through a node if it requires grad."""
        if isinstance(output, Tensor):
            return through(self.at_outputs, (output,))[0]
        if isinstance(output, tuple):
            return through(self.at_outputs, output)
        kind = type(output).__name__
        warnings.warn(
            f"backward hooks of {type(self.module).__name__} want its output to be a Tensor or a tuple of them; "
            f"got {kind}, so that they are not called",
            RuntimeWarning,
            stacklevel=4,
        )
        return output

    def at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the outputs, as the hooks that come first leave them."""
        for hook in self.before:
            grads = exchanged("backward pre-hook", hook.function(self.module, grads), grads)
        self.grad_output = grads
        if not self.watched:
            for hook in self.after:
                given = hook.function(self.module, (None,) * self.count, grads)
                if given is not None and not all(g is None for g in listed(given)):
                    raise RuntimeError("backward hook wants to return None where no input requires grad")
        return grads

    def at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the inputs, as the hooks leave them."""
        if self.grad_output is None:  # no gradient came through the outputs
            return grads
        for hook in self.after:
            grads = exchanged("backward hook", hook.function(self.module, grads, self.grad_output), grads)
        self.grad_output = None
        return grads


def listed(given: Any) -> tuple[Any, ...]:
    """What a hook returned, as a tuple."""
    return tuple(given) if isinstance(given, (tuple, list)) else (given,)


def exchanged(what: str, given: Any, grads: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients after a hook, which returned None or others in their place."""
    if given is None:
        return grads
    others = listed(given)
    if len(others) != len(grads):
        raise RuntimeError(f"{what} wants to return None or {len(grads)} gradients; got {len(others)}")
    for other, g in zip(others, grads, strict=True):
        if other is not None and not isinstance(other, Tensor):
            raise TypeError(f"{what} wants to return Tensors or None; got {type(other).__name__}")
        if other is not None and g is not None and other.shape != g.shape:
            raise ValueError(f"{what} wants to return a gradient of shape {g.shape}; got {other.shape}")
        if other is not None and g is not None and other.dtype != g.dtype:
            raise TypeError(f"{what} wants to return a gradient of dtype {g.dtype}; got {other.dtype}")
    return others


class BackwardHooks(Function):
    """Hands Tensors on as they are, and their gradients to a function, which returns those that go on."""

    @staticmethod
    def forward(ctx: Any, meet: Any, places: list[int], count: int, *tensors: Any) -> Any:
        """The Tensors; `places` are theirs among `count` arguments or outputs."""
        ctx.set_materialize_grads(False)
        wanted = ctx.needs_input_grad[3:]
        ctx.mark_non_differentiable(*(t for t, w in zip(tensors, wanted, strict=True) if not w))
        ctx.meet, ctx.places, ctx.count = meet, places, count
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """What the function makes of their gradients."""
        met: list[Any] = [None] * ctx.count
        for place, g in zip(ctx.places, grads, strict=True):
            met[place] = None if g is None else g.clone()  # hooks may keep it: the memory is others', too
        passed = ctx.meet(tuple(met))
        return None, None, None, *[passed[place] for place in ctx.places]


def through(meet: Callable[[tuple[Any, ...]], tuple[Any, ...]], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values whose Tensors went through a node that calls `meet`, if one of them requires grad; else the same tuple."""
    places = [i for i, x in enumerate(values) if isinstance(x, Tensor)]
    if not any(values[i].requires_grad for i in places):
        return values
    tensors = BackwardHooks.apply(meet, places, len(values), *(values[i] for i in places))
    passed = list(values)
    for place, t in zip(places, tensors, strict=True):
        passed[place] = t
    return tuple(passed)
