"""Pooling: functions and modules against PyTorch, memory order, ties and NaN, threads, captured steps."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops
from fastnn._registry import BACKENDS, OPS
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
SPACE = {1: (11,), 2: (9, 8), 3: (5, 6, 7)}
WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True},
]


def values(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    """Few different values, so that there are ties."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(dtype)


def channels_last(x: Array) -> Array:
    """The same values with channels as neighbors in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def compare(ours: Any, theirs: Any, x: Array) -> None:
    """Results, positions and gradients of a layer and PyTorch's."""
    torch = pytest.importorskip("torch")
    a, b = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    if isinstance(y, tuple):
        assert np.array_equal(y[1].numpy(), z[1].numpy())
        assert y[1].dtype == np.int64
        y, z = y[0], z[0]
    eps = 8 * float(np.finfo(x.dtype).eps)
    assert np.allclose(y.array, z.detach().numpy(), rtol=eps, atol=eps)
    dy = values(y.shape, x.dtype, 1)
    y.backward(fastnn.tensor(dy))
    z.backward(torch.from_numpy(dy))
    assert np.allclose(a.grad.numpy(), b.grad.numpy(), rtol=eps, atol=eps)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("windows", WINDOWS, ids=str)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_sliding_against_torch(rank: int, windows: dict[str, Any], batched: bool, target: str, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x = values((2, 18, *SPACE[rank]) if batched else (3, *SPACE[rank]), dtype)
    arguments = [{**windows, "return_indices": True}]
    if windows["kernel_size"] == 3:
        arguments.append({**windows, "dilation": 2})
    for each in arguments:
        compare(getattr(nn, f"MaxPool{rank}d")(**each), getattr(torch.nn, f"MaxPool{rank}d")(**each), x)
    for count in (True, False):
        each = {**windows, "count_include_pad": count}
        compare(getattr(nn, f"AvgPool{rank}d")(**each), getattr(torch.nn, f"AvgPool{rank}d")(**each), x)
    if rank > 1:
        each = {**windows, "divisor_override": 5}
        compare(getattr(nn, f"AvgPool{rank}d")(**each), getattr(torch.nn, f"AvgPool{rank}d")(**each), x)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive_against_torch(rank: int, size: int, target: str, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x = values((2, 18, *SPACE[rank]), dtype)
    for name, more in (("Avg", {}), ("Max", {"return_indices": True})):
        name = f"Adaptive{name}Pool{rank}d"
        compare(getattr(nn, name)(size, **more), getattr(torch.nn, name)(size, **more), x)
    if rank == 2:
        compare(nn.AdaptiveAvgPool2d((None, size)), torch.nn.AdaptiveAvgPool2d((None, size)), x)


def test_modules_look_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    for rank, kernel in itertools.product((1, 2, 3), (2, (3,))):
        size = kernel if isinstance(kernel, int) else kernel * rank
        for name in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"):
            ours, theirs = (getattr(m, f"{name}{rank}d")(size) for m in (nn, torch.nn))
            assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", ["max_pool", "max_pool_indices", "avg_pool"])
def test_memory_order(name: str, target: str, dtype: Any) -> None:
    """Any order gives the same bits; images in channels-last memory come out so on cpp."""
    for shape, windows in itertools.product(((2, 5, 8, 9), (1, 40, 6, 7), (2, 3, 12)), WINDOWS[:4]):
        x = values(shape, dtype) + 1
        odd = np.zeros((*shape, 2), dtype)
        odd[..., 0] = x
        results = [getattr(ops, name)(given, **windows) for given in (x, channels_last(x), odd[..., 0])]
        assert all(np.array_equal(r, results[0]) for r in results)
        if target.startswith("cpp"):
            assert np.moveaxis(results[1], 1, -1).flags.c_contiguous


@pytest.mark.parametrize("kernel", [2, 3])
def test_first_of_equal_values_and_nan(kernel: int, target: str, dtype: Any) -> None:
    x = np.zeros((1, 2, 6, 6), dtype)
    x[0, 0, 0, 0] = -0.0
    x[0, 1, 2, 3] = np.nan
    x[0, 1, 4:, 4:] = -np.inf
    x[0, 1, :2, :2] = np.inf
    y, at = F.max_pool2d(x, kernel, return_indices=True)
    assert at[0, 0, 0, 0].item() == 0
    assert np.isnan(y.numpy()[0, 1]).sum() == 1
    t = fastnn.tensor(x, requires_grad=True)
    F.max_pool2d(t, kernel).backward(fastnn.ones(*y.shape, dtype=dtype))
    want = np.zeros((1, 2, 36))
    np.put_along_axis(want, at.numpy().reshape(1, 2, -1), 1, 2)
    assert np.array_equal(t.grad.numpy(), want.reshape(x.shape))


def test_gradient_of_a_global_mean_lies_channels_last(target: str, dtype: Any) -> None:
    kernel = OPS["adaptive_avg_pool"].backward_kernels[BACKENDS.index(fastnn.backend())]
    dy = values((2, 5, 1, 1), dtype)  # lies in both orders
    dx = kernel(dy, (2, 5, 4, 3), (1, 1), 1)
    np.testing.assert_allclose(dx, np.broadcast_to(dy / dtype(12), dx.shape), rtol=4 * np.finfo(dtype).eps)
    if target.startswith("cpp"):
        assert np.moveaxis(dx, 1, -1).flags.c_contiguous


def test_threads_do_not_change_bits(dtype: Any) -> None:
    if "cpp" not in fastnn.backends():
        pytest.skip("the compiled core is not built")
    before = fastnn.get_num_threads()
    x = np.random.default_rng(0).standard_normal((3, 70, 40, 41)).astype(dtype)
    results = []
    for threads in (1, 2, 3, 4):
        fastnn.set_num_threads(threads)
        row = []
        for windows in WINDOWS:
            for pool in (ops.max_pool, ops.avg_pool):
                t = fastnn.Tensor(x, requires_grad=True)
                y = pool(t, **windows)
                (y * y).sum().backward()
                row += [y.array.tobytes(), t.grad.numpy().tobytes()]
        results.append(row)
    fastnn.set_num_threads(before)
    assert all(r == results[0] for r in results)


def test_captured_steps_have_the_same_bits(target: str) -> None:
    def run(captured: bool) -> list[bytes]:
        fastnn.manual_seed(1)
        w = fastnn.rand(1, 4, 1, 1, requires_grad=True)

        def step(x: Any) -> Any:
            w.grad = None
            y = F.max_pool2d(x * w, 2) + F.max_pool2d(x * w, 3, 2, 1)
            y = F.avg_pool2d(y, 2) + F.adaptive_avg_pool2d(y, 2)
            y.sum().backward()
            return y.detach()

        run_step = fastnn.compile(step) if captured else step
        found = []
        for i in range(4):
            x = fastnn.tensor(values((2, 4, 8, 8), np.float32, i))
            found += [run_step(x).numpy().tobytes(), w.grad.numpy().tobytes()]
        return found

    assert run(False) == run(True)


def test_no_samples_and_refusals(target: str) -> None:
    assert F.max_pool2d(fastnn.zeros(0, 3, 4, 4), 2).shape == (0, 3, 2, 2)
    assert F.adaptive_avg_pool2d(fastnn.zeros(0, 3, 4, 4), 1).shape == (0, 3, 1, 1)
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        x = fastnn.ones(2, 3, 4, 4, requires_grad=True)
        y = pool(x, (0, 2))
        y.sum().backward()
        assert y.shape == (2, 3, 0, 2)
        assert not x.grad.any()
    assert F.adaptive_max_pool2d(fastnn.ones(2, 3, 4, 4), (0, 2), return_indices=True)[1].shape == (2, 3, 0, 2)
    with pytest.raises(ValueError, match="padding wants at most half of kernel_size"):
        F.max_pool2d(fastnn.zeros(1, 1, 4, 4), 2, padding=2)
    with pytest.raises(ValueError, match="wants more values than x"):
        F.max_pool2d(fastnn.zeros(1, 1, 4, 4), 5)
    with pytest.raises(ValueError, match="a window lies in the padding"):
        F.max_pool1d(fastnn.zeros(1, 1, 2), 2, padding=1, dilation=3)
    with pytest.raises(ValueError, match="at least one value on each axis"):
        F.avg_pool1d(fastnn.zeros(1, 1, 0), 1)
    with pytest.raises(ValueError, match="input wants 3 or 4 dimensions"):
        F.max_pool2d(fastnn.zeros(4, 4), 2)
    with pytest.raises(ValueError, match="stride wants one number of at least 1"):
        F.avg_pool2d(fastnn.zeros(1, 1, 4, 4), 2, stride=0)
    with pytest.raises(TypeError, match="max_pool: x wants float32 or float64"):
        F.max_pool2d(np.zeros((1, 1, 4, 4), np.int64), 2)
