"""Module: the base class of layers and networks, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._creation import as_tensor, dtype_of
from .._hooks import RemovableHandle
from .._registry import state
from .._tensor import Tensor, make
from . import _hooks, _state_dict
from ._hooks import Hook
from ._state_dict import IncompatibleKeys
from .parameter import Parameter

BUFFERS = ("buffer", "transient")  # transient ones are not saved


def on_cpu(device: Any) -> None:
    """Refuse a device other than the CPU, the only one there is."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"device wants 'cpu', where all of fastnn runs; got {device!r}")


def accepted(kind: str, name: str, value: Any) -> Any:
    """What may be assigned to a name that is registered: more of its kind, or None."""
    if value is None or (kind == "parameter" and isinstance(value, Parameter)):
        return value
    if kind in BUFFERS and isinstance(value, (Tensor, np.ndarray)):
        return as_tensor(value)
    what = {"parameter": "Parameter", "module": "Module"}.get(kind, "Tensor")
    role = {"parameter": "parameter", "module": "child module"}.get(kind, "buffer")
    raise TypeError(f"cannot assign {type(value).__name__!r} as {role} {name!r} ({what} or None expected)")


def indented(text: str) -> str:
    """All lines but the first, two columns further in."""
    return text.replace("\n", "\n  ")


class Module:
    """Base class of all layers and networks: override ``__init__`` and ``forward``.

    Parameters, buffers and submodules are attributes like others, in the instance's ``__dict__``; which attributes
    they are is kept beside, in the order of their registration.

    Attributes
    ----------
    training : bool
        Whether layers such as Dropout act as in training; `train` and `eval` switch it.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2)
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x).relu())
    >>> net = Net()
    >>> net
    Net(
      (hidden): Linear(in_features=4, out_features=8, bias=True)
      (out): Linear(in_features=8, out_features=2, bias=True)
    )
    >>> net(fastnn.zeros(3, 4)).shape
    (3, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    training: bool
    _hooks: dict[int, Hook] | None = None
    _kinds: dict[str, str]  # name -> parameter, buffer, transient (a buffer that is not saved) or module
    _born: int  # the recording after which it was made: plans recorded until then cannot depend on it

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = object.__new__(cls)
        self.__dict__["_born"] = state.recordings
        return self

    def __init__(self) -> None:
        self._changing("__init__")
        self.__dict__.update(training=True, _kinds={})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks:
            return _hooks.call(self, args, kwargs)
        if kwargs:
            return self.forward(*args, **kwargs)
        if len(args) == 1:  # 120 ns where the general form takes 500
            return self.forward(args[0])
        return self.forward(*args)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call computes; to be overridden."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # Attributes

    def _changing(self, name: str) -> None:
        """Before an attribute changes: captured plans hold what Python read of it."""
        if self.__dict__.get("_born") == state.recordings:
            return
        if state.recorder is not None:
            state.recorder.refuse(
                f"assignment to the attribute {name!r} of a {type(self).__name__} would happen once, at recording"
            )
        state.bump()

    def __setattr__(self, name: str, value: Any) -> None:
        self._changing(name)
        here = self.__dict__
        kind = here["_kinds"].get(name) if "_kinds" in here else None
        if not isinstance(value, (Parameter, Module)):
            if kind is None:
                object.__setattr__(self, name, value)
            else:
                here[name] = accepted(kind, name, value)
            return
        new = "parameter" if isinstance(value, Parameter) else "module"
        if "_kinds" not in here:
            raise AttributeError(f"cannot assign {new}s before Module.__init__() call")
        if kind == "parameter":
            accepted(kind, name, value)
        if kind != new:
            here.pop(name, None)
            here["_kinds"].pop(name, None)
            self._register(name, value, new)
        else:
            here[name] = value

    def __delattr__(self, name: str) -> None:
        self._changing(name)
        object.__delattr__(self, name)
        self.__dict__.get("_kinds", {}).pop(name, None)

    def _register(self, name: str, value: Any, kind: str) -> None:
        """A new parameter, buffer or submodule under a name that is free."""
        if "_kinds" not in self.__dict__:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name!r}')
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name in self.__dict__ or getattr(type(self), name, None) is not None:
            raise KeyError(f"attribute {name!r} already exists")
        self.__dict__[name] = value
        self._kinds[name] = kind

    def register_parameter(self, name: str, param: Any) -> None:
        """Add a Parameter, or None to keep its place.

        Raises
        ------
        KeyError, TypeError
            For a name that is taken, empty or has a dot; for anything but a Parameter or None.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__!r} object to parameter {name!r} (Parameter or None required)"
            )
        self._changing(name)
        if self.__dict__.get("_kinds", {}).get(name) == "parameter":
            self.__dict__[name] = param
        else:
            self._register(name, param, "parameter")

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a Tensor that is part of the state but no parameter; only persistent ones are in state_dict.

        Raises
        ------
        KeyError, TypeError
            For a name that is taken, empty or has a dot; for anything but a Tensor, an array or None.
        """
        if tensor is not None and not isinstance(tensor, (Tensor, np.ndarray)):
            raise TypeError(
                f"cannot assign {type(tensor).__name__!r} object to buffer {name!r} (Tensor or None required)"
            )
        self._changing(name)
        kinds = self.__dict__.get("_kinds", {})
        if kinds.get(name) in BUFFERS:
            del self.__dict__[name], kinds[name]
        value = None if tensor is None else as_tensor(tensor)
        self._register(name, value, "buffer" if persistent else "transient")

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a submodule, as the assignment to an attribute does.

        Raises
        ------
        KeyError, TypeError
            For a name that is taken, empty or has a dot; for anything but a Module or None.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._changing(name)
        if self.__dict__.get("_kinds", {}).get(name) == "module":
            self.__dict__[name] = module
        else:
            self._register(name, module, "module")

    register_module = add_module

    # What belongs to it

    def _named(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        """Own parts of these kinds, without those that are None."""
        here = self.__dict__
        for name, kind in list(self._kinds.items()):
            if kind in kinds and here[name] is not None:
                yield name, here[name]

    def _members(self, kinds: Any, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Tensor]]:
        """Parts of these kinds, those of submodules too, under their full names."""
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=unique) if recurse else [(prefix, self)]
        for path, module in owners:
            for name, value in module._named(*kinds):
                if unique and id(value) in seen:
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Parameters with their names: own ones first, then those of submodules; a shared one once."""
        return self._members(("parameter",), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Parameters: own ones first, then those of submodules; a shared one once.

        Examples
        --------
        >>> from fastnn import nn
        >>> [p.shape for p in nn.Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Buffers with their names."""
        return self._members(BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """Buffers, own ones first."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct submodules with their names, each once."""
        seen: set[int] = set()
        for name, module in self._named("module"):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Direct submodules, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module, then all submodules, with their names; a shared one once.

        Examples
        --------
        >>> from fastnn import nn
        >>> [name for name, _ in nn.Sequential(nn.ReLU(), nn.Tanh()).named_modules()]
        ['', '0', '1']
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._named("module"):
            yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all submodules, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> Module:
        """The submodule of this full name.

        Raises
        ------
        AttributeError
            Where there is none.

        Examples
        --------
        >>> from fastnn import nn
        >>> nn.Sequential(nn.Sequential(nn.Tanh())).get_submodule("0.0")
        Tanh()
        """
        module = self
        for part in target.split(".") if target else []:
            found = getattr(module, part, None)
            if not isinstance(found, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule {part!r}")
            module = found
        return module

    def get_parameter(self, target: str) -> Any:
        """The Parameter of this full name; AttributeError where there is none."""
        return self._get(target, ("parameter",))

    def get_buffer(self, target: str) -> Any:
        """The buffer of this full name; AttributeError where there is none."""
        return self._get(target, BUFFERS)

    def _get(self, target: str, kinds: tuple[str, ...]) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner._kinds.get(name) not in kinds:
            raise AttributeError(f"{type(owner).__name__} has no {kinds[0]} {name!r}")
        return owner.__dict__[name]

    # Changing all of it

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Call a function with each submodule, then with this module; returns this module.

        Examples
        --------
        >>> from fastnn import nn
        >>> net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
        >>> _ = net.apply(lambda m: nn.init.zeros_(m.weight) if isinstance(m, nn.Linear) else None)
        >>> net[1].weight
        Parameter containing:
        tensor([[0., 0.]], requires_grad=True)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Any:
        """Switch this module and all submodules to training, or with False to evaluation; returns it."""
        if not isinstance(mode, bool):
            raise ValueError(f"training mode is expected to be boolean; got {mode!r}")
        if self.__dict__.get("training") is not mode:
            self.__dict__["training"] = mode
            if self._born != state.recordings:
                state.bump()
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """Switch this module and all submodules to evaluation; returns it."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Want gradients for all parameters, or no longer; returns this module."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        recorder = state.recorder
        for p in self.parameters():
            if set_to_none:
                if recorder is not None:
                    recorder.assigned(p)
                p._grad = None
            elif p._grad is not None:
                if recorder is not None:
                    recorder.deposit(p)
                p._grad.detach().zero_()

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Any:
        """Cast all parameters and buffers of floats, in this module itself; returns it.

        Parameters
        ----------
        *args
            A dtype, a Tensor whose dtype is meant, or "cpu", the only device.
        dtype : float32, float64 or their names
        device : "cpu"
        non_blocking : bool
            Without effect.

        Raises
        ------
        TypeError, ValueError
            For a dtype that is no float; for another device.

        Examples
        --------
        >>> import fastnn
        >>> fastnn.nn.Linear(2, 1).to(fastnn.float64).weight.dtype
        dtype('float64')
        """
        for given in args:
            if isinstance(given, Tensor):
                dtype = given.dtype
            elif isinstance(given, (np.dtype, type)) or (isinstance(given, str) and given in np.sctypeDict):
                dtype = given
            elif not isinstance(given, bool):  # non_blocking by position
                device = given
        on_cpu(device)
        return self if dtype is None else self._cast(dtype_of(dtype))

    def _cast(self, dtype: np.dtype[Any]) -> Any:
        """Other memory for all floats of another dtype, with their gradients."""
        if dtype.kind != "f":
            raise TypeError(f"Module.to only accepts floating point dtypes; got {dtype}")
        if state.recorder is not None:
            state.recorder.refuse("a change of a module's dtype")
        for t in (*self.parameters(), *self.buffers()):
            if t.array.dtype.kind == "f" and t.array.dtype != dtype:
                t.array = t.array.astype(dtype)
                if t._grad is not None:
                    t._grad = make(t._grad.array.astype(dtype), None, 0)
        state.bump()
        return self

    def float(self) -> Any:
        """Cast all floats to float32; returns this module."""
        return self._cast(np.dtype(np.float32))

    def double(self) -> Any:
        """Cast all floats to float64; returns this module."""
        return self._cast(np.dtype(np.float64))

    def type(self, dst_type: Any) -> Any:
        """As `to` with a dtype."""
        return self._cast(dtype_of(dst_type))

    def cpu(self) -> Any:
        """This module: the CPU is where it is."""
        return self

    # State

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """Parameters and persistent buffers by name, on the module's own memory.

        Parameters
        ----------
        destination : mapping, optional
            Filled and returned in place of a new OrderedDict.
        prefix : str
            Put before each name.
        keep_vars : bool
            Give the Parameters themselves, not detached Tensors.

        Returns
        -------
        OrderedDict of str to Tensor

        Examples
        --------
        >>> from fastnn import nn
        >>> list(nn.Sequential(nn.Linear(2, 3)).state_dict())
        ['0.weight', '0.bias']
        """
        return _state_dict.state_dict(self, destination, prefix, keep_vars)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Take the values of a state_dict; where anything does not fit, nothing is changed.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
        strict : bool
            Whether missing and unexpected names are errors.
        assign : bool
            Take the given Tensors, with their memory and dtype, in place of the module's own.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        RuntimeError
            One for all missing and unexpected names and all shapes that differ.

        Examples
        --------
        >>> import numpy as np
        >>> from fastnn import nn
        >>> nn.Linear(2, 1).load_state_dict({"weight": np.ones((1, 2)), "bias": np.zeros(1)})
        <All keys matched successfully>
        """
        return _state_dict.load(self, state_dict, strict, assign)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: dict(v) if name in ("_kinds", "_hooks") else v for name, v in self.__dict__.items()}
        del kept["_born"]
        return kept

    # Hooks

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; what it returns, unless None, is the output.

        Parameters
        ----------
        hook : callable
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs, output)``.

        Returns
        -------
        RemovableHandle
        """
        return _hooks.register(self, Hook(hook, "forward", with_kwargs), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it returns, unless None, are the arguments.

        Parameters
        ----------
        hook : callable
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs)``, which may return ``(args, kwargs)``.

        Returns
        -------
        RemovableHandle
        """
        return _hooks.register(self, Hook(hook, "forward_pre", with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are there.

        Both are tuples, with a gradient for each argument given by position and for each output, None for what is no
        Tensor or has no gradient. Where no argument requires grad, the hook is called once the gradients of the outputs
        are there. Only outputs that are a Tensor or a tuple are seen; of others a RuntimeWarning tells. Arguments and
        outputs must not be changed in place.

        Parameters
        ----------
        hook : callable
            What it returns, unless None, takes the place of `grad_input`.
        prepend : bool
            Call it before the hooks that are there.

        Returns
        -------
        RemovableHandle

        Examples
        --------
        >>> import fastnn
        >>> layer = fastnn.nn.Tanh()
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: print(grad_output))
        >>> layer(fastnn.tensor([0.5], requires_grad=True)).sum().backward()
        (tensor([1.]),)
        """
        return _hooks.register(self, Hook(hook, "backward"), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are there.

        Parameters
        ----------
        hook : callable
            What it returns, unless None, takes the place of `grad_output` (see `register_full_backward_hook`).
        prepend : bool
            Call it before the hooks that are there.

        Returns
        -------
        RemovableHandle
        """
        return _hooks.register(self, Hook(hook, "backward_pre"), prepend)

    # Text

    def extra_repr(self) -> str:
        """What a subclass wants to say of itself in its repr."""
        return ""

    def _child_lines(self) -> list[str]:
        """The lines of the repr that are about submodules."""
        here = self.__dict__
        names = [name for name, kind in self._kinds.items() if kind == "module"]
        return [f"({name}): {indented(repr(here[name]))}" for name in names]

    def __repr__(self) -> str:
        extra = self.extra_repr()
        own, children = extra.split("\n") if extra else [], self._child_lines()
        if len(own) == 1 and not children:
            body = own[0]
        else:
            body = "".join(f"\n  {line}" for line in (*own, *children)) + ("\n" if own or children else "")
        return f"{type(self).__name__}({body})"
