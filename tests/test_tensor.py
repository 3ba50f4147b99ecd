"""Tensor: views, indexing, dtypes, changes in place, values for Python and copies; PyTorch is the measure of all."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn.capture import CaptureError

Array = np.ndarray[Any, Any]
A = np.arange(24.0).reshape(2, 3, 4) - 7.5
M = A[0]

# Calls that give the same with f = torch and f = fastnn, from x = A; and what NumPy gives.
CALLS: dict[str, tuple[Any, Any]] = {
    "add": (lambda f, x: x + 1.5, A + 1.5),
    "radd": (lambda f, x: 2 + x, A + 2),
    "sub": (lambda f, x: 2 - x, 2 - A),
    "sub method": (lambda f, x: x.sub(x * 2), -A),
    "mul": (lambda f, x: x * x[0], A * A[0]),
    "div": (lambda f, x: 1 / x, 1 / A),
    "pow": (lambda f, x: x**2 + x**3, A**2 + A**3),
    "rpow": (lambda f, x: 2**x, 2**A),
    "neg, abs": (lambda f, x: abs(-x), abs(A)),
    "matmul": (lambda f, x: x @ x[0].T, A @ A[0].T),
    "compare": (lambda f, x: x > 0, A > 0),
    "compare tensors": (lambda f, x: x == x.flip(0), np.equal(A, A[::-1])),
    "ne": (lambda f, x: x.ne(0.5), A != 0.5),
    "exp log": (lambda f, x: (x.abs() + 1).log().exp(), abs(A) + 1),
    "sqrt square": (lambda f, x: x.square().sqrt(), abs(A)),
    "clamp": (lambda f, x: x.clamp(-2, 3), np.clip(A, -2, 3)),
    "clamp one side": (lambda f, x: x.clamp(min=1), np.maximum(A, 1)),
    "maximum": (lambda f, x: x.maximum(x.flip(2)), np.maximum(A, A[..., ::-1])),
    "masked_fill": (lambda f, x: x.masked_fill(x > 0, -1.0), np.where(A > 0, -1, A)),
    "where": (lambda f, x: f.where(x > 0, x, f.zeros(4)), np.where(A > 0, A, 0)),
    "sum": (lambda f, x: x.sum(), A.sum()),
    "sum dims": (lambda f, x: x.sum((0, -1), keepdim=True), A.sum((0, 2), keepdims=True)),
    "mean": (lambda f, x: x.mean(1), A.mean(1)),
    "var": (lambda f, x: x.var(), A.var(ddof=1)),
    "var correction": (lambda f, x: x.var(2, correction=0), A.var(2)),
    "std": (lambda f, x: x.std(1, keepdim=True), A.std(1, ddof=1, keepdims=True)),
    "max": (lambda f, x: x.max(), A.max()),
    "max values": (lambda f, x: x.max(1)[0], A.max(1)),
    "max positions": (lambda f, x: x.max(dim=-1, keepdim=True)[1], A.argmax(-1, keepdims=True)),
    "min values": (lambda f, x: x.min(2)[0], A.min(2)),
    "amin": (lambda f, x: x.amin((1, 2)), A.min((1, 2))),
    "argmax": (lambda f, x: x.argmax(), A.argmax()),
    "argmin": (lambda f, x: x.argmin(1), A.argmin(1)),
    "logsumexp": (lambda f, x: x.logsumexp(2), np.log(np.exp(A).sum(2))),
    "reshape": (lambda f, x: x.reshape(4, -1), A.reshape(4, -1)),
    "view": (lambda f, x: x.view((6, 4)), A.reshape(6, 4)),
    "flatten": (lambda f, x: x.flatten(1), A.reshape(2, 12)),
    "flatten some": (lambda f, x: x.flatten(0, 1), A.reshape(6, 4)),
    "squeeze": (lambda f, x: x[:1].squeeze(), A[0]),
    "squeeze dim": (lambda f, x: x[:1, :, :1].squeeze(2), A[:1, :, 0]),
    "unsqueeze": (lambda f, x: x.unsqueeze(-1), A[..., None]),
    "permute": (lambda f, x: x.permute(2, 0, 1), A.transpose(2, 0, 1)),
    "transpose": (lambda f, x: x.transpose(0, -1), A.swapaxes(0, 2)),
    "T": (lambda f, x: x[0].T, A[0].T),
    "mT": (lambda f, x: x.mT, A.swapaxes(1, 2)),
    "expand": (lambda f, x: x[:, :1].expand(5, -1, 3, 4), np.broadcast_to(A[:, :1], (5, 2, 3, 4))),
    "flip": (lambda f, x: x.flip(0, 2), A[::-1, :, ::-1]),
    "split": (lambda f, x: x.split(3, 2)[1], A[..., 3:]),
    "split sizes": (lambda f, x: x.split([1, 2], dim=1)[1], A[:, 1:]),
    "chunk": (lambda f, x: x.chunk(3, 2)[0], A[..., :2]),
    "index_select": (lambda f, x: x.index_select(1, f.tensor([2, 0])), A[:, [2, 0]]),
    "cat": (lambda f, x: f.cat([x, x * 2], dim=1), np.concatenate([A, A * 2], 1)),
    "stack": (lambda f, x: f.stack((x, x), dim=-1), np.stack((A, A), -1)),
    "index": (lambda f, x: x[1, 0], A[1, 0]),
    "slice": (lambda f, x: x[:, 1:, ::2], A[:, 1:, ::2]),
    "ellipsis and None": (lambda f, x: x[..., None, 1], A[..., None, 1]),
    "list": (lambda f, x: x[:, [0, 2]], A[:, [0, 2]]),
    "tensor": (lambda f, x: x[f.tensor([1, 0, 1])], A[[1, 0, 1]]),
    "two tensors": (lambda f, x: x[f.tensor([1, 0]), f.tensor([2, 1])], A[[1, 0], [2, 1]]),
    "mask": (lambda f, x: x[x > 3], A[A > 3]),
    "softmax": (lambda f, x: x.softmax(1), np.exp(A) / np.exp(A).sum(1, keepdims=True)),
    "relu": (lambda f, x: x.relu(), np.maximum(A, 0)),
    "tanh": (lambda f, x: x.tanh(), np.tanh(A)),
    "to": (lambda f, x: x.to(f.float32), A.astype(np.float32)),
    "long": (lambda f, x: x.long(), A.astype(np.int64)),
    "int": (lambda f, x: x.int(), A.astype(np.int32)),
    "bool": (lambda f, x: (x * 0).bool(), np.zeros(A.shape, bool)),
    "clone": (lambda f, x: x.clone(), A),
    "arange": (lambda f, x: f.arange(2, 9, 3), np.arange(2, 9, 3)),
    "arange floats": (lambda f, x: f.arange(0.5, 2), np.float32([0.5, 1.5])),
    "linspace": (lambda f, x: f.linspace(-1, 1, 5), np.linspace(-1, 1, 5, dtype=np.float32)),
    "eye": (lambda f, x: f.eye(2, 3), np.eye(2, 3, dtype=np.float32)),
    "full": (lambda f, x: f.full((2, 2), 7), np.full((2, 2), 7)),
    "full float": (lambda f, x: f.full((2,), 7.0), np.full(2, 7, np.float32)),
    "full bool": (lambda f, x: f.full((2,), True), np.full(2, True)),
    "ones_like": (lambda f, x: f.ones_like(x), np.ones_like(A)),
    "full_like": (lambda f, x: f.full_like(x, 3, dtype=f.int32), np.full_like(A, 3, np.int32)),
    "add alpha": (lambda f, x: x.add(x[0], alpha=3), A + 3 * A[0]),
    "sub alpha": (lambda f, x: x.sub(2, alpha=0.5), A - 1),
    "var unbiased": (lambda f, x: x.var(1, unbiased=False), A.var(1)),
    "var of all": (lambda f, x: x.var(False), A.var()),
    "std by position": (lambda f, x: x.std(2, True, True), A.std(2, ddof=1, keepdims=True)),
    "max by name": (lambda f, x: x.max(1).values + x.min(dim=1).values, A.max(1) + A.min(1)),
    "max index": (lambda f, x: x.max(2).indices, A.argmax(2)),
    "min index": (lambda f, x: x.min(1, keepdim=True).indices, A.argmin(1, keepdims=True)),
    "max of two": (lambda f, x: x.max(x.flip(2)), np.maximum(A, A[..., ::-1])),
    "min of two": (lambda f, x: x.min(x.flip(2)), np.minimum(A, A[..., ::-1])),
    "prod": (lambda f, x: x[0, 0].prod(), A[0, 0].prod()),
    "prod dim": (lambda f, x: x.prod(1), A.prod(1)),
    "prod kept": (lambda f, x: x.prod(-1, keepdim=True), A.prod(-1, keepdims=True)),
    "prod of zeros": (lambda f, x: (x - x[:, :, :1]).prod(2), np.zeros((2, 3))),
    "prod with a zero": (lambda f, x: (x + 7.5).prod(0), (A + 7.5).prod(0)),
    "prod of integers": (lambda f, x: f.tensor([[2, 3], [4, 5]]).prod(0), np.array([8, 15])),
    "prod of none": (lambda f, x: x[:0].prod(0), np.ones((3, 4))),
    "sign": (lambda f, x: (x - 0.5).sign(), np.sign(A - 0.5)),
    "round": (lambda f, x: x.round(), np.round(A)),
    "round decimals": (lambda f, x: (x / 3).round(decimals=2), np.round(A / 3, 2)),
    "floor": (lambda f, x: x.floor() + x.ceil(), np.floor(A) + np.ceil(A)),
    "any": (lambda f, x: (x > 0).any(), np.array(True)),
    "all dim": (lambda f, x: (x > -1).all(2), (A > -1).all(2)),
    "any of numbers": (lambda f, x: (x - 0.5).any(dim=1, keepdim=True), (A - 0.5).any(1, keepdims=True)),
    "logic": (lambda f, x: ~(x > 1) & (x < 5) | (x == 8.5) ^ (x > 9), ~(A > 1) & (A < 5) | (A == 8.5) ^ (A > 9)),
    "logical": (lambda f, x: (x > 2).logical_not(), A <= 2),
    "bits": (lambda f, x: ~(f.tensor([3, 5]) & 6), np.array([-3, -5])),
    "isfinite": (lambda f, x: (1 / (x - 0.5)).isfinite() | x.isnan() | x.isinf(), A != 0.5),
    "floor division": (lambda f, x: x.detach() // 2, A // 2),
    "floor division of integers": (lambda f, x: -f.arange(5) // 2, -np.arange(5) // 2),
    "floor division by tensors": (lambda f, x: 7 // f.tensor([2.0, -2.0]), np.float32([3, -4])),
    "remainder": (lambda f, x: x % 2, A % 2),
    "remainder by tensors": (lambda f, x: (x + 20) % x[0] + f.full((4,), 5.0) % x, (A + 20) % A[0] + 5 % A),
    "remainder by infinity": (lambda f, x: f.tensor(5.0) % (x.detach() * float("inf")), np.float64(5) % (A * np.inf)),
    "remainder of integers": (lambda f, x: f.arange(-4, 4) % f.tensor(3), np.arange(-4, 4) % 3),
    "t": (lambda f, x: x[0].t() + x[0, 0, 0].t(), A[0].T + A[0, 0, 0]),
    "t of a vector": (lambda f, x: x[0, 0].t(), A[0, 0]),
    "cpu": (lambda f, x: x.cpu().to("cpu"), A),
    "type_as": (lambda f, x: x.type_as(f.ones(1)) + x.to(f.ones(1)), 2 * A.astype(np.float32)),
    "repeat": (lambda f, x: x.repeat(2, 1, 3), np.tile(A, (2, 1, 3))),
    "repeat more": (lambda f, x: x[0].repeat((2, 1, 2)), np.tile(A[0], (2, 1, 2))),
    "unbind": (lambda f, x: x.unbind()[1], A[1]),
    "unbind dim": (lambda f, x: x.unbind(-1)[2], A[..., 2]),
    "numpy function": (lambda f, x: f.tensor([1.0, 4.0]).sqrt(), np.float32([1, 2])),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_numpys(name: str, target: str) -> None:
    call, want = CALLS[name]
    got = call(fastnn, fastnn.tensor(A))
    assert type(got) is fastnn.Tensor
    assert got.shape == np.shape(want)
    assert got.dtype == np.asarray(want).dtype
    assert np.allclose(got.numpy(), want, rtol=1e-13 if got.dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, _ = CALLS[name]
    ours, theirs = fastnn.tensor(A, requires_grad=True), torch.tensor(A, requires_grad=True)
    got, want = call(fastnn, ours), call(torch, theirs)
    assert got.shape == tuple(want.shape)
    assert got.requires_grad == want.requires_grad
    assert str(got.dtype) == str(want.dtype).removeprefix("torch.")
    assert np.allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12)
    if want.requires_grad:
        dy = np.cos(np.arange(got.numel())).reshape(got.shape)
        got.backward(fastnn.tensor(dy.astype(got.dtype)))
        want.backward(torch.tensor(dy, dtype=want.dtype))
        assert ours.grad is not None
        assert np.allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-6 if name == "to" else 1e-11, atol=1e-14)


# Memory


@pytest.mark.parametrize("dtype", [fastnn.uint8, fastnn.int8, fastnn.bool])
def test_the_smallest_of_whole_numbers(dtype: Any, target: str) -> None:
    assert fastnn.tensor([1, 0, 1], dtype=dtype).argmin().item() == 1
    least = np.iinfo(np.int8).min
    assert fastnn.tensor([0, least, 1], dtype=fastnn.int8).min(0).indices.item() == 1


def test_parameters_give_plain_tensors() -> None:
    p = fastnn.nn.Parameter(fastnn.ones(3))
    for result in (p > 0, p.isnan(), p.any(), p // 2, p.sign(), p % 2, p.max(0).indices):
        assert type(result) is fastnn.Tensor
        assert result.is_leaf or result.dtype.kind == "f"


def test_repeated_and_multiplied_values_have_memory_of_their_own() -> None:
    x = fastnn.ones(1, 4)
    for fresh in (x.repeat(1, 1), x.repeat(3, 1), x.prod(0)):
        assert not np.shares_memory(fresh.array, x.array)
        assert fresh.is_contiguous()


def test_results_that_numpy_computes_are_not_captured(target: str) -> None:
    x = fastnn.tensor(A)
    for call in (lambda x: x // 2, lambda x: x.sign(), lambda x: (x > 0) & (x < 1), lambda x: x.bool().any()):
        with pytest.raises(CaptureError, match=r"of tensors is computed by NumPy, which a plan cannot repeat"):
            fastnn.compile(call)(x)


def test_methods_are_functions_too(target: str) -> None:
    x = fastnn.tensor([[0.5, 2.0], [1.0, 3.0]], requires_grad=True)
    y = fastnn.tensor([[1.0, 0.0], [0.0, 1.0]])
    calls: dict[tuple[Any, ...], str] = {
        (): "abs all amax any argmax exp flatten isnan log max mean min prod relu round sigmoid sign sqrt square "
        "squeeze std sum t tanh unbind var",
        (0,): "argmin flip logsumexp log_softmax mean softmax sum unsqueeze",
        (y,): "add div eq matmul maximum minimum mm mul sub",
        (1, 0): "permute transpose",
    }
    for args, names in calls.items():
        for name in names.split():
            assert str(getattr(fastnn, name)(x, *args)) == str(getattr(x, name)(*args)), name
    assert fastnn.sum([1.0, 2.0]).item() == 3
    assert fastnn.amax(x, dim=1, keepdim=True).shape == (2, 1)
    fastnn.sum(fastnn.exp(x)).backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.exp(x.detach().numpy()), rtol=1e-6)
    assert (fastnn.exp.__name__, fastnn.exp.__doc__[:18]) == ("exp", "``input.exp(...)``")


def test_numbers_are_formatted() -> None:
    loss = fastnn.tensor(0.125, requires_grad=True)
    assert (f"{loss:.2f}", f"{fastnn.tensor(7):03d}") == ("0.12", "007")
    assert f"{loss}" == str(loss)
    assert f"{fastnn.ones(1):>14}" == "  tensor([1.])"
    with pytest.raises(CaptureError, match=r"format\(\) reads a value"):
        fastnn.compile(lambda x: print(f"{x.sum():.3f}"))(fastnn.ones(2))


def test_views_share_memory_and_copies_do_not() -> None:
    x = fastnn.tensor(A)
    for view in (
        x[0],
        x[:, 1:],
        x.T,
        x.reshape(6, 4),
        x.flatten(),
        x.permute(1, 0, 2),
        x.detach(),
        x.data,
        x[..., None],
    ):
        assert np.shares_memory(view.array, x.array)
    assert x.expand(3, 2, 3, 4).array.strides[0] == 0
    for fresh in (x.clone(), x + 0, x[[0, 1]], x.T.reshape(24), x.double().clone(), fastnn.tensor(x)):
        assert not np.shares_memory(fresh.array, x.array)
    assert x.double() is x
    assert x.contiguous() is x
    assert x.T.contiguous().is_contiguous()
    assert not x.T.is_contiguous()
    x[0].zero_()
    assert x.sum().item() == A[1].sum()


# Values for Python


def test_values_for_python() -> None:
    x = fastnn.tensor([[1.5]])
    assert x.item() == float(x) == 1.5
    assert int(x) == 1
    assert bool(x)
    assert x.tolist() == [[1.5]]
    assert [0, 1, 2][fastnn.tensor(1)] == 1
    assert len(fastnn.ones(3, 2)) == 3
    assert [t.item() for t in fastnn.arange(3)] == [0, 1, 2]
    assert (x.ndim, x.dim(), x.size(), x.size(0), x.numel(), x.nbytes) == (2, 2, (1, 1), 1, 1, 4)
    assert {x: 1}[x] == 1
    assert np.asarray(x).tolist() == [[1.5]]
    assert isinstance(np.float64(2) * x, fastnn.Tensor)
    assert isinstance(np.ones(2) + fastnn.ones(2), fastnn.Tensor)
    assert np.exp(fastnn.zeros(2)).tolist() == [1.0, 1.0]
    pair = fastnn.ones(2)
    for use, error in (
        (lambda: bool(pair), RuntimeError),
        (lambda: pair.item(), (ValueError, RuntimeError)),
        (lambda: [1][fastnn.tensor(0.5)], TypeError),
        (lambda: len(fastnn.tensor(1)), TypeError),
        (lambda: list(fastnn.tensor(1)), TypeError),
        (lambda: fastnn.ones(1, requires_grad=True).numpy(), RuntimeError),
        (lambda: np.asarray(fastnn.ones(1, requires_grad=True)), RuntimeError),
        (lambda: np.add.reduce(pair), TypeError),
    ):
        with pytest.raises(error):  # type: ignore[arg-type]
            use()


def test_repr() -> None:
    assert repr(fastnn.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(fastnn.tensor([1, 2])) == "tensor([1, 2])"
    assert repr(fastnn.tensor([1.0], dtype="float64")) == "tensor([1.], dtype=float64)"
    w = fastnn.tensor([1.0], requires_grad=True)
    assert repr(w) == "tensor([1.], requires_grad=True)"
    assert repr(w * 2) == "tensor([2.], grad_fn=<multiply>)"


def test_grad_mode() -> None:
    w = fastnn.tensor([1.0], requires_grad=True)
    assert (w * 2).requires_grad
    assert not (w * 2).detach().requires_grad
    with fastnn.no_grad():
        assert not (w * 2).requires_grad
    w.requires_grad = False
    assert not (w * 2).requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        fastnn.tensor([1]).requires_grad_()
    y = w.requires_grad_() * 2
    with pytest.raises(RuntimeError, match="leaves"):
        y.requires_grad_(False)
    assert y.grad_fn is not None
    assert not y.is_leaf


# Copies


@pytest.mark.parametrize("how", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))], ids=["deepcopy", "pickle"])
def test_copies(how: Any) -> None:
    w = fastnn.tensor(np.asfortranarray(M), requires_grad=True)
    (w * w).sum().backward()
    c = how(w)
    assert c.requires_grad
    assert c.is_leaf
    assert np.array_equal(c.array, M)
    assert not np.shares_memory(c.array, w.array)
    assert c.array.strides == w.array.strides
    with pytest.raises(RuntimeError, match="leaves"):
        how(w * 2)
    pair = how([w, w])
    assert pair[0] is pair[1]


def test_shallow_copy_shares_memory() -> None:
    w = fastnn.tensor(M, requires_grad=True)
    assert copy.copy(w).array is w.array
