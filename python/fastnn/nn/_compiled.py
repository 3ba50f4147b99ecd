"""What ``fastnn.compile`` makes of a Module: a Module that replays plans where no gradient is recorded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .._engine import mode
from .._registry import state
from .._tensor import Tensor
from ..capture import Compiled
from ..capture.compiled import compiled_form
from .module import Module, indented


class CompiledModule(Module):
    """Acts as the Module it was made of, under its PyTorch name ``_orig_mod``, in everything but calls.

    It has no parameters, submodules or attributes of its own, so that names, keys of state_dicts and what is seen by
    ``modules()`` are the Module's, whether it stands alone or in another one. (PyTorch's keys begin with
    ``_orig_mod.``.)
    """

    __slots__ = ("_facts", "_orig_mod", "_replay")
    _facts: tuple[int, bool, bool]  # the epoch number that they hold for; are there hooks; requires a parameter grad
    _orig_mod: Module
    _replay: Compiled

    def __init__(self, module: Module, check: bool = False) -> None:
        put = functools.partial(object.__setattr__, self)
        put("_orig_mod", module)
        put("_replay", Compiled(module, check))
        put("_facts", (-1, False, False))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.recorder is not None:  # it is part of what is recorded
            return self._orig_mod(*args, **kwargs)
        epoch = int(state.epoch)
        if epoch != self._facts[0]:
            self._look(epoch)
        _, hooks, trains = self._facts
        if hooks or (mode.enabled and (trains or any(map(requires_grad, (*args, *kwargs.values()))))):
            return self._orig_mod(*args, **kwargs)
        return self._replay(*args, **kwargs)

    def _look(self, epoch: int) -> None:
        """Find the facts that hold for an epoch number."""
        hooks = any(m._hooks for m in self._orig_mod.modules())
        trains = any(p.requires for p in self._orig_mod.parameters())
        object.__setattr__(self, "_facts", (epoch, hooks, trains))
        state.recordings += 1  # as if it were recorded: changes of modules born before bump the epoch from now on

    def report(self) -> str:
        """What the plans consist of (see `Compiled.report`)."""
        text: str = self._replay.report()
        return text

    # All else is the Module's

    def __getattr__(self, name: str) -> Any:
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return dir(self._orig_mod)

    def __len__(self) -> int:
        return len(self._orig_mod)  # type: ignore[arg-type]

    def __bool__(self) -> bool:  # else a Module without a length would be asked for it
        return bool(self._orig_mod)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._orig_mod)  # type: ignore[call-overload, no-any-return]

    def __getitem__(self, key: Any) -> Any:
        return self._orig_mod[key]  # type: ignore[index]

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles capture anew
        return type(self), (self._orig_mod, self._replay.check)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n  {indented(repr(self._orig_mod))}\n)"


def delegated(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that calls the Module's, which may be overridden there; where that returns itself, so does this."""

    @functools.wraps(method)
    def call(self: CompiledModule, *args: Any, **kwargs: Any) -> Any:
        out = getattr(self._orig_mod, name)(*args, **kwargs)
        return self if out is self._orig_mod else out

    return call


for name, method in vars(Module).items():
    if inspect.isfunction(method) and not name.startswith("__"):
        setattr(CompiledModule, name, delegated(name, method))


def requires_grad(argument: Any) -> bool:
    """Whether an argument is a Tensor that wants a gradient."""
    return isinstance(argument, Tensor) and argument.requires_grad


@compiled_form.register
def compiled_module(module: Module, check: bool) -> CompiledModule:
    """The Module that `compile` returns; of one that is compiled already, another of the same."""
    return CompiledModule(module._orig_mod if isinstance(module, CompiledModule) else module, check)
