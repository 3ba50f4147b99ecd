"""A call taken apart: its arguments, and the structure of its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._engine import mode
from .._tensor import Tensor, make
from .graph import bounds
from .recorder import CaptureError, user_line

PLAIN = (bool, int, float, complex, str, bytes, np.generic)


class Given:
    """A call's arguments, told apart: arrays, bound at each call, and values, which belong to the signature.

    `shape` holds the arguments, with the place of each array in its stead.
    """

    def __init__(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.count, self.names = len(args), tuple(keywords)
        self.arrays: list[Any] = []
        self.shape = [mapped(self.leaf, a) for a in (*args, *keywords.values())]
        self.key = (self.count, self.names, *self.kinds())

    @property
    def only_arrays(self) -> bool:
        """Whether all arguments are arrays, given by position."""
        return not self.names and all(type(x) is Leaf for x in self.shape)

    def leaf(self, x: Any) -> Any:
        """Put an array aside, leaving its number."""
        if not isinstance(x, Tensor) and type(x) is not np.ndarray:
            return x
        self.arrays.append(x.array if isinstance(x, Tensor) else x)
        return Leaf(len(self.arrays) - 1)

    def kinds(self) -> list[Any]:
        """What the signature holds of each argument."""
        return [self.kind(x, i) for i, x in enumerate(self.shape)]

    def kind(self, x: Any, argument: int) -> Any:
        """The layout of an array, the value of anything else, in tuples whatever it stands in."""
        if type(x) is Leaf:
            array = self.arrays[x.number]
            return array.shape, array.dtype, array.strides
        if type(x) is dict:
            return dict, *x, *[self.kind(i, argument) for i in x.values()]
        if isinstance(x, (tuple, list)):
            return type(x), *[self.kind(i, argument) for i in x]
        try:
            hash(x)
        except TypeError:
            raise TypeError(
                f"compile: argument {argument} wants arrays, Tensors or hashable values, alone or in tuples, lists and "
                f"dicts; got {type(x).__name__}"
            ) from None
        return type(x), x

    def __str__(self) -> str:
        """Dtypes and shapes of arrays, other values as they are."""
        words = [repr(x) for x in filled(self.shape, [Described(f"{a.dtype} {a.shape}") for a in self.arrays])]
        names = [""] * self.count + [f"{name}=" for name in self.names]
        return ", ".join(n + w for n, w in zip(names, words, strict=True)) or "no arguments"

    def call(self, function: Callable[..., Any], tensors: list[Tensor]) -> Any:
        """Call the function with these Tensors for the arrays."""
        values = filled(self.shape, tensors)
        return function(*values[: self.count], **dict(zip(self.names, values[self.count :], strict=True)))


class Described(str):
    """Words that stand for an object."""

    __slots__ = ()
    __repr__ = str.__str__


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
        return filled(self.shape, tensors)

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


def filled(shape: Any, leaves: Sequence[Any]) -> Any:
    """A structure with these for its leaves."""
    return mapped(lambda x: leaves[x.number] if type(x) is Leaf else x, shape)


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
        if any(t.requires_grad for t in Tree(a).tensors):
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
