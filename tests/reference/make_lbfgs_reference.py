"""Write lbfgs.json: what PyTorch's LBFGS does in each of CASES. Run it where torch is installed.

The tests read CASES and `run` from here, so that what is stored and what is tested cannot drift apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).with_name("lbfgs.json")
STEPS = 4
START = [-1.2, 1.0, -0.5, 0.8, 2.0, 0.3]

WOLFE = {"line_search_fn": "strong_wolfe"}
# name: (function, options)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "whole steps": ("bowl", {"lr": 0.5}),
    "whole steps, few": ("bowl", {"max_iter": 4}),
    "whole steps, short memory": ("valley", {"lr": 0.05, "max_iter": 5, "history_size": 5}),
    "wolfe": ("valley", WOLFE),
    "wolfe, short memory": ("valley", {**WOLFE, "history_size": 3, "max_iter": 7}),
    "wolfe, long first steps": ("valley", {**WOLFE, "lr": 3.0, "max_iter": 9}),
    "wolfe, few evaluations": ("valley", {**WOLFE, "max_eval": 6}),
    "wolfe, small change": ("valley", {**WOLFE, "tolerance_change": 1e-2}),
    "wolfe, small gradient": ("valley", {**WOLFE, "tolerance_grad": 10.0}),
}


def valley(w: Any) -> Any:
    """Rosenbrock's function."""
    return (100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


def bowl(w: Any) -> Any:
    """A quadratic function."""
    return sum((i + 1) * w[i] * w[i] / 2 - w[i] for i in range(len(START)))


def run(case: str, module: Any, tensor: Callable[[Any], Any], steps: int = STEPS) -> list[list[float]]:
    """After each step: its loss, iterations and evaluations so far, the parameters."""
    function, options = CASES[case]
    w = tensor(np.array(START)).requires_grad_()
    optimizer = module.LBFGS([w], **options)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = globals()[function](w)
        loss.backward()
        return loss

    found = []
    for _ in range(steps):
        loss = float(optimizer.step(closure).detach())
        state = optimizer.state_dict()["state"][0]
        found.append([loss, state["n_iter"], state["func_evals"], *w.detach().numpy().tolist()])
    return found


def main() -> None:
    import torch

    stored = {case: run(case, torch.optim, torch.tensor) for case in CASES}
    rounded = {case: [[float(f"{x:.14g}") for x in row] for row in rows] for case, rows in stored.items()}
    lines = ",\n".join(f" {json.dumps(case)}: {json.dumps(rows)}" for case, rows in rounded.items())
    STORED.write_text(f'{{"torch": "{torch.__version__}", "values": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
