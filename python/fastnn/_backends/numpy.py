"""The definitions as kernels: positional arguments in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._registry import Op

NAME = "numpy"


def array(x: Any) -> Any:
    """Results are arrays, never NumPy scalars."""
    return x if x is None or type(x) in (np.ndarray, list) else np.asarray(x)


def arrays(out: Any) -> Any:
    """The same for a kernel's results."""
    return tuple(map(array, out)) if type(out) is tuple else array(out)


def is_plain(a: Any) -> bool:
    """Whether this is exactly an ndarray of numbers in native byte order."""
    return type(a) is np.ndarray and a.dtype.isnative and a.dtype.kind in "fiub"


def taken(op: Op, args: tuple[Any, ...]) -> bool:
    """Whether every input is exactly an ndarray in native byte order (a list of them, absent, or a number)."""
    for name, a in zip(op.inputs, args[: len(op.inputs)], strict=True):
        if name in op.lists:
            if type(a) is not list or not all(map(is_plain, a)):
                return False
        elif type(a) is np.ndarray:
            if not is_plain(a):
                return False
        elif not (a is None and name in op.optional) and not (name in op.promotes and type(a) in (int, float)):
            return False
    return not op.promotes or one_dtype([a for name, a in zip(op.inputs, args, strict=False) if name in op.promotes])


def one_dtype(inputs: list[Any]) -> bool:
    """Whether the arrays among the inputs agree in dtype, and there is one (an empty list is the check's to refuse)."""
    flat = [x for a in inputs for x in (a if type(a) is list else (a,))]
    dtypes = [x.dtype for x in flat if type(x) is np.ndarray]
    floats = any(type(x) is float for x in flat)
    return not flat or (len(set(dtypes)) == 1 and not (floats and dtypes[0].kind != "f"))


def forward(op: Op) -> Any:
    """The forward kernel: the op's check, then its definition."""
    definition, n, attributes = op.definition, len(op.inputs), list(op.attributes)

    def kernel(*args: Any) -> Any:
        if not taken(op, args):
            return NotImplemented
        if op.check is not None:
            op.check(*args)
        with np.errstate(all="ignore"):
            out = definition(*args[:n], **dict(zip(attributes, args[n:], strict=True)))
        return write_back(op, args, out) if op.updates else arrays(out)

    return kernel


def write_back(op: Op, args: tuple[Any, ...], out: Any) -> Any:
    """Put the new values of updated inputs into their memory; what remains is the result."""
    out = out if type(out) is tuple else (out,)
    for name, new in zip(op.updates, out[op.results :], strict=True):
        old = args[op.inputs.index(name)]
        for a, b in zip(old, new, strict=True) if type(old) is list else ((old, new),):
            a[...] = b
    results = arrays(out[: op.results])
    return None if op.results == 0 else results[0] if op.results == 1 else results


def backward(op: Op) -> Any:
    """The backward kernel: the op's rule, with `needs` where it takes it."""
    rule, takes_needs = op.rule, op.rule_takes_needs
    assert rule is not None

    def kernel(*args: Any) -> Any:
        with np.errstate(all="ignore"):
            return arrays(rule(*args) if takes_needs else rule(*args[:-1]))

    return kernel
