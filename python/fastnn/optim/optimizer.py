"""Optimizer: parameter groups, their state, and its way into and out of dicts."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from .. import ops
from .._registry import state as world
from .._tensor import Tensor

Group = dict[str, Any]
Params = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]


class Optimizer(ABC):
    """What all optimizers share. For one of your own, override `step`.

    A captured step freezes the numbers that such a `step` reads from ``param_groups``, so `Trainer` runs it eagerly;
    the optimizers of this package hand them on by reference.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        What to optimize; dicts are parameter groups with options of their own: ``{"params": [...], "lr": 0.1}``.
    defaults : dict
        The options of groups that do not set them.

    Attributes
    ----------
    param_groups : list of dict
        ``"params"`` and the options, which may be changed at any time; captured steps read them at each call.
    state : dict
        What the optimizer remembers of each parameter, by name. Change its values in place, or by `load_state_dict`.

    Raises
    ------
    TypeError, ValueError
        For anything but leaf Tensors, none at all, or one that stands there twice.

    Notes
    -----
    Names, arguments, defaults, results and the layout of state_dicts are those of torch.optim.

    Examples
    --------
    >>> import fastnn
    >>> class GradientDescent(fastnn.optim.Optimizer):
    ...     def __init__(self, params, lr=0.25):
    ...         super().__init__(params, {"lr": lr})
    ...     def step(self, closure=None):
    ...         with fastnn.no_grad():
    ...             for group in self.param_groups:
    ...                 for p in group["params"]:
    ...                     p -= group["lr"] * p.grad
    >>> w = fastnn.tensor([1.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> GradientDescent([w]).step()
    >>> w.tolist()
    [0.5, -1.0]
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got Tensor"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        given: list[Any] = [params] if isinstance(params, dict) else list(params)
        if not given:
            raise ValueError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    @abstractmethod
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change all parameters that have gradients."""

    def _check(self, group: Group) -> None:  # noqa: B027 (nothing to check where there are no options)
        """Raise ValueError for options out of range."""

    def add_param_group(self, param_group: Group) -> None:
        """Take further parameters, with options of their own.

        Parameters
        ----------
        param_group : dict
            ``"params"``, a Tensor or an iterable of them, and the options that differ from the defaults.

        Raises
        ------
        TypeError, ValueError
            As of the class.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        params, names = listed(param_group.get("params"))
        if len(set(map(id, params))) != len(params):
            raise ValueError("optimizer contains a parameter group with duplicate parameters")
        if {id(p) for g in self.param_groups for p in g["params"]} & set(map(id, params)):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in g) != bool(names) for g in self.param_groups):
            raise ValueError("all optimizer param groups should be with/without names")
        group = {**self.defaults, **param_group, "params": params, **({"param_names": names} if names else {})}
        self._check(group)
        self.param_groups.append(group)
        world.bump()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients.

        Parameters
        ----------
        set_to_none : bool, default True
            Set ``.grad`` to None; else write zeros into it.
        """
        recorder = world.recorder
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    if recorder is not None:
                        recorder.assigned(p)
                    p._grad = None
                else:
                    fill_with_zeros(p)

    def state_dict(self) -> dict[str, Any]:
        """State and options in PyTorch's layout: parameters are numbered through the groups.

        Returns
        -------
        dict
            ``{"state": {0: {"exp_avg": Tensor, ...}, ...}, "param_groups": [{"lr": ..., "params": [0, 1]}, ...]}``.
            The Tensors are the optimizer's own, not copies, but for step counts. PyTorch's optimizer takes it, once the
            Tensors are made torch's.
        """
        params = list(chain.from_iterable(g["params"] for g in self.param_groups))
        number = {id(p): i for i, p in enumerate(params)}
        return {
            "state": {i: given(self.state[p]) for i, p in enumerate(params) if self.state.get(p)},
            "param_groups": [{**g, "params": [number[id(p)] for p in g["params"]]} for g in self.param_groups],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Parameters
        ----------
        state_dict : mapping
            What `state_dict` gave, of an optimizer over parameters of the same shapes; PyTorch's are taken too. Values
            are copied, floats in the dtype of their parameter.

        Raises
        ------
        TypeError
            For anything but a mapping.
        ValueError
            If the groups or the shapes are not those of this optimizer.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: state_dict wants a dict; got {type(state_dict).__name__}")
        if not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"state_dict wants 'state' and 'param_groups'; got {', '.join(map(str, state_dict))}")
        pairs = list(zip(self.param_groups, state_dict["param_groups"], strict=False))
        if len(state_dict["param_groups"]) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(group["params"]) != len(saved["params"]) for group, saved in pairs):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        loaded: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for group, saved in pairs:
            for p, number in zip(group["params"], saved["params"], strict=True):
                values = state_dict["state"].get(number, {})
                if any(value is not None for value in values.values()):
                    loaded[p] = {name: taken(name, value, p) for name, value in values.items() if value is not None}
        for group, saved in pairs:
            group.update(copy.deepcopy({key: value for key, value in saved.items() if key != "params"}))
        self.state = loaded
        world.bump()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def listed(params: Any) -> tuple[list[Tensor], list[str]]:
    """The parameters of a group and, where they were given with them, their names."""
    if isinstance(params, Tensor):
        return [params], []
    if isinstance(params, (set, frozenset)):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    if not isinstance(params, Iterable):
        raise TypeError(f"a parameter group wants Tensors under 'params'; got {type(params).__name__}")
    given = list(params)
    names = [p[0] for p in given if isinstance(p, tuple)]
    if names and len(names) != len(given):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    tensors = [p[1] if isinstance(p, tuple) else p for p in given]
    for p in tensors:
        if not isinstance(p, Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
        if not p.is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor")
    return tensors, names


def fill_with_zeros(p: Tensor) -> None:
    """Write zeros into a gradient, as an operation that a captured step can repeat."""
    recorder = world.recorder
    if recorder is not None:
        recorder.deposit(p)
    if p._grad is not None:
        zero = np.zeros((), p._grad.array.dtype)
        if recorder is not None:
            recorder.constant(zero)
        ops.assign(p._grad.array, zero)


def given(state: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's state for a dict: step counts as float64, exact, and of a kind that all of PyTorch's steps take."""
    counts = {k: Tensor(v.array.astype(np.float64)) for k, v in state.items() if k == "step" and isinstance(v, Tensor)}
    return {**state, **counts}


def taken(name: str, value: Any, p: Tensor) -> Any:
    """A value of a loaded state: copied, floats in the parameter's dtype, step counts as int64."""
    array = np.asarray(value.array if isinstance(value, Tensor) else value)
    if array.dtype.kind not in "fiub":
        return copy.deepcopy(value)
    if name == "step":
        return Tensor(np.array(array, np.int64).reshape(()))
    if array.shape != p.shape:
        raise ValueError(f"loaded state dict has {name} of shape {array.shape} for a parameter of shape {p.shape}")
    new = np.empty_like(p.array, dtype=p.dtype if array.dtype.kind == "f" else array.dtype)  # in the parameter's layout
    new[...] = array
    return Tensor(new)
