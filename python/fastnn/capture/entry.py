"""One plan of a compiled function, and what it holds for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._registry import CPP, BadIndex, state
from .._tensor import Tensor, make
from .._writes import owners, wrote, wrote_ids
from .call import Given, Leaf, Tree
from .check import World, compare
from .cpp_plan import CppPlan
from .graph import Graph, same_world
from .python_plan import PythonPlan
from .recorder import CaptureError
from .report import bad_index

if TYPE_CHECKING:
    from .compiled import Compiled

MISSED = NotImplemented


class Entry:
    """One plan and what it holds for."""

    def __init__(self, compiled: Compiled, graph: Graph, backend: int, given: Given, tree: Tree) -> None:
        self.compiled, self.tree = compiled, tree
        self.key, self.kinds, self.signature = given.key, given.kinds(), str(given)
        self.epoch = int(state.epoch)
        self.plan = CppPlan(graph) if backend == CPP and CppPlan.can(graph) else PythonPlan(graph, backend)
        self.run = self.plan.run
        self.nodes = self.plan.nodes
        self.takes_turns = graph.takes_turns
        self.batch = graph.arguments[0].shape[:1] if graph.arguments else ()
        self.watched = [(leaf, g is not None) for leaf, g in graph.read_grads]
        self.only_arrays = given.only_arrays
        self.single = type(tree.shape) is Leaf
        self.changed = owners([b.array for b in graph.changed if b.kind != "argument"])
        self.changed_arguments = [b.index for b in graph.changed if b.kind == "argument"]
        self.quick = self.quick_call()

    @property
    def plain(self) -> bool:
        """Whether arrays by position are all that a call takes, and all that it depends on."""
        return self.only_arrays and not self.watched and not self.changed_arguments

    def quick_call(self) -> Any:
        """`call` for positional arguments as a C function, where there is one: most of a small step is Python."""
        return self.plan.quick(self.changed) if self.plain and self.single and type(self.plan) is CppPlan else None

    def call(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Replay, or NotImplemented where this plan does not hold."""
        if not self.only_arrays or keywords:
            given = Given(args, keywords)
            if given.key != self.key:
                return MISSED
            args = tuple(given.arrays)
        if self.watched:
            if any((leaf._grad is not None) != there for leaf, there in self.watched):
                return MISSED
            args += tuple(leaf._grad.array for leaf, there in self.watched if there)
        out = None
        try:
            out = self.run(*args)
        except BadIndex as why:
            raise bad_index(self.nodes, why) from None
        finally:
            if out is not MISSED:  # one that fails may have written, too
                self.note_writes(args)
        if out is MISSED:
            return MISSED
        return make(out[0], None, 0) if self.single else self.tree.fill(out)

    def run_rows(self, data: list[Any], order: Any, at: int, batch: int) -> tuple[int, Any]:
        """Replay over batches of rows (see `Compiled.run_epoch`): how many steps were done, 0 where it cannot."""
        if not self.plain or self.batch != (batch,):
            return 0, None
        steps = -1
        try:
            steps, found = self.plan.run_rows(data, order, at, batch)
        except BadIndex as why:
            raise bad_index(self.nodes, why) from None
        finally:
            if steps:  # one that fails may have written, too
                self.note_writes(())
        return steps, self.tree.fill(found) if steps else None

    def note_writes(self, args: tuple[Any, ...]) -> None:
        """Note what a replay changed in place, as eager calls do."""
        if self.changed:
            wrote_ids(self.changed)
        for i in self.changed_arguments:
            wrote(args[i].array if isinstance(args[i], Tensor) else args[i])


class CheckedEntry(Entry):
    """A plan whose replays are compared with eager runs of the same calls."""

    def __init__(self, compiled: Compiled, graph: Graph, backend: int, given: Given, tree: Tree) -> None:
        super().__init__(compiled, graph, backend, given, tree)
        self.graph = graph

    def quick_call(self) -> Any:
        """None: each call is to be compared."""
        return None

    def call(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Replay, take it back, run eagerly; CaptureError where the two differ."""
        given = Given(args, keywords)
        with self.compiled.lock:
            world = World(self.graph, given.arrays)
            try:
                out = super().call(args, keywords)
            except Exception as why:
                world.restore()
                self.compiled.trace(given)  # raises the same
                raise CaptureError(f"check: the replay raised {why!r}, the eager call did not") from why
            if out is MISSED:
                return MISSED
            replayed = world.outcome([t.array for t in Tree(out).tensors])
            world.restore()
            _, graph, tree, results = self.compiled.trace(given)
            same_world(self.graph, graph)  # where the function did something else, that is the reason, with its line
            tree.require_same(self.tree)
            compare(self.graph, replayed, world.outcome(results))
        return out

    def run_rows(self, data: list[Any], order: Any, at: int, batch: int) -> tuple[int, Any]:
        """Nothing: each step is an ordinary call, to be compared."""
        return 0, None
