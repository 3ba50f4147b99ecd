"""fuse: the same results with batch normalizations folded, and nothing folded that must not be."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import models, nn
from fastnn.capture import CaptureError
from fastnn.nn.fusing import Folded


def settled(model: Any, dtype: Any = np.float32) -> Any:
    """The model in evaluation, with statistics, weights and biases of normalizations that are no round numbers."""
    rng = np.random.default_rng(1)
    for m in model.modules():
        if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)) and m.running_mean is not None:
            m.running_mean.copy_(fastnn.tensor(rng.normal(0, 1, m.num_features)))
            m.running_var.copy_(fastnn.tensor(rng.uniform(0.3, 3, m.num_features)))
            for p in (m.weight, m.bias):
                if p is not None:
                    p.data.copy_(fastnn.tensor(rng.normal(1, 1, m.num_features)))
    return model.to(dtype).eval()


def folded(model: Any) -> list[str]:
    """The names of what was folded."""
    return [name for name, m in model.named_modules() if isinstance(m, Folded)]


def assert_same(fused: Any, model: Any, *x: Any, ulps: int = 64) -> None:
    with fastnn.no_grad():
        a, b = (m(*x).numpy() for m in (fused, model))
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=0, atol=ulps * float(np.finfo(b.dtype).eps) * float(np.abs(b).max()))


LAYERS: dict[str, Any] = {
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), nn.BatchNorm1d, (2, 4, 9)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d, (2, 4, 7, 6)),
    "Conv2d groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, dilation=2), nn.BatchNorm2d, (2, 4, 7, 6)),
    "Conv2d reflect": (lambda: nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"), nn.BatchNorm2d, (2, 4, 7, 6)),
    "Conv2d depthwise": (lambda: nn.Conv2d(6, 6, 3, groups=6, padding="same"), nn.BatchNorm2d, (2, 6, 7, 6)),
    "Conv3d": (lambda: nn.Conv3d(2, 6, (1, 2, 3)), nn.BatchNorm3d, (2, 2, 4, 5, 6)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, groups=2), nn.BatchNorm1d, (2, 4, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, bias=False), nn.BatchNorm2d, (2, 4, 3, 4)),
    "ConvTranspose2d groups": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, padding=1), nn.BatchNorm2d, (2, 4, 3, 4)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 6, 2), nn.BatchNorm3d, (1, 2, 2, 3, 4)),
    "Linear": (lambda: nn.Linear(4, 6), nn.BatchNorm1d, (5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 6, bias=False), nn.BatchNorm1d, (5, 4)),
}
NORMS = [{}, {"affine": False}, {"bias": False}, {"eps": 0.5}]


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer(name: str, target: str, dtype: Any) -> None:
    make, norm, shape = LAYERS[name]
    x = fastnn.tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))
    for options in NORMS:
        model = settled(nn.Sequential(make(), norm(6, **options), nn.ReLU()), dtype)
        fused = fastnn.fuse(model)
        assert folded(fused) == ["1"]
        assert fused[0].weight.dtype == fused[0].bias.dtype == dtype
        assert_same(fused, model, x)
        assert float(abs(fused[0](x) - model[0](x)).max()) > 0.1  # the layer does the normalization's work


@pytest.mark.parametrize("name", ["Conv2d groups", "Conv3d", "ConvTranspose2d", "Linear"])
def test_pytorch_folds_to_the_same_weights(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, norm, _ = LAYERS[name]
    model = settled(nn.Sequential(make(), norm(6)), np.float64)
    conv, norm = model
    values = [conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias]
    w, c, mean, var, gamma, beta = (None if v is None else torch.from_numpy(v.detach().numpy()) for v in values)
    if name == "Linear":
        want = torch.nn.utils.fusion.fuse_linear_bn_weights(w, c, mean, var, 1e-5, gamma, beta)
    else:
        turned = name.startswith("ConvTranspose")
        want = torch.nn.utils.fusion.fuse_conv_bn_weights(w, c, mean, var, 1e-5, gamma, beta, turned)
    fused = fastnn.fuse(model)[0]
    for a, b in zip((fused.weight, fused.bias), want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-13)


IMAGES = {
    "CNN": (lambda: models.CNN(1, (8, 8), 10, width=4), 2),
    "ResNet8": (lambda: models.ResNet8(1, 10, width=4), 9),
    "DSCNN": (lambda: models.DSCNN(1, 10, width=8), 9),
}


@pytest.mark.parametrize("name", IMAGES)
def test_networks_for_images(name: str, target: str, dtype: Any) -> None:
    make, norms = IMAGES[name]
    model = settled(make(), dtype)
    before = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    x = fastnn.tensor(np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(dtype))
    fused, seen = fastnn.fuse(model), fastnn.fuse(model, x)
    for other in (fused, seen):
        assert len(folded(other)) == norms
        assert not any("BatchNorm" in type(m).__name__ for m in other.modules())
        assert not any(m.training for m in other.modules())
        assert_same(other, model, x, ulps=512)
    assert folded(fused) == folded(seen)
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(np.array_equal(after[k].numpy(), v) for k, v in before.items())
    owned = [p.array for p in (*fused.parameters(), *fused.buffers())]
    assert not any(np.shares_memory(a, v.array) for a in owned for v in (*model.parameters(), *model.buffers()))
    assert not any(m._hooks for m in (*model.modules(), *seen.modules()))


def test_compiled(target: str) -> None:
    model = settled(models.ResNet8(1, 10, width=4))
    fused = fastnn.fuse(model)
    run, x = fastnn.compile(fused), fastnn.randn(3, 1, 8, 8)
    with fastnn.no_grad():
        want = fused(x).numpy()
        for _ in range(4):
            assert np.array_equal(run(x).numpy(), want)
    again = fastnn.fuse(fastnn.compile(model))
    assert isinstance(again, nn.CompiledModule)
    with fastnn.no_grad():
        assert np.array_equal(again(x).numpy(), want)


def test_files(tmp_path: Path) -> None:
    model = settled(models.DSCNN(1, 10, width=8))
    fused = fastnn.fuse(model)
    assert list(fused.state_dict())[:3] == ["layers.0.weight", "layers.0.bias", "layers.3.weight"]
    fastnn.save(fused.state_dict(), tmp_path / "net")
    again = fastnn.fuse(models.build(model.config()).eval())
    again.load_state_dict(fastnn.load(tmp_path / "net"))
    x = fastnn.randn(2, 1, 8, 8)
    with fastnn.no_grad():
        assert np.array_equal(again(x).numpy(), fused(x).numpy())


def test_what_sequentials_tell() -> None:
    conv, norm, relu = (lambda: nn.Conv2d(3, 3, 1)), (lambda: nn.BatchNorm2d(3)), nn.ReLU()
    named = nn.Sequential(OrderedDict(conv=conv(), norm=norm()))
    shared = norm()
    cases = [
        (nn.Sequential(conv(), nn.Identity(), nn.Sequential(), norm()), ["3"]),
        (nn.Sequential(nn.Sequential(relu, conv()), nn.Sequential(nn.Sequential(norm(), relu))), ["1.0.0"]),
        (nn.Sequential(named, conv(), norm(), norm()), ["0.norm", "2"]),
        (nn.Sequential(conv(), relu, norm(), conv()), []),
        (nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 3, 1), nn.InstanceNorm2d(3)), []),
        (nn.Sequential(conv(), shared, conv(), shared), []),
        (nn.ModuleList([conv(), norm()]), []),
        (nn.ModuleDict({"a": nn.Sequential(conv(), norm())}), ["a.1"]),
        (nn.Sequential(conv(), nn.Dropout(), norm()), []),  # only a call tells that nothing happens in evaluation
    ]
    for model, names in cases:
        assert folded(fastnn.fuse(settled(model))) == names
    again = cases[2][0]
    assert folded(fastnn.fuse(fastnn.fuse(again))) == ["0.norm", "2"]  # once more changes nothing


class Standardized(nn.Conv2d):
    """Weights are made anew at each call: to scale them would do nothing."""

    def forward(self, input: Any) -> Any:
        return nn.functional.conv2d(input, self.weight / self.weight.std())


class Backwards(nn.Sequential):
    """A Sequential by name only."""

    def forward(self, input: Any) -> Any:
        for module in reversed(list(self)):
            input = module(input)
        return input


def test_what_is_not_plain_stays() -> None:
    x = fastnn.randn(2, 3, 4, 4)
    for model in (
        nn.Sequential(Standardized(3, 3, 1), nn.BatchNorm2d(3)),
        Backwards(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)),
    ):
        settled(model)
        for fused in (fastnn.fuse(model), fastnn.fuse(model, x)):
            assert folded(fused) == []
            assert_same(fused, model, x, ulps=0)
    for i in (0, 1):  # a hook sees what a layer makes
        model = settled(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
        model[i].register_forward_hook(lambda module, args, output: output + 1)
        for fused in (fastnn.fuse(model), fastnn.fuse(model, x)):
            assert folded(fused) == []
            assert_same(fused, model, x, ulps=0)


class Net(nn.Module):
    """Layers that are called by name, in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)
        self.norm, self.rest = nn.BatchNorm2d(3), nn.Sequential(nn.Dropout(), nn.ReLU())
        self.how = how

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        if self.how == "plain":
            return self.rest(self.norm(y))
        if self.how == "dropped":
            return self.norm(self.rest[0](y))
        if self.how == "keyword":
            return self.norm(input=self.other(input=x))
        if self.how == "used":
            return self.norm(y) + y
        if self.how == "returned":
            return {"y": self.norm(y), "part": y[:, :1]}
        if self.how == "norm twice":
            return self.norm(self.norm(y))
        if self.how == "layer twice":
            return self.norm(self.conv(y))
        if self.how == "both":
            return self.norm(y) + self.other(y)
        if self.how == "changed":
            return self.norm(y.mul_(2))
        raise AssertionError(self.how)


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ("plain", ["norm"]),
        ("dropped", ["norm"]),
        ("keyword", ["norm"]),
        ("used", []),
        ("returned", []),
        ("norm twice", []),
        ("layer twice", []),
        ("both", []),
        ("changed", []),
    ],
)
def test_what_a_call_tells(how: str, names: list[str], target: str) -> None:
    model, x = settled(Net(how)), fastnn.randn(2, 3, 4, 4)
    assert folded(fastnn.fuse(model)) == []
    fused = fastnn.fuse(model, x)
    assert folded(fused) == names
    if how != "returned":
        assert_same(fused, model, x)
    assert folded(fastnn.fuse(model, x.numpy())) == names


def test_a_sequential_whose_layers_are_used() -> None:
    """Without a call it looks as if nobody saw what is in between."""

    class Peeks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

        def forward(self, x: Any) -> Any:
            y = self.layers[0](x)
            return self.layers[1](y) + y

    class Twice(nn.Sequential):
        """Has the layers of a Sequential under other names, too, and calls them by those."""

        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
            self.conv, self.norm = self[0]

        def forward(self, x: Any) -> Any:
            return self.norm(self.conv(x))

    model, x = settled(Twice()), fastnn.randn(2, 3, 4, 4)
    for fused in (fastnn.fuse(model), fastnn.fuse(model, x)):
        assert folded(fused) == []
        assert_same(fused, model, x, ulps=0)
    model = settled(Peeks())
    assert folded(fastnn.fuse(model)) == ["layers.1"]
    assert folded(fastnn.fuse(model, x)) == []


def test_features_on_another_axis() -> None:
    """Of three dimensions BatchNorm1d normalizes the second, a linear layer makes the last."""
    model, x = settled(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))), fastnn.randn(2, 6, 4)
    assert model(x).shape == (2, 6, 6)
    with pytest.raises(ValueError, match="expected 2D input \\(got 3D input\\)"):
        fastnn.fuse(model)(x)
    uneven = settled(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(6)))
    assert folded(fastnn.fuse(uneven)) == []
    assert_same(fastnn.fuse(uneven), uneven, x, ulps=0)


def test_gradients_are_wanted_where_they_were() -> None:
    model = settled(nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2)))
    assert all(p.requires_grad for p in fastnn.fuse(model).parameters())
    model.requires_grad_(False)
    assert not any(p.requires_grad for p in fastnn.fuse(model).parameters())


def test_what_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match=r"model wants to be in evaluation.*Sequential, 0, 1"):
        fastnn.fuse(model)
    model.eval()
    model[1].train()
    with pytest.raises(ValueError, match=r"in training: 1$"):
        fastnn.fuse(model)
    with pytest.raises(TypeError, match="model wants a Module; got function"):
        fastnn.fuse(lambda x: x)
    bare = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)).eval()
    for inputs in ((), (fastnn.zeros(1, 1, 2, 2),)):
        with pytest.raises(ValueError, match="1 wants running statistics"):
            fastnn.fuse(bare, *inputs)
        assert not any(m._hooks for m in bare.modules())

    class Chooses(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError, match=r"test_fusing\.py"):
        fastnn.fuse(Chooses().eval(), fastnn.ones(2))
    with pytest.raises(CaptureError, match="fuse"):
        fastnn.compile(lambda x: fastnn.fuse(nn.Sequential().eval())(x))(fastnn.ones(2))
