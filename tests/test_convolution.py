"""Convolutions: sizes beyond the samples, the contract of their sums, layers, and PyTorch where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from conftest import TARGETS, running_on
from fastnn import nn, ops
from fastnn._registry import BACKENDS, OPS
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
CPP = [t for t in TARGETS if t.startswith("cpp")]
# x, weight and attributes: chunks of channels, boxes of rows and of images, halves of tiles, tails of vectors.
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "chunks": ((2, 300, 5, 7), (20, 300, 3, 3), {"padding": 1}),
    "chunks strided": ((1, 270, 9, 8), (40, 270, 3, 3), {"padding": 1, "stride": 2}),
    "rows": ((1, 64, 70, 60), (33, 64, 3, 3), {"padding": 1}),
    "images": ((9, 16, 7, 7), (16, 16, 3, 3), {"padding": 1}),
    "long": ((1, 4, 30000), (3, 4, 9), {"padding": 4, "dilation": 1}),
    "long dilated": ((2, 3, 5000), (5, 3, 5), {"padding": 8, "dilation": 4}),
    "taps far apart": ((2, 40, 2000), (9, 40, 3), {"padding": 900, "dilation": 900}),
    "rows far apart": ((1, 70, 40, 30), (20, 70, 3, 3), {"padding": 12, "dilation": 12, "stride": (1, 2)}),
    "volumes": ((2, 17, 5, 6, 9), (18, 17, 3, 3, 3), {"padding": 1}),
    "volumes in boxes": ((1, 32, 14, 20, 22), (5, 32, 3, 3, 3), {"padding": 1, "stride": (2, 1, 1)}),
    "pixels": ((3, 600, 6, 5), (50, 600, 1, 1), {}),
    "pixels strided": ((2, 70, 9, 9), (80, 70, 1, 1), {"stride": 2}),
    "pixels a page apart": ((1, 1024, 7, 7), (40, 1024, 1, 1), {}),
    "every other pixel a page apart": ((2, 512, 8, 8), (40, 512, 1, 1), {"stride": 2}),
    "first layer": ((2, 3, 33, 31), (40, 3, 7, 7), {"padding": 3, "stride": 2}),
    "one channel": ((5, 1, 28, 28), (32, 1, 3, 3), {"padding": 1}),
    "wide kernel": ((1, 3, 20, 20), (6, 3, 20, 11), {"padding": (0, 5)}),
    "huge kernel": ((1, 2, 70, 70), (3, 2, 66, 66), {}),
    "groups": ((2, 40, 9, 11), (60, 10, 3, 3), {"groups": 4, "padding": 1, "dilation": (1, 2)}),
    "many groups": ((2, 96, 9, 9), (144, 4, 3, 3), {"groups": 24, "padding": 1, "stride": 2}),
    "depthwise": ((2, 70, 12, 13), (70, 1, 3, 3), {"groups": 70, "padding": 1}),
    "depthwise strided": ((2, 37, 13, 12), (37, 1, 5, 3), {"groups": 37, "padding": (2, 1), "stride": 2}),
    "depthwise of whole pages": ((2, 1024, 5, 7), (1024, 1, 3, 3), {"groups": 1024, "padding": 1}),
    "depthwise narrow": ((3, 40, 9, 5), (40, 1, 3, 3), {"groups": 40, "padding": 1}),
    "depthwise of one column": ((2, 20, 9, 1), (20, 1, 3, 5), {"groups": 20, "padding": (1, 2)}),
    "depthwise without edges": ((2, 33, 7, 17), (33, 1, 3, 3), {"groups": 33, "padding": (1, 0)}),
    "depthwise far beyond": ((2, 18, 6, 6), (18, 1, 3, 5), {"groups": 18, "padding": (1, 4), "stride": (1, 2)}),
    "depthwise uneven": ((2, 18, 6, 11), (18, 1, 3, 3), {"groups": 18, "padding": ((0, 2), (0, 1)), "stride": (2, 1)}),
    "more steps than taps": ((2, 5, 11, 11), (6, 5, 2, 1), {"stride": 3}),
    "transformed weights pass by": ((1, 360, 7, 6), (350, 360, 3, 3), {"padding": 1}),
    "blocks of tiles": ((1, 16, 90, 87), (20, 16, 3, 3), {"padding": 2}),
    "uneven padding": ((2, 5, 8, 8), (6, 5, 3, 2), {"padding": ((3, 0), (0, 2)), "stride": (1, 2)}),
}


def made(name: str, dtype: Any = np.float64) -> tuple[Array, Array, Array, dict[str, Any]]:
    """x, weight, bias and attributes of a case."""
    x, w, attributes = SHAPES[name]
    rng = np.random.default_rng(len(name))
    return (*(rng.standard_normal(s).astype(dtype) for s in (x, w, w[:1])), attributes)


def gradients(op: str, dy: Array, x: Array, w: Array, attributes: dict[str, Any], needs: int = 7) -> Any:
    """Those of x, weight and bias by the active backend."""
    record = OPS[op]
    values = record.form(x, *(attributes.get(n, d) for n, d in record.attributes.items()))
    return record.backward_kernels[BACKENDS.index(fastnn.backend())](dy, x, w, *values, needs)


def near(got: Array, want: Array, terms: int, dtype: Any) -> None:
    """Equal but for the rounding of sums of so many terms."""
    assert got.shape == want.shape
    assert got.dtype == dtype
    assert np.abs(got - want).max() <= 4 * np.sqrt(terms) * np.finfo(dtype).eps * np.abs(want).max()


def channels_last(x: Array) -> Array:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@pytest.fixture
def threads() -> Iterator[None]:
    before = fastnn.get_num_threads()
    yield
    fastnn.set_num_threads(before)


@pytest.mark.parametrize("name", SHAPES)
def test_against_the_definition(name: str, target: str, dtype: Any) -> None:
    """Forward and gradients, and the transposed convolution that goes the other way."""
    x, w, b, attributes = made(name)
    with running_on("numpy"):
        y = ops.conv(x, w, b, **attributes)
        want = gradients("conv", y, x, w, attributes)
    few = [a.astype(dtype) for a in (x, w, b, y)]
    terms = int(np.prod(w.shape[1:]))
    near(ops.conv(*few[:3], **attributes), y, terms, dtype)
    dx, dw, db = gradients("conv", few[3], *few[:2], attributes)
    near(dx, want[0], terms * len(b), dtype)
    near(dw, want[1], terms * y[0, 0].size * len(x), dtype)
    near(db, want[2], y.size, dtype)
    record = OPS["conv"]
    stride, padding, dilation, _ = record.form(x, *(attributes.get(n, d) for n, d in record.attributes.items()))
    least = [
        (n - 1) * s - padding[2 * i] - padding[2 * i + 1] + d * (k - 1) + 1
        for i, (n, s, d, k) in enumerate(zip(y.shape[2:], stride, dilation, w.shape[2:], strict=True))
    ]
    more = tuple(n - m for n, m in zip(x.shape[2:], least, strict=True))
    back = {**attributes, "output_padding": more}
    near(ops.conv_transpose(few[3], few[1], **back), want[0], terms * len(b), dtype)
    dy, dw, _ = gradients("conv_transpose", few[0], few[3], few[1], back)
    near(dy, y - b.reshape(-1, *(1,) * (x.ndim - 2)), terms, dtype)
    near(dw, want[1], terms * y[0, 0].size * len(x), dtype)


@pytest.mark.skipif(not CPP, reason="the compiled core is not built")
@pytest.mark.parametrize("name", SHAPES)
def test_bits_do_not_depend_on_threads_batch_layout_or_level(name: str, dtype: Any, threads: None) -> None:
    x, w, b, attributes = made(name, dtype)

    def results(x: Array) -> list[bytes]:
        y = ops.conv(x, w, b, **attributes)
        return [a.tobytes() for a in (y, *gradients("conv", np.ascontiguousarray(y), x, w, attributes))]

    found = {}
    for target in CPP:
        with running_on(target):
            fastnn.set_num_threads(1)
            want = results(x)
            for n in (2, 3, 4):
                fastnn.set_num_threads(n)
                assert results(x) == want, n
            assert results(channels_last(x)) == want
            one = ops.conv(x[:1], w, b, **attributes)
            assert one.tobytes() == ops.conv(x, w, b, **attributes)[:1].tobytes()
            dy = np.ones_like(ops.conv(x, w, b, **attributes))
            dx = gradients("conv", dy, x, w, attributes, 1)[0][:1]
            assert dx.tobytes() == gradients("conv", dy[:1], x[:1], w, attributes, 1)[0].tobytes()
            if target != "cpp-baseline":
                found[target] = want
    assert len({tuple(w) for w in found.values()}) <= 1


@pytest.fixture(params=[True, False], ids=["winograd", "direct"])
def winograd(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Both ways of 3x3 convolutions."""
    before = fastnn.get_winograd()
    fastnn.set_winograd(request.param)
    yield request.param
    fastnn.set_winograd(before)


@pytest.mark.parametrize("channels", [8, 32, 48])
def test_depthwise_bits_do_not_depend_on_where_images_begin(channels: int, target: str, dtype: Any) -> None:
    """Whole vectors begin at the first cache line of a pixel in the compiled kernels."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((channels, 1, 3, 3)).astype(dtype)
    shape = (2, 6, 7, channels)
    values = rng.standard_normal(shape).astype(dtype)
    found = set()
    for first in range(0, 64, 12):
        room = np.full(values.size + 128, np.nan, dtype)
        x = room[first : first + values.size].reshape(shape)
        x[...] = values
        x = np.moveaxis(x, -1, 1)
        attributes = {"groups": channels, "padding": 1}
        results = (ops.conv(x, w, None, **attributes), *gradients("conv", x, x, w, attributes, 3)[:2])
        found.add(tuple(a.tobytes() for a in results))
    assert len(found) == 1


@pytest.mark.parametrize(("groups", "channels"), [(1, 5), (1, 300), (40, 40)], ids=["few", "many", "depthwise"])
def test_translation(groups: int, channels: int, winograd: bool, target: str, dtype: Any) -> None:
    """Where x moves, y moves with it inside the border: bit for bit where each result is one chain of sums.

    BLAS may sum in another order there, and Winograd's tiles stay where they are.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, 40, 37)).astype(dtype)
    w = rng.standard_normal((40, channels // groups, 3, 3)).astype(dtype)
    y = ops.conv(x, w, padding=1, groups=groups)
    for down, right in ((1, 0), (0, 1), (3, 5)):
        moved = ops.conv(np.roll(x, (down, right), (2, 3)), w, padding=1, groups=groups)
        got = moved[..., down + 1 : -1, right + 1 : -1]
        want = y[..., 1 : y.shape[2] - down - 1, 1 : y.shape[3] - right - 1]
        if target.startswith("cpp") and not (winograd and channels == 300 and dtype == np.float32):
            assert got.tobytes() == want.tobytes()
        near(got, want, channels * 9, dtype)


@pytest.mark.parametrize("dimensions", [3, 4, 5])
def test_channels_lie_side_by_side(dimensions: int, target: str) -> None:
    """On the compiled backend."""
    if not target.startswith("cpp"):
        return
    x = np.ones((2, 3, *(5,) * (dimensions - 2)), np.float32)
    y = ops.conv(x, np.ones((4, 3, *(2,) * (dimensions - 2)), np.float32))
    assert np.moveaxis(y, 1, -1).flags.c_contiguous
    dx = gradients("conv", y, x, np.ones((4, 3, *(2,) * (dimensions - 2)), np.float32), {}, 1)[0]
    assert np.moveaxis(dx, 1, -1).flags.c_contiguous


def test_no_images(target: str, dtype: Any) -> None:
    x, w = np.empty((0, 3, 5, 5), dtype), np.ones((4, 3, 3, 3), dtype)
    y = ops.conv(x, w)
    assert y.shape == (0, 4, 3, 3)
    dx, dw, db = gradients("conv", y, x, w, {})
    assert dx.shape == x.shape
    assert not dw.any()
    assert not db.any()
    assert ops.conv_transpose(y, w).shape == x.shape


REFUSED = {
    "x wants 3, 4 or 5 axes": lambda x, w: ops.conv(x[0, 0], w),
    "weight wants 4 axes": lambda x, w: ops.conv(x, w[0]),
    "x wants 3 channels": lambda x, w: ops.conv(x[:, :2], w),
    "groups wants a divisor of 4": lambda x, w: ops.conv(x, w, groups=3),
    "groups wants a number of at least 1": lambda x, w: ops.conv(x, w, groups=0),
    "bias wants shape": lambda x, w: ops.conv(x, w, np.ones(3, np.float32)),
    "weight wants the dtype of x, float32": lambda x, w: ops.conv(x, w.astype(np.float64)),
    "is larger than x": lambda x, w: ops.conv(x, w, dilation=3),
    "stride wants": lambda x, w: ops.conv(x, w, stride=0),
    "padding wants": lambda x, w: ops.conv(x, w, padding=(1, 2, 3)),
    "at least one value": lambda x, w: ops.conv(x, w[:, :, :0]),
    "x wants 4 channels": lambda x, w: ops.conv_transpose(x, w),
    "output_padding wants less": lambda x, w: ops.conv_transpose(x[:, :1], w[:1], stride=2, output_padding=2),
    "leaves nothing": lambda x, w: ops.conv_transpose(x[:, :1], w[:1], padding=9),
    "unfold: kernel": lambda x, w: ops.unfold(x, kernel=9),
    "fold: x wants": lambda x, w: ops.fold(x[0], size=(5, 5), kernel=2),
    "conv2d: input wants": lambda x, w: F.conv2d(x[0, 0], w),
    "not supported for strided": lambda x, w: F.conv2d(x, w, stride=2, padding="same"),
    "'same' or 'valid'": lambda x, w: F.conv2d(x, w, padding="full"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refusals_have_the_same_words_everywhere(words: str) -> None:
    x, w = np.ones((2, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    found = set()
    for target in TARGETS:
        with running_on(target), pytest.raises((TypeError, ValueError), match=words) as error:
            REFUSED[words](x, w)
        found.add((error.type, str(error.value)))
    assert len(found) == 1


# Layers


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(2, 1), "same"], ids=str)
def test_padding_modes(mode: str, padding: Any, target: str) -> None:
    layer = nn.Conv2d(2, 3, (5, 4), padding=padding, padding_mode=mode)
    x = fastnn.randn(2, 2, 6, 7)
    pairs = ((2, 2), (1, 2)) if padding == "same" else ((2, 2), (1, 1))
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    frame = np.pad(x.numpy(), ((0, 0), (0, 0), *pairs), mode=names[mode])  # type: ignore[call-overload]
    want = F.conv2d(frame, layer.weight, layer.bias).detach().numpy()
    assert np.allclose(layer(x).detach().numpy(), want, atol=1e-6)
    if padding == "same":
        assert layer(x).shape == (2, 3, 6, 7)


def test_one_image_without_a_batch(target: str) -> None:
    w = fastnn.randn(4, 3, 3, 3)
    x = fastnn.randn(3, 6, 7)
    assert np.array_equal(F.conv2d(x, w).numpy(), F.conv2d(x.reshape(1, 3, 6, 7), w).numpy()[0])
    assert F.conv_transpose2d(fastnn.randn(4, 2, 2), w).shape == (3, 4, 4)
    assert F.fold(F.unfold(x, 3), (6, 7), 3).shape == (3, 6, 7)


def test_fold_adds_what_unfold_takes(target: str) -> None:
    x = fastnn.randn(2, 3, 7, 6, requires_grad=True)
    columns = F.unfold(x, (3, 2), padding=1, stride=2)
    count = F.fold(F.unfold(fastnn.ones(2, 3, 7, 6), (3, 2), padding=1, stride=2), (7, 6), (3, 2), padding=1, stride=2)
    y = F.fold(columns, (7, 6), (3, 2), padding=1, stride=2)
    assert np.allclose(y.detach().numpy(), (x * count).detach().numpy(), atol=1e-6)
    columns.sum().backward()
    assert np.allclose(x.grad.numpy(), count.numpy())


LAYERS = {
    "Conv1d": lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2),
    "Conv2d": lambda nn: nn.Conv2d(4, 6, (3, 5), padding="same", bias=False),
    "Conv2d circular": lambda nn: nn.Conv2d(4, 6, 3, padding=(2, 1), dilation=2, padding_mode="circular"),
    "Conv3d": lambda nn: nn.Conv3d(4, 6, 2, dilation=(1, 2, 1), padding="valid"),
    "ConvTranspose1d": lambda nn: nn.ConvTranspose1d(4, 6, 4, stride=3, padding=1, output_padding=2),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(4, 6, (2, 3), stride=2, groups=2, bias=False),
    "ConvTranspose3d": lambda nn: nn.ConvTranspose3d(4, 6, 3, dilation=2),
    "Unfold": lambda nn: nn.Unfold(3, padding=1),
    "Fold": lambda nn: nn.Fold((5, 4), 2, stride=(1, 2)),
}


def space_of(name: str) -> tuple[int, ...]:
    """A shape that the layer takes."""
    return (2, 8, 8) if name == "Fold" else (2, 4, 7, 6, 5)[: 2 + int("".join(filter(str.isdigit, name)) or 2)]


@pytest.mark.parametrize("name", LAYERS)
def test_layers_as_in_pytorch(name: str, target: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = LAYERS[name](nn), LAYERS[name](torch.nn)
    assert repr(ours) == repr(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    for key, value in ours.state_dict().items():
        theirs.state_dict()[key].copy_(torch.from_numpy(value.numpy().copy()))
    x = np.random.default_rng(0).standard_normal(space_of(name)).astype(np.float32)
    a, b = fastnn.tensor(x, requires_grad=True), torch.from_numpy(x).requires_grad_()
    y, z = ours(a), theirs(b)
    assert np.allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-5)
    (y * y).sum().backward()
    (z * z).sum().backward()
    assert np.allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-4)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert np.allclose(p.grad.numpy(), q.grad.numpy(), atol=2e-4)


def test_output_size() -> None:
    layer = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1)
    x = fastnn.zeros(1, 3, 4, 5)
    assert layer(x).shape == (1, 2, 7, 9)
    assert layer(x, output_size=(8, 9)).shape == (1, 2, 8, 9)
    assert layer(x, output_size=(1, 2, 7, 10)).shape == (1, 2, 7, 10)
    with pytest.raises(ValueError, match="valid sizes range from"):
        layer(x, output_size=(9, 9))


def test_initial_values() -> None:
    for layer, values in ((nn.Conv2d(8, 16, 3), 72), (nn.ConvTranspose1d(9, 16, 4, groups=1), 64)):
        for p in layer.parameters():
            assert 0.8 / np.sqrt(values) < np.abs(p.detach().numpy()).max() <= 1 / np.sqrt(values)


@pytest.mark.parametrize(
    ("words", "make"),
    [
        ("in_channels must be divisible by groups", lambda: nn.Conv2d(3, 4, 3, groups=2)),
        ("out_channels must be divisible by groups", lambda: nn.Conv2d(4, 3, 3, groups=2)),
        ("Conv2d: kernel_size wants 2 numbers of at least 1", lambda: nn.Conv2d(3, 4, (3, 3, 3))),
        ("Conv1d: stride wants whole numbers", lambda: nn.Conv1d(3, 4, 3, stride=1.5)),
        ("Invalid padding string", lambda: nn.Conv1d(3, 4, 3, padding="half")),
        ("not supported for strided", lambda: nn.Conv1d(3, 4, 3, padding="same", stride=2)),
        ("padding_mode must be one of", lambda: nn.Conv1d(3, 4, 3, padding_mode="wrap")),
        ("padding_mode must be one of zeros", lambda: nn.ConvTranspose1d(3, 4, 3, padding_mode="reflect")),
    ],
)
def test_bad_arguments_of_layers(words: str, make: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_captured_step_has_the_bits_of_the_eager_one(target: str) -> None:
    def train(compiled: bool) -> list[bytes]:
        fastnn.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 2, stride=2),
            nn.Flatten(),
            nn.Linear(3 * 8 * 8, 5),
        )
        optimizer = fastnn.optim.SGD(net.parameters(), lr=0.1)

        def step(x: Any, t: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), t)
            loss.backward()
            optimizer.step()
            return loss

        run = fastnn.compile(step) if compiled else step
        rng = np.random.default_rng(1)
        for _ in range(5):
            run(
                fastnn.tensor(rng.standard_normal((6, 1, 8, 8)).astype(np.float32)),
                fastnn.tensor(rng.integers(0, 5, 6)),
            )
        return [p.detach().numpy().tobytes() for p in net.parameters()]

    assert train(True) == train(False)
