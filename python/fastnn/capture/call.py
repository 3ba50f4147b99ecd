"""A call taken apart: its arguments, and the structure of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._engine import mode
from .._tensor import Tensor, make
from .graph import bounds
from .recorder import CaptureError, user_line


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

    def call(self, function: Callable[..., Any], tensors: list[Tensor]) -> Any:
        """Call the function with these Tensors for the arrays."""
        values = list(self.values)
        for i, t in zip(self.places, tensors, strict=True):
            values[i] = t
        return function(*values[: self.count], **dict(zip(self.names, values[self.count :], strict=True)))


class Tree:
    """The structure of a result: a Tensor, or Tensors and values in tuples, lists and dicts."""

    def __init__(self, result: Any) -> None:
        self.tensors: list[Tensor] = []
        self.shape = self.take(result)

    def take(self, x: Any) -> Any:
        """Put Tensors aside, leaving their numbers."""
        if isinstance(x, Tensor):
            self.tensors.append(x)
            return Leaf(len(self.tensors) - 1)
        if type(x) in (tuple, list):
            return type(x)(self.take(i) for i in x)
        if type(x) is dict:
            return {k: self.take(v) for k, v in x.items()}
        return x

    def fill(self, arrays: Any) -> Any:
        """The structure with fresh, detached Tensors."""
        return self.put(self.shape, [make(a, None, 0) for a in arrays])

    def put(self, x: Any, tensors: list[Tensor]) -> Any:
        """Undo `take`."""
        if type(x) is Leaf:
            return tensors[x.number]
        if type(x) in (tuple, list):
            return type(x)(self.put(i, tensors) for i in x)
        if type(x) is dict:
            return {k: self.put(v, tensors) for k, v in x.items()}
        return x


class Leaf:
    """The place of a Tensor in a Tree."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


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
