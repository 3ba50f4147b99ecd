"""The two functions made for each op when it is declared: the public one, and what it does with Tensors.

They are generated so that Python itself binds the names: no ``*args``, no dictionary work (130 ns a call against 245
for a generic ``__call__``), and doctest, inspect and pickle see an ordinary function.
"""

from __future__ import annotations

import functools
import inspect
import os
from typing import Any

from ._registry import BadIndex, Op, Refused, state

HERE = os.path.dirname(__file__)
# What the public function sees beside the globals of its definition.
GIVEN = ("op", "kernels", "definition", "check", "state", "errors", "seen", "remember")


def public_function(op: Op) -> Any:
    """The function users call: canonical attributes, the active kernel, and `op.apply` where it declines."""
    parameters = inspect.signature(op.definition).parameters
    defaults = {f"d_{n}": p.default for n, p in parameters.items() if p.default is not p.empty}
    signature = ", ".join(n + (f"=d_{n}" if f"d_{n}" in defaults else "") for n in parameters)
    call, attributes = ", ".join(parameters), ", ".join(op.attributes)
    first = op.inputs[0]
    rank = f"{first}[0].ndim" if first in op.lists else f"{first}.ndim"
    canonical = (
        f"""
        try:
            {attributes}, = seen[{rank}, {attributes}]
        except (LookupError, TypeError, AttributeError):
            {attributes}, = remember(op, seen, {first}, ({attributes},))"""
        if op.canonical
        else ""
    )
    by_name = ", ".join([*op.inputs, *(f"{n}={n}" for n in op.attributes)])
    run = (
        f"""
        if check is not None:
            check({call})
        return definition({by_name})"""
        if op.composite
        else f"""
        try:
            out = kernels[state.active]({call})
        except errors as why:
            raise op.refusal(({call},), why) from None
        if out is NotImplemented:
            return op.apply({call})
        return {"out[0]" if op.extras and op.outputs == 1 else "out"}"""
    )
    source = f"""
def factory({", ".join([*GIVEN, *defaults])}):
    def {op.name}({signature}):{canonical}{run}
    return {op.name}
"""
    space: dict[str, Any] = {}
    # The definition's globals: doctest looks for a function's module there.
    exec(compile(source, os.path.join(HERE, f"<{op.name}>"), "exec"), op.definition.__globals__, space)
    errors = (Refused, BadIndex)
    given: Any = (op, op.forward_kernels, op.definition, op.check, state, errors, {}, remember)
    made = space["factory"](*given, **defaults)
    functools.update_wrapper(made, op.definition)
    del made.__wrapped__  # attributes may be given by position, so the definition's signature is not this one's
    made.op = op
    made.backward = functools.partial(attach_backward, op, made)
    return made


def remember(op: Op, seen: dict[Any, Any], first: Any, attributes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Bring attributes into their one form and keep the answer for the next call."""
    form = op.form(first, *attributes)
    if type(first) in (list, tuple) and first:
        first = first[0]
    try:
        if len(seen) < 4096 and hasattr(first, "ndim"):
            seen[(first.ndim, *attributes)] = form
    except TypeError:  # an attribute that has no hash, a list of axes say
        pass
    return form


def attach_backward(op: Op, public: Any, rule: Any = None, *, composite: bool = False) -> Any:
    """``@relu.backward`` and ``@add.backward(composite=True)``."""
    if rule is None:
        return functools.partial(attach_backward, op, public, composite=composite)
    op.set_backward(rule, composite)
    return public


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array or of a Python number."""
    return getattr(x, "shape", ())


def apply_function(op: Op, space: dict[str, Any]) -> Any:
    """What the public function does with Tensors, with the loop over the arguments written out (570 ns against 1,045).

    `space` holds autograd's names: Tensor, Node, mode, serial, slow.
    """
    names = op.arguments
    lines = [f"def apply_{op.name}({', '.join(names)}):", "    needs = 0"]
    for i, n in enumerate(op.inputs):
        lines += [f"    if isinstance({n}, Tensor):", f"        r{i} = {n}.array"]
        if n in op.differentiable:
            lines += [f"        if {n}.requires:", f"            needs |= {1 << i}"]
        lines += ["    else:", f"        r{i} = {n}"]
    raw = ", ".join([f"r{i}" for i in range(len(op.inputs))] + list(op.attributes))
    lines += [
        "    try:",
        f"        out = kernels[state.active]({raw})",
        "    except errors as why:",
        f"        raise op.refusal(({raw},), why) from None",
        "    if out is NotImplemented:",
        f"        return slow(op, ({', '.join(names)},))",
        "    t = new(Tensor)",
        f"    t.array = {'out[0]' if op.extras else 'out'}",
        "    t.grad = None",
        "    t.output = 0",
    ]
    if op.rule:
        lines += [
            "    if needs and mode.enabled:",
            "        t.node = n = Node()",
            "        n.op = op",
            f"        n.inputs = ({', '.join(op.inputs)},)",
            "        n.needs = needs",
            "        n.grad = None",
            f"        n.saved = ({saved_values(op)})",
            "        n.serial = serial()",
            "        n.clock = state.clock",
            "        t.requires = True",
            "        return t",
        ]
    lines += ["    t.node = None", "    t.requires = False", "    return t"]
    space = {
        **space,
        "kernels": op.forward_kernels,
        "state": state,
        "op": op,
        "errors": (Refused, BadIndex),
        "shape_of": shape_of,
    }
    exec(compile("\n".join(lines), os.path.join(HERE, f"<apply_{op.name}>"), "exec"), space)
    return space[f"apply_{op.name}"]


def saved_values(op: Op) -> str:
    """The source of the tuple a node saves: ``r0`` is the first input's array, ``out`` what the kernel returned."""
    where = {n: f"r{i}" for i, n in enumerate(op.inputs)}
    if op.extras:
        where |= {"y": "out[0]", **{n: f"out[{i}]" for i, n in enumerate(op.extras, start=op.outputs)}}
    else:
        where["y"] = "out"
    values = []
    for name in op.saves:
        base, _, part = name.partition(".")
        value = where[base]
        if part == "shape":
            value = f"shape_of({value})"
        elif part == "shapes":
            value = f"[shape_of(i) for i in {value}]"
        elif part == "dtype":
            value = f"{value}.dtype"
        values.append(value)
    return "".join(v + ", " for v in [*values, *op.attributes])


def saves_function(op: Op) -> Any:
    """``(raw inputs and attributes, result of the kernel) -> saved values``, for the generic path."""
    names = [f"r{i}" for i in range(len(op.inputs))] + list(op.attributes)
    source = f"def saves(raw, out):\n    {''.join(n + ', ' for n in names)} = raw\n    return ({saved_values(op)})"
    space: dict[str, Any] = {"shape_of": shape_of}
    exec(compile(source, os.path.join(HERE, f"<saves_{op.name}>"), "exec"), space)
    return space["saves"]
