"""The registry is complete: every op has its kernels, samples and documentation, on every backend."""

from __future__ import annotations

import inspect

import pytest

import fastnn
from conftest import TARGETS
from fastnn._backends import cpp
from fastnn._dispatch import load_numba
from fastnn._registry import OPS, Op

NEEDS_CPP = pytest.mark.skipif(cpp.core is None, reason="the compiled core is not built")


def kernel_names(op: Op) -> list[str]:
    """The kernels that each backend shall have for an op."""
    if op.view or op.composite:
        return []
    return [op.name] + ([op.name + "_backward"] if op.rule and not op.rule_is_composite else [])


KERNELS = [n for op in OPS.values() for n in kernel_names(op)]


@NEEDS_CPP
@pytest.mark.parametrize("name", KERNELS)
def test_compiled_kernel_is_there(name: str) -> None:
    assert cpp.kernel(name) is not None


@NEEDS_CPP
@pytest.mark.parametrize("name", KERNELS)
def test_letters_fit_the_positions(name: str) -> None:
    """One letter for each Python position: arrays, lists, optional ones, attributes, needs."""
    op = OPS[name.removesuffix("_backward")]
    letters = cpp.core.signature(name)
    if name.endswith("_backward"):
        assert len(letters) == 1 + len(op.saves) + len(op.attributes) + 1
        assert letters.endswith("n")
        return
    assert len(letters) == len(op.arguments)
    for letter, argument in zip(letters, op.inputs, strict=False):
        written = argument in op.updates
        if argument in op.lists:
            assert letter == ("W" if written else "V"), argument
        else:
            assert letter in ("w" if written else "o" if argument in op.optional else "vs"), argument
    assert set(letters[len(op.inputs) :]) <= set("fiult")


@pytest.mark.skipif("numba" not in TARGETS, reason="numba is not installed")
@pytest.mark.parametrize("name", KERNELS)
def test_numba_kernel_is_there(name: str) -> None:
    assert load_numba().kernel(name) is not None


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_no_skips(op: Op) -> None:
    assert not op.skip


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_samples_and_documentation(op: Op) -> None:
    assert op.samples
    doc = inspect.getdoc(op.public)
    assert doc
    assert ">>>" in doc
    assert len(doc.splitlines()[0]) < 120
    assert inspect.signature(op.public).parameters.keys() == inspect.signature(op.definition).parameters.keys()


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_differentiable_or_told_otherwise(op: Op) -> None:
    """What has no gradient is an update, a comparison or a whole number."""
    if op.rule is None and not op.composite:
        assert op.kind in ("update", "compare", "index") or op.name in ("argmax",)


def test_every_op_is_public() -> None:
    for name, op in OPS.items():
        assert getattr(fastnn.ops, name) is op.public
        assert name in fastnn.ops.__all__
