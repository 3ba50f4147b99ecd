"""A row of results: one workload, each way to do it checked and then timed in turns with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fastnn
from cases import Case
from measure import columns, medians, yardsticks
from roofline import Roof
from work import BY_HAND, Work, Yardstick


@dataclass
class Rows:
    """How rows are measured: on these backends and other libraries, for so long, against this roof."""

    backends: Sequence[str]
    others: Sequence[Any]
    seconds: float
    rounds: int
    roof: Roof

    def measure(self, case: Case) -> dict[str, Any]:
        """One row."""
        work = case.make()
        backends = [*self.backends, *(b for b in case.beside if b not in self.backends)]
        found, beside = columns(work, backends, self.others), yardsticks(work)
        times = medians([*found, *(y.column for y in beside)], self.seconds, self.rounds)
        return {"kind": case.kind, "name": case.name, "dtype": str(work.dtype), **self.result(work, times, beside)}

    def result(self, work: Work, times: dict[str, float], beside: Sequence[Yardstick]) -> dict[str, Any]:
        """Times, ratios to the baseline, speed of the fastest backend, its part of the roof and of the yardstick."""
        yardstick = {y.column.name: times.pop(y.column.name) for y in beside}
        baseline = min((n for n in (BY_HAND, "numpy") if n in times), key=times.__getitem__, default=None)
        own = min((n for n in times if n in fastnn.backends()), key=times.__getitem__)
        least = self.roof.seconds(work.flops, work.moved, work.dtype)
        return {
            "seconds": times,
            "baseline": baseline,
            "ratio": {n: times[baseline] / t for n, t in times.items()} if baseline else {},
            "fastest": own,
            "flops": work.flops,
            "gflops": work.flops / times[own] / 1e9 if work.flops else None,
            "gbytes": work.moved / times[own] / 1e9 if work.moved else None,
            "roof": 100 * least / times[own] if least else None,
            "yardstick": yardstick,
            "share": next((y.share(work, times[own], yardstick[y.column.name]) for y in beside), None),
        }
