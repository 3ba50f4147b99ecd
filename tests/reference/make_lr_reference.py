"""Write lr_schedules.json: what PyTorch's schedules do in each of CASES. Run it where torch is installed.

The tests read CASES, LAMBDAS and `run` from here, so that what is stored and what is tested cannot drift apart.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

STORED = Path(__file__).with_name("lr_schedules.json")
STEPS = 60


class Decay:
    """A callable object with a state."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, step: int) -> float:
        return self.rate**step


LAMBDAS = {"inverse": lambda step: 1 / (1 + step), "cosine": lambda step: math.cos(step / 40), "decay": Decay(0.93)}

# name: (schedule, arguments, optimizer). The optimizer has two groups, of learning rates 0.1 and 0.037.
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "step": ("StepLR", {"step_size": 7}, "SGD"),
    "step every": ("StepLR", {"step_size": 1, "gamma": 0.97}, "Adam"),
    "milestones": ("MultiStepLR", {"milestones": [30, 5, 12, 12], "gamma": 0.3}, "SGD"),
    "milestone at once": ("MultiStepLR", {"milestones": [0, 2]}, "SGD"),
    "exponential": ("ExponentialLR", {"gamma": 0.9}, "SGD"),
    "linear": ("LinearLR", {}, "SGD"),
    "linear down": ("LinearLR", {"start_factor": 0.9, "end_factor": 0.0, "total_iters": 40}, "Adam"),
    "cosine": ("CosineAnnealingLR", {"T_max": 20}, "SGD"),
    "cosine with a floor": ("CosineAnnealingLR", {"T_max": 13, "eta_min": 0.004}, "Adam"),
    "cosine of one step": ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.01}, "SGD"),
    "lambda": ("LambdaLR", {"lr_lambda": "inverse"}, "SGD"),
    "lambdas": ("LambdaLR", {"lr_lambda": ["cosine", "decay"]}, "Adam"),
    "multiplied": ("MultiplicativeLR", {"lr_lambda": "inverse"}, "SGD"),
    "multiplied by two": ("MultiplicativeLR", {"lr_lambda": ["decay", "cosine"]}, "Adam"),
    "constant": ("ConstantLR", {}, "SGD"),
    "constant for long": ("ConstantLR", {"factor": 0.7, "total_iters": 33}, "Adam"),
    "polynomial": ("PolynomialLR", {}, "SGD"),
    "polynomial of a power": ("PolynomialLR", {"total_iters": 44, "power": 1.7}, "Adam"),
    "restarts": ("CosineAnnealingWarmRestarts", {"T_0": 9}, "SGD"),
    "restarts, longer and longer": ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 3, "eta_min": 0.003}, "Adam"),
    "sequence": (
        "SequentialLR",
        {
            "schedulers": [
                ("LinearLR", {"start_factor": 0.1, "total_iters": 10}),
                ("CosineAnnealingLR", {"T_max": 25}),
                ("StepLR", {"step_size": 4}),
            ],
            "milestones": [10, 35],
        },
        "SGD",
    ),
    "sequence of a cycle and more": (
        "SequentialLR",
        {
            "schedulers": [
                ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}),
                ("LambdaLR", {"lr_lambda": "inverse"}),
                ("CosineAnnealingWarmRestarts", {"T_0": 7}),
            ],
            "milestones": [20, 30],
        },
        "Adam",
    ),
    "chain": (
        "ChainedScheduler",
        {"schedulers": [("ConstantLR", {"factor": 0.2, "total_iters": 7}), ("ExponentialLR", {"gamma": 0.95})]},
        "SGD",
    ),
    "one cycle": ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60}, "SGD"),
    "one cycle, one step more": ("OneCycleLR", {"max_lr": 0.5, "total_steps": 59}, "SGD"),
    "one cycle of betas": ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 6, "steps_per_epoch": 11}, "Adam"),
    "one cycle in lines": (
        "OneCycleLR",
        {"max_lr": 1.0, "total_steps": 70, "pct_start": 0.45, "anneal_strategy": "linear", "div_factor": 10.0},
        "Adam",
    ),
    "one cycle in three phases": (
        "OneCycleLR",
        {"max_lr": 0.3, "total_steps": 64, "three_phase": True, "final_div_factor": 50.0},
        "SGD",
    ),
    "one cycle, momenta of one's own": (
        "OneCycleLR",
        {"max_lr": 0.3, "total_steps": 61, "base_momentum": [0.7, 0.8], "max_momentum": [0.9, 0.99]},
        "SGD",
    ),
    "one cycle without momentum": (
        "OneCycleLR",
        {"max_lr": 0.3, "total_steps": 61, "cycle_momentum": False, "pct_start": 0.0},
        "SGD",
    ),
    "plateau": ("ReduceLROnPlateau", {"patience": 2}, "SGD"),
    "plateau with cooldown": ("ReduceLROnPlateau", {"patience": 1, "cooldown": 4, "factor": 0.5}, "SGD"),
    "plateau, greatest": ("ReduceLROnPlateau", {"mode": "max", "patience": 3, "factor": 0.7}, "Adam"),
    "plateau, absolute": (
        "ReduceLROnPlateau",
        {"threshold": 0.2, "threshold_mode": "abs", "patience": 2, "min_lr": [1e-3, 1e-2], "factor": 0.5},
        "SGD",
    ),
    "plateau, greatest, absolute": (
        "ReduceLROnPlateau",
        {"mode": "max", "threshold": 0.2, "threshold_mode": "abs", "patience": 4, "min_lr": 2e-3},
        "SGD",
    ),
    "plateau that ends": ("ReduceLROnPlateau", {"patience": 0, "factor": 0.5, "eps": 1e-3}, "SGD"),
}


def metric(step: int) -> float:
    """A loss that falls, stands, swings, and is NaN once."""
    return math.nan if step == 17 else 3 / (1 + min(step, 22)) + 0.3 * math.sin(step * 0.7)


def make(module: Any, optimizer: Any, case: str) -> Any:
    """The schedule of a case from `module`: torch.optim.lr_scheduler or fastnn's."""
    return build(module, optimizer, *CASES[case][:2])


def build(module: Any, optimizer: Any, name: str, arguments: dict[str, Any]) -> Any:
    """A schedule by its name and its arguments, in which functions and other schedules are names, too."""
    if "lr_lambda" in arguments:
        chosen = arguments["lr_lambda"]
        arguments = {"lr_lambda": LAMBDAS[chosen] if isinstance(chosen, str) else [LAMBDAS[c] for c in chosen]}
    if "schedulers" in arguments:
        arguments = {**arguments, "schedulers": [build(module, optimizer, *each) for each in arguments["schedulers"]]}
    schedule = getattr(module, name)
    return schedule(**arguments) if name == "ChainedScheduler" else schedule(optimizer, **arguments)


def advance(scheduler: Any, step: int) -> None:
    """One step of a schedule; ReduceLROnPlateau wants a metric."""
    if type(scheduler).__name__ == "ReduceLROnPlateau":
        scheduler.step(metric(step))
    else:
        scheduler.step()


def rates(optimizer: Any) -> list[list[float]]:
    """Learning rate and momentum of each group."""
    return [[g["lr"], g["betas"][0] if "betas" in g else g["momentum"]] for g in optimizer.param_groups]


def run(scheduler: Any, steps: int = STEPS, first: int = 0) -> list[list[list[float]]]:
    """The rates before each step and after the last."""
    seen = [rates(scheduler.optimizer)]
    for step in range(first, first + steps - 1):
        advance(scheduler, step)
        seen.append(rates(scheduler.optimizer))
    return seen


def main() -> None:
    import torch

    stored = {}
    for case, (_, _, kind) in CASES.items():
        groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.037)]
        more = {"momentum": 0.9} if kind == "SGD" else {}
        optimizer = getattr(torch.optim, kind)(groups, **more)
        scheduler = make(torch.optim.lr_scheduler, optimizer, case)
        optimizer.step()  # PyTorch warns where it does not come first
        stored[case] = [[[float(f"{x:.13g}") for x in group] for group in groups] for groups in run(scheduler)]
    lines = ",\n".join(f" {json.dumps(case)}: {json.dumps(values)}" for case, values in stored.items())
    STORED.write_text(f'{{"torch": "{torch.__version__}", "values": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
