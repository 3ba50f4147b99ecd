"""Arguments for an operation of the registry at a wanted number of elements, made from its samples.

A new elementwise op needs nothing here. Other kinds get rows of `ROW` numbers; only ops that move data, whose
attributes tell shapes, are written out.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn._registry import Op
from fastnn._samples import Made

Array = np.ndarray[Any, Any]
ROW = 100  # the length of a row in reductions, rowwise ops and losses
# The sample to take, where the first would leave inputs out.
SAMPLE = dict.fromkeys(("layer_norm", "rms_norm", "batch_norm", "batch_norm_inference", "group_norm"), 1)


def arguments(op: Op, n: int, dtype: Any) -> tuple[list[Any], dict[str, Any]]:
    """Inputs of about `n` elements each, absent ones None, and attributes as a user would write them."""
    rng = np.random.default_rng([sum(map(ord, op.name)), n])
    if op.name in WRITTEN_OUT:
        inputs, attributes = WRITTEN_OUT[op.name](n, rng, dtype)
    else:
        sample = op.samples[SAMPLE.get(op.name, 0)]
        attributes = dict(sample.attributes)
        if op.kind == "update":
            inputs = [one_tensor(spec, n, rng, dtype) for spec in sample.inputs]
        elif op.kind in ("reduction", "rowwise", "loss"):
            sizes = in_rows(sample.inputs[0].make(rng, dtype).shape, n)
            inputs = [resized(spec, sizes, rng, dtype) for spec in sample.inputs]
            if "shape" in attributes:
                attributes["shape"] = tuple(sizes.get(s, s) for s in attributes["shape"])
        elif op.kind in ("shape", "contraction", "window", "index"):
            inputs = tiled([spec.make(rng, dtype) for spec in sample.inputs], n)
        else:
            inputs = [shaped(spec, (n,), rng, dtype) for spec in sample.inputs]
    return inputs + [None] * (len(op.inputs) - len(inputs)), attributes


def shaped(spec: Any, shape: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> Any:
    """What a specification makes, in another shape."""
    if not hasattr(spec, "make"):
        return spec
    if isinstance(spec, Made):
        return np.resize(spec.make(rng, dtype), shape)
    return replace(spec, shape=shape).make(rng, dtype)


def one_tensor(spec: Any, n: int, rng: np.random.Generator, dtype: Any) -> Any:
    """For updates: one vector of n, in a list where the op takes lists; step counts stay numbers."""
    if isinstance(spec, list):
        return [one_tensor(s, n, rng, dtype) for s in spec[:1]]
    return shaped(spec, (n,) if spec.make(rng, dtype).ndim else (), rng, dtype)


def in_rows(shape: tuple[int, ...], n: int) -> dict[int, int]:
    """The first axis of a sample becomes many rows, the last one a row; all that share their lengths follow."""
    return {shape[0]: many(n), shape[-1]: min(n, ROW)}


def resized(spec: Any, sizes: dict[int, int], rng: np.random.Generator, dtype: Any) -> Any:
    """What a specification makes, with the lengths of its axes replaced."""
    if isinstance(spec, list):
        return [resized(s, sizes, rng, dtype) for s in spec]
    if not hasattr(spec, "make"):
        return spec
    return shaped(spec, tuple(sizes.get(s, s) for s in spec.make(rng, dtype).shape), rng, dtype)


def tiled(inputs: list[Array], n: int) -> list[Array]:
    """Arrays that share the first one's leading axis, repeated along it."""
    rows, times = inputs[0].shape[0], max(1, n // inputs[0].size)
    return [np.concatenate([a] * times) if a.ndim and a.shape[0] == rows else a for a in inputs]


def floats(shape: tuple[int, ...], rng: np.random.Generator, dtype: Any) -> Array:
    """Uniform in [-1, 1)."""
    return rng.uniform(-1, 1, shape).astype(dtype)


def many(n: int) -> int:
    """How many rows hold n numbers."""
    return max(1, n // ROW)


def rows(n: int, rng: np.random.Generator, dtype: Any) -> Array:
    """n numbers in rows."""
    return floats((many(n), ROW), rng, dtype)


def square(n: int, count: int, rng: np.random.Generator, dtype: Any) -> list[Array]:
    """Matrices of about n numbers."""
    m = math.isqrt(n)
    return [floats((m, m), rng, dtype) for _ in range(count)]


WRITTEN_OUT: dict[str, Any] = {
    "concatenate": lambda n, rng, dtype: ([[rows(n // 2, rng, dtype), rows(n // 2, rng, dtype)]], {}),
    "take": lambda n, rng, dtype: ([rows(n, rng, dtype), rng.integers(0, many(n), many(n))], {}),
    "pad": lambda n, rng, dtype: ([rows(n, rng, dtype)], {"width": 1}),
    "scatter": lambda n, rng, dtype: (
        [rows(n, rng, dtype)],
        {"shape": (many(n), 2 * ROW), "start": (0, 0), "step": (1, 2)},
    ),
    "matmul": lambda n, rng, dtype: (square(n, 2, rng, dtype), {}),
    "linear": lambda n, rng, dtype: ([*square(n, 2, rng, dtype), floats((math.isqrt(n),), rng, dtype)], {}),
}
