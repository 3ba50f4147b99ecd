"""What runs here and how: show_config(), threads, instruction sets, the way of convolutions."""

from __future__ import annotations

import operator
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from . import _blas, _env
from ._backends import cpp
from ._dispatch import FALLBACKS, backend, usable
from ._registry import BACKENDS, OPS, state
from .random import refuse_while_recording

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@cache
def version() -> str:
    """The version of fastnn that is installed."""
    from importlib import metadata

    try:
        return metadata.version("fastnn")
    except metadata.PackageNotFoundError:
        return "(from a source folder)"


def set_num_threads(n: int) -> None:
    """Let fastnn use `n` threads; results do not depend on it.

    On ``cpp`` that is fastnn's own pool. The other backends multiply by NumPy's BLAS: where one of them is active, that
    library's threads are set too, for the whole process.

    Parameters
    ----------
    n : int
        From 1 to 4096; more than there are processors is allowed.

    Raises
    ------
    TypeError, ValueError
        For anything else.

    Examples
    --------
    >>> import fastnn
    >>> before = fastnn.get_num_threads()
    >>> fastnn.set_num_threads(1)
    >>> fastnn.get_num_threads()
    1
    >>> fastnn.set_num_threads(before)
    """
    try:
        wanted = operator.index(n)
    except TypeError:
        wanted = 0
    if isinstance(n, bool) or (wanted == 0 and not isinstance(n, int)):
        raise TypeError(f"set_num_threads: n wants a whole number; got {n!r}")
    if not 1 <= wanted <= 4096:
        raise ValueError(f"set_num_threads: n wants 1 <= n <= 4096; got {wanted}")
    refuse_while_recording("set_num_threads")
    if cpp.core is not None:
        cpp.core.set_num_threads(wanted)
    if backend() != "cpp":
        _blas.set_threads(wanted)
    state.bump()


def get_num_threads() -> int:
    """How many threads the active backend uses at most.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.get_num_threads() >= 1
    True
    """
    if backend() == "cpp":
        return int(cpp.core.get_num_threads())
    return _blas.get_threads() or 1


def set_isa(name: str) -> None:
    """Run the compiled kernels of one instruction set from now on.

    Parameters
    ----------
    name : str
        One of `isas`, or ``"auto"`` for the last of them.

    Raises
    ------
    ValueError
        For a name that is not known, or that this machine does not support.
    RuntimeError
        Without the compiled core.

    Examples
    --------
    >>> import fastnn
    >>> for name in fastnn.isas():
    ...     fastnn.set_isa(name)
    """
    if name not in _env.ISA_CHOICES:
        raise ValueError(f"set_isa: name wants one of {', '.join(_env.ISA_CHOICES)}; got {name!r}")
    refuse_while_recording("set_isa")
    if cpp.core is None:
        raise RuntimeError(f"set_isa: {cpp.reason}")
    if not cpp.core.set_isa(isas()[-1] if name == "auto" else name):
        raise ValueError(f"set_isa: {name!r} cannot run on this machine; it supports {', '.join(isas())}")
    state.bump()


def isa() -> str:
    """The instruction set whose kernels run: baseline, avx2, avx512 or neon; ``-`` on backends without kernels of ours.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.use_backend("numpy"):
    ...     fastnn.isa()
    '-'
    """
    return str(cpp.core.isa()) if backend() == "cpp" else "-"


def isas() -> list[str]:
    """The instruction sets of the compiled core that this machine supports, the best last; none without the core.

    Examples
    --------
    >>> import fastnn
    >>> isinstance(fastnn.isas(), list)
    True
    """
    return [] if cpp.core is None else list(cpp.core.supported_isas())


def set_winograd(on: bool) -> None:
    """Let the compiled convolutions take Winograd's way where it pays, as they do at first, or not.

    It concerns 3x3 kernels in float32 with stride and dilation 1, one group and at least 16 channels on both sides: a
    third to a half of the time, for errors that are about twice as large, and up to four times in gradients of weights
    (docs/numerics.md has the bounds). Other backends and float64 compute directly in any case. Captured steps are
    recorded anew.

    Parameters
    ----------
    on : bool

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> import fastnn
    >>> before = fastnn.get_winograd()
    >>> fastnn.set_winograd(False)
    >>> fastnn.get_winograd()
    False
    >>> fastnn.set_winograd(before)
    """
    if not isinstance(on, (bool, np.bool_)):
        raise TypeError(f"set_winograd: on wants True or False; got {on!r}")
    refuse_while_recording("set_winograd")
    if cpp.core is not None:
        cpp.core.set_winograd(bool(on))
    state.bump()


def get_winograd() -> bool:
    """Whether the compiled convolutions take Winograd's way where it pays; False without the compiled core.

    Examples
    --------
    >>> import fastnn
    >>> isinstance(fastnn.get_winograd(), bool)
    True
    """
    return cpp.core is not None and bool(cpp.core.get_winograd())


def show_config(ops: bool = False, file: TextIO | None = None) -> None:
    """Print versions, backends, instruction sets, threads, the way of convolutions, NumPy's BLAS and caches.

    Parameters
    ----------
    ops : bool, default False
        Name the kernels, too, that a backend lacks and that run in NumPy on it.
    file : text file, optional
        Where to; standard output by default.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.show_config()  # doctest: +ELLIPSIS
    fastnn...
    """
    reasons = {name: usable(name) for name in reversed(BACKENDS)}
    core, threads = _blas.core(), _blas.get_threads()
    details = ", ".join([f"core {core}"] * bool(core) + [f"{threads} threads"] * bool(threads))
    print(f"fastnn {version()}, Python {platform.python_version()}, NumPy {np.__version__}", file=file)
    print(f"backend   {backend()}; usable here: {', '.join(n for n, why in reasons.items() if not why)}", file=file)
    for name, why in reasons.items():
        if why:
            print(f"          {name} cannot run: {why}", file=file)
    print(f"ISA       {isa()}; supported here: {', '.join(isas()) or 'none without the compiled core'}", file=file)
    print(f"threads   {get_num_threads()}; usable processors: {processors()}", file=file)
    print(f"Winograd  {'on' if get_winograd() else 'off'}, for 3x3 convolutions in float32 on cpp", file=file)
    print(f"BLAS      {_blas.description()}{f' ({details})' if details else ''}", file=file)
    print(f"processor {processor()}; caches: {caches() or 'not known'}", file=file)
    for name, missing in FALLBACKS.items():
        if missing and not reasons[name]:
            total = sum(len(kernels(op)) for op in OPS.values())
            names = f": {', '.join(sorted(missing))}" if ops else "; show_config(ops=True) names them"
            print(f"{name:9} runs {len(missing)} of {total} kernels in NumPy{names}", file=file)


def kernels(op: Any) -> list[str]:
    """The names of the kernels that a backend should have for an op."""
    if op.composite or op.view:
        return []
    return [op.name, *([f"{op.name}_backward"] if op.rule is not None and not op.rule_is_composite else [])]


def processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name."""
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def caches() -> str:
    """The data caches of the first processor, as Linux tells them."""
    found = []
    for index in sorted(CACHES.glob("index*")):
        try:
            kind, level, size = ((index / name).read_text().strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level}{'d' if kind == 'Data' else ''} {size}")
    return ", ".join(found)
