"""Compiled Modules: replays where no gradient is recorded, the Module itself where one is; all else is the Module's.

And compiled functions, whose results are detached: they do not lose gradients silently.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.capture import CaptureError


def network() -> Any:
    fastnn.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.25), nn.Linear(6, 3))


def some(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def plans(compiled: Any) -> int:
    return len(compiled._replay.plans)


def test_replays_under_no_grad(target: str) -> None:
    model, want = fastnn.compile(network()), []
    with fastnn.no_grad():
        got = [model(fastnn.tensor(some(2, 4) * i)).numpy() for i in range(5)]
        assert plans(model) == 1
        plain = network()
        want = [plain(fastnn.tensor(some(2, 4) * i)).numpy() for i in range(5)]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("captured", [False, True])
def test_trains_as_the_module(captured: bool, target: str) -> None:
    """Gradients flow through it, in eager steps and in captured ones, replays for validation in between."""
    results = []
    for compiled in (False, True):
        model = fastnn.compile(network()) if compiled else network()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        values = []

        def step(x: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = fastnn.compile(step) if captured else step
        for i in range(6):
            values.append(run(fastnn.tensor(some(5, 4) * i)).item())
            with fastnn.no_grad():
                values.append(model(fastnn.tensor(some(2, 4))).sum().item())
        assert not compiled or plans(model) == 1
        results.append((values, [p.grad.tolist() for p in model.parameters()]))
    assert results[0] == results[1]


def test_the_input_gets_its_gradient() -> None:
    model = fastnn.compile(network().requires_grad_(False).eval())
    for i in range(4):
        x = fastnn.tensor(some(2, 4) * i, requires_grad=True)
        model(x).sum().backward()
        assert x.grad is not None
        y = fastnn.tensor(some(2, 4) * i, requires_grad=True)
        model._orig_mod(y).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())
    assert plans(model) == 0


def test_a_frozen_module_replays_with_gradients_enabled() -> None:
    model = fastnn.compile(network().requires_grad_(False))
    x = fastnn.tensor(some(2, 4))
    for _ in range(3):
        model(x)
    assert plans(model) == 1
    model[3].requires_grad_(True)
    model(x).sum().backward()
    assert model[3].weight.grad is not None
    assert model[0].weight.grad is None


def test_a_parameter_put_in_later_gets_its_gradient() -> None:
    """Though a module made after the last recording does not bump the epoch when it changes."""
    model = nn.Linear(2, 1).requires_grad_(False)
    compiled, x = fastnn.compile(model), fastnn.ones(3, 2)
    assert not compiled(x).requires_grad
    model.weight = nn.Parameter(np.ones((1, 2), np.float32))
    compiled(x).sum().backward()
    assert model.weight.grad.tolist() == [[3, 3]]


def test_hooks_run_at_every_call(target: str) -> None:
    model, seen = fastnn.compile(network()), []
    handle = model[1].register_forward_hook(lambda module, args, output: seen.append(output.shape))
    with fastnn.no_grad():
        for _ in range(5):
            model(fastnn.ones(2, 4))
        assert seen == [(2, 6)] * 5
        handle.remove()
        for _ in range(3):
            model(fastnn.ones(2, 4))
    assert len(seen) == 5
    assert plans(model) == 1


def test_names_and_state_are_the_modules() -> None:
    model = network()
    compiled = fastnn.compile(model)
    for attribute in ("named_parameters", "named_modules", "named_children"):
        assert list(getattr(compiled, attribute)()) == list(getattr(model, attribute)())
    assert [id(t) for t in compiled.parameters()] == [id(t) for t in model.parameters()]
    assert list(compiled.state_dict()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    compiled.load_state_dict({k: np.zeros(v.shape) for k, v in model.state_dict().items()})
    assert not model[0].weight.detach().numpy().any()
    outer = nn.Sequential(fastnn.compile(nn.Linear(2, 3)), nn.ReLU())
    assert list(outer.state_dict()) == ["0.weight", "0.bias"]
    outer.load_state_dict(nn.Sequential(nn.Linear(2, 3)).state_dict(), assign=True)
    assert [type(m) for m in outer.modules()] == [nn.Sequential, nn.Linear, nn.ReLU]


def test_methods_and_attributes_are_the_modules() -> None:
    class Net(nn.Linear):
        def train(self, mode: bool = True) -> Any:
            self.asked = mode
            return super().train(mode)

        def twice(self, x: Any) -> Any:
            return self(self(x))

    model = Net(2, 2)
    compiled = fastnn.compile(model)
    assert isinstance(compiled, nn.Module)
    assert compiled.eval() is compiled
    assert model.asked is model.training is compiled.training is False
    outer = nn.Sequential(compiled)
    assert outer.train()[0] is compiled
    assert model.asked is model.training is True
    assert outer.double()[0].weight.dtype == np.float64
    compiled.scale = 3
    assert model.scale == 3
    del compiled.scale
    assert not hasattr(model, "scale")
    assert compiled.twice(fastnn.ones(1, 2, dtype=np.float64)).shape == (1, 2)
    assert {"twice", "weight"} <= set(dir(compiled))
    assert repr(compiled) == "CompiledModule(\n  Net(in_features=2, out_features=2, bias=True)\n)"
    assert compiled
    with pytest.raises(TypeError, match="len"):
        len(compiled)
    with pytest.raises(AttributeError, match="nothing"):
        _ = compiled.nothing


def test_containers_keep_their_items() -> None:
    compiled = fastnn.compile(network())
    assert len(compiled) == 4
    assert [type(m).__name__ for m in compiled] == ["Linear", "Tanh", "Dropout", "Linear"]
    assert compiled[0].in_features == 4


def test_changes_are_seen_by_replays(target: str) -> None:
    model = fastnn.compile(network())
    x = fastnn.tensor(some(2, 4))
    with fastnn.no_grad():
        for _ in range(3):
            model(x)
        model.eval()
        for _ in range(3):
            np.testing.assert_array_equal(model(x).numpy(), model._orig_mod(x).numpy())
        model[0].weight.mul_(2)
        np.testing.assert_array_equal(model(x).numpy(), model._orig_mod(x).numpy())
        model[0].weight.data = fastnn.zeros(6, 4)
        np.testing.assert_array_equal(model(x).numpy(), model._orig_mod(x).numpy())


def test_copies_and_pickles() -> None:
    compiled = fastnn.compile(nn.Sequential(nn.Linear(2, 3)))
    for again in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
        assert type(again) is nn.CompiledModule
        assert again[0].weight is not compiled[0].weight
        np.testing.assert_array_equal(again(fastnn.ones(1, 2)).tolist(), compiled(fastnn.ones(1, 2)).tolist())
    assert copy.copy(compiled)[0] is compiled[0]
    assert fastnn.compile(compiled)._orig_mod is compiled._orig_mod


def test_a_trainer_takes_it() -> None:
    x, y = some(20, 4), np.arange(20) % 3
    losses = []
    for wrap in (lambda m: m, fastnn.compile):
        model = wrap(network())
        trainer = fastnn.Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
        history = trainer.fit((x, y), (x, y), epochs=3, batch_size=5, progress=False, seed=0)
        losses.append((history["loss"], history["val_loss"], trainer.predict(x).tolist()))
    assert losses[0] == losses[1]


def test_a_function_that_ends_gradients_says_so_once() -> None:
    w = nn.Parameter(some(3))

    def scaled(x: Any) -> Any:
        return w * x

    run = fastnn.compile(scaled)
    with pytest.warns(RuntimeWarning, match="scaled: its result requires grad") as caught:
        results = [run(some(3)) for _ in range(4)]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not any(r.requires_grad for r in results)


def test_functions_that_mean_to_end_gradients_do_not_warn() -> None:
    w = nn.Parameter(some(3))

    def step(x: Any) -> Any:
        output = w * x
        output.sum().backward()
        return output

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastnn.compile(step)(some(3))
        fastnn.compile(fastnn.no_grad()(lambda x: w * x))(some(3))
        fastnn.compile(lambda x: (w * x).detach())(some(3))


def test_an_argument_that_requires_grad_is_refused() -> None:
    run, x = fastnn.compile(lambda x, *, by: x * by), fastnn.tensor(some(3), requires_grad=True)
    with pytest.raises(CaptureError, match=r"test_capture_modules\.py:\d+: argument 0 requires grad"):
        run(x, by=some(3))
    with pytest.raises(CaptureError, match="argument by requires grad"):
        run(some(3), by=x)
    with fastnn.no_grad():
        assert run(x, by=some(3)).shape == (3,)
