"""The workloads, by kind: told once, for the pytest suites and for the interleaved runner.

A case's `level` says who runs it: 0 a quick look, 1 the suites and the runner, 2 the runner with ``--full``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import fastnn
from arguments import arguments
from convnets import CONVNETS, ConvStepWork
from fastnn._registry import OPS, Op
from parts import AdamWork, LossWork, Product, Warm
from work import CallWork, GradientWork, InferenceWork, Net, OpWork, StepWork, Work

QUICK, STANDARD, FULL = range(3)
NETS = [
    Net((64, 32, 32, 10), 32, "sgd"),
    Net((100, 100, 100), 4, "sgd", "sigmoid"),
    Net((17, 64, 64, 6), 1, "adam"),
    Net((20, 64, 64, 10), 32, "adam"),
    Net((784, 100, 100, 10), 200, "adam"),
    Net((784, 512, 512, 10), 128, "adam"),
    Net((1024, 1024, 1024, 1024, 1024), 512, "adam"),
]
COMMON = (16, 32, 64, 128, 256, 512, 1024)  # sizes of cubes that the suites run
CUBES = (*COMMON, 24, 48, 80, 96, 112, 192, 320, 384, 2048, 4096)
UNEVEN = (17, 33, 63, 65, 100, 127, 129, 200, 255, 257, 300, 383, 511, 1000, 1025)  # no multiples of 16
LAYERS = [(784, 100), (100, 100), (784, 512), (128, 128), (1024, 1024), (768, 3072), (3072, 768)]  # inputs, outputs
DEEPBENCH = [
    (5124, 700, 2048),
    (35, 700, 2048),
    (3072, 1500, 1024),
    *((1760, n, 1760) for n in (16, 32, 64, 128)),
    *((7680, n, 2560) for n in (1, 2, 4, 64)),
]
SIZES = (10**3, 10**5, 10**7)
VECTOR = ("exp", "sigmoid", "silu", "tanh", "gelu")
FAMOUS = ("add", "relu", "exp")  # the elementwise ops that the suites run at all sizes


@dataclass(frozen=True)
class Case:
    """A workload that can be made: its data are there only while it is measured."""

    kind: str
    name: str
    level: int
    make: Callable[[], Work]
    beside: tuple[str, ...] = ()  # backends that are measured even where others are asked for


def matrices(form: str, m: int, n: int, k: int) -> list[Any]:
    """A (m, k) and B (k, n); T is a matrix that lies in memory as its transpose."""
    rng = np.random.default_rng([m, n, k])
    shapes = zip(form, ((m, k), (k, n)), strict=True)
    made = [(f, rng.standard_normal(s if f == "N" else s[::-1]).astype(np.float32)) for f, s in shapes]
    return [a if f == "N" else a.T for f, a in made]


def product(form: str, m: int, n: int, k: int, level: int, why: str = "") -> Case:
    """A matrix product."""
    name = f"matmul {form} {m}x{n}x{k}{f' ({why})' if why else ''}"
    return Case("gemm", name, level, lambda: Product(*matrices(form, m, n, k)))


def with_vector(form: str, m: int, n: int, k: int) -> Case:
    """A product with a vector, which has one axis."""

    def make() -> Product:
        a, b = matrices(form, m, n, k)
        return Product(a, b[:, 0]) if n == 1 else Product(a[0], b)

    return Case("gemm", f"matmul {form} {m}x{n}x{k} (vector)", FULL, make)


def gemm() -> Iterator[Case]:
    """Cubes, skinny products, dense layers in their three products, DeepBench's shapes: m x n x k."""
    for size, form in itertools.product(sorted(CUBES + UNEVEN), ("NN", "NT", "TN")):
        level = QUICK if (size, form) in ((64, "NN"), (256, "NN")) else FULL
        yield product(form, size, size, size, min(level, STANDARD) if size in COMMON else level)
    for form, shape in itertools.product(("NN", "NT", "TN"), ((2048, 1, 2048), (1, 2048, 2048))):
        if form[shape.index(1)] == "N":  # the vector has no transpose
            yield with_vector(form, *shape)
    for m, size in itertools.product((6, 16), (256, 1024, 2048)):
        yield product("NN", m, size, size, STANDARD if size == 1024 else FULL, "skinny")
    for (inputs, outputs), batch in itertools.product(LAYERS, (1, 8, 32, 64, 128, 256, 512)):
        level = STANDARD if batch in (1, 128) and inputs * outputs <= 1 << 20 else FULL
        layer = f"{inputs}-{outputs}"
        yield product("NT", batch, outputs, inputs, level, f"{layer} forward")
        yield product("NN", batch, inputs, outputs, level, f"{layer} dX")
        yield product("TN", outputs, inputs, batch, level, f"{layer} dW")
    for m, n, k in DEEPBENCH:
        yield product("NN", m, n, k, FULL, "DeepBench")


def has_own_gradient(op: Op) -> bool:
    """Whether an op has a backward kernel, not one made of public ops."""
    return op.rule is not None and not op.rule_is_composite


def made(make: type[OpWork], op: Op, n: int, dtype: Any = np.float32, **attributes: Any) -> OpWork:
    """Work of an op at n elements."""
    inputs, own = arguments(op, n, dtype)
    return make(op.name, inputs, own | attributes)


def of_op(kind: str, op: Op, n: int, level: int, note: str = "", **attributes: Any) -> Iterator[Case]:
    """An op at n elements, and its gradient where that has a kernel."""
    for make, word in ((OpWork, ""), (GradientWork, " backward")):
        if make is OpWork or has_own_gradient(op):
            name = f"{op.name}{word}{note} {n:.0e}".replace("e+0", "e")
            yield Case(kind, name, level, partial(made, make, op, n, **attributes))


def elementwise() -> Iterator[Case]:
    """Every elementwise op of the registry."""
    for op, n in itertools.product([o for o in OPS.values() if o.kind == "elementwise"], SIZES):
        level = QUICK if op.name in ("add", "tanh") and n == 10**5 else STANDARD if n == 10**5 else FULL
        yield from of_op("elementwise", op, n, STANDARD if op.name in FAMOUS and level == FULL else level)


def rowwise() -> Iterator[Case]:
    """Softmax and layer norm over rows of 10 to 4096, and every reduction over all, along rows and across them."""
    for name, row in itertools.product(("softmax", "log_softmax", "layer_norm"), (10, 100, 1000, 4096)):
        for make, word in ((OpWork, ""), (GradientWork, " backward")):
            level = QUICK if (name, row, word) == ("softmax", 100, "") else STANDARD if row in (10, 1000) else FULL
            yield Case("rowwise", f"{name}{word} {10**5 // row}x{row}", level, partial(in_rows, make, name, row))
    for op in [o for o in OPS.values() if o.kind == "reduction" and "axis" in o.attributes]:
        for axis, word in ((None, "all"), (-1, "rows"), (0, "columns")):
            level = QUICK if (op.name, axis) == ("sum", -1) else STANDARD if op.name in ("sum", "max", "var") else FULL
            yield from of_op("rowwise", op, 10**5, level, f" of {word}", axis=axis)


def in_rows(make: type[OpWork], name: str, row: int) -> OpWork:
    """A rowwise op on 10^5 floats in rows of a length."""
    rng = np.random.default_rng(row)
    inputs: list[Any] = [rng.standard_normal((10**5 // row, row)).astype(np.float32)]
    inputs += [rng.standard_normal(row).astype(np.float32) for _ in OPS[name].inputs[1:]]
    return make(name, inputs, {})


def losses() -> Iterator[Case]:
    """Every loss of the registry, on rows of 100 classes."""
    for op, n in itertools.product([o for o in OPS.values() if o.kind == "loss"], (10**3, 10**5)):
        quick = op.name == "cross_entropy" and n == 10**5
        yield from of_op("losses", op, n, QUICK if quick else STANDARD)


def optimizers() -> Iterator[Case]:
    """Every update of the registry on one large tensor, and Adam on many small ones."""
    for op, n in itertools.product([o for o in OPS.values() if o.kind == "update"], (10**4, 10**6)):
        yield from of_op("optimizers", op, n, QUICK if op.name == "adam" and n == 10**4 else STANDARD)
    for tensors, level in ((30, STANDARD), (3000, FULL)):
        yield Case("optimizers", f"adam on {tensors} tensors of 3500", level, partial(many_tensors, tensors))


def many_tensors(count: int) -> OpWork:
    """Adam on many tensors."""
    rng = np.random.default_rng(count)
    p, g, m, v = ([rng.uniform(0.1, 1, 3500).astype(np.float32) for _ in range(count)] for _ in range(4))
    return OpWork("adam", [p, g, m, v, [], [np.zeros((), np.int64) for _ in p]], {"lr": 1e-3})


def parts() -> Iterator[Case]:
    """Vector functions between warm arrays, the loss with its gradient, the step of Adam."""
    for name, (n, times, words) in itertools.product(VECTOR, ((10**6, 1, "1e6"), (1 << 20, 64, "64M"))):
        level = QUICK if (name, times) == ("exp", 1) else STANDARD if times == 1 else FULL
        yield Case("parts", f"{name} {words} warm", level, partial(Warm, name, n, times))
    for captured in (False, True):
        name = f"cross_entropy with gradient 512x1000 {how(captured)}"
        yield Case("parts", name, STANDARD, partial(LossWork, 512, 1000, captured))
    for (tensors, size), captured in itertools.product(((1, 10**6), (3000, 3500)), (False, True)):
        name = f"Adam step {tensors}x{size} {how(captured)}"
        yield Case("parts", name, STANDARD if tensors == 1 else FULL, partial(AdamWork, tensors, size, captured))


def steps() -> Iterator[Case]:
    """Whole training steps, eager and captured, and inference of one sample."""
    for net, captured in itertools.product(NETS, (False, True)):
        level = QUICK if net in (NETS[0], NETS[3]) else STANDARD
        yield Case("steps", f"{net.name} {how(captured)}", level, partial(StepWork, net, captured))
    for sizes, captured in itertools.product(((20, 64, 64, 10), (784, 512, 512, 10)), (False, True)):
        name = f"{'-'.join(map(str, sizes))} inference b1 {how(captured)}"
        level = QUICK if len(sizes) == 4 and sizes[0] == 20 else STANDARD
        yield Case("steps", name, level, partial(InferenceWork, Net(sizes, 1, "sgd"), captured))


def convnets() -> Iterator[Case]:
    """Whole training steps of convolutional networks; fastnn's numpy backend is the baseline."""
    for net, captured in itertools.product(CONVNETS, (False, True)):
        level = QUICK if net is CONVNETS[0] and captured else STANDARD
        work = partial(ConvStepWork, net, captured)
        yield Case("convnets", f"{net.name} {how(captured)}", level, work, ("numba", "numpy"))


def how(captured: bool) -> str:
    """The word for a mode."""
    return "captured" if captured else "eager"


def overheads() -> Iterator[Case]:
    """What a call costs beside its arithmetic, and a batch of data."""
    for name in ("relu", "add", "sum", "linear", "cross_entropy"):
        level = QUICK if name == "relu" else STANDARD
        yield Case("overheads", f"{name} on 16 floats, arrays", level, partial(made, OpWork, OPS[name], 16))
    yield Case("overheads", "relu on 16 floats, Tensor recorded", QUICK, partial(on_tensor, recorded))
    yield Case("overheads", "relu on 16 floats, Tensor forward and backward", STANDARD, partial(on_tensor, both_ways))
    yield Case("overheads", "relu on 16 floats, captured", STANDARD, partial(on_tensor, replayed))
    for rows, level in ((1797, QUICK), (60_000, STANDARD)):
        yield Case("overheads", f"DataLoader 32x784 of {rows}", level, partial(loader, rows))


SIXTEEN = np.random.default_rng(16).standard_normal(16).astype(np.float32)


def recorded() -> tuple[Any, Any]:
    """One op on a Tensor that wants a gradient."""
    x, relu = fastnn.tensor(SIXTEEN, requires_grad=True), fastnn.ops.relu
    return lambda: relu(x), lambda y: [y.detach().numpy()]


def both_ways() -> tuple[Any, Any]:
    """One op on a Tensor, and the gradient."""
    x, relu, dy = fastnn.tensor(SIXTEEN, requires_grad=True), fastnn.ops.relu, fastnn.ones(16)

    def run() -> Any:
        y = relu(x)
        y.backward(dy)
        x.grad = None
        return y

    return run, lambda y: [y.detach().numpy()]


def replayed() -> tuple[Any, Any]:
    """A plan of one op."""
    x, run = fastnn.tensor(SIXTEEN), fastnn.compile(fastnn.ops.relu)
    return lambda: run(x), lambda y: [y.numpy()]


def on_tensor(make: Callable[[], tuple[Any, Any]]) -> CallWork:
    """Relu on 16 floats through Tensors; NumPy takes the array."""
    return CallWork(lambda: np.maximum(SIXTEEN, 0), make)


def loader(rows: int) -> CallWork:
    """Batches of 32 from rows of 784 floats; a row and its label hold the row's number: the check needs no order."""
    x, y = np.repeat(np.arange(rows, dtype=np.float32)[:, None], 784, axis=1), np.arange(rows)
    order = np.random.default_rng(0).permutation(rows)[: rows // 32 * 32].reshape(-1, 32)
    numbers = itertools.cycle(order).__next__

    def by_hand() -> Any:
        chosen = numbers()
        return x[chosen], y[chosen]

    def make() -> tuple[Any, Any]:
        data = fastnn.data.DataLoader(fastnn.data.TensorDataset(x, y), 32, shuffle=True, drop_last=True, seed=0)
        batches = itertools.chain.from_iterable(itertools.repeat(data))
        return batches.__next__, lambda batch: batch

    def residue(batch: Any) -> list[Any]:
        a, b = (np.asarray(getattr(t, "array", t)) for t in batch)
        return [a - b[:, None].astype(np.float32)]

    return CallWork(by_hand, make, residue, 2.0 * 32 * 784 * 4)


KINDS = (gemm, elementwise, rowwise, losses, optimizers, parts, steps, convnets, overheads)
PAGE = ("gemm", "parts", "steps", "convnets")  # the kinds that docs/performance.md tells of


def cases(kind: str = "", level: int = STANDARD) -> list[Case]:
    """The cases of a kind (all of them without one) up to a level."""
    chosen = [f for f in KINDS if kind in ("", f.__name__)]
    return [case for f in chosen for case in f() if case.level <= level]
