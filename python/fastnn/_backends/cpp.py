"""The compiled kernels, found by name. The only importer of the extension; capture and configuration reach it here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .. import _env
from .._registry import BadIndex, Refused
from .._writes import wrote_ids

NAME = "cpp"
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
    core.on_write(wrote_ids)
    if _env.isa() != "auto" and not core.set_isa(_env.isa()):
        raise ValueError(
            f"FASTNN_ISA={_env.isa()!r} cannot run on this machine; it supports {', '.join(core.supported_isas())}"
        )
    core.set_num_threads(_env.threads() or core.default_threads())


def kernel(name: str) -> Any:
    """The compiled kernel of this name, None where there is none."""
    return core.kernel(name) if core is not None else None
