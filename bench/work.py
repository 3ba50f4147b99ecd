"""One workload with its data: the columns that run it, and the check that each of them is right.

A column is one way to do the work: NumPy by hand, fastnn on one of its backends, another library. `Column.call` is
what is timed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import baseline
import fastnn
from fastnn._codegen import saves_function
from fastnn._registry import BACKENDS, NUMPY, OPS, Op, state

Array = np.ndarray[Any, Any]
BY_HAND = "NumPy by hand"


@dataclass
class Column:
    """A way to do the work.

    `read` makes the arrays to check from what `call` returned. On fastnn's backends `enter` brings back the world that
    the column was made in: other columns change the backend, and a captured step would notice.
    """

    name: str
    call: Callable[[], Any]
    read: Callable[[Any], Iterable[Any]] = lambda result: result if isinstance(result, (tuple, list)) else (result,)
    backend: str = ""
    epoch: int = 0

    def enter(self) -> None:
        """Make this column's backend the active one, as if it had never changed."""
        if self.backend:
            state.active = BACKENDS.index(self.backend)
            state.epoch[...] = self.epoch

    def seconds(self, calls: int) -> float:
        """Seconds for a call, over a run of calls; one before a longer run brings the data back into the caches."""
        call = self.call
        if calls > 1:
            call()
        begin = time.perf_counter_ns()
        for _ in itertools.repeat(None, calls):
            call()
        return (time.perf_counter_ns() - begin) / calls / 1e9


@dataclass
class Yardstick:
    """What the machine does at best with as many numbers: a column that only multiplies and adds, copies, or sums."""

    column: Column
    flops: float = 0  # of a call
    moved: float = 0  # bytes of a call, where it does no arithmetic

    def share(self, work: Work, seconds: float, own: float) -> float:
        """The part of this speed that work reaches, from the seconds of a call of each."""
        done = work.flops / self.flops if self.flops else work.moved / self.moved
        return done * own / seconds


class Work:
    """What all workloads share; `flops` and `moved` (bytes) say how much there is to do, 0 where that means nothing."""

    flops: float = 0
    moved: float = 0
    dtype: Any = np.dtype(np.float32)
    tolerance: float = 256  # units in the last place of the largest value

    def by_hand(self) -> Column | None:
        """Plain NumPy without fastnn."""
        raise NotImplementedError

    def own(self) -> Column:
        """fastnn on the active backend."""
        raise NotImplementedError

    @cached_property
    def reference(self) -> list[Array]:
        """The right result, in float64."""
        raise NotImplementedError

    def yardstick(self) -> Yardstick | None:
        """What to hold the times against, where a roof that is measured once would be too coarse."""
        return None

    def on(self, backend: str) -> Column:
        """fastnn on a backend."""
        with fastnn.use_backend(backend):
            column = self.own()
        column.name = column.backend = backend
        fastnn.set_backend(backend)
        column.epoch = int(state.epoch)
        return column

    def check(self, column: Column) -> None:
        """Raise AssertionError where a column's result is not the reference."""
        column.enter()
        got = [np.asarray(a) for a in column.read(column.call()) if a is not None]
        for a, want in zip(got, self.reference, strict=True):
            assert_near(a, want, self.tolerance * float(np.finfo(self.dtype).eps), column.name)


def assert_near(got: Array, want: Array, tolerance: float, what: str) -> None:
    """The largest error is at most `tolerance` times the largest value."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}; wants {want.shape}"
    if want.dtype.kind != "f":
        assert np.array_equal(got, want), f"{what}: not the definition's values"
    elif want.size:
        error, top = float(np.abs(got - want).max()), float(np.abs(want).max())
        assert error <= tolerance * max(top, 1e-3), f"{what}: {error:.3g} off, of values up to {top:.3g}"


def flat(x: Any) -> list[Any]:
    """All arrays in nested lists and tuples."""
    return [j for i in x for j in flat(i)] if isinstance(x, (list, tuple)) else [x]


def same(x: Any, convert: Callable[[Array], Array]) -> Any:
    """Nested lists with their arrays converted."""
    return [same(i, convert) for i in x] if isinstance(x, list) else convert(x) if isinstance(x, np.ndarray) else x


def doubled(x: Array) -> Array:
    """Floats as float64."""
    return x.astype(np.float64) if x.dtype.kind == "f" else x.copy()


class OpWork(Work):
    """One call of an op's public function."""

    def __init__(self, name: str, inputs: list[Any], attributes: dict[str, Any], flops: float = 0) -> None:
        self.op: Op = OPS[name]
        self.inputs, self.attributes, self.flops = inputs, attributes, flops
        arrays = [a for a in flat(inputs) if isinstance(a, np.ndarray)]
        self.dtype = next((a.dtype for a in arrays if a.dtype.kind == "f"), np.dtype(np.float32))
        # A gradient of a filter sums over all elements; NumPy's product of 10^7 of them is 600 units off.
        self.tolerance *= max(1.0, (max((a.size for a in arrays), default=1) / 1e5) ** 0.5)
        self.results = self.defined()
        size = sum(r.size * (self.dtype.itemsize if r.dtype.kind == "f" else r.itemsize) for r in self.results)
        self.moved = sum(a.nbytes for a in arrays) + size

    @cached_property
    def canonical(self) -> dict[str, Any]:
        """The attributes in the form in which the definition takes them."""
        op = self.op
        values = tuple(self.attributes.get(n, d) for n, d in op.attributes.items())
        form = op.form(self.inputs[0], *values) if op.canonical else values
        return dict(zip(op.attributes, form, strict=True))

    @cached_property
    def reference(self) -> list[Array]:
        return self.results

    def defined(self) -> list[Array]:
        """Outputs of the definition in float64, then the new values of inputs that it changes."""
        with np.errstate(all="ignore"):
            out = self.op.definition(*same(self.inputs, doubled), **self.canonical)
        out = out if isinstance(out, tuple) else (out,)
        kept = out[: self.op.outputs] + (out[self.op.results :] if self.op.updates else ())
        return [np.asarray(a) for a in flat(list(kept))]

    def read(self, inputs: list[Any]) -> Callable[[Any], Iterable[Any]]:
        """The results of a call, and what it changed among its inputs."""
        op = self.op

        def arrays(result: Any) -> Iterable[Any]:
            outputs = result[: op.outputs] if isinstance(result, tuple) else [result] if op.outputs else []
            return flat([*outputs, *(inputs[op.inputs.index(n)] for n in op.updates)])

        return arrays

    def by_hand(self) -> Column:
        inputs = same(self.inputs, np.copy) if self.op.updates else self.inputs
        definition, attributes = self.op.definition, self.canonical
        if self.op.updates:  # the definition returns new values; NumPy's kernel also puts them in place
            definition, inputs_and = self.op.forward_kernels[NUMPY], (*inputs, *attributes.values())
            return Column(BY_HAND, lambda: definition(*inputs_and), self.read(inputs))
        return Column(BY_HAND, lambda: definition(*inputs, **attributes), self.read(inputs))

    def own(self) -> Column:
        inputs = same(self.inputs, np.copy) if self.op.updates else self.inputs
        public, attributes = self.op.public, self.attributes
        return Column("", lambda: public(*inputs, **attributes), self.read(inputs))


class GradientWork(OpWork):
    """One call of an op's backward kernel, with all gradients wanted."""

    def __init__(self, name: str, inputs: list[Any], attributes: dict[str, Any]) -> None:
        super().__init__(name, inputs, attributes)
        args = (*inputs, *self.canonical.values())
        with np.errstate(all="ignore"):
            out = self.op.definition(*inputs, **self.canonical)
        out = out if isinstance(out, tuple) else (np.asarray(out),)
        saved = saves_function(self.op)(args, out if self.op.results > 1 else out[0])
        dy = np.random.default_rng(1).uniform(-1, 1, np.shape(out[0])).astype(self.dtype)
        floats = [i for i, a in enumerate(inputs) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        self.args = [dy, *saved]
        self.needs = sum(1 << i for i in floats)
        arrays = [a for a in flat(self.args) if isinstance(a, np.ndarray)]
        self.moved = sum(a.nbytes for a in arrays) + sum(inputs[i].nbytes for i in floats)

    def rule(self, args: list[Any]) -> Any:
        """The definition's gradients."""
        rule = self.op.rule
        assert rule is not None
        return rule(*args, self.needs) if self.op.rule_takes_needs else rule(*args)

    @cached_property
    def reference(self) -> list[Array]:
        with np.errstate(all="ignore"):
            out = self.rule(same(self.args, doubled))
        return [np.asarray(a) for a in (out if isinstance(out, tuple) else (out,)) if a is not None]

    def by_hand(self) -> Column:
        return Column(BY_HAND, lambda: self.rule(self.args))

    def own(self) -> Column:
        kernel, args = self.op.backward_kernels[state.active], (*self.args, self.needs)
        return Column("", lambda: kernel(*args))


@dataclass(frozen=True)
class Net:
    """A dense network and how it is trained."""

    sizes: tuple[int, ...]
    batch: int
    optimizer: str
    activation: str = "relu"

    @property
    def name(self) -> str:
        """As in tables: ``64-32-32-10 b32 SGD``."""
        how = {"sgd": "SGD", "adam": "Adam"}[self.optimizer]
        kind = "" if self.activation == "relu" else f" {self.activation}"
        return f"{'-'.join(map(str, self.sizes))}{kind} b{self.batch} {how}"

    def model(self) -> Any:
        """The network in fastnn; always with the same weights."""
        fastnn.manual_seed(0)
        return fastnn.models.MLP(self.sizes[0], self.sizes[1:-1], self.sizes[-1], activation=self.activation)

    @cached_property
    def weights(self) -> list[Array]:
        """Its weights, W and b in turn."""
        return [p.detach().numpy().copy() for p in self.model().parameters()]

    @cached_property
    def x(self) -> Array:
        """A batch."""
        return np.random.default_rng(2).standard_normal((self.batch, self.sizes[0])).astype(np.float32)

    @cached_property
    def labels(self) -> list[Array]:
        """Contradicting labels for it: a network that had learned them would compute with subnormal numbers."""
        return list(np.random.default_rng(3).integers(0, self.sizes[-1], (16, self.batch)))

    @property
    def multiplications(self) -> list[int]:
        """Those of each layer, for one sample."""
        return [a * b for a, b in itertools.pairwise(self.sizes)]


class StepWork(Work):
    """A whole training step: gradients cleared, forward, loss, backward, optimizer; eager or captured."""

    STEPS = 3  # that the check does

    def __init__(self, net: Net, captured: bool) -> None:
        self.net, self.captured = net, captured
        products = net.multiplications
        self.flops = 2.0 * net.batch * (3 * sum(products) - products[0])
        parameters = sum(w.size for w in net.weights)
        self.moved = parameters * (28.0 if net.optimizer == "adam" else 20.0)  # the update alone

    def batches(self, convert: Callable[[Array], Any] = lambda a: a) -> Any:
        """``next`` of an endless run of batches."""
        x = convert(self.net.x)
        return itertools.cycle([(x, convert(y)) for y in self.net.labels]).__next__

    def by_hand(self, dtype: Any = np.float32) -> Column:
        net = self.net
        model = baseline.MLP(net.weights, net.batch, net.activation, net.optimizer, dtype)
        batch = self.batches(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a)
        return Column(BY_HAND, lambda: model.step(*batch()), lambda _: model.weights)

    def own(self) -> Column:
        model, loss_fn = self.net.model().to(self.dtype), fastnn.nn.CrossEntropyLoss()
        from fastnn import optim

        if self.net.optimizer == "adam":
            optimizer: Any = optim.Adam(model.parameters())
        else:
            optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        def tensor(a: Array) -> Any:
            return fastnn.tensor(a.astype(self.dtype) if a.dtype.kind == "f" else a)

        run, batch = fastnn.compile(step) if self.captured else step, self.batches(tensor)
        return Column("", lambda: run(*batch()), lambda _: [p.detach().numpy() for p in model.parameters()])

    @cached_property
    def reference(self) -> list[Array]:
        column = self.by_hand(np.float64)
        losses = [column.call() for _ in range(self.STEPS)]
        return [np.array(losses), *column.read(None)]

    def check(self, column: Column) -> None:
        column.enter()
        losses = [column.call() for _ in range(self.STEPS)]
        if losses[0] is not None:  # scikit-learn tells none
            got = np.array([float(loss) for loss in losses])
            assert_near(got, self.reference[0], 1e-4, f"{column.name}: losses")
        for a, want, first in zip(column.read(None), self.reference[1:], self.net.weights, strict=True):
            # Adam makes a step of any gradient, one that is rounding error too; so the norm counts, not each weight.
            error, way = np.linalg.norm(np.asarray(a) - want), np.linalg.norm(want - first)
            rounding = self.STEPS * np.finfo(np.float32).eps * np.linalg.norm(first)  # large where steps are small
            told = f"{column.name}: weights are {error:.3g} off after a way of {way:.3g}"
            assert error <= 0.02 * way + rounding, told


class InferenceWork(Work):
    """The forward pass alone, without gradients."""

    def __init__(self, net: Net, captured: bool) -> None:
        self.net, self.captured = net, captured
        self.flops = 2.0 * net.batch * sum(net.multiplications)
        self.moved = sum(w.nbytes for w in net.weights)

    def by_hand(self, dtype: Any = np.float32) -> Column:
        net = self.net
        model, x = baseline.MLP(net.weights, net.batch, net.activation, dtype=dtype), net.x.astype(dtype)
        return Column(BY_HAND, lambda: model.forward(x))

    def own(self) -> Column:
        model, x = self.net.model().eval(), fastnn.tensor(self.net.x)

        def forward(x: Any) -> Any:
            with fastnn.no_grad():
                return model(x)

        run = fastnn.compile(forward) if self.captured else forward
        return Column("", lambda: run(x), lambda y: [y.numpy()])

    @cached_property
    def reference(self) -> list[Array]:
        return [self.by_hand(np.float64).call().copy()]


class CallWork(Work):
    """Anything else: a function for NumPy, and a maker of fastnn's function and of what reads its result.

    With `residue`, a function of a result on either side, its result must be 0 (where results differ by order).
    """

    def __init__(
        self,
        by_hand: Callable[[], Any],
        make: Callable[[], tuple[Callable[[], Any], Callable[[Any], Any]]],
        residue: Callable[[Any], list[Array]] | None = None,
        moved: float = 0,
    ) -> None:
        self.plain, self.make, self.residue, self.moved = by_hand, make, residue, moved

    def by_hand(self) -> Column:
        return Column(BY_HAND, self.plain, self.residue or (lambda result: [result]))

    def own(self) -> Column:
        call, read = self.make()
        return Column("", call, self.residue or read)

    @cached_property
    def reference(self) -> list[Array]:
        column = self.by_hand()
        return [np.zeros_like(a) if self.residue else a for a in column.read(column.call())]
