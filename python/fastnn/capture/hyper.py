"""Hyperparameters in a captured step: recorded as (group, key), read by the plan at each call."""

from __future__ import annotations

from typing import Any

from .._registry import state


class Hyper(float):
    """A number of a parameter group while a step is recorded; only kernels may use its value."""

    group: dict[str, Any]
    key: str
    item: int

    def _frozen(self, *_: Any) -> Any:
        state.recorder.refuse(
            f"arithmetic on or comparison of the hyperparameter {self.key!r} would freeze its value in the plan"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _frozen
    __neg__ = __pow__ = __rpow__ = __abs__ = __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _frozen
    __hash__ = float.__hash__


def hyper(group: dict[str, Any], key: str, item: int = -1) -> float:
    """``group[key]`` (or its `item`) for a kernel: the number; while recording a Hyper that knows where it is from."""
    value = group[key] if item < 0 else group[key][item]
    if state.recorder is None:
        return float(value)
    h = Hyper(value)
    h.group, h.key, h.item = group, key, item
    return h


def fixed(group: dict[str, Any], key: str) -> bool:
    """Whether ``group[key]`` is true: what Python branches on; a plan holds only while that stays as it is."""
    value = bool(group[key])
    if state.recorder is not None:
        state.recorder.fixed.append((group, key, value))
    return value
