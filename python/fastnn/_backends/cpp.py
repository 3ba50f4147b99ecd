"""The compiled kernels, found by name. The only importer of the extension; capture and configuration reach it here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .. import _env
from .._registry import BadIndex, Op, Refused, state
from .._writes import LOG, MOST_LOGGED, fold

NAME = "cpp"
PARTS = ("", "shape", "dtype")  # of what a node saves, as in csrc/bindings/apply.h
core: Any = None
reason = ""

try:
    from .. import _fastnn_core as core
except ImportError as error:
    if _env.require_core():
        raise
    told = "was not built" if find_spec("fastnn._fastnn_core") is None else f"cannot be loaded ({error})"
    reason = f"its compiled core {told}; installing from source with a C++ compiler builds it"


if core is not None:
    core.exceptions(Refused, BadIndex)
    core.write_parts(LOG, fold, MOST_LOGGED, state)
    if _env.isa() != "auto" and not core.set_isa(_env.isa()):
        supported = ", ".join(core.supported_isas())
        _env.refuse(ValueError(f"FASTNN_ISA={_env.isa()!r} cannot run on this machine; it supports {supported}"))
    core.set_num_threads(_env.threads() or core.default_threads())


class _QuickCall:
    """Without a core, a call of an instance is that of its method `replay`."""

    quick: Any = None

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.replay(*args, **keywords)  # type: ignore[attr-defined]


QuickCall: Any = _QuickCall if core is None else core.QuickCall


def kernel(name: str) -> Any:
    """The compiled kernel of this name, None where there is none."""
    return core.kernel(name) if core is not None else None


def apply(op: Op) -> Any:
    """Autograd's apply for an op, compiled; None without a core, and for lists and several outputs."""
    if core is None or op.lists or op.outputs != 1:
        return None
    wanted = sum(1 << i for i, name in enumerate(op.inputs) if name in op.differentiable)
    saves = [(position, PARTS.index(part)) for position, part in op.kept]
    return core.apply(op, op.forward_kernels, len(op.inputs), wanted, op.rule is not None, bool(op.extras), saves)
