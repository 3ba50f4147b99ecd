"""A call taken apart: its arguments, and the structure of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._engine import mode
from .._tensor import Tensor, make
from .graph import bounds
from .recorder import CaptureError, user_line

PLAIN = (bool, int, float, complex, str, bytes, np.generic)


class Given:
    """A call's arguments, told apart: arrays, bound at each call, and values, which belong to the signature."""

    def __init__(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.count, self.names = len(args), tuple(keywords)
        self.arrays: list[Any] = []
        self.places: list[int] = []
        self.values: list[Any] = []
        for i, a in enumerate((*args, *keywords.values())):
            if isinstance(a, Tensor) or type(a) is np.ndarray:
                self.arrays.append(a.array if isinstance(a, Tensor) else a)
                self.places.append(i)
                self.values.append(None)
            else:
                try:
                    hash(a)
                except TypeError:
                    raise TypeError(
                        f"compile: argument {i} wants an array, a Tensor or a hashable value; got {type(a).__name__}"
                    ) from None
                self.values.append(a)
        self.key = (self.count, self.names, *self.kinds())

    def kinds(self) -> list[Any]:
        """What the signature holds of each argument."""
        kinds: list[Any] = [(type(v), v) for v in self.values]
        for i, a in zip(self.places, self.arrays, strict=True):
            kinds[i] = (a.shape, a.dtype, a.strides)
        return kinds

    def __str__(self) -> str:
        """Dtypes and shapes of arrays, other values as they are."""
        words = [repr(v) for v in self.values]
        for i, a in zip(self.places, self.arrays, strict=True):
            words[i] = f"{a.dtype} {a.shape}"
        names = [""] * self.count + [f"{name}=" for name in self.names]
        return ", ".join(n + w for n, w in zip(names, words, strict=True)) or "no arguments"

    def call(self, function: Callable[..., Any], tensors: list[Tensor]) -> Any:
        """Call the function with these Tensors for the arrays."""
        values = list(self.values)
        for i, t in zip(self.places, tensors, strict=True):
            values[i] = t
        return function(*values[: self.count], **dict(zip(self.names, values[self.count :], strict=True)))


class Leaf(NamedTuple):
    """The place of a Tensor in a Tree."""

    number: int

    def __repr__(self) -> str:
        return f"Tensor {self.number}"


class Tree:
    """The structure of a result: a Tensor, or Tensors and values in tuples, lists and dicts."""

    def __init__(self, result: Any) -> None:
        self.tensors: list[Tensor] = []
        self.shape = mapped(self.leaf, result)

    def leaf(self, x: Any) -> Any:
        """Put a Tensor aside, leaving its number."""
        if not isinstance(x, Tensor):
            return x
        self.tensors.append(x)
        return Leaf(len(self.tensors) - 1)

    def fill(self, arrays: Any) -> Any:
        """The structure with fresh, detached Tensors."""
        tensors = [make(a, None, 0) for a in arrays]
        return mapped(lambda x: tensors[x.number] if type(x) is Leaf else x, self.shape)

    def require_same(self, before: Tree) -> None:
        """Refuse a result that differs from an earlier one of the same signature in more than the Tensors' values."""
        if not same(before.shape, self.shape):
            raise CaptureError(
                f"{user_line()}: two calls with one signature returned {before.shape!r}, then {self.shape!r}; "
                "what is no Tensor would be frozen in the plan"
            )


def mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """`f` of what stands in tuples, lists and dicts, in the same ones; of anything else, itself."""
    if type(x) in (tuple, list):
        return type(x)([mapped(f, i) for i in x])
    if type(x) is dict:
        return {k: mapped(f, v) for k, v in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields") and type(x) is not Leaf:
        return type(x)(*[mapped(f, i) for i in x])
    return f(x)


def same(a: Any, b: Any) -> bool:
    """Whether two structures are equal; what is neither structure nor a plain value has to be the same object."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return isinstance(a, PLAIN) and bool(a == b or a != a)


def refuse_gradients(args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Refuse arguments whose ``.grad`` the function may want to fill: a plan sees their memory alone."""
    for name, a in (*enumerate(args), *keywords.items()) if mode.enabled else ():
        if isinstance(a, Tensor) and a.requires:
            raise CaptureError(
                f"{user_line()}: argument {name} requires grad, and a captured function gives its arguments none; "
                "give it argument.detach(), or let the function use the Tensor without being given it"
            )


def exact_copy(array: Any) -> Any:
    """A copy with the same strides, so that what is recorded on it holds for the original."""
    low, high = bounds(array)
    memory = np.empty(high - low, np.uint8)
    copy = np.ndarray(array.shape, array.dtype, memory.data, array.ctypes.data - low, array.strides)
    copy[...] = array
    return copy
