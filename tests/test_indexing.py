"""getitem and set_item against NumPy for keys of every kind, the ordinary functions over views, take and argmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import ops
from fastnn._backward import backward
from fastnn._tensor import Tensor

X = np.arange(60.0).reshape(3, 4, 5)
BASIC: list[Any] = [
    0,
    -1,
    np.int64(2),
    slice(None),
    slice(2, 0, -1),
    slice(5, 9),
    None,
    Ellipsis,
    (),
    (1, 2, 3),
    (slice(None, None, -2), ..., 0),
    (None, 1, None, slice(1, 3)),
    (..., slice(4, None, -3)),
]
ADVANCED: list[Any] = [
    [0, 2, 2],  # the first has one place twice
    [],
    np.array([[0, -1], [1, 1]]),
    np.array(1),
    X > 30,
    np.array([True, False, True]),
    True,
    (slice(None), [0, 3], [1, -1]),
    ([0, 1], slice(None), [1, 2]),
    (..., np.array([0, 0, 4])),
    (0, X[0] > 7),
    (None, [2, 0]),
]


@pytest.mark.parametrize("key", BASIC, ids=str)
def test_basic_keys_give_views(key: Any) -> None:
    y = ops.getitem(X, key)
    assert np.array_equal(y, X[key])
    assert y.size == 0 or np.shares_memory(y, X)


@pytest.mark.parametrize("key", ADVANCED, ids=str)
def test_advanced_keys(key: Any) -> None:
    assert np.array_equal(ops.getitem(X, key), X[key])


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=str)
def test_gradient_of_getitem(key: Any) -> None:
    """Each value gets the gradients of all the places it was copied to."""
    x = Tensor(X.copy(), requires_grad=True)
    y = ops.getitem(x, key)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    backward(y, dy)
    want = np.zeros_like(X)
    np.add.at(want, key, dy)
    np.testing.assert_allclose(x.grad.array, want, rtol=1e-14)


@pytest.mark.parametrize("key", BASIC + ADVANCED[1:], ids=str)
def test_set_item(key: Any) -> None:
    want = X.copy()
    value = np.random.default_rng(0).standard_normal(want[key].shape)
    want[key] = value
    x, v = Tensor(X.copy(), requires_grad=True), Tensor(value, requires_grad=True)
    y = ops.set_item(x, v, key)
    assert np.array_equal(y.array, want)
    dy = np.random.default_rng(1).standard_normal(X.shape)
    backward(y, dy)
    dx = dy.copy()
    dx[key] = 0
    assert np.array_equal(x.grad.array, dx)
    if value.size and not isinstance(key, tuple) and not (isinstance(key, np.ndarray) and key.dtype.kind == "i"):
        assert np.array_equal(v.grad.array, dy[key])


def test_set_item_broadcasts_and_casts() -> None:
    y = ops.set_item(X, 7, (slice(None), 1))
    assert (y[:, 1] == 7).all()
    assert y.dtype == X.dtype
    with pytest.raises(ValueError, match="broadcast"):
        ops.set_item(X, np.zeros(3), 0)


@pytest.mark.parametrize(
    ("key", "words"),
    [(3, "out of range"), ((0, 0, 0, 0), "at most 3 items"), ((..., ...), "one ..."), ((0, -5), "out of range")],
)
def test_refused_keys(key: Any, words: str) -> None:
    with pytest.raises(IndexError, match=words):
        ops.getitem(X, key)
    with pytest.raises(IndexError):
        X[key]


def test_refused_indices() -> None:
    with pytest.raises(IndexError, match="flat position 1 is out of range"):
        ops.take(X, np.array([0, 4]))
    with pytest.raises(TypeError, match="indices wants int64"):
        ops.take(X, np.array([0.0]))


@pytest.mark.parametrize("parts", [1, 2, 4, (1, 3), (0, 2, 9), ()])
def test_split(parts: Any) -> None:
    got = ops.split(X, parts, axis=1)
    want = np.split(X, parts, axis=1)
    assert len(got) == len(want)
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


@pytest.mark.parametrize(
    ("size", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5]), ((2, 0, 3), [2, 0, 3])]
)
def test_split_sizes(size: Any, lengths: list[int]) -> None:
    parts = ops.split_sizes(X, size, axis=-1)
    assert [p.shape[-1] for p in parts] == lengths
    assert np.array_equal(np.concatenate(parts, -1), X)


def test_refused_parts() -> None:
    for call in (lambda: ops.split(X, 2), lambda: ops.split_sizes(X, 0), lambda: ops.split_sizes(X, (1, 1))):
        with pytest.raises(ValueError, match=r"parts wants|size wants"):
            call()


@pytest.mark.parametrize("axis", [0, -1, (0, -1), 2])
def test_new_and_lost_axes(axis: Any) -> None:
    y = ops.expand_dims(X, axis)
    assert y.shape == np.expand_dims(X, axis).shape
    assert ops.squeeze(y, axis).shape == X.shape
    assert ops.squeeze(y).shape == X.shape
    assert np.shares_memory(y, X)


def test_flatten_and_swapaxes() -> None:
    assert ops.flatten(X).shape == (60,)
    assert ops.flatten(X, 1).shape == (3, 20)
    assert ops.flatten(X, 0, 1).shape == (12, 5)
    assert ops.flatten(np.array(1.0)).shape == (1,)
    assert np.array_equal(ops.swapaxes(X, 0, -1), X.swapaxes(0, -1))
    for call in (lambda: ops.flatten(X, 2, 1), lambda: ops.squeeze(X, 0)):
        with pytest.raises(ValueError, match="wants"):
            call()


def test_reshape_copies_only_where_it_must() -> None:
    assert np.shares_memory(ops.reshape(X, (12, 5)), X)
    assert np.shares_memory(ops.reshape(X[:, ::2], (3, 2, 5, 1)), X)
    y = ops.reshape(X.T, (60,))
    assert np.array_equal(y, X.T.reshape(60))
    assert not np.shares_memory(y, X)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("width", [1, 3, 8, 15, 16, 17, 33, 100, 255, 257, 784, 1500])
@pytest.mark.usefixtures("target")
def test_take_copies_rows_of_any_length(width: int, kind: type) -> None:
    x = (np.arange(50 * width) % 251).reshape(50, width).astype(kind)
    numbers = np.array([49, 0, -50, -1, *range(20, 0, -1)])
    assert np.array_equal(ops.take(x, numbers), x[numbers])
    assert np.array_equal(ops.take(x[:, 1:], numbers), x[numbers, 1:])


@pytest.mark.usefixtures("target")
def test_take_from_what_is_larger_than_caches(dtype: type) -> None:
    x = np.arange(3 << 20, dtype=dtype).reshape(-1, 768)
    numbers = np.random.default_rng(0).permutation(len(x))[:40]
    assert np.array_equal(ops.take(x, numbers), x[numbers])
    with pytest.raises(IndexError, match="position 7"):
        ops.take(x, np.where(np.arange(40) == 7, len(x), numbers))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 31, 33, 64, 100, 129, 4097])
@pytest.mark.usefixtures("target")
def test_argmax_finds_the_first_of_equal_ones_and_of_nans(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    x = rng.integers(-3, 3, (7, n)).astype(dtype)
    x[1, rng.integers(n, size=2)] = np.nan
    x[2:4] = -np.inf
    x[3, -1] = np.nan
    x[4] = np.where(np.arange(n) < n // 2, -0.0, 0.0)
    x[5] = np.nan
    x[6, -1] = np.inf
    for axis in (None, 0, 1):
        assert np.array_equal(ops.argmax(x, axis=axis), x.argmax(axis))
    assert np.array_equal(ops.argmax(x[:, ::-1], axis=1), x[:, ::-1].argmax(1))


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 17, 64, 101])
@pytest.mark.usefixtures("target")
def test_scatter_leaves_zeros_between(n: int, step: int, dtype: type) -> None:
    x = np.arange(1, 3 * n + 1, dtype=dtype).reshape(3, n)
    for width, given in ((step * n, x), (step * (n - 1) + 2, x[:, ::-1])):
        y = np.zeros((7, width), dtype)
        y[1::2, (start := width - step * (n - 1) - 1) :: step] = given
        assert np.array_equal(ops.scatter(given, shape=(7, width), start=(1, start), step=(2, step)), y)
