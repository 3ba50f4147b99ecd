"""Every environment variable that fastnn reads, parsed in one place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

BACKEND_CHOICES = ("auto", "cpp", "numba", "numpy")
ISA_CHOICES = ("auto", "baseline", "avx2", "avx512", "neon")


def refuse(error: Exception) -> NoReturn:
    """Refuse the environment while the package is imported.

    The command ``fastnn`` has not begun then, and still wants complaints of one line and exit code 2 for wrong usage.
    """
    program = sys.argv[0] if sys.argv else ""  # "-m" while Python looks for the module to run
    if Path(program).stem == "fastnn" or (program == "-m" and "fastnn" in sys.orig_argv):
        print(f"fastnn: {error}", file=sys.stderr)
        raise SystemExit(2)
    raise error


def choice(name: str, choices: tuple[str, ...]) -> str:
    """The value of a variable that must be one of `choices`; the first is the default."""
    value = os.environ.get(name, "") or choices[0]
    if value not in choices:
        refuse(ValueError(f"{name}={value!r} is not known; wants one of {', '.join(choices)}"))
    return value


def positive_int(name: str) -> int | None:
    """The value of a variable that must be a positive whole number, None where it is not set."""
    value = os.environ.get(name, "")
    if not value:
        return None
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 1 <= number <= 4096:
        refuse(ValueError(f"{name}={value!r} is not known; wants a whole number from 1 to 4096"))
    return number


def backend() -> str:
    """FASTNN_BACKEND: auto, cpp, numba or numpy."""
    return choice("FASTNN_BACKEND", BACKEND_CHOICES)


def isa() -> str:
    """FASTNN_ISA: auto or an instruction-set level of the compiled core."""
    return choice("FASTNN_ISA", ISA_CHOICES)


def threads() -> int | None:
    """FASTNN_NUM_THREADS: may exceed the number of CPUs."""
    return positive_int("FASTNN_NUM_THREADS")


def require_core() -> bool:
    """FASTNN_REQUIRE_CORE=1: a missing compiled core is an error at import (and at build)."""
    return os.environ.get("FASTNN_REQUIRE_CORE", "") not in ("", "0")
