"""Modules that hold others: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from .module import Module, indented


def wanted_module(where: str, module: Any) -> Module:
    """Refuse what is no Module."""
    if not isinstance(module, Module):
        raise TypeError(f"{where} wants a Module; got {type(module).__name__}")
    return module


class Holder(Module):
    """What the containers share: submodules in order under names."""

    def _held(self) -> dict[str, Any]:
        """Submodules by name, in order."""
        here = self.__dict__
        return {name: here[name] for name, kind in self._kinds.items() if kind == "module"}

    def _hold(self, modules: Mapping[str, Module]) -> None:
        """Other submodules in place of those that are held."""
        for name in self._held():
            delattr(self, name)
        for name, module in modules.items():
            self.add_module(name, module)

    def __len__(self) -> int:
        return len(self._held())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]


class Numbered(Holder):
    """What Sequential and ModuleList share: they are lists, whose names are numbers unless others were given."""

    _order: tuple[Any, ...] | None = None  # the modules, found once: a call of a Sequential saves 0.4 us

    def _changing(self, name: str) -> None:
        super()._changing(name)
        self.__dict__.pop("_order", None)

    def _name(self, index: Any) -> str:
        """The name at a position."""
        names, i = list(self._held()), operator.index(index)
        if not -len(names) <= i < len(names):
            raise IndexError(f"index {i} is out of range for {len(names)} modules")
        return names[i]

    def __iter__(self) -> Iterator[Any]:
        if self._order is None:
            self.__dict__["_order"] = tuple(self._held().values())
        return iter(self._order or ())

    def __setitem__(self, index: Any, module: Any) -> None:
        setattr(self, self._name(index), module)

    def __delitem__(self, index: Any) -> None:
        names = list(self._held())
        gone = names[index] if isinstance(index, slice) else [self._name(index)]
        kept = [module for name, module in self._held().items() if name not in gone]
        self._hold({str(i): module for i, module in enumerate(kept)})

    def append(self, module: Any) -> Any:
        """Add a module at the end; returns this container."""
        self.add_module(str(len(self)), wanted_module("append", module))
        return self

    def extend(self, modules: Any) -> Any:
        """Add several modules at the end; returns this container."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend should be called with an iterable, but got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Any) -> Any:
        """Add a module before the one at a position; returns this container."""
        wanted_module("insert", module)
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"Index out of range: {index}")
        modules.insert(index, module)
        self._hold({str(i): m for i, m in enumerate(modules)})
        return self

    def pop(self, index: Any) -> Any:
        """Take the module at a position out; the others are numbered anew."""
        module = self[index]  # type: ignore[index]
        del self[index]
        return module


call = Module.__call__


class Sequential(Numbered):
    """Modules one after the other: each gets the output of the one before.

    Parameters
    ----------
    *args : Module, or one OrderedDict of str to Module

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> net(fastnn.zeros(5, 4)).shape
    (5, 2)
    >>> net[:2]
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = dict(args[0])
        else:
            named = {str(i): module for i, module in enumerate(args)}
        for name, module in named.items():
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """The last module's output."""
        for module in self:  # past __call__ where that does no more: 0.15 us a module
            plain = type(module).__call__ is call and not module._hooks
            input = module.forward(input) if plain else module(input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._held().items())[index]))
        return self.__dict__[self._name(index)]

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *same(other))

    def __iadd__(self, other: Any) -> Any:
        return self.extend(list(same(other)))

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*list(self) * positive(times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Any:
        return self.extend(list(self) * (positive(times) - 1))


def same(other: Any) -> Sequential:
    """Refuse to add anything but a Sequential to one."""
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
    return other


def positive(times: Any) -> int:
    """Refuse to multiply a Sequential by anything but a positive whole number."""
    if not isinstance(times, int):
        raise TypeError(f"unsupported operand type(s) for *: Sequential and {type(times).__name__}")
    if times <= 0:
        raise ValueError(f"Non-positive multiplication factor {times} for Sequential")
    return times


class ModuleList(Numbered):
    """A list of Modules whose parameters belong to the Module that has it.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    >>> len(list(layers.parameters()))
    6
    """

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self.__dict__[self._name(index)]

    def __iadd__(self, modules: Any) -> Any:
        return self.extend(modules)

    def __add__(self, other: Any) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        """Neighbors with the same repr on one line."""
        runs: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        return [indented(f"({a}): {text}" if a == b else f"({a}-{b}): {b - a + 1} x {text}") for a, b, text in runs]


class ModuleDict(Holder):
    """A dictionary of Modules whose parameters belong to the Module that has it.

    Parameters
    ----------
    modules : mapping or iterable of pairs, str to Module, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> choices = nn.ModuleDict({"linear": nn.Linear(2, 2), "tanh": nn.Tanh()})
    >>> choices["tanh"]
    Tanh()
    >>> "linear" in choices, list(choices)
    (True, ['linear', 'tanh'])
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._held()[key]

    def __setitem__(self, key: str, module: Any) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def __contains__(self, key: object) -> bool:
        return key in self._held()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._held().keys()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._held().values()

    def items(self) -> ItemsView[str, Any]:
        """Names and modules."""
        return self._held().items()

    def clear(self) -> None:
        """Take all modules out."""
        self._hold({})

    def pop(self, key: str) -> Any:
        """Take a module out."""
        module = self[key]
        del self[key]
        return module

    def update(self, modules: Any) -> None:
        """Add, or put in the place of what has the name, the modules of a mapping or of pairs."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"update should be called with an iterable of pairs, but got {type(modules).__name__}")
        for key, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[key] = module
