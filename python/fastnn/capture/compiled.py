"""``fastnn.compile``: the first two calls per signature run eagerly and are recorded, later calls replay a plan."""

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import ops
from .._backends.cpp import QuickCall
from .._registry import state
from .._tensor import Tensor, make
from .._writes import wrote
from .call import Given, Tree, exact_copy, refuse_gradients
from .entry import MISSED, CheckedEntry, Entry
from .graph import Graph, build, produced_whole, same_world
from .recorder import CaptureError, Recorder
from .report import table

MOST_PLANS = 8


def compile(function: Any = None, *, check: bool = False) -> Any:
    """A step that is recorded once per signature and then replayed without Python between its operations.

    After a replay all is as after an eager call: parameters, optimizer state, ``.grad``, random numbers, results, the
    same bits. Arrays and Tensors among the arguments are bound at each call; other arguments are part of the
    signature. Learning rates and other numbers of ``param_groups`` are read at each call.

    Parameters
    ----------
    function : callable or Module
        A function takes arrays, Tensors or hashable values by position or name, and returns Tensors, beside values
        that stay the same; both alone or in tuples, lists and dicts. A Module's forward does, too. A method in its
        class is compiled for each object. Without a function, `compile` returns a decorator.
    check : bool, default False
        Run the function at each replay, too, and compare bit by bit what both leave behind; for finding errors, since
        that takes longer than not to compile at all. After the call all is as after one eager call.

    Returns
    -------
    Compiled, or for a Module a Module
        Call it like the function. What comes of a Module acts as that does: parameters, attributes, modes and
        `state_dict`, with the same keys, are the Module's own. Calls replay where no gradient is recorded (under
        `no_grad`, or if neither a parameter nor an argument requires grad) and are the Module's where one is, or where
        hooks are registered.

    Raises
    ------
    CaptureError
        From a call, naming the line, where the step reads a traced value in Python, draws random numbers on the host,
        or computes outside fastnn; where it returns something that is no Tensor and changes; and where an argument
        requires grad, which a replay could not give. With `check`, where a replay and the function differ: in a
        result, a parameter, a ``.grad``, other memory, random numbers.

    Warns
    -----
    RuntimeWarning
        Once per function, if its result requires grad and it did not call ``backward``: see the notes.

    Notes
    -----
    Gradients are computed where ``backward`` is called within the function. Its results are detached, whatever they
    were computed from: no gradient flows through them to what the function used. To train through something that is
    captured by itself, compile a Module; a function for inference is called under `no_grad`.

    Examples
    --------
    >>> import fastnn
    >>> w = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = fastnn.optim.SGD([w], lr=0.5)
    >>> @fastnn.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = (x * w).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [float(step(fastnn.tensor([1.0, 0.0]))) for i in range(4)]
    [1.0, 0.5, 0.0, -0.5]
    >>> w.grad
    tensor([1., 0.])

    >>> model = fastnn.nn.Linear(3, 2)
    >>> compiled = fastnn.compile(model)
    >>> compiled(fastnn.ones(4, 3)).requires_grad
    True
    >>> with fastnn.no_grad():  # the third of these calls is the first replay
    ...     outputs = [compiled(fastnn.ones(4, 3)) for _ in range(3)]
    >>> list(compiled.state_dict())
    ['weight', 'bias']
    """
    return functools.partial(compile, check=check) if function is None else compiled_form(function, check)


@functools.singledispatch
def compiled_form(function: Any, check: bool) -> Any:
    """What `compile` makes of an object; kinds that are declared further right are registered there."""
    if not callable(function):
        raise TypeError(f"compile: function wants a callable; got {type(function).__name__}")
    return Compiled(function, check)


def of_object(function: Callable[..., Any], reference: Any) -> Callable[..., Any]:
    """A method of an object that it does not keep alive."""

    @functools.wraps(function)
    def method(*args: Any, **keywords: Any) -> Any:
        return function(reference(), *args, **keywords)

    return method


class Compiled(QuickCall):  # type: ignore[misc]
    """A function with its plans (see `compile`); one that is `sure` to be the same each time is recorded only once."""

    def __init__(self, function: Callable[..., Any], check: bool = False, sure: bool = False) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.check, self.sure = function, check, sure
        self.use([])
        self.once: dict[Any, tuple[Graph, Tree, list[Any]]] = {}  # of a first recording, until the second
        self.methods: dict[int, tuple[Any, Compiled]] = {}  # by the id of an object: a reference to it, its method
        self.lock = threading.RLock()
        self.warned: set[str] = set()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Where it is a method: that of the object, with plans of its own, which live as long as the object does."""
        if instance is None:
            return self
        key = id(instance)
        known = self.methods.get(key)
        if known is None or known[0]() is not instance:
            object_lives = weakref.ref(instance, lambda _: self.methods.pop(key, None))
            known = self.methods[key] = object_lives, Compiled(of_object(self.function, object_lives), self.check)
        return known[1]

    def replay(self, *args: Any, **keywords: Any) -> Any:
        """A call: by a plan that holds, or recorded."""
        recorder = state.recorder
        if recorder is not None and recorder.thread == threading.get_ident():  # inside another, it is part of that
            return self.function(*args, **keywords)
        for entry in self.plans:
            out = entry.call(args, keywords)
            if out is not MISSED:
                if entry is not self.plans[0]:
                    self.promote(entry)
                return out
        with self.lock:
            for entry in self.plans:  # which another thread may have made meanwhile
                out = entry.call(args, keywords)
                if out is not MISSED:
                    return out
            return self.record(args, keywords)

    def run_epoch(
        self, arrays: Sequence[Any], rows: Any, batch_size: int, call: Callable[..., Any] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Call the step on one batch of rows after another, as many as possible without Python in between.

        Where a plan is there, steps are gathered and replayed in C++, for 50 ms at a time; recordings, a smaller last
        batch and other backends are ordinary calls. What a step reads from ``param_groups`` is read anew each time.

        Parameters
        ----------
        arrays : sequence of array or Tensor
            The data of the step's arguments, samples along the first axis.
        rows : array of int
            The samples to visit, in order.
        batch_size : int
            How many of them a step gets.
        call : callable, optional
            What makes an ordinary call, in place of this object.

        Yields
        ------
        (int, result)
            How many steps were done, and what they returned: Tensors with the steps along a new first axis. The last
            of them is the one whose first value is no finite number, where there is one.

        Raises
        ------
        IndexError
            Where `rows` has no row number.

        Examples
        --------
        >>> import fastnn
        >>> import numpy as np
        >>> total = fastnn.compile(lambda x: x.sum())
        >>> x, found = np.arange(6.0), []
        >>> for steps, sums in total.run_epoch([x], np.arange(6), 2):
        ...     found += sums.tolist()
        >>> found
        [1.0, 5.0, 9.0]
        """
        data = [np.ascontiguousarray(a.array if isinstance(a, Tensor) else a) for a in arrays]
        order, at = np.ascontiguousarray(rows, np.int64), 0
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"run_epoch: batch_size wants a whole number of at least 1; got {batch_size!r}")
        if len({len(a) for a in data}) != 1:
            raise ValueError(f"run_epoch: arrays wants as many samples in each; got {[a.shape for a in data]}")
        if order.ndim != 1 or (order.size and not 0 <= order.min() <= order.max() < len(data[0])):
            raise IndexError(f"run_epoch: rows wants a list of row numbers from 0 to {len(data[0]) - 1}")
        while at < len(order):
            steps, result = 0, None
            if state.recorder is None and len(order) - at >= batch_size:
                for entry in self.plans:
                    steps, result = entry.run_rows(data, order, at, int(batch_size))
                    if steps:
                        break
            if not steps:
                batch = [make(a.take(order[at : at + batch_size], 0), None, 0) for a in data]
                tree = Tree((call or self)(*batch))
                steps, result = 1, tree.fill([t.array[None] for t in tree.tensors])
            at += steps * batch_size
            yield steps, result

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.check, self.sure)

    def promote(self, entry: Entry) -> None:
        """The plan used last is tried first."""
        with self.lock:
            self.use([entry, *(e for e in self.plans if e is not entry)])

    def use(self, plans: list[Entry]) -> None:
        """Have these plans, of which the first is tried first."""
        self.plans = plans
        self.quick = plans[0].quick if plans else None

    def record(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Run eagerly and record; build the plan from the second recording of a signature."""
        refuse_gradients(args, keywords)
        given = Given(args, keywords)
        recorder, graph, tree, results = self.trace(given)
        watched = [(leaf, g is None) for leaf, g in graph.read_grads]
        key = (*given.key, int(state.epoch), *((id(leaf), empty) for leaf, empty in watched))
        key = (*key, *((id(group), k, value) for group, k, value in graph.fixed))
        if any(t.requires for t in tree.tensors) and all(leaf._grad is None for leaf in recorder.touched.values()):
            self.warn_detached()
        tree.tensors.clear()  # their nodes hold all that was saved for backward
        if not self.sure:
            before = self.once.pop(key, None)
            if before is None:
                self.once[key] = graph, tree, given.kinds()
                if len(self.once) > MOST_PLANS:
                    self.warn_changing([kinds for *_, kinds in self.once.values()])
                    self.once.pop(next(iter(self.once)))
                return tree.fill(results)
            same_world(before[0], graph)
            tree.require_same(before[1])
        entry = (CheckedEntry if self.check else Entry)(self, graph, recorder.real, given, tree)
        self.drop_stale()
        if len(self.plans) >= MOST_PLANS:
            self.warn_changing([e.kinds for e in self.plans])
        self.use([entry, *self.plans][:MOST_PLANS])
        return tree.fill([r.copy(order="K") for r in results])

    def trace(self, given: Given) -> tuple[Recorder, Graph, Tree, list[Any]]:
        """Run eagerly and record: with the graph, and the arrays that were returned."""
        copies = [Tensor(exact_copy(a)) for a in given.arrays]
        with Recorder(copies) as recorder:
            result = given.call(self.function, copies)
            tree = Tree(result)
            results = [self.result(recorder, t) for t in tree.tensors]
            graph = build(recorder, results)
        for i in (b.index for b in graph.changed if b.kind == "argument"):
            if i < len(copies):  # else a .grad, which is no copy
                given.arrays[i][...] = copies[i].array
                wrote(given.arrays[i])
        return recorder, graph, tree, results

    def drop_stale(self) -> None:
        """Plans of another epoch can never be used again."""
        now = int(state.epoch)
        self.use([e for e in self.plans if e.epoch == now])

    def warn_detached(self) -> None:
        """Say that gradients end here, where the function looks as if it were meant to pass them on."""
        self.warn(
            "detached",
            "its result requires grad, but results of captured functions are detached, so that no gradient flows "
            "through them: call backward within the function, or the function under no_grad, or compile a Module",
        )

    def warn_changing(self, kinds: list[Any]) -> None:
        """Say which argument keeps changing, of these signatures."""
        changing = [str(i) for i in range(min(map(len, kinds))) if len({k[i] for k in kinds}) > 1]
        names = "argument " + ", ".join(changing) if changing else "something outside the arguments"
        self.warn(
            "changing", f"more than {MOST_PLANS} signatures; {names} keeps changing, and each kind is recorded anew"
        )

    def warn(self, about: str, why: str) -> None:
        """Warn once of each thing, at the line of the call."""
        if about not in self.warned:
            self.warned.add(about)
            warnings.warn(f"{getattr(self, '__name__', 'compiled')}: {why}", RuntimeWarning, stacklevel=5)

    @staticmethod
    def result(recorder: Recorder, tensor: Tensor) -> Any:
        """The array to return: the tensor's own where a record produced it whole, else a recorded copy."""
        array = tensor.array
        return array if produced_whole(recorder, array) else ops.copy(array)

    def report(self) -> str:
        """What the plans consist of, the one used last first: a table of nodes for each.

        Above it stand the signature, the backend, the estimated time, the memory of temporaries (and what it would
        be if none shared it), and whether calls of several threads take turns. A node has the op's name, the shapes of
        arguments and results, estimated nanoseconds, and the line that called it. ``(fused)`` does the work of two
        ops; ``(call-back)`` is Python code among compiled nodes: a user's `Function`, or an op without a C++ kernel.

        Estimates are rough: the core goes by them where it has to choose whether to release Python's lock.

        Returns
        -------
        str
            "no plans" before the second call of a signature.

        Examples
        --------
        >>> import fastnn
        >>> layer = fastnn.compile(lambda x, w, b: fastnn.ops.relu(fastnn.ops.linear(x, w, b)))
        >>> for _ in range(2):
        ...     y = layer(fastnn.ones(8, 4), fastnn.ones(3, 4), fastnn.ones(3))
        >>> print(layer.report())  # doctest: +ELLIPSIS
        float32 (8, 4), float32 (3, 4), float32 (3,): backend ..., replayed in ...
          node ... shapes ... line
          linear... (8, 4) (3, 4) (3,) -> (8, 3) ...
        """
        return "\n\n".join(map(table, self.plans)) or "no plans"


__all__ = ["CaptureError", "Compiled", "compile"]
