"""Recording for automatic differentiation: one `apply` for every op.

A node is made for each recorded call and holds the op, its inputs and what the op's backward wants back (_backward.py).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Generator
from itertools import count
from typing import Any

import numpy as np

from . import _hooks, _registry, ops
from ._backends import cpp
from ._codegen import saves_function
from ._registry import OPS, BadIndex, Op, Refused, fallback_column, state
from ._writes import root

serial = count(1).__next__
before_all = count(-(1 << 62)).__next__  # serial numbers of the nodes before leaves, which come last in the pass


class _Mode(threading.local):
    """Grad mode, per thread."""

    enabled = True


mode = _Mode()


class _Factory:
    """The Tensor class, installed by _tensor.py, which stands to the right of this module."""

    tensor: Any = None
    make: Any = None  # (array, node, output) -> Tensor


factory = _Factory()


class Node:
    """One recorded call: the gradient of its outputs arrives in `grad`, `op` and `saved` send it on to `inputs`."""

    __slots__ = ("clock", "grad", "hooks", "inputs", "needs", "old", "op", "saved", "serial")
    op: Any
    inputs: tuple[Any, ...]
    saved: Any
    needs: int
    serial: int
    grad: Any
    clock: int
    hooks: Any  # _hooks.GradientHooks or None
    old: Any  # where a change in place made it: the Tensor as it was before


def before_leaf(leaf: Any) -> Node:
    """The node that gathers a leaf's gradient, for hooks to see all of it; made where there is none."""
    if leaf.accumulator is None:
        node = leaf.accumulator = Node()
        node.op, node.inputs, node.saved, node.needs = _hooks.ACCUMULATE, (leaf,), (), 1
        node.serial, node.clock, node.grad, node.hooks = before_all(), state.clock, None, None
    made: Node = leaf.accumulator
    return made


class no_grad:  # noqa: N801 (PyTorch's name)
    """Context manager and decorator, with or without parentheses: nothing is recorded for backward inside.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> with fastnn.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """

    value: bool = False
    previous: list[bool]  # what was set around each block that it stands for

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        """The context manager; for a function, the function decorated."""
        self = super().__new__(cls)
        self.previous = []
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self.previous.append(mode.enabled)
        mode.enabled = self.value

    def __exit__(self, *exc: object) -> None:
        mode.enabled = self.previous.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        value = self.value

        @functools.wraps(function)
        def inside(*args: Any, **keywords: Any) -> Any:
            with set_grad_enabled(value):
                return function(*args, **keywords)

        @functools.wraps(function)
        def generating(*args: Any, **keywords: Any) -> Any:
            return (yield from _Resumed(function(*args, **keywords), value))

        return generating if inspect.isgeneratorfunction(function) else inside


class enable_grad(no_grad):  # noqa: N801
    """Context manager and decorator: record for backward inside, whatever is set around it."""

    value = True


def inference_mode(mode: Any = True) -> Any:
    """As `no_grad`, under the name that PyTorch's programs use for inference; ``inference_mode(False)`` does nothing.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> with fastnn.inference_mode():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """
    if callable(mode):
        return no_grad(mode)
    return no_grad() if mode else contextlib.nullcontext()


def is_grad_enabled() -> bool:
    """Whether calls on tensors that require grad are recorded in this thread."""
    return mode.enabled


class set_grad_enabled(no_grad):  # noqa: N801
    """Switch recording in this thread, for good where it is called, for a block or a function as the others are.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.set_grad_enabled(False):
    ...     fastnn.is_grad_enabled()
    False
    >>> fastnn.is_grad_enabled()
    True
    """

    entered: bool

    def __new__(cls, enabled: Any) -> Any:
        """Switch at once, so that a plain call is enough."""
        self = object.__new__(cls)
        self.value, self.previous, self.entered = bool(enabled), [], False
        no_grad.__enter__(self)
        return self

    def __enter__(self) -> None:
        if self.entered:  # the first time the call has switched already
            super().__enter__()
        self.entered = True

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not self.entered:  # a decorator switches inside the function only
            self.entered, mode.enabled = True, self.previous.pop()
        return super().__call__(function)


class Aside:
    """Around a user's function that is one call-back to the step: nothing is recorded, for backward or by `compile`."""

    __slots__ = ("before",)

    def __enter__(self) -> None:
        recorder = state.recorder
        self.before = recorder, state.active, mode.enabled
        state.recorder, mode.enabled = None, False
        if recorder is not None:
            state.active = recorder.real

    def __exit__(self, *exc: object) -> None:
        state.recorder, state.active, mode.enabled = self.before


class _Resumed(Generator[Any, Any, Any]):
    """A generator that runs with recording on or off, between whose steps the caller's mode holds."""

    def __init__(self, inner: Generator[Any, Any, Any], value: bool) -> None:
        self.inner, self.value = inner, value

    def send(self, sent: Any) -> Any:
        with set_grad_enabled(self.value):
            return self.inner.send(sent)

    def throw(self, *raised: Any) -> Any:
        with set_grad_enabled(self.value):
            return self.inner.throw(*raised)

    def close(self) -> None:
        with set_grad_enabled(self.value):
            self.inner.close()


def install(tensor: Any, make: Any) -> None:
    """Take the Tensor class, and make every op's path for Tensors, of those declared from now on too."""
    factory.tensor, factory.make = tensor, make
    if cpp.core is not None:
        cpp.core.recording_parts(tensor, Node, mode, state, serial, apply_slowly, renewed)
    for op in OPS.values():
        connect(op)
    _registry.DECLARED.append(connect)


def connect(op: Op) -> None:
    """Make the op's path for Tensors; called when an op is declared and when the Tensor class is there."""
    if op.composite:
        return
    op.apply = cpp.apply(op) or functools.partial(apply_values, op)


def apply_values(op: Op, *args: Any) -> Any:
    """`apply` as an op's own function."""
    return apply(op, args)


def unwrap(a: Any) -> Any:
    """The arrays of Tensors, in lists too."""
    if isinstance(a, factory.tensor):
        return a.array
    if type(a) is list or type(a) is tuple:
        return [unwrap(x) for x in a]
    return a


def has_tensor(a: Any) -> bool:
    """Whether a Tensor is among the arguments."""
    if type(a) is list or type(a) is tuple:
        return any(map(has_tensor, a))
    return isinstance(a, factory.tensor)


def wants(a: Any) -> bool:
    """Whether a gradient is wanted for an input."""
    if type(a) is list or type(a) is tuple:
        return any(map(wants, a))
    return isinstance(a, factory.tensor) and renewed(a).requires


def renewed(t: Any) -> Any:
    """A Tensor; first, a view whose base was changed inside the graph since gets the node that it would have now."""
    origin = getattr(t, "origin", None)
    if origin is None:
        return t
    base, node, op, *rest = origin
    if renewed(base).node is node:
        return t
    if root(base.array) is not root(t.array):  # the base has other memory by now
        del t.origin
        return t
    if t.requires and t.node is None:
        raise RuntimeError("a leaf Tensor that requires grad is a view of memory that was changed inside the graph")
    with enable_grad():
        now = op.apply(base, *rest)
    now.node.old = factory.make(t.array, t.node, t.output)
    before = t.node, t.output
    t.node, t.output, t.requires, t.origin = now.node, now.output, True, now.origin
    _hooks.follow(t, *before)
    return t


def is_view(array: Any, of: Any) -> bool:
    """Whether a result lies in the memory of an input."""
    return array is of or (type(array.base) is np.ndarray and root(array) is root(of))


def apply(op: Op, args: tuple[Any, ...]) -> Any:
    """Run the active kernel on the arrays of `args` and record the call where a gradient will be wanted."""
    n = len(op.inputs)
    raw = (*map(unwrap, args[:n]), *args[n:])
    try:
        out = op.forward_kernels[state.active](*raw)
    except (Refused, BadIndex) as why:
        raise op.refusal(raw, why) from None
    if out is NotImplemented:
        return apply_slowly(op, args)
    if not any(map(has_tensor, args[:n])):
        return out[0] if op.extras and op.outputs == 1 else out
    return record(op, args, raw, out)


def record(op: Op, args: tuple[Any, ...], raw: tuple[Any, ...], out: Any) -> Any:
    """Tensors for a kernel's result, with a node behind them where a gradient is wanted."""
    if op.outputs == 0:
        return None
    n, node = len(op.inputs), None
    if op.rule and mode.enabled:
        needs = 0
        for i, (name, a) in enumerate(zip(op.inputs, args[:n], strict=True)):
            if name in op.differentiable and wants(a):
                needs |= 1 << i
        if needs:
            node = Node()
            node.op, node.inputs, node.needs, node.grad, node.hooks = op, args[:n], needs, None, None
            node.saved, node.serial, node.clock = saves(op)(raw, out), serial(), state.clock
    if op.outputs == 1:
        array = out[0] if op.extras else out
        t = factory.make(array, node, 0)
        if op.rule and mode.enabled and isinstance(args[0], factory.tensor) and is_view(array, raw[0]):
            t.origin = (args[0], args[0].node, op, *args[1:])
        return t
    return tuple(factory.make(out[i], node, i) for i in range(op.outputs))


@functools.cache
def saves(op: Op) -> Any:
    """What the op's node keeps; made at the first recorded generic call."""
    return saves_function(op)


def apply_slowly(op: Op, args: tuple[Any, ...]) -> Any:
    """`apply` for arguments that the active kernel declined: numbers, lists, mixed or foreign dtypes, subclasses.

    They are brought to plain arrays (for ops that promote: of one dtype) and tried once more; what no kernel of the
    active backend takes, integers say, the NumPy definition does.
    """
    n = len(op.inputs)
    ready = (*(plain(op, name, a) for name, a in zip(op.inputs, args[:n], strict=True)), *args[n:])
    if op.promotes:
        ready = promoted_inputs(op, ready)
    raw = (*map(unwrap, ready[:n]), *ready[n:])
    try:
        out = op.forward_kernels[state.active](*raw)
        if out is NotImplemented:
            out = op.forward_kernels[fallback_column()](*raw)
    except (Refused, BadIndex) as why:
        raise op.refusal(raw, why) from None
    if out is NotImplemented:
        kinds = ", ".join(type(a).__name__ for a in args[:n])
        raise TypeError(f"{op.name}: wants arrays or Tensors for {', '.join(op.inputs)}; got {kinds}")
    if not any(map(has_tensor, args[:n])):
        return out[0] if op.extras and op.outputs == 1 else out
    return record(op, ready, raw, out)


def plain(op: Op, name: str, a: Any) -> Any:
    """An argument as a Tensor or a plain array in native byte order; Python numbers stay where the op promotes."""
    if a is None and name in op.optional:
        return None
    if name in op.lists:
        if not isinstance(a, (list, tuple)):
            raise TypeError(f"{op.name}: {name} wants a list of arrays; got {type(a).__name__}")
        items = [plain(op, f"{name}[{i}]", x) for i, x in enumerate(a)]
        return promoted(tuple(items)) if name in op.promotes and items else items
    if isinstance(a, factory.tensor):
        return a
    if name in op.promotes and type(a) in (int, float):
        return a
    if type(a) is np.ndarray and a.dtype.isnative and a.dtype.kind in "fiub":
        return a
    try:
        array = np.asarray(a)
    except ValueError as error:
        raise ValueError(f"{op.name}: {name} wants numbers in nested lists of equal lengths; {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{op.name}: {name} wants numbers; got {type(a).__name__} of dtype {array.dtype}")
    if not isinstance(a, (np.ndarray, np.generic)) and array.dtype.kind == "f":
        array = array.astype(state.default_dtype)
    array = np.asarray(array, array.dtype.type)
    if state.recorder is not None:
        state.recorder.constant(array)
    return array


def promoted_inputs(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """All arguments, with those inputs cast to one dtype that the op promotes (lists already are)."""
    where = [i for i, name in enumerate(op.inputs) if name in op.promotes and name not in op.lists]
    ready = list(args)
    for i, value in zip(where, promoted(tuple(args[i] for i in where)), strict=True):
        ready[i] = value
    return tuple(ready)


def promoted(values: tuple[Any, ...]) -> list[Any]:
    """Arguments cast to one dtype by PyTorch's rules: numbers are weak, 0-d arrays weak within their category."""
    dtypes = [v.dtype for v in values if hasattr(v, "dtype")]
    ranks = [v.ndim for v in values if hasattr(v, "dtype")]
    if not dtypes:
        target = state.default_dtype if any(type(v) is float for v in values) else np.dtype(np.int64)
        return [np.asarray(v, target) for v in values]
    target = common_dtype(dtypes, ranks)
    if target.kind in "iub" and any(type(v) is float for v in values):
        target = state.default_dtype
    return [ops.cast(v, dtype=target) if hasattr(v, "dtype") and v.dtype != target else v for v in values]


def common_dtype(dtypes: list[np.dtype[Any]], ranks: list[int]) -> np.dtype[Any]:
    """The dtype of arithmetic between arrays of these dtypes and ranks."""

    def category(d: np.dtype[Any]) -> int:
        return {"b": 0, "u": 1, "i": 1, "f": 2}.get(d.kind, 3)

    with_axes = [d for d, r in zip(dtypes, ranks, strict=True) if r > 0]
    top = max(map(category, dtypes))
    strong = with_axes if with_axes and max(map(category, with_axes)) == top else dtypes
    if top == 2:
        return np.result_type(*[d for d in strong if d.kind == "f"])
    return np.result_type(*strong)
