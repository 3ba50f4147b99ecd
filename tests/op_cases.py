"""Cases for the generated tests: an op's samples as arrays, its definition in float64, and the allowed error."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastnn
from fastnn._codegen import saves_function
from fastnn._registry import BACKENDS, OPS, Op

Array = np.ndarray[Any, Any]


def cases(**wanted: object) -> list[tuple[Op, int]]:
    """``(op, number of sample)`` for every op that is as wanted."""
    chosen = [o for o in OPS.values() if all(getattr(o, k) == v for k, v in wanted.items())]
    return [(o, i) for o in chosen for i in range(len(o.samples))]


def name_of(case: Any) -> str:
    """A test's name for a case."""
    return f"{case[0].name}-{case[1]}" if isinstance(case, tuple) else str(case)


def seeded(op: Op, number: int) -> np.random.Generator:
    """Random numbers that depend on the case alone."""
    return np.random.default_rng([sum(map(ord, op.name)), number])


def positional(op: Op, inputs: list[Any], attributes: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of kernels: all inputs, then all attributes in their one form."""
    inputs = inputs + [None] * (len(op.inputs) - len(inputs))
    values = tuple(attributes.get(n, d) for n, d in op.attributes.items())
    return (*inputs, *(op.form(inputs[0], *values) if op.canonical else values))


def doubled(x: Any) -> Any:
    """Floats as float64, everything else as it is; copies."""
    if isinstance(x, list):
        return [doubled(i) for i in x]
    if isinstance(x, np.ndarray):
        return x.astype(np.float64) if x.dtype.kind == "f" else x.copy()
    return x


def copied(x: Any) -> Any:
    """A deep copy of arrays and lists of them."""
    return [copied(i) for i in x] if isinstance(x, list) else x.copy() if isinstance(x, np.ndarray) else x


def defined(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """All results of the definition in float64: outputs, extras, new values of updated inputs."""
    n = len(op.inputs)
    with np.errstate(all="ignore"):
        out = op.definition(*doubled(list(args[:n])), **dict(zip(op.attributes, args[n:], strict=True)))
    return tuple(o if isinstance(o, list) else np.asarray(o) for o in (out if isinstance(out, tuple) else (out,)))


def run(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """All results of the public function on the active backend, in the order of `defined`."""
    args = (*copied(list(args[: len(op.inputs)])), *args[len(op.inputs) :])
    # Users do not see extras, kernels return them.
    out = op.forward_kernels[BACKENDS.index(fastnn.backend())](*args) if op.extras else op.public(*args)
    out = () if out is None else out if isinstance(out, tuple) else (out,)
    return (*out, *(args[op.inputs.index(name)] for name in op.updates))


def saved_by(op: Op, args: tuple[Any, ...], results: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a node saves for backward."""
    kept = results[: op.results]
    return tuple(saves_function(op)(args, kept if op.results > 1 else kept[0]))


def flat(x: Any) -> list[Any]:
    """Results with lists taken apart."""
    return [j for i in x for j in (flat(i) if isinstance(i, (list, tuple)) else [i])]


def assert_close(
    got: Any, want: Any, dtype: Any, relative: float, absolute: float, what: str = "", scale: float = 0.0
) -> None:
    """``|got - want| <= eps (relative |want| + absolute max(scale, max |want|))``, and the same NaN and infinities."""
    if want is None or got is None:
        assert got is None or want is None
        return
    want = np.asarray(want)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, wants {want.shape}"
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), what
        return
    eps = float(np.finfo(dtype).eps)
    with np.errstate(all="ignore"):
        rounded = want.astype(dtype)
        # Where the definition in float64 is beyond the dtype, infinity is right, and so is the largest number.
        finite = np.isfinite(rounded)
        assert np.array_equal(np.isnan(got), np.isnan(want)), f"{what}: NaN at other places: {got} {want}"
        top = max(scale, float(np.abs(want[finite]).max()) if finite.any() else 0.0)
        tiny = float(np.finfo(dtype).smallest_subnormal)
        allowed = (
            eps * (relative * np.abs(want) + absolute * top) + 128 * tiny
        )  # products of subnormals have few digits
        error = np.abs(np.where(finite, got, 0).astype(np.float64) - np.where(finite, want, 0))
        bad = finite & ~(error <= np.where(finite, allowed, 0))
        assert not bad.any(), f"{what}: {got[bad][:4]} wants {want[bad][:4]}, {(error / eps)[bad].max():.3g} eps off"
        big = ~finite & ~np.isnan(want)
        same = np.sign(got[big]) == np.sign(want[big])
        near = np.abs(got[big]) >= float(np.finfo(dtype).max) * (1 - 16 * eps)
        assert (same & near).all(), f"{what}: {got[big]} wants {want[big]}"
