"""NumPy's OpenBLAS, by which the numpy and numba backends multiply: its processor core and its threads."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


def description() -> str:
    """The name and version of NumPy's BLAS, as it was built."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[key]) for key in ("name", "version") if blas.get(key)) or "a BLAS that it does not name"


@cache
def function(name: str) -> Callable[..., Any] | None:
    """A function of the OpenBLAS that NumPy loaded; None where NumPy has another BLAS."""
    module: Any = sys.modules["numpy.linalg._umath_linalg"]
    try:
        library = ctypes.CDLL(module.__file__)  # the search goes through what the library was linked with
    except OSError:
        return None
    for prefix in ("scipy_openblas_", "openblas_"):
        for suffix in ("64_", ""):
            found: Any = getattr(library, f"{prefix}{name}{suffix}", None)
            if found is not None:
                return found  # type: ignore[no-any-return]
    return None


def core() -> str:
    """The processor core whose kernels OpenBLAS chose; empty where that is not known."""
    get = function("get_corename")
    if get is None:
        return ""
    get.restype = ctypes.c_char_p  # type: ignore[attr-defined]
    return str(get().decode())


def get_threads() -> int | None:
    """How many threads OpenBLAS uses; None where that is not known."""
    get = function("get_num_threads")
    return None if get is None else int(get())


def set_threads(n: int) -> None:
    """Let OpenBLAS use `n` threads, or as many as it was built for."""
    put = function("set_num_threads")
    if put is not None:
        put(n)
