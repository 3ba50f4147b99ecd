"""Optimizers against PyTorch: its stored results everywhere, 20 steps beside it where it is installed."""

from __future__ import annotations

import copy
import json
import pickle
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn._registry import OPS

reference = runpy.run_path(str(Path(__file__).parent / "reference" / "make_optim_reference.py"))
CASES, SHAPES, STEPS, start, run = (reference[name] for name in ("CASES", "SHAPES", "STEPS", "start", "run"))
STORED = json.loads(reference["STORED"].read_text())["values"]
KINDS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]


def tensor(values: Any, dtype: Any = np.float64) -> fastnn.Tensor:
    return fastnn.Tensor(np.array(values, dtype))


def parameters(dtype: Any = np.float64) -> list[fastnn.Tensor]:
    return [tensor(a, dtype).requires_grad_() for a in start()]


def make(case: str, params: Any, module: Any = optim) -> Any:
    kind, options = CASES[case]
    return getattr(module, kind)(params, **options)


def flat(params: list[fastnn.Tensor]) -> Any:
    return np.concatenate([p.array.reshape(-1) for p in params])


def test_every_case_is_stored() -> None:
    assert STORED.keys() == CASES.keys()
    assert {kind for kind, _ in CASES.values()} == set(KINDS)


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_stored(case: str, target: str) -> None:
    params = parameters()
    run(make(case, params), params, tensor)
    np.testing.assert_allclose(flat(params), STORED[case], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_torch(case: str) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = parameters(), [torch.tensor(a, requires_grad=True) for a in start()]
    own, other = make(case, mine), make(case, theirs, torch.optim)
    for step in range(STEPS):
        run(own, mine, tensor, range(step, step + 1))
        run(other, theirs, torch.tensor, range(step, step + 1))
        for p, q in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("case", CASES)
def test_float32_is_near(case: str) -> None:
    params = parameters(np.float32)
    run(make(case, params), params, lambda g: tensor(g, np.float32))
    assert all(p.dtype == np.float32 for p in params)
    np.testing.assert_allclose(flat(params), STORED[case], rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_groups_and_repr_are_torchs(kind: str) -> None:
    torch = pytest.importorskip("torch")
    own, other = getattr(optim, kind)(parameters()), getattr(torch.optim, kind)([torch.zeros(1, requires_grad=True)])
    theirs = {k: v for k, v in other.param_groups[0].items() if k in own.param_groups[0] and k != "params"}
    assert {k: v for k, v in own.param_groups[0].items() if k != "params"} == theirs
    hints = {"foreach", "capturable", "differentiable", "fused"}
    lines = [line for line in repr(other).splitlines() if line.split(":")[0].strip() not in hints]
    assert repr(own).splitlines() == lines


@pytest.mark.parametrize("case", CASES)
def test_state_goes_into_a_dict_and_back(case: str) -> None:
    whole, params = parameters(), parameters()
    run(make(case, whole), whole, tensor)
    first = make(case, params)
    run(first, params, tensor, range(9))
    saved = copy.deepcopy(first.state_dict())
    second = make(case, params)
    second.param_groups[0]["lr"] = 77.0
    second.load_state_dict(saved)
    run(second, params, tensor, range(9, STEPS))
    np.testing.assert_array_equal(flat(params), flat(whole))


@pytest.mark.parametrize("case", CASES)
def test_torchs_state_is_taken(case: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = [torch.tensor(a, requires_grad=True) for a in start()]
    other = make(case, theirs, torch.optim)
    run(other, theirs, torch.tensor, range(9))
    mine = [tensor(p.detach().numpy()).requires_grad_() for p in theirs]
    own = make(case, mine)
    own.load_state_dict(other.state_dict())
    run(own, mine, tensor, range(9, STEPS))
    np.testing.assert_allclose(flat(mine), STORED[case], rtol=1e-11, atol=1e-13)


def layout(optimizer: Any) -> Any:
    """Names and shapes of all state, and the names of options."""
    saved = optimizer.state_dict()
    hints = {"foreach", "capturable", "differentiable", "fused"}
    state = {i: {name: tuple(v.shape) for name, v in values.items()} for i, values in saved["state"].items()}
    return state, [set(group) - hints for group in saved["param_groups"]]


@pytest.mark.parametrize("hints", [{}, {"foreach": True}], ids=["one by one", "foreach"])
@pytest.mark.parametrize("case", CASES)
def test_torch_takes_the_state(case: str, hints: dict[str, bool]) -> None:
    """Steps by fastnn, by PyTorch from there, by fastnn again: the layouts are one, and so are the results."""
    torch = pytest.importorskip("torch")
    kind, options = CASES[case]
    mine, theirs = parameters(), [torch.tensor(a, requires_grad=True) for a in start()]
    own, alone = make(case, mine), make(case, theirs, torch.optim)
    assert layout(own) == layout(alone)
    for steps in (range(0), range(9)):
        run(own, mine, tensor, steps)
        run(alone, theirs, torch.tensor, steps)
        assert layout(own) == layout(alone)
        guests = [torch.tensor(p.array, requires_grad=True) for p in mine]
        guest = getattr(torch.optim, kind)(guests, **options, **hints)
        saved = own.state_dict()
        state = {i: {k: torch.from_numpy(v.numpy().copy()) for k, v in s.items()} for i, s in saved["state"].items()}
        guest.load_state_dict({"state": state, "param_groups": [{**g, **hints} for g in saved["param_groups"]]})
        run(guest, guests, torch.tensor, range(steps.stop, 14))
        back = [tensor(p.detach().numpy()).requires_grad_() for p in guests]
        last = make(case, back)
        last.load_state_dict(guest.state_dict())
        run(last, back, tensor, range(14, STEPS))
        np.testing.assert_allclose(flat(back), STORED[case], rtol=1e-11, atol=1e-13)


def test_state_dict_layout() -> None:
    params = parameters()
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    run(optimizer, params, tensor, range(1))
    saved = optimizer.state_dict()
    assert [g["params"] for g in saved["param_groups"]] == [[0], [1, 2]]
    assert [g["lr"] for g in saved["param_groups"]] == [1e-3, 0.5]
    assert sorted(saved["state"][2]) == ["exp_avg", "exp_avg_sq", "step"]
    assert saved["state"][1]["exp_avg"] is optimizer.state[params[1]]["exp_avg"]
    assert saved["state"][0]["step"].item() == 1


def test_a_state_that_does_not_fit_is_refused() -> None:
    params = parameters()
    optimizer = optim.Adam(params)
    run(optimizer, params, tensor, range(1))
    saved = optimizer.state_dict()
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optim.Adam([{"params": params[:1]}, {"params": params[1:]}]).load_state_dict(saved)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.Adam(params[:2]).load_state_dict(saved)
    with pytest.raises(ValueError, match="exp_avg of shape"):
        optim.Adam(params[::-1]).load_state_dict(saved)
    with pytest.raises(ValueError, match="'state' and 'param_groups'"):
        optimizer.load_state_dict({})


@pytest.mark.parametrize("how", ["copy", "pickle"])
def test_copies_go_on_alike(how: str) -> None:
    params = parameters()
    optimizer = optim.Adam(params, lr=0.1)
    run(optimizer, params, tensor, range(5))
    pair = (params, optimizer)
    others, twin = copy.deepcopy(pair) if how == "copy" else pickle.loads(pickle.dumps(pair))
    with fastnn.use_backend("numpy"):
        run(twin, others, tensor, range(5, 9))
        run(optimizer, params, tensor, range(5, 9))
    np.testing.assert_array_equal(flat(params), flat(others))
    assert twin.param_groups[0]["params"][0] is others[0]


def test_what_changes_between_steps_is_seen() -> None:
    """Gradients that come and go, replaced memory, an emptied state, momentum that is switched on and off."""
    params, plain = parameters(), parameters()
    optimizer = optim.SGD(params, lr=0.1)
    for momentum in (0.0, 0.9, 0.0):
        optimizer.param_groups[0]["momentum"] = momentum
        run(optimizer, params, tensor, range(4))
    params[0].data = params[0].array.copy()
    optimizer.state.clear()
    optimizer.param_groups[0]["momentum"] = 0.9
    run(optimizer, params, tensor, range(1))
    assert optimizer.state[params[0]]["step"].item() == 1
    torch = pytest.importorskip("torch")
    theirs = [torch.tensor(a, requires_grad=True) for a in start()]
    other = torch.optim.SGD(theirs, lr=0.1)
    for momentum in (0.0, 0.9, 0.0):
        other.param_groups[0]["momentum"] = momentum
        run(other, theirs, torch.tensor, range(4))
    other.state.clear()
    other.param_groups[0]["momentum"] = 0.9
    run(other, theirs, torch.tensor, range(1))
    np.testing.assert_allclose(
        flat(params), np.concatenate([p.detach().numpy().reshape(-1) for p in theirs]), rtol=1e-12
    )
    assert not np.array_equal(flat(params), flat(plain))


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adagrad"])
def test_lists_that_lack_arrays_are_refused(name: str, target: str) -> None:
    """All lists that the settings need have as many arrays as the first, on every backend."""
    op = OPS[name]
    for sample in op.samples:
        lists, attributes = sample.make(np.random.default_rng(0), np.float32)
        for i, values in enumerate(lists):
            for fewer in ([], values[:1]) if values else ():
                given = [*lists[:i], fewer, *lists[i + 1 :]]
                with pytest.raises(ValueError, match=rf"{name}: \w+ wants as many arrays as p, "):
                    op.public(*given, **attributes)


def test_both_dtypes_in_one_group() -> None:
    params = [tensor([1.0, 2.0], np.float32).requires_grad_(), tensor([1.0, 2.0]).requires_grad_()]
    optimizer = optim.Adam(params, lr=0.5)
    for p in params:
        p.grad = tensor([1.0, -1.0], p.dtype)
    optimizer.step()
    assert [p.tolist() for p in params] == [[0.5, 2.5], pytest.approx([0.5, 2.5])]
    assert [optimizer.state[p]["exp_avg"].dtype for p in params] == [np.float32, np.float64]


def test_memory_layout_is_kept() -> None:
    p = fastnn.Tensor(np.asfortranarray(np.ones((3, 4)))).requires_grad_()
    optimizer = optim.SGD([p], lr=1.0, momentum=0.9)
    p.grad = tensor(np.arange(12.0).reshape(3, 4))
    optimizer.step()
    np.testing.assert_array_equal(p.array, 1 - np.arange(12.0).reshape(3, 4))
    assert optimizer.state[p]["momentum_buffer"].array.flags.f_contiguous


def test_zero_grad() -> None:
    params = parameters()
    optimizer = optim.SGD(params)
    for p in params[:2]:
        p.grad = tensor(np.ones(p.shape))
    kept = params[0].grad
    optimizer.zero_grad(set_to_none=False)
    assert params[0].grad is kept
    assert not kept.array.any()
    assert params[2].grad is None
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_zero_grad_in_a_captured_step(target: str) -> None:
    results = []
    for captured in (False, True):
        w = tensor([1.0, 2.0]).requires_grad_()
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: Any, w: Any = w, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad(set_to_none=False)
            loss = (w * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        call = fastnn.compile(step) if captured else step
        results.append([call(tensor([float(i), 1.0])).item() for i in range(6)] + w.tolist())
    assert results[0] == results[1]


def test_closure_and_maximize() -> None:
    w = tensor([3.0]).requires_grad_()
    optimizer = optim.SGD([w], lr=0.1, maximize=True)

    def closure() -> fastnn.Tensor:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with fastnn.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert w.item() == pytest.approx(3.6)


def test_a_step_under_a_graph_is_noticed() -> None:
    w = tensor([1.0, 2.0]).requires_grad_()
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an in-place"):
        loss.backward()


def test_named_parameters_and_new_groups() -> None:
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": parameters()})
    plain = optim.SGD(model.parameters(), lr=0.1)
    extra = parameters()
    plain.add_param_group({"params": extra[0], "lr": 0.2})
    assert len(plain.param_groups) == 2
    assert plain.param_groups[1]["params"][0] is extra[0]
    assert optim.SGD({"params": extra}, lr=0.3).param_groups[0]["lr"] == 0.3


P = fastnn.Tensor(np.ones(2)).requires_grad_()
Q = fastnn.Tensor(np.ones(2)).requires_grad_()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: optim.SGD([]), ValueError, "optimizer got an empty parameter list"),
        (lambda: optim.SGD(P), TypeError, "params argument given to the optimizer should be an iterable"),
        (lambda: optim.SGD([1.0]), TypeError, "can only optimize Tensors, but one of the params is float"),
        (lambda: optim.SGD([P * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda: optim.SGD([{"params": {P, Q}}]), TypeError, "ordered collections"),
        (lambda: optim.SGD([P, P]), ValueError, "duplicate parameters"),
        (lambda: optim.SGD([{"params": [P]}, {"params": [Q, P]}]), ValueError, "in more than one parameter group"),
        (lambda: optim.SGD([P, ("name", Q)]), ValueError, "Some param names are missing"),
        (lambda: optim.SGD([{"lr": 0.1}]), TypeError, "wants Tensors under 'params'"),
        (lambda: optim.SGD([P]).add_param_group([Q]), TypeError, "param_group must be a dict, but got list"),
        (lambda: optim.SGD([P], lr=-1), ValueError, "Invalid learning rate: -1"),
        (lambda: optim.SGD([P], lr="a"), TypeError, "learning rate wants a number; got 'a'"),
        (lambda: optim.SGD([P], lr=float("nan")), ValueError, "Invalid learning rate: nan"),
        (lambda: optim.SGD([{"params": [P], "lr": -2}]), ValueError, "Invalid learning rate: -2"),
        (lambda: optim.SGD([P], momentum=-1), ValueError, "Invalid momentum value: -1"),
        (lambda: optim.SGD([P], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
        (lambda: optim.SGD([P], nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero dampening"),
        (lambda: optim.SGD([P], color=1), TypeError, "unexpected keyword argument 'color'"),
        (lambda: optim.SGD([P], differentiable=True), ValueError, "differentiable wants False"),
        (lambda: optim.Adam([P], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda: optim.Adam([P], betas=0.9), TypeError, "betas wants two numbers"),
        (lambda: optim.Adam([P], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (lambda: optim.RMSprop([P], alpha=-1), ValueError, "Invalid alpha value: -1"),
        (lambda: optim.Adagrad([P], lr_decay=-1), ValueError, "Invalid lr_decay value: -1"),
        (lambda: optim.Adagrad([P], initial_accumulator_value=-1), ValueError, "Invalid initial_accumulator_value"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")):
        make()


def test_hints_of_torch_are_accepted() -> None:
    optim.Adam([P], foreach=True, fused=None, capturable=False, differentiable=False)


# Clipping and penalties


@pytest.mark.parametrize("norm", [1.0, 2.0, 3.0, float("inf"), float("-inf"), 0])
@pytest.mark.parametrize("most", [0.5, 1000.0])
def test_clip_grad_norm(norm: float, most: float, target: str) -> None:
    torch = pytest.importorskip("torch")
    mine, theirs = parameters(), [torch.tensor(a, requires_grad=True) for a in start()]
    for p, q, g in zip(mine, theirs, reference["gradients"](0), strict=True):
        p.grad, q.grad = tensor(g), torch.tensor(g)
    mine[1].grad = theirs[1].grad = None
    total = optim.clip_grad_norm_(mine, most, norm)
    np.testing.assert_allclose(total.numpy(), torch.nn.utils.clip_grad_norm_(theirs, most, norm).numpy(), rtol=1e-12)
    for p, q in zip(mine, theirs, strict=True):
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("norm", "total", "factor"), [(0, 2.0, 0.25), (float("-inf"), 1.0, 0.5)])
@pytest.mark.parametrize("captured", [False, True])
def test_clip_by_the_limits_of_norms(norm: float, total: float, factor: float, captured: bool, target: str) -> None:
    """0 counts the gradients that are not all zeros, as PyTorch does; -inf takes the smallest magnitude."""
    w = [tensor(np.ones(2)).requires_grad_(), tensor(np.ones(1)).requires_grad_()]
    slope = tensor(np.array([3.0, -4.0]))

    def step() -> Any:
        (w[0] * slope).sum().backward()
        (w[1] * (1.0 if norm else 2.0)).sum().backward()
        return optim.clip_grad_norm_(w, 0.5, norm)

    run = fastnn.compile(step) if captured else step
    for _ in range(3):
        for p in w:
            p.grad = None
        assert run().item() == total
        np.testing.assert_allclose(w[0].grad.numpy(), slope.numpy() * factor, rtol=1e-5)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="max_norm wants a number of at least 0"):
        optim.clip_grad_norm_(w, -1.0, norm)


def test_clip_grad_norm_may_refuse_what_is_not_finite() -> None:
    p = tensor([1.0]).requires_grad_()
    p.grad = tensor([np.inf])
    with pytest.raises(RuntimeError, match="non-finite"):
        optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.item() == np.inf
    assert optim.clip_grad_norm_([], 1.0).item() == 0.0
    assert nn.utils.clip_grad_norm_ is optim.clip_grad_norm_


def test_clip_grad_value(target: str) -> None:
    p = tensor([1.0, 2.0, 3.0]).requires_grad_()
    p.grad = tensor([-5.0, 0.25, 5.0])
    optim.clip_grad_value_(p, 0.5)
    assert p.grad.tolist() == [-0.5, 0.25, 0.5]


def test_penalties() -> None:
    params = parameters()
    value = optim.l1_penalty(params, 0.1) + optim.l2_penalty(params, 0.3)
    value.backward()
    assert value.item() == pytest.approx(0.1 * np.abs(flat(params)).sum() + 0.15 * np.square(flat(params)).sum())
    for p in params:
        np.testing.assert_allclose(p.grad.numpy(), 0.1 * np.sign(p.array) + 0.3 * p.array, rtol=1e-14)
    with pytest.raises(ValueError, match="at least one parameter"):
        optim.l1_penalty([], 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_averages_of_gradients_end_at_zero(dtype: type, target: str) -> None:
    """The least normal number, halved, is 0, not a subnormal one; others decay, and NaN stays."""
    start = np.array([np.finfo(dtype).tiny, 0, 1, np.nan], dtype)
    p, g, count = np.ones_like(start), np.zeros_like(start), np.array(3)
    v, m, buffer, mean = ([start.copy()] for _ in range(4))
    squares, seconds = [np.ones_like(start)], [start.copy()]
    fastnn.ops.sgd([p], [g], v, [count], lr=0.1, momentum=0.5)
    fastnn.ops.adam([p], [g], m, squares, [], [count], lr=0.1, beta1=0.5)
    fastnn.ops.rmsprop([p], [g], squares, buffer, mean, [count], lr=0.1, alpha=0.5, momentum=0.5, centered=1)
    fastnn.ops.adam([p], [g], [np.zeros_like(start)], seconds, [], [count], lr=0.1, beta2=0.5)
    for a in (v, m, buffer, mean, seconds):
        np.testing.assert_array_equal(a[0], [0, 0, 0.5, np.nan])


@pytest.mark.parametrize("g", [1e-18, 1e-19, 1e-20, 1e-21])
@pytest.mark.parametrize("options", [{"centered": True}, {"eps": 0}])
def test_tiny_gradients_make_no_nan(g: float, options: dict[str, Any], target: str) -> None:
    """Their squares are subnormal."""
    kind: Any = optim.RMSprop if "centered" in options else optim.Adam
    p = tensor(np.ones(20), np.float32).requires_grad_()
    optimizer = kind([p], lr=0.01, **options)
    for _ in range(5):
        p.grad = tensor(np.full(20, g), np.float32)
        optimizer.step()
    assert np.isfinite(p.array).all()
