"""Module: what belongs to it, its state, hooks, copies, and what captured plans hear of changes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn._registry import state
from fastnn.capture import CaptureError


class Scale(nn.Module):
    """A module with a parameter, buffers of both kinds, a place for a parameter and a shared submodule."""

    def __init__(self, n: int = 3) -> None:
        super().__init__()
        self.plain = {"a": 1}
        self.inner = nn.Linear(n, n)
        self.factor = nn.Parameter(fastnn.ones(n))
        self.register_buffer("shift", fastnn.zeros(n))
        self.register_buffer("scratch", fastnn.zeros(1), persistent=False)
        self.register_parameter("nothing", None)
        self.again = self.inner

    def forward(self, x: Any, times: int = 1) -> Any:
        return self.inner(x) * self.factor * times + self.shift


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


def test_what_belongs_to_it() -> None:
    m = Scale()
    assert names(m.named_parameters()) == ["factor", "inner.weight", "inner.bias"]
    assert names(m.named_parameters(recurse=False)) == ["factor"]
    assert names(m.named_parameters(prefix="net", remove_duplicate=False)) == [
        "net.factor",
        "net.inner.weight",
        "net.inner.bias",
        "net.again.weight",
        "net.again.bias",
    ]
    assert names(m.named_buffers()) == ["shift", "scratch"]
    assert names(m.named_children()) == ["inner"]
    assert names(m.named_modules()) == ["", "inner"]
    assert names(m.named_modules(remove_duplicate=False)) == ["", "inner", "again"]
    assert [p is q for p, q in zip(m.parameters(), (m.factor, m.inner.weight, m.inner.bias), strict=True)] == [True] * 3
    assert list(m.children()) == [m.inner]
    assert list(m.modules()) == [m, m.inner]
    assert m.nothing is None
    assert m.__dict__["factor"] is m.factor  # plain attributes: nothing is looked up elsewhere


def test_by_name() -> None:
    net = nn.Sequential(nn.Sequential(Scale()))
    assert net.get_submodule("") is net
    assert net.get_submodule("0.0.inner") is net[0][0].inner
    assert net.get_parameter("0.0.inner.bias") is net[0][0].inner.bias
    assert net.get_buffer("0.0.shift") is net[0][0].shift
    for get, target in ((net.get_submodule, "0.1"), (net.get_parameter, "0.0.shift"), (net.get_buffer, "0.0.factor")):
        with pytest.raises(AttributeError, match=target.rpartition(".")[2]):
            get(target)


def test_registered_names_keep_their_kind() -> None:
    m = Scale()
    with pytest.raises(TypeError, match=r"parameter 'factor' \(Parameter or None expected\)"):
        m.factor = fastnn.ones(3)
    with pytest.raises(TypeError, match="parameter 'nothing'"):
        m.nothing = fastnn.ones(3)
    with pytest.raises(TypeError, match=r"child module 'inner' \(Module or None expected\)"):
        m.inner = 3
    with pytest.raises(TypeError, match=r"buffer 'shift' \(Tensor or None expected\)"):
        m.shift = "zero"
    with pytest.raises(TypeError, match="parameter 'factor'"):
        m.factor = nn.ReLU()
    m.factor = None
    assert names(m.named_parameters(recurse=False)) == []
    m.factor = nn.Parameter(fastnn.zeros(3))
    m.nothing = nn.Parameter(fastnn.zeros(1))
    assert names(m.named_parameters(recurse=False)) == ["factor", "nothing"]
    m.shift = np.ones(3, np.float32)
    assert isinstance(m.shift, fastnn.Tensor)
    m.shift = nn.Parameter(fastnn.zeros(3))
    assert names(m.named_buffers()) == ["scratch"]
    assert "shift" in names(m.named_parameters())
    m.plain = nn.ReLU()
    assert names(m.named_children()) == ["inner", "plain"]
    del m.plain
    assert names(m.named_children()) == ["inner"]
    with pytest.raises(AttributeError):
        del m.plain


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("a.b", KeyError, "contain"),
        ("", KeyError, "empty string"),
        ("forward", KeyError, "already exists"),
        ("plain", KeyError, "already exists"),
        (3, TypeError, "string"),
    ],
)
def test_names_that_are_refused(name: Any, error: type[Exception], match: str) -> None:
    m = Scale()
    for register, value in (
        (m.register_parameter, nn.Parameter(fastnn.ones(1))),
        (m.register_buffer, fastnn.ones(1)),
        (m.add_module, nn.ReLU()),
    ):
        with pytest.raises(error, match=match):
            register(name, value)


def test_values_that_are_refused() -> None:
    m = Scale()
    for register in (m.register_parameter, m.register_buffer, m.add_module):
        with pytest.raises(TypeError):
            register("new", 5)
    with pytest.raises(TypeError, match="Parameter or None"):
        m.register_parameter("new", fastnn.ones(1))


def test_init_comes_first() -> None:
    class Early(nn.Module):
        def __init__(self, value: Any) -> None:
            self.value = value
            super().__init__()

    Early(3)
    with pytest.raises(AttributeError, match=r"cannot assign parameters before Module.__init__\(\) call"):
        Early(nn.Parameter())
    with pytest.raises(AttributeError, match=r"cannot assign modules before Module.__init__\(\) call"):
        Early(nn.ReLU())


def test_a_class_attribute_may_be_a_default() -> None:
    class Head(nn.Module):
        head: Any = None

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.ReLU()

    assert names(Head().named_children()) == ["head"]


def test_modes() -> None:
    m = nn.Sequential(Scale(), nn.Dropout())
    assert all(part.training for part in m.modules())
    assert m.eval() is m
    assert not any(part.training for part in m.modules())
    m[1].train()
    assert [part.training for part in m.modules()] == [False, False, False, True]
    with pytest.raises(ValueError, match="boolean"):
        m.train(1)  # type: ignore[arg-type]


def test_apply_goes_inside_out() -> None:
    seen: list[str] = []
    m = nn.Sequential(Scale(), nn.ReLU())
    assert m.apply(lambda part: seen.append(type(part).__name__)) is m
    assert seen == ["Linear", "Scale", "ReLU", "Sequential"]


def test_dtypes() -> None:
    m = Scale()
    m.register_buffer("steps", fastnn.tensor([1, 2]))
    weight = m.inner.weight
    m.inner(fastnn.ones(1, 3)).sum().backward()
    assert m.double() is m
    assert m.inner.weight is weight
    assert [t.dtype for t in (weight, weight.grad, m.shift, m.steps)] == ["float64", "float64", "float64", "int64"]
    assert m(np.ones((2, 3))).dtype == np.float64
    assert m.float().factor.dtype == np.float32
    for to in ("float64", np.float64, fastnn.float64, fastnn.zeros(1, dtype="float64")):
        assert m.float().to(to).factor.dtype == np.float64
    assert m.to("cpu") is m
    assert m.to(device="cpu", dtype="float32").factor.dtype == np.float32
    with pytest.raises(TypeError, match="floating point"):
        m.to("int64")
    with pytest.raises(ValueError, match="cuda"):
        m.to("cuda")


def test_requires_grad_and_zero_grad() -> None:
    m = nn.Linear(2, 1)
    m(fastnn.ones(1, 2)).sum().backward()
    grad = m.weight.grad
    assert grad is not None
    m.zero_grad(set_to_none=False)
    assert m.weight.grad is grad
    assert grad.tolist() == [[0.0, 0.0]]
    m.zero_grad()
    assert m.weight.grad is None
    assert m.requires_grad_(False) is m
    assert not any(p.requires_grad for p in m.parameters())


# Hooks


def test_hooks() -> None:
    m = Scale()
    seen: list[Any] = []
    x = fastnn.ones(1, 3)
    plain = m(x).tolist()
    first = m.register_forward_pre_hook(lambda module, args: seen.append((module is m, len(args))))
    double = m.register_forward_pre_hook(lambda module, args: args[0] * 0)
    assert m(x).tolist() == [m.inner.bias.tolist()]
    assert seen == [(True, 1)]
    double.remove()
    last = m.register_forward_hook(lambda module, args, output: output + 1)
    before_it = m.register_forward_hook(lambda module, args, output: output * 0, prepend=True)
    assert m(x).tolist() == [[1.0, 1.0, 1.0]]
    before_it.remove()
    last.remove()
    last.remove()
    first.remove()
    with m.register_forward_hook(lambda module, args, output: None):
        assert m(x).tolist() == plain
    thrice = m.register_forward_pre_hook(lambda module, args, kwargs: (args, {"times": 3}), with_kwargs=True)
    kwargs: list[Any] = []
    look = m.register_forward_hook(lambda module, args, given, output: kwargs.append(given), with_kwargs=True)
    assert np.allclose(m(x, times=1).detach().numpy(), 3 * np.array(plain))
    assert kwargs == [{"times": 3}]
    thrice.remove()
    look.remove()
    assert m(x).tolist() == plain
    with pytest.raises(TypeError, match="callable"):
        m.register_forward_hook(3)  # type: ignore[arg-type]
    with m.register_forward_pre_hook(lambda module, args, kwargs: args, with_kwargs=True), pytest.raises(RuntimeError):
        m(x)


# Text


def test_repr_is_pytorchs() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
            self.heads = nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1), nn.Tanh()])

        def extra_repr(self) -> str:
            return "one\ntwo"

    assert repr(Net()) == (
        "Net(\n  one\n  two\n  (layers): Sequential(\n    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n  )\n  (heads): ModuleList(\n"
        "    (0-1): 2 x Linear(in_features=3, out_features=1, bias=True)\n    (2): Tanh()\n  )\n)"
    )
    assert repr(nn.Module()) == "Module()"
    assert repr(nn.ModuleList()) == "ModuleList()"


REPRS = {
    "GELU(approximate='none')": lambda nn: nn.GELU(),
    "SiLU(inplace=True)": lambda nn: nn.SiLU(inplace=True),
    "ELU(alpha=1.0)": lambda nn: nn.ELU(),
    "Softplus(beta=1.0, threshold=20.0)": lambda nn: nn.Softplus(),
    "Hardtanh(min_val=-1.0, max_val=1.0)": lambda nn: nn.Hardtanh(),
    "Hardswish()": lambda nn: nn.Hardswish(True),
    "ReLU6()": lambda nn: nn.ReLU6(),
    "LeakyReLU(negative_slope=0.2, inplace=True)": lambda nn: nn.LeakyReLU(0.2, True),
    "Softmax(dim=1)": lambda nn: nn.Softmax(1),
    "LogSoftmax(dim=None)": lambda nn: nn.LogSoftmax(),
    "Dropout(p=0.5, inplace=False)": lambda nn: nn.Dropout(),
    "Flatten(start_dim=1, end_dim=-1)": lambda nn: nn.Flatten(),
    "Unflatten(dim=1, unflattened_size=(2, 3))": lambda nn: nn.Unflatten(1, (2, 3)),
    "LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=False)": lambda nn: nn.LayerNorm((3, 4), bias=False),
    "Linear(in_features=3, out_features=4, bias=False)": lambda nn: nn.Linear(3, 4, bias=False),
    "CrossEntropyLoss()": lambda nn: nn.CrossEntropyLoss(),
    "Identity()": lambda nn: nn.Identity(3),
}


@pytest.mark.parametrize("text", REPRS)
def test_reprs_of_layers(text: str) -> None:
    assert repr(REPRS[text](nn)) == text


@pytest.mark.parametrize("text", REPRS)
def test_reprs_against_torch(text: str) -> None:
    torch = pytest.importorskip("torch")
    assert repr(REPRS[text](torch.nn)) == text


# Captured steps


def test_every_change_of_an_attribute_bumps_the_epoch_once_a_plan_may_depend_on_it() -> None:
    m = Scale()
    fastnn.compile(lambda x: x + 1)(fastnn.ones(1))
    changes = [
        lambda: setattr(m, "plain", 5),
        lambda: setattr(m, "factor", nn.Parameter(fastnn.ones(3))),
        lambda: setattr(m, "shift", fastnn.ones(3)),
        lambda: delattr(m, "plain"),
        lambda: m.eval(),
        lambda: m.train(),
        lambda: m.double(),
        lambda: m.add_module("more", nn.ReLU()),
        lambda: m.register_buffer("other", None),
        lambda: m.register_forward_hook(lambda *a: None).remove(),
        lambda: m.factor.requires_grad_(False),
    ]
    for change in changes:
        before = int(state.epoch)
        change()
        assert int(state.epoch) > before
    before = int(state.epoch)
    m.train()
    Scale()
    nn.MSELoss()
    assert int(state.epoch) == before


def test_a_changed_attribute_is_seen_by_a_captured_step(target: str) -> None:
    m = nn.LeakyReLU(0.5)
    step = fastnn.compile(lambda x: m(x))
    x = fastnn.tensor([-1.0, 1.0])
    for _ in range(3):
        assert step(x).tolist() == [-0.5, 1.0]
    m.negative_slope = 0.25
    for _ in range(3):
        assert step(x).tolist() == [-0.25, 1.0]


def test_assignment_in_a_captured_step_is_refused() -> None:
    class Counter(nn.Module):
        calls = 0

        def forward(self, x: Any) -> Any:
            self.calls = self.calls + 1
            return x * 2

    m = Counter()
    with pytest.raises(CaptureError, match=r"test_module.py:\d+: assignment to the attribute 'calls' of a Counter"):
        fastnn.compile(lambda x: m(x))(fastnn.ones(2))
    assert m.calls == 0


def test_modules_made_in_a_captured_step(target: str) -> None:
    m = nn.Linear(3, 2)
    x, y = fastnn.ones(4, 3), fastnn.tensor([0, 1, 1, 0])

    @fastnn.compile
    def step(x: Any, y: Any) -> Any:
        m.zero_grad()
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)(nn.ReLU()(m(x)), y)
        loss.backward()
        return loss

    values = [step(x, y).item() for _ in range(4)]
    assert len(step.plans) == 1
    assert values == [values[0]] * 4


def test_other_threads_pass_through_a_recording() -> None:
    m, outcome = Scale(), []

    def work() -> None:
        m.plain = "changed"
        outcome.append(nn.Linear(2, 2)(fastnn.ones(1, 2)).shape)

    def step(x: Any) -> Any:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x * 2

    fastnn.compile(step)(fastnn.ones(1))
    assert outcome == [(1, 2)]
    assert m.plain == "changed"


def test_random_weights_in_a_captured_step_are_refused() -> None:
    with pytest.raises(CaptureError, match="random draw on the host"):
        fastnn.compile(lambda x: nn.Linear(2, 2)(x))(fastnn.ones(1, 2))


def test_zero_grad_to_zeros_in_a_captured_step(target: str) -> None:
    m = nn.Linear(2, 1, bias=False)

    @fastnn.compile
    def step(x: Any) -> Any:
        m.zero_grad(set_to_none=False)
        m(x).sum().backward()
        return x * 2

    for i in range(1, 5):
        step(fastnn.full((1, 2), float(i)))
        assert m.weight.grad is not None
        assert m.weight.grad.tolist() == [[i, i]]
