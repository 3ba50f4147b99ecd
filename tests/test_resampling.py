"""Images in another size: functions and modules against PyTorch, memory order, threads, captured steps."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn, ops
from fastnn.nn import functional as F

Array = np.ndarray[Any, Any]
SPACE = {1: (7,), 2: (5, 6), 3: (3, 4, 5)}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def values(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def channels_last(x: Array) -> Array:
    """The same values with channels as neighbors in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def compare(ours: Any, theirs: Any, x: Array) -> None:
    """Results and gradients."""
    torch = pytest.importorskip("torch")
    a, b = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    eps = 20 * float(np.finfo(x.dtype).eps)
    assert y.shape == tuple(z.shape)
    assert np.allclose(y.array, z.detach().numpy(), rtol=eps, atol=eps)
    dy = values(y.shape, x.dtype, 1)
    y.backward(fastnn.tensor(dy))
    z.backward(torch.from_numpy(dy))
    assert np.allclose(a.grad.numpy(), b.grad.numpy(), rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize(
    "how", [{"size": 9}, {"scale_factor": 2}, {"scale_factor": 1.7}, {"scale_factor": 0.6}], ids=str
)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_interpolate_against_torch(rank: int, how: dict[str, Any], target: str, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x = values((2, 18, *SPACE[rank]), dtype)
    modes: list[dict[str, Any]] = [{}]
    modes += [{"mode": LINEAR[rank], "align_corners": c} for c in (None, False, True)]
    for mode in modes:
        ours, theirs = (m.Upsample(**how, **mode) for m in (nn, torch.nn))
        assert repr(ours) == repr(theirs)
        compare(ours, theirs, x)
    if "scale_factor" in how:
        again = {**how, "recompute_scale_factor": True}
        compare(nn.Upsample(**again), torch.nn.Upsample(**again), x)


def test_nearest_neighbors_are_torchs() -> None:
    """Of many sizes, where products of floats come near whole numbers; its float64 does not agree with itself."""
    torch = pytest.importorskip("torch")
    for n, out in itertools.product(range(1, 33), (*range(1, 64), 97, 123)):
        x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
        assert np.array_equal(F.interpolate(x, out).numpy(), F_nearest(torch, x, size=out))
    for n, factor in itertools.product(range(1, 33), (1.1, 1.5, 1.7, 2.6, 3.3, 1 / 3 + 1)):
        x = np.arange(n, dtype=np.float32).reshape(1, 1, 1, n)  # of images it copies an axis that keeps its length
        how = {"scale_factor": (1.0, factor)}
        assert np.array_equal(F.interpolate(x, **how).numpy(), F_nearest(torch, x, **how))


def F_nearest(torch: Any, x: Array, **how: Any) -> Array:
    return torch.nn.functional.interpolate(torch.from_numpy(x), **how).numpy()  # type: ignore[no-any-return]


def test_backends_choose_the_same_neighbors(target: str, dtype: Any) -> None:
    for n, out in itertools.product(range(1, 33), (*range(1, 64), 97, 123)):
        x = np.arange(n, dtype=dtype).reshape(1, 1, n)
        with fastnn.use_backend("numpy"):
            want = ops.interpolate(x, size=out)
        assert np.array_equal(ops.interpolate(x, size=out), want)


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_memory_order(method: str, target: str, dtype: Any) -> None:
    x = values((2, 5, 4, 6), dtype)
    results = [
        ops.interpolate(given, size=(7, 5), method=method) for given in (x, channels_last(x), x[..., ::-1][..., ::-1])
    ]
    assert all(np.array_equal(r, results[0]) for r in results)
    if target.startswith("cpp"):
        assert np.moveaxis(results[1], 1, -1).flags.c_contiguous


def test_infinite_neighbors_without_weight_do_not_count(target: str, dtype: Any) -> None:
    x = np.array([[[1.0, np.inf]]], dtype)
    assert ops.interpolate(x, size=4, method="linear").tolist() == [[[1.0, np.inf, np.inf, np.inf]]]


def test_threads_do_not_change_bits(dtype: Any) -> None:
    if "cpp" not in fastnn.backends():
        pytest.skip("the compiled core is not built")
    before = fastnn.get_num_threads()
    x = values((3, 70, 20, 21), dtype)
    results = []
    for threads in (1, 2, 3, 4):
        fastnn.set_num_threads(threads)
        t = fastnn.Tensor(x, requires_grad=True)
        y = F.interpolate(t, scale_factor=1.9, mode="bilinear")
        (y * y).sum().backward()
        results.append((y.array.tobytes(), t.grad.numpy().tobytes()))
    fastnn.set_num_threads(before)
    assert all(r == results[0] for r in results)


def test_captured_steps_have_the_same_bits(target: str) -> None:
    def run(captured: bool) -> list[bytes]:
        fastnn.manual_seed(1)
        w = fastnn.rand(1, 4, 1, 1, requires_grad=True)

        def step(x: Any) -> Any:
            w.grad = None
            y = F.pixel_shuffle(F.interpolate(x * w, scale_factor=1.5, mode="bilinear") ** 2, 2)
            y = F.pixel_unshuffle(F.interpolate(y, 8), 2)
            (y * y).sum().backward()
            return y.detach()

        run_step = fastnn.compile(step) if captured else step
        found = []
        for i in range(4):
            x = fastnn.tensor(values((2, 4, 4, 5), np.float32, i))
            found += [run_step(x).numpy().tobytes(), w.grad.numpy().tobytes()]
        return found

    assert run(False) == run(True)


@pytest.mark.parametrize("shape", [(2, 8, 3, 5), (12, 2, 3)])
def test_pixel_shuffle_against_torch(shape: tuple[int, ...], target: str, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    x = values(shape, dtype)
    assert repr(nn.PixelShuffle(2)) == repr(torch.nn.PixelShuffle(2))
    assert repr(nn.PixelUnshuffle(2)) == repr(torch.nn.PixelUnshuffle(2))
    compare(nn.PixelShuffle(2), torch.nn.PixelShuffle(2), x)
    wide = nn.PixelShuffle(2)(fastnn.tensor(x)).numpy()
    compare(nn.PixelUnshuffle(2), torch.nn.PixelUnshuffle(2), wide.copy())
    assert np.array_equal(nn.PixelUnshuffle(2)(fastnn.tensor(wide)).numpy(), x)
    if x.ndim == 4:
        assert np.array_equal(nn.PixelShuffle(2)(fastnn.Tensor(channels_last(x))).numpy(), wide)


def test_refusals(target: str) -> None:
    x = fastnn.zeros(1, 2, 4, 4)
    with pytest.raises(ValueError, match="either size or scale_factor"):
        F.interpolate(x)
    with pytest.raises(ValueError, match="either size or scale_factor"):
        F.interpolate(x, 3, 2.0)
    with pytest.raises(ValueError, match="mode wants one of nearest"):
        F.interpolate(x, 3, mode="bicubic")
    with pytest.raises(ValueError, match="does not go with an input"):
        F.interpolate(x, 3, mode="linear")
    with pytest.raises(ValueError, match="align_corners option"):
        F.interpolate(x, 3, align_corners=True)
    with pytest.raises(ValueError, match="antialias wants False"):
        F.interpolate(x, 3, mode="bilinear", antialias=True)
    with pytest.raises(ValueError, match="leaves nothing of x"):
        F.interpolate(x, scale_factor=0.1)
    with pytest.raises(ValueError, match="scale_factor wants a positive number"):
        F.interpolate(x, scale_factor=-1.0)
    with pytest.raises(ValueError, match="recompute_scale_factor is not meaningful"):
        F.interpolate(x, 3, recompute_scale_factor=True)
    with pytest.raises(ValueError, match="a multiple of 9 channels"):
        F.pixel_shuffle(x, 3)
    with pytest.raises(ValueError, match="multiples of 3"):
        F.pixel_unshuffle(x, 3)
