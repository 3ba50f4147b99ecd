"""Every op on every backend, instruction set and dtype against its definition in float64; all of it generated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import ops
from fastnn._registry import OPS, Op
from op_cases import assert_close, cases, copied, defined, doubled, flat, name_of, positional, run, saved_by, seeded

CASES = cases(composite=False)
WITH_RULE = [(o, i) for o, i in CASES if o.rule is not None]
ELEMENTWISE = [(o, 0) for o in OPS.values() if o.kind in ("elementwise", "compare") and not o.updates]
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127, 1000]


def arguments(case: tuple[Op, int], dtype: Any) -> tuple[Any, ...]:
    """The positional arguments of a case."""
    op, number = case
    inputs, attributes = op.samples[number].make(seeded(op, number), dtype)
    return positional(op, inputs, attributes)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_forward(case: tuple[Op, int], target: str, dtype: Any) -> None:
    op = case[0]
    args = arguments(case, dtype)
    before = copied(list(args))
    for got, want in zip(flat(run(op, args)), flat(defined(op, args)), strict=True):
        assert isinstance(got, np.ndarray)
        own = got.dtype if got.dtype.kind == "f" else dtype
        assert_close(got, want, own, op.tol.forward, op.tol.floor(own), op.name)
    for a, b in zip(flat(args), flat(before), strict=True):
        assert not isinstance(a, np.ndarray) or np.array_equal(a, b), "an input was changed"


@pytest.mark.parametrize("case", WITH_RULE, ids=name_of)
def test_backward(case: tuple[Op, int], target: str, dtype: Any) -> None:
    """The kernel's gradients against the rule in float64, from the same saved values; each gradient alone, too."""
    op = case[0]
    args = arguments(case, dtype)
    both = zip(defined(op, args)[: op.results], run(op, args)[: op.results], strict=True)
    results = [want.astype(got.dtype) for want, got in both]
    saved = saved_by(op, args, tuple(results))
    rng = seeded(op, case[1] + 100)
    dy = rng.uniform(-2, 2, results[0].shape).astype(results[0].dtype if results[0].dtype.kind == "f" else dtype)
    everything = (1 << len(op.inputs)) - 1
    want = rule_in_float64(op, dy, saved, everything)
    column = fastnn._registry.BACKENDS.index(fastnn.backend())
    floats = [i for i, a in enumerate(args[: len(op.inputs)]) if isinstance(a, list) or is_float_array(a)]
    everything = sum(1 << i for i in floats)
    for needs in {everything, *(1 << i for i in floats)}:
        got = op.backward_kernels[column](copied(dy), *copied(list(saved)), needs)
        got = got if isinstance(got, tuple) else (got,)
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            if needs >> i & 1 and w is not None:
                for a, b in zip(flat([g]), flat([w]), strict=True):
                    scale = float(np.abs(dy).max(initial=0.0))
                    assert_close(a, b, dtype, op.tol.backward, op.tol.floor(dtype), f"{op.name} gradient {i}", scale)


def is_float_array(a: Any) -> bool:
    """Whether a gradient may be wanted for an argument."""
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def rule_in_float64(op: Op, dy: Any, saved: tuple[Any, ...], needs: int) -> tuple[Any, ...]:
    """The backward rule on float64 copies, by NumPy."""
    with running_on("numpy"), np.errstate(all="ignore"):
        out = op.backward_kernels[0](doubled(dy), *doubled(list(saved)), needs)
    return out if isinstance(out, tuple) else (out,)


SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-3, 0.5, 2.0, 5.0, -5.0, 30.0, -30.0, 100.0, -100.0]
)


def special(dtype: Any) -> Any:
    """Special values: not a number, infinities, both zeros, subnormals, the largest numbers."""
    info = np.finfo(dtype)
    edges = [info.smallest_subnormal, -info.smallest_subnormal, info.smallest_normal, info.max, -info.max, info.eps]
    return np.concatenate([SPECIAL, np.array(edges, np.float64)]).astype(dtype)


def float_inputs(op: Op, values: Any) -> list[Any] | None:
    """Inputs that pair special values in every way; None for an op whose inputs are not all floats."""
    specs = [s for s in op.samples[0].inputs if s is not None]
    if not all(type(s).__name__ in ("Floats", "Made") for s in specs):
        return None
    if len(specs) == 1:
        return [values]
    if len(specs) == 2:
        return [np.repeat(values, len(values)), np.tile(values, len(values))]
    return None


@pytest.mark.parametrize("case", ELEMENTWISE, ids=name_of)
def test_special_values(case: tuple[Op, int], target: str, dtype: Any) -> None:
    op = case[0]
    inputs = float_inputs(op, special(dtype))
    if inputs is None:
        inputs = list(arguments(case, dtype)[: len(op.inputs)])
    args = positional(op, inputs, op.samples[0].attributes)
    with np.errstate(all="ignore"):
        own = op.definition(*args[: len(op.inputs)], **dict(zip(op.attributes, args[len(op.inputs) :], strict=True)))
        want = np.asarray(defined(op, args)[0])
    got = run(op, args)[0]
    if got.dtype.kind == "f":
        # Where an intermediate overflows the dtype, the definition in that dtype counts.
        want = np.where(np.isnan(np.asarray(own)) != np.isnan(want), np.asarray(own, want.dtype), want)
    assert_close(got, want, dtype, op.tol.forward, 0, op.name)


@pytest.mark.parametrize("name", ["clip", "hardtanh"])
@pytest.mark.parametrize("bounds", [(np.nan, 1.0), (-1.0, np.nan), (np.nan, np.inf), (-np.inf, np.nan), (0.5, 0.5)])
def test_bounds_that_are_special(name: str, bounds: tuple[float, float], target: str, dtype: Any) -> None:
    x = special(dtype)
    got = getattr(ops, name)(x, low=bounds[0], high=bounds[1])
    np.testing.assert_array_equal(got, np.minimum(np.maximum(x, dtype(bounds[0])), dtype(bounds[1])))


@pytest.mark.parametrize("case", ELEMENTWISE, ids=name_of)
def test_same_bits_at_every_position(case: tuple[Op, int], target: str, dtype: Any) -> None:
    """Vector body and tail agree, for dense and strided arrays."""
    op = case[0]
    rng = seeded(op, 7)
    specs = op.samples[0].inputs
    inputs = []
    for s in specs:
        one = s.make(rng, dtype) if hasattr(s, "make") else s
        inputs.append(np.resize(one, 1000) if isinstance(one, np.ndarray) else one)
    attributes = op.samples[0].attributes
    whole = run(op, positional(op, inputs, attributes))[0]
    for n in SIZES:
        part = run(op, positional(op, [i[:n] if isinstance(i, np.ndarray) else i for i in inputs], attributes))[0]
        assert part.tobytes() == whole[:n].tobytes(), n
        back = [i[:n][::-1] if isinstance(i, np.ndarray) else i for i in inputs]
        assert run(op, positional(op, back, attributes))[0][::-1].tobytes() == whole[:n].tobytes(), n
    step = [np.repeat(i, 3)[::3] if isinstance(i, np.ndarray) else i for i in inputs]
    assert run(op, positional(op, step, attributes))[0].tobytes() == whole.tobytes()


def layouts(x: Any) -> dict[str, Any]:
    """The same values in other memory."""
    odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    odd[...] = x
    swapped = x.astype(x.dtype.newbyteorder())
    still = x.copy()
    still.flags.writeable = False
    wide = np.zeros((*x.shape, 2), x.dtype)
    wide[..., 0] = x
    return {
        "fortran": x.copy(order="F"),
        "strided": wide[..., 0],
        "negative": x[tuple(slice(None, None, -1) for _ in x.shape)].copy()[
            tuple(slice(None, None, -1) for _ in x.shape)
        ],
        "misaligned": odd,
        "byteswapped": swapped,
        "readonly": still,
    }


@pytest.mark.parametrize("case", [c for c in CASES if not c[0].updates], ids=name_of)
def test_layouts(case: tuple[Op, int], target: str, dtype: Any) -> None:
    """A layout is never an error and changes no more than rounding."""
    op = case[0]
    args = arguments(case, dtype)
    want = flat(run(op, args))[: op.outputs]
    n = len(op.inputs)
    for layout in ("fortran", "strided", "negative", "misaligned", "byteswapped", "readonly"):

        def other(a: Any, layout: str = layout) -> Any:
            if isinstance(a, list):
                return [other(i) for i in a]
            return layouts(a)[layout] if isinstance(a, np.ndarray) else a

        moved = (*(other(a) for a in args[:n]), *args[n:])
        out = op.public(*moved)
        got = flat(out if isinstance(out, tuple) else (out,))
        for g, w in zip(got, want, strict=True):
            assert g.dtype == w.dtype, layout
            assert_close(g, w, dtype, op.tol.forward, op.tol.floor(dtype), f"{op.name} {layout}")


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)], ids=str)
@pytest.mark.parametrize("op", [o for o, _ in ELEMENTWISE], ids=lambda o: o.name)
def test_empty(op: Op, shape: tuple[int, ...], target: str, dtype: Any) -> None:
    inputs = []
    for s in op.samples[0].inputs:
        one = s.make(seeded(op, 0), dtype) if hasattr(s, "make") else s
        inputs.append(np.empty(shape, one.dtype) if isinstance(one, np.ndarray) else one)
    args = positional(op, inputs, op.samples[0].attributes)
    got, want = run(op, args)[0], np.asarray(defined(op, args)[0])
    assert got.shape == want.shape


BAD = {
    "text": np.array(["a", "b"]),
    "complex": np.array([1j, 2j]),
    "objects": np.array([object(), None], dtype=object),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("op", [o for o in OPS.values() if not o.composite], ids=lambda o: o.name)
def test_refuses_what_is_no_number_alike(op: Op, kind: str) -> None:
    """The same exception and the same words on every backend, naming the argument."""
    inputs, attributes = op.samples[0].make(seeded(op, 0), np.float32)
    bad = [BAD[kind]] if op.inputs[0] in op.lists else BAD[kind]
    words = set()
    for target in TARGETS:
        with running_on(target):
            with pytest.raises((TypeError, ValueError)) as error:
                op.public(bad, *inputs[1:], **attributes)
            words.add((error.type, str(error.value)))
    assert len(words) == 1, words
    assert op.name in next(iter(words))[1]


def test_forced_instruction_set_is_the_one_that_ran(target: str) -> None:
    name, _, level = target.partition("-")
    assert fastnn.backend() == name
    if level:
        assert fastnn._backends.cpp.core.isa() == level


def gradient_of_bias(dy: Any) -> Any:
    """The sum over rows that linear's backward takes."""
    b = fastnn.tensor(np.zeros(dy.shape[1], dy.dtype), requires_grad=True)
    x, w = np.zeros((len(dy), 1), dy.dtype), np.zeros((dy.shape[1], 1), dy.dtype)
    ops.linear(x, w, b).backward(fastnn.Tensor(dy))
    return b.grad.numpy()


@pytest.mark.parametrize("rows", [0, 1, 7, 256, 1000])
def test_sums_over_rows_have_one_order(rows: int, target: str, dtype: type) -> None:
    """Few columns are summed in registers, many in memory, those of bias gradients as those of arrays."""
    x = np.random.default_rng(rows).standard_normal((rows, 1100)).astype(dtype)
    whole = ops.sum(x, axis=0)
    assert np.allclose(whole, x.sum(0, dtype=np.float64), atol=1e-4)
    if not target.startswith("cpp"):
        return
    for columns in (1, 3, 8, 16, 17, 40, 64, 65, 130, 1100):
        few = x[:, :columns].copy()
        assert np.array_equal(gradient_of_bias(few), whole[:columns])
        if columns == 1:  # neighbors in memory: another order
            continue
        assert np.array_equal(ops.sum(few, axis=0), whole[:columns])
        assert np.array_equal(ops.sum(x[:, :columns], axis=0), whole[:columns])
        if rows:
            same_rows = np.broadcast_to(few[0], few.shape)
            assert np.array_equal(ops.sum(same_rows, axis=0), ops.sum(same_rows.copy(), axis=0))


def test_sums_of_negative_zeros_are_zero(target: str, dtype: type) -> None:
    for shape in ((1, 3), (3, 1), (40, 3), (3, 40), (300, 70), (2, 5000)):
        x = np.full(shape, -0.0, dtype)
        for axis in (0, 1, (0, 1)):
            assert not np.signbit(ops.sum(x, axis=axis)).any()
        assert not np.signbit(gradient_of_bias(x)).any()
