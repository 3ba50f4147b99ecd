"""Gradients of all definitions in float64 against fourth-order central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conftest import running_on
from fastnn._backward import backward
from fastnn._registry import OPS, Op
from fastnn._samples import Floats, Made
from fastnn._tensor import Tensor
from op_cases import cases, flat, name_of, seeded


def takes_floats(specs: Any) -> bool:
    """Whether a sample has an array of floats."""
    return any(takes_floats(s) if isinstance(s, list) else isinstance(s, (Floats, Made)) for s in specs)


DIFFERENTIABLE = [
    (o, i) for o, i in cases() if (o.rule is not None or o.composite) and takes_floats(o.samples[i].inputs)
]
H = 1e-3
BOUND = 1e-7


def tensors(op: Op, inputs: list[Any]) -> tuple[list[Any], list[Tensor]]:
    """Inputs with Tensors for the float arrays that are differentiable, and those Tensors."""
    leaves: list[Tensor] = []

    def wrap(name: str, a: Any) -> Any:
        if isinstance(a, list):
            return [wrap(name, i) for i in a]
        if isinstance(a, np.ndarray) and a.dtype.kind == "f" and name in op.differentiable:
            leaves.append(Tensor(a, requires_grad=True))
            return leaves[-1]
        return a

    return [wrap(n, a) for n, a in zip(op.inputs, inputs, strict=False)], leaves


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=name_of)
def test_definition(case: tuple[Op, int]) -> None:
    op, number = case
    rng = seeded(op, number)
    inputs, attributes = op.samples[number].make(rng, np.float64)
    wrapped, leaves = tensors(op, inputs)
    with running_on("numpy"):
        out = op.public(*wrapped, **attributes)
        outs = [
            o for o in flat([out] if not isinstance(out, tuple) else list(out)) if isinstance(o, Tensor) and o.requires
        ]
        weights = [rng.uniform(0.5, 1.5, o.shape) for o in outs]
        for o, w in zip(outs, weights, strict=True):
            backward(o, np.asarray(w), retain_graph=True)

        def projected() -> float:
            y = op.public(*wrapped, **attributes)
            ys = [o for o in flat([y] if not isinstance(y, tuple) else list(y)) if isinstance(o, Tensor) and o.requires]
            return float(sum((o.array * w).sum() for o, w in zip(ys, weights, strict=True)))

        for leaf in leaves:
            want = np.zeros(leaf.shape)
            for index in np.ndindex(*leaf.shape):
                x, values = leaf.array[index], []
                for k in (-2, -1, 1, 2):
                    leaf.array[index] = x + k * H
                    values.append(projected())
                leaf.array[index] = x
                want[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * H)
            got = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.array
            scale = np.abs(want).max(initial=1e-3)
            assert np.abs(got - want).max(initial=0.0) <= BOUND * scale, op.name


def test_every_rule_is_checked() -> None:
    checked = {op.name for op, _ in DIFFERENTIABLE}
    assert {o.name for o in OPS.values() if o.rule is not None} <= checked
