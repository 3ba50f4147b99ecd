"""The functions made for each op from its declaration: the public one, and what its node saves.

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
    rank = [f"{first}[0].ndim" if first in op.lists else f"{first}.ndim"] if op.ranked else []
    canonical = (
        f"""
        try:
            {attributes}, = seen[{", ".join([*rank, *op.attributes])}]
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
    key = (*((getattr(op.leading(first), "ndim", None),) if op.ranked else ()), *attributes)
    try:
        if len(seen) < 4096 and key[0] is not None:
            seen[key if len(key) > 1 else key[0]] = form
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


PARTS = {"": "{}", "shape": "shape_of({})", "shapes": "[shape_of(i) for i in {}]", "dtype": "{}.dtype"}


def saves_function(op: Op) -> Any:
    """``(raw inputs and attributes, result of the kernel) -> saved values``: what the op's node keeps."""
    names = [f"r{i}" for i in range(len(op.inputs))] + list(op.attributes)
    sources = names[: len(op.inputs)] + ([f"out[{i}]" for i in range(op.results)] if op.extras else ["out"])
    values = [PARTS[part].format(sources[position]) for position, part in op.kept] + list(op.attributes)
    unpack, keep = ("".join(n + ", " for n in them) for them in (names, values))
    source = f"def saves(raw, out):\n    {unpack} = raw\n    return ({keep})"
    space: dict[str, Any] = {"shape_of": shape_of}
    exec(compile(source, os.path.join(HERE, f"<saves_{op.name}>"), "exec"), space)
    return space["saves"]
