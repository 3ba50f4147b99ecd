"""The recorder is a backend: its kernels run the real ones and write down what they ran.

Not recording costs nothing, since no kernel of another column knows of it; calls of other threads pass through.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from .._engine import serial
from .._registry import CPP, DECLARED, NUMPY, OPS, RECORD, RECORD_NUMPY, Op, state
from .._writes import root
from .hyper import Hyper

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class CaptureError(RuntimeError):
    """A step does something that a captured plan could not repeat; the message begins with its line."""


@dataclass
class Record:
    """One kernel call: forward or backward of an op, or a Python call-back."""

    name: str  # the kernel's: the op's, or the op's + "_backward"
    op: Any
    args: tuple[Any, ...]
    outs: tuple[Any, ...]  # arrays, None where a gradient was not wanted
    line: str
    call_back: Any = None  # the Python kernel, where no compiled one ran


def flat(args: Any) -> Iterator[Any]:
    """The arrays among arguments, those in lists too."""
    for a in args:
        if type(a) is np.ndarray:
            yield a
        elif type(a) in (list, tuple):
            yield from flat(a)


@functools.cache  # asked for every frame of every call; the answers took half of a recording's time
def inside(path: str) -> bool:
    """Whether a file is one of this package."""
    return os.path.abspath(path).startswith(PACKAGE)


def user_line() -> str:
    """The line of the user's code that is running."""
    frame = sys._getframe(1)
    while frame.f_back is not None and inside(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Recorder:
    """Records one call of a step. As a context manager it makes its kernels the active ones."""

    one = threading.Lock()  # one recording in the process at a time
    connected: int | None = None  # the backend whose kernels the recorder's columns run

    def __init__(self, arguments: list[Any]) -> None:
        self.arguments = arguments  # Tensors over copies of what the user gave
        self.records: list[Record] = []
        self.fixed: list[tuple[dict[str, Any], str, bool]] = []
        self.constants: dict[int, Any] = {}
        self.cleared_grads: set[int] = set()
        self.read_grads: dict[int, tuple[Any, Any]] = {}  # leaf -> (leaf, its .grad array when first read)
        self.touched: dict[int, Any] = {}  # leaves whose .grad the step wrote
        self.thread = threading.get_ident()
        self.real = state.active
        self.entry_offset = 0

    def __enter__(self) -> Recorder:
        self.one.acquire()
        self.real, self.entry_offset = state.active, int(random.STATE[1])
        try:
            connect_all(self.real)
        except BaseException:
            self.one.release()
            raise
        state.active, state.recorder = RECORD, self
        state.recordings += 1
        return self

    def __exit__(self, *exc: object) -> None:
        state.active, state.recorder, state.recorded = self.real, None, serial()
        self.one.release()

    @staticmethod
    def kernel(op: Any, name: str, real: Any, compiled: bool) -> Any:
        """A kernel that runs `real` and records the call."""

        def recording(*args: Any) -> Any:
            out = real(*[float(a) if type(a) is Hyper else a for a in args])  # kernels see plain numbers
            recorder = state.recorder  # None where another thread's call outlasts the recording
            if out is not NotImplemented and recorder is not None and threading.get_ident() == recorder.thread:
                outs = () if out is None else out if type(out) is tuple else (out,)
                recorder.records.append(Record(name, op, args, outs, user_line(), None if compiled else real))
            return out

        return recording

    # What the rest of the package tells the recorder

    def constant(self, array: Any) -> None:
        """An array that a factory of fastnn made from the step's own constants."""
        owner = root(array)
        self.constants[id(owner)] = owner

    def assigned(self, leaf: Any, grad: Any = None) -> None:
        """The step sets ``leaf.grad``, and has not looked at it unless `deposit` told."""
        if grad is not None:
            others = [g for other, g in self.read_grads.values() if other is not leaf and g is not None]
            if any(np.may_share_memory(grad.array, a) for a in (*others, *(t.array for t in self.arguments))):
                self.refuse("what is assigned to .grad would be another one's memory; assign its clone()")
        self.touched[id(leaf)] = leaf
        if id(leaf) not in self.read_grads:
            self.cleared_grads.add(id(leaf))

    def deposit(self, leaf: Any) -> None:
        """``leaf.grad`` is about to be read or written."""
        self.touched[id(leaf)] = leaf
        if id(leaf) not in self.cleared_grads and id(leaf) not in self.read_grads:
            self.read_grads[id(leaf)] = (leaf, None if leaf._grad is None else leaf._grad.array)

    def refuse(self, why: str) -> None:
        """Stop the recording, naming the line; other threads pass through."""
        if threading.get_ident() == self.thread:
            raise CaptureError(f"{user_line()}: {why}")


def connect_all(real: int) -> None:
    """Fill the recorder's columns of all ops; once for a backend, since that is the longest part of a recording."""
    if Recorder.connected == real:
        return
    Recorder.connected = real  # at once, so that what another thread declares meanwhile is connected, too
    try:
        for op in list(OPS.values()):
            connect(op)
    except BaseException:
        Recorder.connected = None
        raise


def connect(op: Op) -> None:
    """Fill the recorder's columns of an op; also called where it, or its backward, is declared."""
    real = Recorder.connected
    if real is None or op.composite:
        return
    for name, kernels, plain in (
        (op.name, op.forward_kernels, op.view),
        (op.name + "_backward", op.backward_kernels, op.view or op.rule_is_composite),
    ):
        if kernels[real] is None:
            continue
        compiled = real == CPP and kernels[CPP] is not kernels[NUMPY]
        kernels[RECORD] = kernels[real] if plain else Recorder.kernel(op, name, kernels[real], compiled)
        kernels[RECORD_NUMPY] = kernels[NUMPY] if plain else Recorder.kernel(op, name, kernels[NUMPY], False)


DECLARED.append(connect)
