"""Recording in C++ and in Python: both forms of autograd's apply make the same nodes and refuse with the same words."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _engine
from fastnn._backends import cpp
from fastnn._registry import OPS
from op_cases import cases, name_of, positional, seeded

pytestmark = pytest.mark.skipif(
    cpp.core is None, reason="there is no compiled core, so that Python's form is the only one"
)

RECORDED = [(op, i) for op, i in cases(lists=[], outputs=1, composite=False) if op.rule is not None]


def same(a: Any, b: Any) -> bool:
    """Whether two saved values are equal, of the same type."""
    return type(a) is type(b) and np.array_equal(a, b, equal_nan=getattr(a, "dtype", np.dtype(bool)).kind == "f")


def wanting(x: Any) -> Any:
    """A Tensor over an array, which wants a gradient where it can."""
    if not isinstance(x, np.ndarray):
        return x
    return fastnn.Tensor(x, requires_grad=x.dtype.kind == "f")


@pytest.mark.parametrize("case", RECORDED, ids=name_of)
@pytest.mark.parametrize("backend", ["numpy", "cpp"])
def test_both_forms_record_the_same(case: Any, backend: str) -> None:
    op, i = case
    inputs, attributes = op.samples[i].make(seeded(op, i), np.float32)
    args = [wanting(a) for a in positional(op, inputs, attributes)]
    with fastnn.use_backend(backend):
        compiled, written = op.apply(*args), _engine.apply(op, tuple(args))
    assert type(compiled) is type(written) is fastnn.Tensor
    assert same(compiled.array, written.array)
    assert (compiled._grad, compiled.output, compiled.requires) == (None, 0, written.requires)
    a, b = compiled.node, written.node
    if b is None:
        assert a is None
        return
    assert a.serial < b.serial
    assert (a.op, a.needs, a.grad, a.clock, a.hooks) == (b.op, b.needs, b.grad, b.clock, b.hooks)
    for x, y in zip(a.inputs, b.inputs, strict=True):
        assert x is y or same(_engine.unwrap(x), _engine.unwrap(y))  # where dtypes are mixed the inputs are casts
    assert all(map(same, a.saved, b.saved))
    assert len(a.saved) == len(b.saved)


def test_the_compiled_form_serves_all_that_it_can() -> None:
    for op in OPS.values():
        if not op.composite:
            generic = isinstance(op.apply, functools.partial)
            assert generic == bool(op.lists or op.outputs != 1), op


def test_nothing_is_recorded_without_need() -> None:
    x = fastnn.ones(2, 3)
    w = fastnn.ones(4, 3).requires_grad_()
    assert fastnn.ops.relu(x).node is None
    with fastnn.no_grad():
        assert fastnn.ops.linear(x, w).node is None
    node = fastnn.ops.linear(x, w).node
    assert node is not None
    assert node.needs == 0b010


def test_refusals_name_the_argument() -> None:
    x, w = fastnn.ones(2, 3), fastnn.ones(4, 5)
    with pytest.raises(ValueError, match="linear") as told:
        fastnn.ops.linear(x, w)
    with pytest.raises(ValueError, match="linear") as plain:
        fastnn.ops.linear(x.array, w.array)
    assert str(told.value) == str(plain.value)
    with pytest.raises(IndexError, match="flat position 1"):
        fastnn.ops.cross_entropy(fastnn.ones(2, 3), fastnn.tensor([0, 7]))


def test_a_tensor_that_was_never_filled_is_told() -> None:
    with pytest.raises(AttributeError, match="array"):
        fastnn.ops.relu(fastnn.Tensor.__new__(fastnn.Tensor))
