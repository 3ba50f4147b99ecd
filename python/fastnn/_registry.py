"""Op, @op, OPS: the one list of operations, and the process-wide state that all of them share.

An operation is declared once, by its NumPy definition (see ``fastnn.ops``). Names become positions when it is
declared: a kernel takes the inputs, then the attributes, by position; a backward kernel takes ``dy``, then the saved
values in declared order, the attributes, and ``needs`` (bit j: the gradient of input j is wanted).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._samples import Sample

BACKENDS = ("numpy", "numba", "cpp")
# Columns of every op's kernel table. The recorder is a backend of its own; it has a second column for calls that the
# active backend declined and NumPy ran.
NUMPY, NUMBA, CPP, RECORD, RECORD_NUMPY = range(5)

OPS: dict[str, Op] = {}
DECLARED: list[
    Callable[[Op], None]
] = []  # called with an op when it, or its backward, is declared (dispatch, autograd)


class Refused(TypeError):
    """What a compiled kernel refuses with; the op's own check knows the words for the user."""


class BadIndex(IndexError):
    """An index out of range, found while a kernel ran; ``args[0]`` is its position in the array of indices."""


@dataclass(frozen=True)
class Tol:
    """Allowed error in units of eps: ``relative * eps * |y| + absolute * eps * scale`` (numerics, docs/numerics.md)."""

    forward: float = 4.0
    backward: float = 8.0
    absolute: float = 4.0
    absolute32: float | None = None  # for float32, where that is computed in another way

    def floor(self, dtype: Any) -> float:
        """What `absolute` is for a dtype."""
        return self.absolute if self.absolute32 is None or np.dtype(dtype) != np.float32 else self.absolute32


class State:
    """What is process-wide: the active backend, the epoch number, the clock of writes, the recorder."""

    def __init__(self) -> None:
        self.active = NUMPY
        self.epoch = np.zeros((), np.uint64)  # names the settings; every setter bumps it; plans compare it (in C++)
        self.newest = 0  # the last name given out; who undoes a change entirely may put the former name back
        self.clock = self.folded = 0  # writes in place that were noted; how many of them left the log (_writes.py)
        self.recorder: Any = None  # set by fastnn.compile while it records
        self.recordings = 0  # how many were begun: no plan depends on an object born after the last of them
        self.recorded = 0  # the serial number of nodes when the last of them ended
        self.default_dtype = np.dtype(np.float32)  # what Python's floats become

    def bump(self) -> None:
        """Make every captured plan look at the world again."""
        self.newest += 1
        self.epoch[...] = self.newest


state = State()


def fallback_column() -> int:
    """The column of NumPy's kernels, as the recorder sees them where it is active."""
    return RECORD_NUMPY if state.active == RECORD else NUMPY


class Op:
    """The record of one operation: everything that dispatch, autograd, tests, benchmarks and capture derive from."""

    def __init__(self, definition: Callable[..., Any], options: dict[str, Any]) -> None:
        parameters = inspect.signature(definition).parameters
        self.name = definition.__name__
        self.definition = definition
        self.rule: Callable[..., Any] | None = None
        self.rule_takes_needs = False
        self.rule_is_composite = False
        self.inputs = [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
        self.optional = [n for n in self.inputs if parameters[n].default is None]
        self.lists = [n for n in self.inputs if str(parameters[n].annotation).startswith("list")]
        self.attributes = {n: p.default for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
        self.saves: list[str] = options["saves"].split()
        self.extras: list[str] = options["extras"].split()
        self.updates: list[str] = options["updates"].split()
        self.outputs: int = options["outputs"]
        self.canonical: Callable[..., tuple[Any, ...]] | None = options["canonical"]
        form = self.canonical
        self.ranked = form is not None and next(iter(inspect.signature(form).parameters)) != "_"
        self.check: Callable[..., None] | None = options["check"]
        self.index: tuple[str, str] | None = options["index"]
        self.view: bool = options["view"]
        self.composite: bool = options["composite"]
        promotes = options["promotes"]
        self.promotes: list[str] = list(self.inputs) if promotes is True else (promotes or "").split()
        self.differentiable: tuple[str, ...] = tuple(options["differentiable"].split()) or tuple(self.inputs)
        self.kind: str = options["kind"]
        self.samples: Sequence[Sample] = options["samples"]
        self.tol: Tol = options["tol"]
        self.work: Callable[..., tuple[float, float]] | None = options["work"]
        self.skip: str = options["skip"]
        self.forward_kernels: list[Any] = [None] * 5
        self.backward_kernels: list[Any] = [None] * 5
        self.public: Any = None  # the function users call, and what it does with Tensors: made by _codegen
        self.apply: Any = None

    @property
    def arguments(self) -> list[str]:
        """All names in the order of positions."""
        return [*self.inputs, *self.attributes]

    @property
    def results(self) -> int:
        """How many arrays a forward kernel returns: public outputs, then extras."""
        return self.outputs + len(self.extras)

    @property
    def kept(self) -> list[tuple[int, str]]:
        """What `saves` names: a position among the inputs, then the results, and which part of it ("" for all)."""
        names = [*self.inputs, "y", *self.extras]
        return [(names.index(name), part) for name, _, part in (save.partition(".") for save in self.saves)]

    def set_backward(self, rule: Callable[..., Any], composite: bool) -> None:
        """Attach the gradient and check that its parameters are the declared ones."""
        got = list(inspect.signature(rule).parameters)
        self.rule_takes_needs = got[-1] == "needs"
        saved = [n.replace(".", "_") for n in self.saves]
        want = ["dy", *saved, *self.attributes, *(["needs"] if self.rule_takes_needs else [])]
        if got != want:
            raise TypeError(f"{self.name}.backward takes ({', '.join(got)}); its declaration says ({', '.join(want)})")
        self.rule, self.rule_is_composite = rule, composite
        for hook in DECLARED:
            hook(self)

    def rule_kernel(self) -> Callable[..., Any]:
        """A composite rule as a kernel: it calls public ops, so it serves every backend, and only its parts run."""
        rule = self.rule
        assert rule is not None
        if self.rule_takes_needs:
            return rule
        return lambda *args: rule(*args[:-1])

    def form(self, first: Any, *attributes: Any) -> tuple[Any, ...]:
        """The attributes in their one form, from what a user wrote."""
        assert self.canonical is not None
        try:
            first = self.leading(first)
            return self.canonical(np.ndim(first) if not hasattr(first, "ndim") else first.ndim, *attributes)
        except (TypeError, ValueError, IndexError) as error:  # forms that ops share do not know who asks
            if str(error).startswith(f"{self.name}: "):
                raise
            raise type(error)(f"{self.name}: {error}") from None

    def leading(self, first: Any) -> Any:
        """The array whose rank counts: the first argument, or where that is a list of arrays, the first of them."""
        name = self.inputs[0]
        if name not in self.lists:
            return first
        if not isinstance(first, (list, tuple)) and not hasattr(first, "ndim"):
            raise TypeError(f"{name} wants a list of arrays; got {type(first).__name__}")
        return first[0] if len(first) else ()

    def refusal(self, args: tuple[Any, ...], why: BaseException) -> Exception:
        """The words of a refusal come from the op's check, on every backend; without one, the kernel's reason."""
        if isinstance(why, BadIndex):
            return self.bad_index(int(why.args[0]))
        self.check_writeable(args)
        if self.check is not None:
            self.check(*args)
        return TypeError(f"{self.name}: {why}")

    def check_writeable(self, args: tuple[Any, ...]) -> None:
        """Refuse read-only arrays that are to be changed."""
        for name in self.updates:
            given = args[self.inputs.index(name)]
            for i, array in enumerate(given if type(given) is list else (given,)):
                if type(array) is np.ndarray and not array.flags.writeable:
                    which = f"{name}[{i}]" if type(given) is list else name
                    raise ValueError(f"{self.name}: {which} wants memory that can be written; got a read-only array")

    def bad_index(self, position: int) -> IndexError:
        """One sentence for an index out of range, whoever found it."""
        name, wants = self.index or ("index", "a valid position")
        return IndexError(f"{self.name}: {name} at flat position {position} is out of range; wants {wants}")

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.arguments)})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return find, (self.name,)


def find(name: str) -> Op:
    """The op of this name; unpickling needs a function for it."""
    return OPS[name]


def op(
    definition: Callable[..., Any] | None = None,
    *,
    saves: str = "",
    extras: str = "",
    updates: str = "",
    outputs: int = 1,
    canonical: Callable[..., tuple[Any, ...]] | None = None,
    check: Callable[..., None] | None = None,
    index: tuple[str, str] | None = None,
    view: bool = False,
    composite: bool = False,
    promotes: bool | str = False,
    differentiable: str = "",
    kind: str = "elementwise",
    samples: Sequence[Sample] = (),
    tol: Tol = Tol(),
    work: Callable[..., tuple[float, float]] | None = None,
    skip: str = "",
) -> Any:
    """Declare an operation by its NumPy definition.

    Parameters
    ----------
    saves
        Names kept for backward: inputs, ``y`` (the output), extras; ``x.shape`` keeps a shape, ``xs.shapes`` a list's,
        ``x.dtype`` the dtype.
    extras
        Further arrays that forward returns for backward's use only.
    updates
        Inputs changed in place. The definition returns the outputs, then their new values; who dispatches writes them.
    outputs
        How many public arrays it returns (0 for a pure update).
    canonical
        ``(rank of the first input, *attributes) -> attributes`` in one form; sees no data, is remembered. Where it
        calls the rank ``_``, that does not matter.
    check
        Takes all arguments and raises the typed errors; runs before NumPy and Numba kernels, after a C++ refusal.
    index
        ``(argument, what it wants)`` where an index may be out of range in the data.
    view
        NumPy's view on every backend, no kernel.
    composite
        The definition calls other public ops; it is never recorded itself.
    promotes
        Inputs of different dtypes are cast to their common one, Python numbers stay as they are: all inputs, or those
        named.
    differentiable
        The inputs that may have gradients, where not all of them.
    kind
        elementwise, compare, index, reduction, contraction, rowwise, window, loss, update, shape or random: for
        tests and benchmarks.
    """
    options = {k: v for k, v in locals().items() if k != "definition"}

    def declare(f: Callable[..., Any]) -> Any:
        from ._codegen import public_function

        record = Op(f, options)
        OPS[record.name] = record
        record.public = public_function(record)
        for hook in DECLARED:
            hook(record)
        return record.public

    return declare(definition) if definition is not None else declare
