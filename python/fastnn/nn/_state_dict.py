"""state_dict and load_state_dict: all is checked before anything is written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .._creation import leaf
from .._registry import state
from .._tensor import Tensor
from .._writes import wrote
from .parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What load_state_dict did not find, and what it did not want."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def saved(module: Any, prefix: str = "") -> Iterator[tuple[str, Any, str, Tensor]]:
    """``(key, owner, name, value)`` of parameters and persistent buffers: own parameters, own buffers, children."""
    for kind in ("parameter", "buffer"):
        for name, value in module._named(kind):
            yield prefix + name, module, name, value
    for name, child in module._named("module"):
        yield from saved(child, prefix + name + ".")


def state_dict(module: Any, destination: Any, prefix: str, keep_vars: bool) -> Any:
    """The values by name, on the memory of the module, detached unless `keep_vars`."""
    found = OrderedDict() if destination is None else destination
    for key, _, _, value in saved(module, prefix):
        found[key] = value if keep_vars else value.detach()
    return found


def load(module: Any, given: Any, strict: bool, assign: bool) -> IncompatibleKeys:
    """Write the values into the module's memory, or with `assign` put them in its place; all errors in one."""
    if not isinstance(given, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(given)}.")
    if state.recorder is not None:
        state.recorder.refuse("load_state_dict")
    own = {key: (owner, name, value) for key, owner, name, value in saved(module)}
    missing = [key for key in own if key not in given]
    unexpected = [key for key in given if key not in own]
    errors, ready = [], []
    if strict:
        for what, keys in (("Missing", missing), ("Unexpected", unexpected)):
            if keys:
                names = ", ".join(f'"{key}"' for key in keys)
                errors.append(f"{what} key(s) in state_dict: {names}. ")
    for key, (owner, name, old) in own.items():
        if key in given:
            array, problem = fitting(given[key], old, assign)
            if problem:
                errors.append(problem.format(key=key))
            else:
                ready.append((owner, name, old, given[key], array))
    if errors:
        lines = "\n\t".join(errors)
        raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{lines}")
    for owner, name, old, value, array in ready:
        if assign:
            setattr(owner, name, replacement(value, array, old))
        else:
            np.copyto(old.array, array, casting="unsafe")
            wrote(old.array)
    return IncompatibleKeys(missing, unexpected)


def fitting(value: Any, old: Tensor, assign: bool) -> tuple[Any, str]:
    """The array of a loaded value, or what is wrong with it."""
    if isinstance(value, Tensor):
        array = value.array
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
    else:
        array = None
    if array is None or array.dtype.kind not in "fiub":
        got = type(value) if array is None else f"dtype {array.dtype}"
        return None, f'While copying the parameter named "{{key}}", expected a Tensor or an array but received {got}'
    if array.shape != old.shape:
        return None, (
            f"size mismatch for {{key}}: copying a param with shape {array.shape} from checkpoint, "
            f"the shape in current model is {old.shape}."
        )
    if assign and old.requires and array.dtype.kind != "f":
        return None, f"{{key}} requires grad, so it wants floats; got dtype {array.dtype}"
    if not assign and not old.array.flags.writeable:
        return None, "{key} is on read-only memory in the current model; load with assign=True"
    return array, ""


def replacement(value: Any, array: Any, old: Tensor) -> Tensor:
    """What takes the place of `old`: a Parameter for a Parameter, wanting a gradient as that did."""
    if not isinstance(old, Parameter):
        return value if isinstance(value, Tensor) else leaf(array, False)
    if isinstance(value, Parameter):
        value.requires_grad_(old.requires)
        return value
    return Parameter(array, old.requires)
