"""Automatic differentiation for users: grad modes, own differentiable functions, checks of gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._backward import backward
from ._engine import (
    Aside,
    Node,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_view,
    mode,
    no_grad,
    serial,
    set_grad_enabled,
)
from ._grad import grad
from ._registry import state
from ._tensor import Tensor, make

__all__ = [
    "Context",
    "Function",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]

Array = np.ndarray[Any, Any]


class Context:
    """What a Function's forward keeps for its backward: saved tensors, and any attribute it sets."""

    saved_tensors: tuple[Tensor | None, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets zeros for outputs that nobody used (True, the default) or None."""
        self.materialize_grads = value

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient; those that are no floats have none anyway."""
        self.non_differentiable = tensors

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward; they come back as ``saved_tensors``, and None as None."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward wants Tensors or None; got {type(t).__name__}")
        self.saved_tensors = tensors


class Function:
    """A differentiable function of one's own: subclass it with static methods ``forward`` and ``backward``.

    ``forward(ctx, *args)`` computes a Tensor or a tuple of them; ``backward(ctx, *grads)`` takes a gradient for each
    and returns one for each argument of forward, cast to its dtype (None where there is none). Both run without
    recording. In a captured step they are call-back nodes. Where there is a static method
    ``setup_context(ctx, inputs, output)``, it fills the context, and forward is ``forward(*args)``.

    Examples
    --------
    >>> import fastnn
    >>> class Cube(fastnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x * x * dy
    >>> x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    setup_context: Any = None  # to be overridden where forward shall not take the context

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """The value; to be overridden."""
        raise TypeError("a Function wants a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients; to be overridden."""
        raise TypeError("a Function wants a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call it."""
        return _FunctionCall(cls, args).run()


class _FunctionCall:
    """One call of a Function, in the role that an Op plays for the engine, the recorder and plans."""

    lists: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    view = False

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self.name, self.function, self.args = function.__name__, function, args
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.tensors = tuple(args[i] for i in self.places)
        self.context = Context()
        self.outputs = 1
        self.backward_kernels = self

    def __getitem__(self, column: int) -> Any:
        """The engine asks for the active backend's backward kernel: there is one for all of them."""
        if state.recorder is None:
            return self.backward
        return state.recorder.kernel(self, self.name + "_backward", self.backward, False)

    def forward(self, *arrays: Array) -> tuple[Array, ...]:
        """The kernel: arrays of the Tensor arguments in; outputs, then saved arrays, out."""
        args = list(self.args)
        for i, a in zip(self.places, arrays, strict=True):
            args[i] = make(a, None, 0)
        self.context = context = Context()
        wanted = set(self.places) & {i for i, a in enumerate(self.args) if isinstance(a, Tensor) and a.requires_grad}
        context.needs_input_grad = tuple(i in wanted for i in range(len(args)))
        with Aside():
            setup = self.function.setup_context
            out = self.function.forward(*args) if setup else self.function.forward(context, *args)
            if setup:
                setup(context, tuple(args), out)
        outs = out if isinstance(out, tuple) else (out,)
        for o in outs:
            if not isinstance(o, Tensor):
                raise TypeError(f"{self.name}.forward wants to return Tensors; got {type(o).__name__}")
        self.single, self.outputs = not isinstance(out, tuple), len(outs)
        marked = set(map(id, context.non_differentiable))
        self.differentiable = [o.dtype.kind == "f" and id(o) not in marked for o in outs]
        self.kept = [t is not None for t in context.saved_tensors]
        return (*(o.array for o in outs), *(t.array for t in context.saved_tensors if t is not None))

    def run(self) -> Any:
        """Forward, and a node where a gradient is wanted."""
        kernel: Callable[..., Any] = self.forward
        if state.recorder is not None:
            kernel = state.recorder.kernel(self, self.name, self.forward, False)
        arrays = kernel(*(t.array for t in self.tensors))
        node = None
        needs = sum(1 << j for j, t in enumerate(self.tensors) if t.requires_grad)
        if needs and mode.enabled:
            node = Node()
            node.op, node.inputs, node.needs, node.grad, node.hooks = self, self.tensors, needs, None, None
            node.saved, node.serial, node.clock = arrays[self.outputs :], serial(), state.clock
        nodes = [node if differentiable else None for differentiable in self.differentiable]
        results = tuple(make(a, n, i) for i, (a, n) in enumerate(zip(arrays, nodes, strict=False)))
        for result, differentiable in zip(results, self.differentiable, strict=True) if mode.enabled else ():
            for t in self.tensors:
                if differentiable and is_view(result.array, t.array):
                    result.origin = (t, t.node, self)
        self.shapes = [(a.shape, a.dtype) for a in arrays[: self.outputs]]
        return results[0] if self.single else results

    def apply(self, base: Tensor) -> Any:
        """Take a result that is a view once more: that cannot be done without running the user's forward."""
        raise RuntimeError(
            f"{self.name}: its result is a view of an argument that was changed in place since; "
            "let forward return a clone(), or change a clone() of the argument"
        )

    def backward(self, dy: Any, *saved_and_needs: Any) -> tuple[Any, ...]:
        """The kernel: a gradient (several: a list), saved arrays and `needs` in; gradients of the Tensors out."""
        context = self.context
        saved = iter(saved_and_needs)
        context.saved_tensors = tuple(make(next(saved), None, 0) if kept else None for kept in self.kept)
        given = dy if type(dy) is list else [dy]
        if context.materialize_grads:
            given = [np.zeros(*s) if g is None else g for g, s in zip(given, self.shapes, strict=True)]
        grads = [None if g is None else make(g, None, 0) for g in given]
        with Aside():
            out = self.function.backward(context, *grads)
        outs = out if isinstance(out, tuple) else (out,)
        wanted = len(self.args)
        if len(outs) < wanted or any(g is not None for g in outs[wanted:]):
            raise RuntimeError(f"{self.name}.backward returned {len(outs)} gradients for {len(self.args)} arguments")
        results = []
        for i, t in zip(self.places, self.tensors, strict=True):
            g = outs[i]
            if g is not None and not isinstance(g, Tensor):
                raise TypeError(f"{self.name}.backward wants to return Tensors or None; got {type(g).__name__}")
            if g is not None and g.shape != t.shape:
                raise RuntimeError(f"{self.name}.backward: gradient {i} wants shape {t.shape}; got {g.shape}")
            results.append(None if g is None else g.array.astype(t.dtype, copy=False))
        return tuple(results)


def gradcheck(
    function: Callable[..., Any], inputs: Any, eps: float = 1e-3, rtol: float = 1e-7, atol: float = 1e-9
) -> bool:
    r"""Compare gradients with fourth-order central differences in float64.

    :math:`f'(x) \approx (f(x-2h) - 8 f(x-h) + 8 f(x+h) - f(x+2h)) / 12h`, its error :math:`O(h^4)`.

    Parameters
    ----------
    function : callable
        Takes the inputs, returns a Tensor, or several in a list or tuple.
    inputs : Tensor, list or tuple
        The function's arguments, of any kind. Tensors that require grad, those in lists and tuples too, are checked;
        they want float64.
    eps : float
        The step h.
    rtol, atol : float
        Allowed: ``atol + rtol * largest gradient of that input``.

    Returns
    -------
    bool
        True.

    Raises
    ------
    TypeError
        For an input that is not float64, a function that is no callable or returns anything else.
    ValueError
        Where no input requires grad.
    AssertionError
        Naming the input and the element that differs most.

    Notes
    -----
    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 25.3.23.

    Examples
    --------
    >>> import numpy as np, fastnn
    >>> x = fastnn.Tensor(np.array([0.3, -1.2]), requires_grad=True)
    >>> fastnn.autograd.gradcheck(lambda x: x.tanh(), (x,))
    True
    """
    if not callable(function):
        raise TypeError(f"gradcheck: function wants a callable; got {type(function).__name__}")
    given = inputs if isinstance(inputs, (list, tuple)) else (inputs,)
    checked = [(i, t) for i, x in enumerate(given) for t in tensors_in(x) if t.requires]
    for i, t in checked:
        if t.dtype != np.float64:
            raise TypeError(f"gradcheck: input {i} wants float64; got {t.dtype}")
    if not checked:
        raise ValueError("gradcheck: inputs wants at least one Tensor that requires grad; got none")
    rng = np.random.default_rng(0)

    def outputs() -> list[Tensor]:
        out = function(*given)
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        for o in outs:
            if not isinstance(o, Tensor):
                raise TypeError(f"gradcheck: function wants to return Tensors; got {type(o).__name__}")
        return outs

    first = outputs()
    weights = [rng.uniform(0.5, 1.5, o.shape) for o in first]

    def projected() -> float:
        with no_grad():
            return float(sum((o.array * w).sum() for o, w in zip(outputs(), weights, strict=True)))

    kept = [t._grad for _, t in checked]
    for _, t in checked:
        t._grad = None
    for o, w in zip(first, weights, strict=True):
        if o.requires:
            backward(o, np.asarray(w), retain_graph=True)
    found = [np.zeros(t.shape) if t._grad is None else t._grad.array for _, t in checked]
    for (_, t), g in zip(checked, kept, strict=True):
        t._grad = g
    for (i, t), got in zip(checked, found, strict=True):
        want = np.zeros(t.shape)
        for index in np.ndindex(*t.shape):
            x, values = t.array[index], []
            for k in (-2, -1, 1, 2):
                t.array[index] = x + k * eps
                values.append(projected())
            t.array[index] = x
            want[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * eps)
        error = np.abs(got - want)
        if error.size and error.max() > atol + rtol * np.abs(want).max():
            worst = tuple(map(int, np.unravel_index(error.argmax(), error.shape)))
            raise AssertionError(
                f"gradient of input {i} at {worst}: {got[worst]} by backward, {want[worst]} by differences"
            )
    return True


def tensors_in(x: Any) -> list[Tensor]:
    """The Tensors in lists and tuples of any depth."""
    if isinstance(x, (list, tuple)):
        return [t for part in x for t in tensors_in(part)]
    return [x] if isinstance(x, Tensor) else []
