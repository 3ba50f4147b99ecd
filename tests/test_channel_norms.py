"""Normalization by channels: modules against PyTorch, running statistics, memory order, threads, captured steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
SHAPES = {"1d": (6, 5), "1d long": (4, 5, 7), "2d": (3, 5, 4, 6), "3d": (2, 5, 3, 2, 4)}


def values(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(1, 4, shape).astype(dtype)


def channels_last(x: Array) -> Array:
    """The same values with channels as neighbors in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def close(got: Any, want: Any, dtype: Any) -> bool:
    eps = 40 * float(np.finfo(dtype).eps)
    return bool(np.allclose(got, want, rtol=eps, atol=eps))


@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", SHAPES)
def test_batch_norm_against_torch(kind: str, affine: bool, momentum: float | None, target: str, dtype: Any) -> None:
    """Three steps of training, then evaluation: results, gradients and statistics."""
    torch = pytest.importorskip("torch")
    name = f"BatchNorm{kind[:2]}"
    ours = getattr(nn, name)(5, momentum=momentum, affine=affine, dtype=dtype)
    theirs = getattr(torch.nn, name)(5, momentum=momentum, affine=affine, dtype=getattr(torch, np.dtype(dtype).name))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    if affine:
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            fresh = values((5,), dtype, 9)
            p.array[...] = fresh
            q.data = torch.from_numpy(fresh.copy())
    for step in range(5):
        if step == 3:
            ours.eval()
            theirs.eval()
        x = values(SHAPES[kind], dtype, step)
        dy = values(x.shape, dtype, step + 50) - 2
        a, b = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        assert close(y.array, z.detach().numpy(), dtype)
        y.backward(fastnn.tensor(dy))
        z.backward(torch.from_numpy(dy))
        assert close(a.grad.numpy(), b.grad.numpy(), dtype)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert np.allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4)
        for s, t in zip(ours.buffers(), theirs.buffers(), strict=True):
            assert close(s.numpy(), t.numpy(), dtype)
    assert ours.num_batches_tracked.item() == 3
    assert ours.num_batches_tracked.dtype == np.int64


@pytest.mark.parametrize("op", ["batch_norm", "batch_norm_inference", "group_norm"])
@pytest.mark.parametrize(
    "shape", [(3, 4, 5), (2, 4, 3, 7), (2, 8, 5, 4), (2, 4, 2, 3, 4), (300, 4, 1, 1), (2, 40, 3, 3)]
)
def test_memory_order_is_kept(op: str, shape: tuple[int, ...], target: str, dtype: Any) -> None:
    """Images in C order, in channels-last memory and in none of both give the same; the last on cpp stays so."""
    x, dy = values(shape, dtype), values(shape, dtype, 1)
    channels = shape[1]
    weight, bias = values((channels,), dtype, 2), values((channels,), dtype, 3)
    attributes = {"groups": 2} if op == "group_norm" else {}
    running = {} if op == "group_norm" else {"running": [values((channels,), dtype, 4), values((channels,), dtype, 5)]}
    found = []
    odd = np.zeros((*shape, 2), dtype)
    odd[..., 0] = x
    for given in (x, channels_last(x), odd[..., 0]):
        leaves = [fastnn.Tensor(given, requires_grad=True)]
        leaves += [fastnn.tensor(a, requires_grad=True) for a in (weight, bias)]
        y = getattr(ops, op)(*leaves, **running, **attributes)
        y.backward(fastnn.Tensor(channels_last(dy)))
        found.append([y.array, *(t.grad.numpy() for t in leaves)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-5)
    if target.startswith("cpp"):
        for a in found[1][:2]:
            assert np.moveaxis(a, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(700, 33), (5, 64, 9, 9), (4, 3, 40, 40), (3, 600, 5)])
def test_threads_do_not_change_bits(shape: tuple[int, ...], dtype: Any) -> None:
    if "cpp" not in fastnn.backends():
        pytest.skip("the compiled core is not built")
    before = fastnn.get_num_threads()
    results = []
    x, dy = values(shape, dtype), values(shape, dtype, 1)
    for threads in (1, 2, 3, 4):
        fastnn.set_num_threads(threads)
        row = []
        for op, attributes in ((ops.batch_norm, {}), (ops.group_norm, {"groups": 1})):
            for given in (x, channels_last(x)):
                t, w = fastnn.Tensor(given, requires_grad=True), fastnn.ones(shape[1], dtype=dtype, requires_grad=True)
                y = op(t, w, None, **attributes)
                y.backward(fastnn.Tensor(dy))
                row += [y.array.tobytes(), t.grad.numpy().tobytes(), w.grad.numpy().tobytes()]
        results.append(row)
    fastnn.set_num_threads(before)
    assert all(r == results[0] for r in results)


@pytest.mark.parametrize("shape", [(21, 17), (300, 70), (21, 600), (5, 130, 3)])
def test_many_channels(shape: tuple[int, ...], target: str, dtype: Any) -> None:
    """More than registers hold, against the definition."""

    def run() -> list[Array]:
        t = fastnn.Tensor(values(shape, dtype), requires_grad=True)
        w, b = (fastnn.tensor(values(shape[1:2], dtype, i), requires_grad=True) for i in (1, 2))
        y = ops.batch_norm(t, w, b)
        y.backward(fastnn.Tensor(values(shape, dtype, 3)))
        return [y.array, *(p.grad.numpy() for p in (t, w, b))]

    with fastnn.use_backend("numpy"):
        want = run()
    for a, b in zip(run(), want, strict=True):
        assert np.allclose(a, b, rtol=2e3 * np.finfo(dtype).eps, atol=2e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_captured_steps_have_the_same_bits(momentum: float | None, target: str) -> None:
    def run(captured: bool) -> list[bytes]:
        fastnn.manual_seed(1)
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, momentum=momentum), nn.ReLU(), nn.Linear(8, 1))
        optimizer = fastnn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        run_step = fastnn.compile(step) if captured else step
        out = [run_step(fastnn.tensor(values((16, 6), np.float32, i))).numpy().tobytes() for i in range(5)]
        return out + [t.numpy().tobytes() for t in model.state_dict().values()]

    assert run(False) == run(True)


def test_one_layer_twice_in_evaluation(target: str) -> None:
    """The second use must not look like a change of what the first one saved."""
    layer = nn.BatchNorm1d(3).eval()
    x = fastnn.tensor(values((4, 3), np.float32), requires_grad=True)
    layer(layer(x)).sum().backward()
    assert np.allclose(x.grad.numpy(), 1 / (1 + 1e-5))


def test_without_running_statistics(target: str) -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False)
    x = fastnn.tensor(values((4, 3), np.float32))
    y = layer(x).array
    assert np.array_equal(layer.eval()(x).array, y)
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_equal_values_have_no_spread(target: str, dtype: Any) -> None:
    for shape in ((7, 2), (3, 2, 5, 5)):
        x = np.full(shape, 0.1, dtype)
        assert not ops.batch_norm(x, eps=0.01).any()


def test_reset(target: str) -> None:
    layer = nn.BatchNorm1d(3)
    fresh = {k: v.numpy().copy() for k, v in layer.state_dict().items()}
    layer(fastnn.tensor(values((4, 3), np.float32)))
    layer.weight.array[...] = 7
    layer.reset_parameters()
    for k, v in layer.state_dict().items():
        assert np.array_equal(v.numpy(), fresh[k])


def test_without_samples_or_channels(target: str, dtype: Any) -> None:
    x = fastnn.tensor(np.zeros((0, 4, 3), dtype), requires_grad=True)
    y = F.group_norm(x, 2, fastnn.ones(4, dtype=dtype))
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 4, 3)
    for shape in ((4, 0), (4, 0, 3)):
        with pytest.raises(ValueError, match="more than one value for each channel"):
            F.batch_norm(np.zeros(shape, dtype), None, None, training=True)


def test_refusals(target: str) -> None:
    with pytest.raises(ValueError, match="expected 4D input"):
        nn.BatchNorm2d(3)(fastnn.zeros(2, 3))
    with pytest.raises(ValueError, match="more than one value for each channel"):
        nn.BatchNorm1d(3)(fastnn.zeros(1, 3))
    with pytest.raises(ValueError, match="running_mean and running_var"):
        F.batch_norm(fastnn.zeros(2, 3), None, None)
    with pytest.raises(ValueError, match="weight wants shape"):
        F.batch_norm(fastnn.zeros(2, 3), None, None, fastnn.ones(2), training=True)
    with pytest.raises(ValueError, match="divisor of the 3 channels"):
        ops.group_norm(np.zeros((2, 3)), groups=2)
    with pytest.raises(TypeError, match="running mean wants the dtype"):
        ops.batch_norm(np.zeros((2, 3), np.float32), running=[np.zeros(3), np.ones(3)])
    with pytest.raises(ValueError, match="momentum wants a number"):
        ops.batch_norm(np.zeros((2, 3)), running=[np.zeros(3), np.ones(3)], momentum=None)


def against_torch(ours: Any, theirs: Any, x: Array) -> None:
    """Results, gradients and buffers of a layer and PyTorch's on the same weights."""
    torch = pytest.importorskip("torch")
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for i, (p, q) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())
        fresh = values(p.shape, x.dtype, i)
        p.array[...] = fresh
        q.data = torch.from_numpy(fresh.copy())
    a, b = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    assert close(y.array, z.detach().numpy(), x.dtype)
    dy = values(x.shape, x.dtype, 50) - 2
    y.backward(fastnn.tensor(dy))
    z.backward(torch.from_numpy(dy))
    pairs = [(a, b), *zip(ours.parameters(), theirs.parameters(), strict=True)]
    for p, q in pairs:
        assert np.allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4)
    for s, t in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert close(s.numpy(), t.numpy(), x.dtype)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "group": (lambda nn, d: nn.GroupNorm(2, 6, dtype=d), (3, 6, 4, 5)),
    "group without bias": (lambda nn, d: nn.GroupNorm(3, 6, eps=0.1, dtype=d, bias=False), (3, 6, 7)),
    "instance 1d": (lambda nn, d: nn.InstanceNorm1d(6, affine=True, dtype=d), (3, 6, 7)),
    "instance 1d alone": (lambda nn, d: nn.InstanceNorm1d(6, dtype=d), (6, 7)),
    "instance 2d": (lambda nn, d: nn.InstanceNorm2d(6, affine=True, track_running_stats=True, dtype=d), (3, 6, 4, 5)),
    "instance 3d": (lambda nn, d: nn.InstanceNorm3d(3, track_running_stats=True, dtype=d), (2, 3, 2, 4, 5)),
    "instance without momentum": (
        lambda nn, d: nn.InstanceNorm2d(6, momentum=None, track_running_stats=True, dtype=d),
        (3, 6, 4, 5),
    ),
    "rms": (lambda nn, d: nn.RMSNorm(5, dtype=d), (3, 6, 5)),
    "rms over two": (lambda nn, d: nn.RMSNorm((6, 5), eps=0.1, elementwise_affine=False), (3, 6, 5)),
    "response": (lambda nn, d: nn.LocalResponseNorm(3, alpha=0.5), (2, 7, 4, 5)),
    "response of an even size": (lambda nn, d: nn.LocalResponseNorm(4, 0.5, 0.5, 2.0), (2, 7, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_against_torch(name: str, target: str, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    make, shape = LAYERS[name]
    ours, theirs = make(nn, dtype), make(torch.nn, getattr(torch, np.dtype(dtype).name))
    against_torch(ours, theirs, values(shape, dtype))
    x = values(shape, dtype, 3)
    y, z = ours.eval()(fastnn.tensor(x)), theirs.eval()(torch.tensor(x))
    assert close(y.array, z.detach().numpy(), dtype)


def test_captured_instance_norm_moves_its_statistics(target: str) -> None:
    def run(captured: bool) -> list[bytes]:
        layer = nn.InstanceNorm1d(4, affine=True, track_running_stats=True)

        def step(x: Any) -> Any:
            layer.weight.grad = None
            y = (layer(x) ** 3).sum()
            y.backward()
            return y.detach()

        run_step = fastnn.compile(step) if captured else step
        out = [run_step(fastnn.tensor(values((2, 4, 6), np.float32, i))).numpy().tobytes() for i in range(4)]
        return [*out, *(t.numpy().tobytes() for t in layer.state_dict().values()), layer.weight.grad.numpy().tobytes()]

    assert run(False) == run(True)


def test_more_refusals(target: str) -> None:
    with pytest.raises(ValueError, match="divisible by num_groups"):
        nn.GroupNorm(4, 6)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        nn.InstanceNorm1d(3)(fastnn.zeros(2, 3, 1))
    with pytest.raises(ValueError, match="expected 6 channels"):
        nn.InstanceNorm1d(6, affine=True)(fastnn.zeros(2, 3, 4))
    with pytest.warns(UserWarning, match="num_features is 6"):
        nn.InstanceNorm1d(6)(fastnn.zeros(2, 3, 4))
    with pytest.raises(ValueError, match="when use_input_stats=False"):
        F.instance_norm(fastnn.zeros(2, 3, 4), use_input_stats=False)
    with pytest.raises(ValueError, match="Given normalized_shape"):
        F.rms_norm(fastnn.zeros(2, 3), (4,))
    with pytest.raises(ValueError, match="at least 3 axes"):
        F.local_response_norm(fastnn.zeros(2, 3), 2)
