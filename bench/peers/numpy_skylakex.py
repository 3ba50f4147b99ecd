"""NumPy with OpenBLAS's kernels for AVX-512, where it took the processor for an older one.

OpenBLAS chooses once, when it is loaded, so this NumPy lives in a process of its own and takes its turns there.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn
from fastnn import _blas
from parts import Product
from work import Array, Column, InferenceWork, Net, StepWork, Work

NAME = LIBRARY = "NumPy SkylakeX"
CORE = "SkylakeX"
MODERN = (CORE, "Cooperlake", "Sapphirerapids")


@dataclass
class Remote(Column):
    """A column of the other process."""

    def seconds(self, calls: int) -> float:
        return float(ask("seconds", calls))


def version() -> str:
    """NumPy's."""
    return str(np.__version__)


def use(threads: int) -> None:
    """Start the other process, with this one's threads and processors; ImportError where it would not be another."""
    if "avx512" not in fastnn.isas() or _blas.core() in ("", *MODERN):
        raise ImportError(f"{NAME} wants a processor with AVX-512 for which OpenBLAS chose other kernels")
    if ask("core") != CORE:
        raise ImportError(f"OpenBLAS has no kernels by the name of {CORE}")


def column(work: Work) -> Column | None:
    """Products, and training steps and inference by hand."""
    if isinstance(work, Product):
        made: Callable[[], Column] = functools.partial(product, *work.inputs)
    elif isinstance(work, (StepWork, InferenceWork)) and isinstance(work.net, Net):
        made = functools.partial(type(work).by_hand, work)
    else:
        return None
    ask("make", made)
    return Remote(NAME, lambda: ask("call"), lambda _: ask("read"))


def product(a: Array, b: Array) -> Column:
    """NumPy's product, into one array."""
    out = np.matmul(a, b)
    return Column(NAME, lambda: np.matmul(a, b, out=out))


@functools.cache
def line() -> Any:
    """This side's end of the line to the other process, which it starts."""
    here, there = multiprocessing.Pipe()
    before = os.environ.get("OPENBLAS_CORETYPE")
    os.environ["OPENBLAS_CORETYPE"] = CORE
    try:
        multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True).start()
    finally:
        del os.environ["OPENBLAS_CORETYPE"]
        if before is not None:
            os.environ["OPENBLAS_CORETYPE"] = before
    there.close()
    return here


def ask(*message: Any) -> Any:
    """The other process's answer; EOFError where it has ended."""
    line().send(message)
    return line().recv()


def serve(there: Any) -> None:
    """The other process: one column at a time, until this one ends."""
    column, result = Column("", lambda: None), None
    with contextlib.suppress(EOFError):
        while True:
            match there.recv():
                case ("core",):
                    there.send(_blas.core())
                case ("make", made):
                    column = made()
                    there.send(None)
                case ("call",):
                    result = column.call()
                    there.send(result)
                case ("read",):
                    there.send([np.asarray(a) for a in column.read(result)])
                case ("seconds", calls):
                    there.send(column.seconds(calls))
