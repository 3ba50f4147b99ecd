"""Write optimizers.json: what PyTorch's optimizers do in each of CASES. Run it where torch is installed.

The tests read CASES and `run` from here, so that what is stored and what is tested cannot drift apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).with_name("optimizers.json")
STEPS = 20
SHAPES = [(2, 3), (4,), ()]

# name: (optimizer, options)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "sgd, weight decay": ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "sgd, maximize": ("SGD", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    "sgd, momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd, dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd, nesterov": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "sgd, nesterov, maximize": ("SGD", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "maximize": True}),
    "adam": ("Adam", {}),
    "adam, betas, eps": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}),
    "adam, weight decay": ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    "adam, amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True, "betas": (0.5, 0.6)}),
    "adam, maximize": ("Adam", {"lr": 0.05, "maximize": True, "weight_decay": 0.1}),
    "adam, decoupled": ("Adam", {"lr": 0.05, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    "adamw": ("AdamW", {}),
    "adamw, amsgrad, maximize": ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True, "weight_decay": 0.2}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop, alpha, eps": ("RMSprop", {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    "rmsprop, centered": ("RMSprop", {"centered": True}),
    "rmsprop, momentum": ("RMSprop", {"momentum": 0.7, "maximize": True}),
    "rmsprop, centered, momentum": ("RMSprop", {"centered": True, "momentum": 0.7, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {}),
    "adagrad, decay": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    "adagrad, initial value": ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
}


def start() -> list[np.ndarray[Any, Any]]:
    """The parameters of every case."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape) for shape in SHAPES]


def gradients(step: int) -> list[np.ndarray[Any, Any] | None]:
    """The gradients of a step; the second parameter has none in every fifth."""
    rng = np.random.default_rng(100 + step)
    found: list[np.ndarray[Any, Any] | None] = [np.asarray(rng.standard_normal(shape)) for shape in SHAPES]
    if step % 5 == 3:
        found[1] = None
    return found


def run(optimizer: Any, params: list[Any], tensor: Callable[[Any], Any], steps: range = range(STEPS)) -> None:
    """Steps of an optimizer, with a learning rate that is changed on the way."""
    for step in steps:
        for p, g in zip(params, gradients(step), strict=True):
            p.grad = None if g is None else tensor(g)
        if step == 12:
            optimizer.param_groups[0]["lr"] *= 0.5
        optimizer.step()


def main() -> None:
    import torch

    stored = {}
    for case, (kind, options) in CASES.items():
        params = [torch.tensor(a, requires_grad=True) for a in start()]
        run(getattr(torch.optim, kind)(params, **options), params, torch.tensor)
        stored[case] = [float(f"{x:.14g}") for p in params for x in p.detach().reshape(-1).tolist()]
    lines = ",\n".join(f" {json.dumps(case)}: {json.dumps(values)}" for case, values in stored.items())
    STORED.write_text(f'{{"torch": "{torch.__version__}", "values": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
