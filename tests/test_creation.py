"""Making Tensors: dtypes, memory, refusals, random numbers, and constants in captured steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import nn
from fastnn.capture import CaptureError


def test_creation_takes_memory_or_not() -> None:
    a = np.ones((2, 3))
    assert fastnn.from_numpy(a).array is a
    assert fastnn.as_tensor(a).array is a
    assert fastnn.tensor(a).array is not a
    t = fastnn.tensor(a)
    assert fastnn.as_tensor(t) is t
    assert fastnn.as_tensor(t, "float32").dtype == np.float32
    order = np.asfortranarray(np.ones((3, 4, 2)))
    assert fastnn.tensor(order).array.strides == order.strides  # memory order is kept
    swapped = a.astype(">f8")
    assert fastnn.tensor(swapped).tolist() == a.tolist()
    assert fastnn.tensor(swapped).dtype.isnative
    assert fastnn.tensor(swapped).array.dtype is np.dtype(np.float64)  # the object that compiled kernels know
    with pytest.raises(TypeError, match=r"numpy.ndarray"):
        fastnn.from_numpy([1.0])


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "int64"),
        (1.5, "float32"),
        (True, "bool"),
        ([1, 2], "int64"),
        ([1, 2.5], "float32"),
        ([[True], [False]], "bool"),
        ([], "float32"),
        (np.float64(1), "float64"),
        ([np.float64(1), np.float64(2)], "float64"),
        ([np.ones(2, np.float32)] * 2, "float32"),
        (np.ones(2, np.uint8), "uint8"),
    ],
)
def test_dtypes_of_data(data: Any, dtype: str) -> None:
    assert fastnn.tensor(data).dtype == dtype
    torch = pytest.importorskip("torch")
    if not (isinstance(data, list) and data and isinstance(data[0], np.ndarray)):
        assert str(torch.tensor(data).dtype) == f"torch.{dtype}"


def test_tensors_in_lists() -> None:
    assert fastnn.tensor([fastnn.tensor(1.0), fastnn.tensor(2.0)]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: fastnn.tensor("a"), TypeError, "numbers"),
        (lambda: fastnn.tensor([None]), TypeError, "numbers"),
        (lambda: fastnn.tensor(np.array(["a"])), TypeError, "numbers"),
        (lambda: fastnn.tensor([1j]), TypeError, "numbers"),
        (lambda: fastnn.tensor([[1], [1, 2]]), ValueError, "equal lengths"),
        (lambda: fastnn.tensor([1], requires_grad=True), RuntimeError, "floating point"),
        (lambda: fastnn.tensor([1], dtype="complex64"), TypeError, "dtype"),
        (lambda: fastnn.zeros(2.5), TypeError, "size"),
        (lambda: fastnn.zeros(2, -1), ValueError, "size"),
        (lambda: fastnn.ones(2, dtype="flat32"), TypeError, "dtype"),
        (lambda: fastnn.full((2,), [1, 2]), TypeError, "fill_value"),
        (lambda: fastnn.arange(1, 2, 0), ValueError, "step"),
        (lambda: fastnn.rand(2, dtype="int64"), TypeError, "float"),
        (lambda: fastnn.randint(3, 3, (2,)), ValueError, "low"),
        (lambda: fastnn.randint(3), TypeError, "size"),
        (lambda: fastnn.randperm(-1), ValueError, "n wants"),
        (lambda: fastnn.set_default_dtype("int64"), TypeError, "float32 or float64"),
    ],
)
def test_creation_refuses(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_default_dtype() -> None:
    fastnn.set_default_dtype(fastnn.float64)
    try:
        assert fastnn.get_default_dtype() == np.float64
        made = (fastnn.tensor(1.5), fastnn.zeros(2), fastnn.randn(2), fastnn.tensor([1]) * 0.5, nn.Linear(1, 1).weight)
        assert {str(t.dtype) for t in made} == {"float64"}
    finally:
        fastnn.set_default_dtype("float32")


def test_random_tensors() -> None:
    x = fastnn.rand(100, 100)
    assert x.dtype == np.float32
    assert 0 <= x.amin().item() <= x.amax().item() < 1
    assert abs(x.mean().item() - 0.5) < 0.02
    z = fastnn.randn((100, 100), dtype="float64")
    assert abs(z.mean().item()) < 0.04
    assert abs(z.std().item() - 1) < 0.03
    assert sorted(set(fastnn.randint(-1, 3, (500,)).tolist())) == [-1, 0, 1, 2]
    assert fastnn.randint(high=5, size=(2, 2)).shape == fastnn.randint(5, (2, 2)).shape == (2, 2)
    assert sorted(fastnn.randperm(50).tolist()) == list(range(50))
    values = []
    for name in fastnn.backends():
        with fastnn.use_backend(name):
            fastnn.manual_seed(5)
            values.append((fastnn.rand(5).tolist(), fastnn.randn(5).tolist(), fastnn.randperm(5).tolist()))
    assert all(v == values[0] for v in values)
    own = [fastnn.rand(2, generator=np.random.default_rng(1)).tolist() for _ in range(2)]
    assert own[0] == own[1]


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x.item(),
        lambda x: float(x),
        lambda x: bool(x > 0),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: repr(x),
        lambda x: np.asarray(x),
        lambda x: nn.functional.one_hot(x.long()),
        lambda x: fastnn.rand(2),
        lambda x: fastnn.set_default_dtype("float64"),
        lambda x: nn.init.zeros_(x),
        lambda x: nn.Linear(1, 1).load_state_dict({}),
    ],
)
def test_a_captured_step_refuses_to_read(use: Any) -> None:
    with pytest.raises(CaptureError, match=r"test_creation.py:\d+: "):
        fastnn.compile(lambda x: (use(x), x)[1])(fastnn.tensor(1.0))


def test_constants_of_a_captured_step_are_fresh_in_every_replay(target: str) -> None:
    @fastnn.compile
    def step(x: Any) -> Any:
        total = fastnn.zeros(3)
        total += x
        total[0] = 5.0
        total[1:] += fastnn.tensor([1.0, 2.0])
        other = fastnn.full((3,), 2.0).fill_(3.0)
        return total * other + fastnn.arange(3) + fastnn.eye(3)[1] + fastnn.as_tensor([1.0, 0.0, 0.0])

    for i in range(5):
        x = np.full(3, i, np.float32)
        want = np.array([5, i + 1, i + 2]) * 3 + np.arange(3) + np.array([1, 1, 0])
        assert step(x).tolist() == want.tolist()
    assert len(step.plans) == 1


def test_numbers_that_change_between_recordings_are_refused() -> None:
    count = [0]

    @fastnn.compile
    def step(x: Any) -> Any:
        count[0] += 1
        return x + fastnn.tensor([float(count[0])])

    x = fastnn.ones(1)
    step(x)
    with pytest.raises(CaptureError, match="changed between two calls"):
        step(x)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4"])
def test_swapped_bytes_become_native(target: str, dtype: str) -> None:
    swapped = np.array([1, 2, 3], dtype)
    x = fastnn.Tensor(swapped)
    assert x.dtype.isnative
    assert x.dtype == swapped.dtype.newbyteorder("=")
    assert (x * 2).tolist() == [2, 4, 6]
    if dtype != ">i4":
        w = fastnn.nn.Parameter(fastnn.Tensor(swapped))
        (w * w).sum().backward()
        assert w.grad is not None
        assert w.grad.tolist() == [2, 4, 6]
    x.data = swapped
    assert x.dtype.isnative
    native = np.ones(3)
    assert fastnn.Tensor(native).array is native
    with pytest.raises(TypeError, match="wants numbers; got dtype"):
        x.data = np.array(["a"])
