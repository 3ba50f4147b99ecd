"""Learning-rate schedules against PyTorch: its stored rates everywhere, the same bits where it is installed."""

from __future__ import annotations

import copy
import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fastnn._registry import state
from fastnn.optim import lr_scheduler

reference = runpy.run_path(str(Path(__file__).parent / "reference" / "make_lr_reference.py"))
CASES, STEPS, run, make, advance = (reference[name] for name in ("CASES", "STEPS", "run", "make", "advance"))
STORED = json.loads(reference["STORED"].read_text())["values"]


class Optimizer:
    """All that a schedule needs of one."""

    def __init__(self, kind: str = "SGD", lrs: tuple[float, ...] = (0.1, 0.037)) -> None:
        more: dict[str, Any] = {"momentum": 0.9} if kind == "SGD" else {"betas": (0.9, 0.999)}
        self.param_groups: list[dict[str, Any]] = [{"params": [], "lr": lr, **more} for lr in lrs]


def torch_pair(case: str) -> tuple[Any, Any, Any]:
    """PyTorch's schedule of a case, its optimizer, and the module."""
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 0.037)]
    kind = CASES[case][2]
    optimizer = getattr(torch.optim, kind)(groups, **({"momentum": 0.9} if kind == "SGD" else {}))
    scheduler = make(torch.optim.lr_scheduler, optimizer, case)
    optimizer.step()
    return scheduler, optimizer, torch


def flat(values: list[list[list[float]]]) -> list[float]:
    return [x for groups in values for group in groups for x in group]


def test_every_case_is_stored() -> None:
    assert STORED.keys() == CASES.keys()
    assert {name for name, _, _ in CASES.values()} == set(lr_scheduler.__all__) - {"LRScheduler"}
    assert all(len(values) == STEPS for values in STORED.values())


@pytest.mark.parametrize("case", CASES)
def test_rates_are_those_stored(case: str) -> None:
    got = run(make(lr_scheduler, Optimizer(CASES[case][2]), case))
    assert flat(got) == pytest.approx(flat(STORED[case]), rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("case", CASES)
def test_rates_have_the_bits_of_pytorch(case: str) -> None:
    steps = STEPS if CASES[case][0] == "OneCycleLR" else 500
    theirs, _, _ = torch_pair(case)
    ours = make(lr_scheduler, Optimizer(CASES[case][2]), case)
    assert run(ours, steps) == run(theirs, steps)
    assert ours.get_last_lr() == theirs.get_last_lr()


@pytest.mark.parametrize("case", CASES)
def test_resumes_from_json_with_the_same_bits(case: str) -> None:
    kind = CASES[case][2]
    whole = run(make(lr_scheduler, Optimizer(kind), case))
    for cut in (0, 1, 12, 23, 40):
        first = make(lr_scheduler, Optimizer(kind), case)
        run(first, cut + 1)
        kept = json.dumps([first.state_dict(), first.optimizer.param_groups])
        second = make(lr_scheduler, Optimizer(kind, (7.0, 8.0)), case)
        state_dict, groups = json.loads(kept)
        second.load_state_dict(state_dict)
        second.optimizer.param_groups = groups
        assert second.get_last_lr() == first.get_last_lr()
        rest = run(second, STEPS - cut, cut)
        assert rest == whole[cut:]


@pytest.mark.parametrize("case", CASES)
def test_takes_over_the_state_of_pytorch(case: str) -> None:
    theirs, optimizer, _ = torch_pair(case)
    run(theirs, 21)
    ours = make(lr_scheduler, Optimizer(CASES[case][2]), case)
    ours.load_state_dict(theirs.state_dict())
    for mine, group in zip(ours.optimizer.param_groups, optimizer.param_groups, strict=True):
        mine.update(copy.deepcopy({key: value for key, value in group.items() if key != "params"}))
    assert run(ours, 30, 20) == run(theirs, 30, 20)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": 5}),
        ("MultiStepLR", {"milestones": [5, 20]}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("LinearLR", {"total_iters": 12}),
        ("CosineAnnealingLR", {"T_max": 9}),
        ("LambdaLR", {"lr_lambda": reference["LAMBDAS"]["inverse"]}),
        ("MultiplicativeLR", {"lr_lambda": reference["LAMBDAS"]["decay"]}),
        ("ConstantLR", {"total_iters": 10}),
        ("PolynomialLR", {"total_iters": 15}),
        ("CosineAnnealingWarmRestarts", {"T_0": 20}),
    ],
)
@pytest.mark.parametrize("last_epoch", [0, 4, 8, 9, 19])
def test_begins_at_a_later_epoch_as_pytorch_does(name: str, arguments: dict[str, Any], last_epoch: int) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    ours = Optimizer("SGD", (0.1,))
    for optimizer in (theirs, ours):
        optimizer.param_groups[0]["initial_lr"] = 0.25
    pair = [
        getattr(module, name)(optimizer, **arguments, last_epoch=last_epoch)
        for module, optimizer in ((torch.optim.lr_scheduler, theirs), (lr_scheduler, ours))
    ]
    theirs.step()
    assert run(pair[0], 30) == run(pair[1], 30)


def test_later_epoch_wants_groups_that_were_scheduled() -> None:
    with pytest.raises(ValueError, match=r"param_groups\[0\] has no 'initial_lr'"):
        lr_scheduler.StepLR(Optimizer(), 3, last_epoch=2)


def test_builds_on_rates_that_others_changed() -> None:
    optimizer = Optimizer("SGD", (1.0,))
    scheduler = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    scheduler.step()
    optimizer.param_groups[0]["lr"] = 0.125
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.0625
    warmup, decay = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=1), lr_scheduler.ExponentialLR(optimizer, 0.5)
    warmup.step()
    decay.step()
    assert optimizer.param_groups[0]["lr"] == 0.0625 * 0.5


def test_groups_keep_other_betas() -> None:
    optimizer = Optimizer("Adam")
    lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=5).step()
    assert optimizer.param_groups[0]["betas"][1] == 0.999


def test_one_cycle_with_a_rise_of_no_length() -> None:
    optimizer = Optimizer("SGD", (0.1,))
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=0.1)
    assert optimizer.param_groups[0]["lr"] == 1.0
    for _ in range(9):
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1 / 25 / 1e4)


def test_one_cycle_ends() -> None:
    scheduler = lr_scheduler.OneCycleLR(Optimizer(), 1.0, total_steps=3)
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="has 3 steps; got step 4"):
        scheduler.step()


def test_plateau_takes_what_has_a_float_and_groups_that_come_later() -> None:
    optimizer = Optimizer("SGD", (1.0,))
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, min_lr=0.4)

    class Loss:
        def __float__(self) -> float:
            return 2.0

    scheduler.step(Loss())
    optimizer.param_groups.append({"lr": 3.0})
    scheduler.step(Loss())
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 1.5]
    scheduler.step(Loss())
    assert scheduler.get_last_lr() == [0.4, 0.75]


def test_state_is_a_copy() -> None:
    scheduler = lr_scheduler.MultiStepLR(Optimizer(), [1, 2])
    kept = scheduler.state_dict()
    kept["milestones"].append(3)
    assert scheduler.milestones == [1, 2]
    scheduler.load_state_dict({**kept, "milestones": Counter([4, 4, 1])})
    assert scheduler.milestones == [1, 4, 4]
    scheduler.get_last_lr()[0] = 7.0
    assert scheduler.get_last_lr() == [0.1, 0.037]


def test_lambda_keeps_functions_and_restores_objects() -> None:
    decay, inverse = reference["Decay"](0.5), reference["LAMBDAS"]["inverse"]
    scheduler = lr_scheduler.LambdaLR(Optimizer(), [decay, inverse])
    kept = scheduler.state_dict()
    assert kept["lr_lambdas"] == [{"rate": 0.5}, None]
    decay.rate = 0.9
    scheduler.load_state_dict(kept)
    assert decay.rate == 0.5
    assert scheduler.lr_lambdas == [decay, inverse]


def test_state_of_another_schedule_is_refused() -> None:
    state_dict = lr_scheduler.StepLR(Optimizer(), 3).state_dict()
    with pytest.raises(ValueError, match="CosineAnnealingLR: state_dict lacks T_max, eta_min"):
        lr_scheduler.CosineAnnealingLR(Optimizer(), 3).load_state_dict(state_dict)


@pytest.mark.parametrize(
    ("name", "arguments", "error", "words"),
    [
        ("StepLR", {"step_size": 0}, ValueError, "step_size wants at least 1; got 0"),
        ("LinearLR", {"start_factor": 0.0}, ValueError, "start_factor"),
        ("LinearLR", {"end_factor": 1.5}, ValueError, "end_factor"),
        ("LinearLR", {"total_iters": 0}, ValueError, "total_iters"),
        ("CosineAnnealingLR", {"T_max": 0}, ValueError, "T_max"),
        ("LambdaLR", {"lr_lambda": [abs]}, ValueError, "lr_lambda wants a value for each of 2 groups; got 1"),
        ("MultiplicativeLR", {"lr_lambda": 3}, TypeError, "lr_lambda wants a callable"),
        ("ConstantLR", {"factor": 0.0}, ValueError, "factor wants to be above 0"),
        ("ConstantLR", {"total_iters": -1}, ValueError, "total_iters wants at least 0"),
        ("PolynomialLR", {"total_iters": 0}, ValueError, "total_iters wants at least 1"),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, ValueError, "T_0 wants at least 1"),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 0}, ValueError, "T_mult wants at least 1"),
        ("SequentialLR", {"schedulers": [], "milestones": []}, ValueError, "schedulers wants at least one"),
        ("SequentialLR", {"schedulers": [3], "milestones": []}, TypeError, r"schedulers\[0\] wants a schedule"),
        ("OneCycleLR", {"max_lr": 1.0}, ValueError, "epochs wants a whole number"),
        ("OneCycleLR", {"max_lr": 1.0, "epochs": 3}, ValueError, "steps_per_epoch wants"),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 0}, ValueError, "total_steps wants"),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "pct_start": 1.5}, ValueError, "pct_start"),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 9, "anneal_strategy": "exp"}, ValueError, "anneal_strategy"),
        ("OneCycleLR", {"max_lr": [1.0], "total_steps": 9}, ValueError, "max_lr wants a value for each"),
        ("ReduceLROnPlateau", {"factor": 1.0}, ValueError, "factor"),
        ("ReduceLROnPlateau", {"mode": "least"}, ValueError, "mode wants 'min' or 'max'"),
        ("ReduceLROnPlateau", {"threshold_mode": "relative"}, ValueError, "threshold_mode"),
        ("ReduceLROnPlateau", {"min_lr": [1.0]}, ValueError, "min_lr wants a value for each"),
    ],
)
def test_bad_arguments_are_named(name: str, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        getattr(lr_scheduler, name)(Optimizer(), **arguments)
    assert str(caught.value).startswith(name)


@pytest.mark.parametrize("name", sorted(set(lr_scheduler.__all__) - {"LRScheduler", "ChainedScheduler"}))
def test_what_is_no_optimizer_is_refused(name: str) -> None:
    arguments = next(arguments for kind, arguments, _ in CASES.values() if kind == name)
    with pytest.raises(TypeError, match=f"{name}: optimizer wants param_groups; got dict"):
        getattr(lr_scheduler, name)({}, **arguments)


def test_combinations_refuse_what_does_not_belong_together() -> None:
    optimizer = Optimizer()
    first, second = lr_scheduler.StepLR(optimizer, 3), lr_scheduler.StepLR(optimizer, 5)
    with pytest.raises(ValueError, match=r"schedulers\[1\] is the schedule of another optimizer"):
        lr_scheduler.ChainedScheduler([first, lr_scheduler.StepLR(Optimizer(), 3)])
    with pytest.raises(TypeError, match=r"schedulers\[0\] wants a schedule .*; got ReduceLROnPlateau"):
        lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(optimizer)])
    for milestones in ([], [1, 2], [-1, -2]):
        with pytest.raises(ValueError, match="milestones wants 1 steps in rising order for 2 schedulers"):
            lr_scheduler.SequentialLR(optimizer, [first, second], milestones)
    kept = lr_scheduler.SequentialLR(optimizer, [first], []).state_dict()
    with pytest.raises(ValueError, match="states of 2 schedulers; got 1"):
        lr_scheduler.SequentialLR(optimizer, [first, second], [3]).load_state_dict(kept)


def test_restarts_go_to_parts_of_epochs() -> None:
    optimizer = Optimizer("SGD", (1.0,))
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    for epoch, rate in [(0.5, 0.853553), (2, 1.0), (4, 0.5), (13.9, 0.000385), (0, 1.0)]:
        scheduler.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate, abs=1e-6)
    with pytest.raises(ValueError, match="epoch wants at least 0; got -1"):
        scheduler.step(-1)


def test_one_cycle_wants_momentum() -> None:
    optimizer = Optimizer()
    del optimizer.param_groups[1]["momentum"]
    with pytest.raises(ValueError, match="momentum or betas"):
        lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4)
    lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4, cycle_momentum=False)


@pytest.mark.parametrize("case", ["exponential", "plateau"])
def test_a_step_inside_a_captured_step_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        def refuse(self, what: str) -> None:
            raise RuntimeError(what)

    scheduler = make(lr_scheduler, Optimizer(), case)
    monkeypatch.setattr(state, "recorder", Recorder())
    with pytest.raises(RuntimeError, match=r"scheduler\.step"):
        advance(scheduler, 0)
