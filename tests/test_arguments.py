"""Arguments of another kind get an exception that names the argument and says what it wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import data, nn, ops, optim
from fastnn.nn import functional as F
from fastnn.train import EarlyStopping, ModelCheckpoint
from training import data as samples
from training import trainer

X = np.ones((2, 3))
X_TENSOR = fastnn.tensor(X)


def optimizer() -> optim.SGD:
    """One with a parameter."""
    return optim.SGD([fastnn.tensor([1.0], requires_grad=True)], lr=1.0)


def fit(**arguments: Any) -> Any:
    """A training that is refused before it begins."""
    return trainer().fit(samples(), **arguments)


schedules = optim.lr_scheduler
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a callback that is none": (
        lambda: fit(callbacks=[3]),
        TypeError,
        r"fit: callbacks\[0\] wants a Callback; got int",
    ),
    "a schedule as a callback": (
        lambda: fit(callbacks=[schedules.StepLR(optimizer(), 1)]),
        TypeError,
        r"callbacks\[0\] is a schedule; give LearningRateScheduler\(schedule\)",
    ),
    "one callback": (lambda: fit(callbacks=EarlyStopping()), TypeError, "wants a sequence of Callback; got EarlyStop"),
    "a checkpoint's field": (
        lambda: fit(callbacks=[ModelCheckpoint("ck-{foo}")]),
        ValueError,
        "path wants names among epoch, loss, accuracy, lr, seconds; got 'foo'",
    ),
    "a checkpoint without a name": (lambda: ModelCheckpoint("ck-{}"), ValueError, "path wants names in braces"),
    "a checkpoint's brace": (lambda: ModelCheckpoint("ck-{epoch"), ValueError, "path wants names in braces"),
    "StepLR: step_size": (lambda: schedules.StepLR(optimizer(), 2.5), TypeError, "step_size wants a whole number"),  # type: ignore[arg-type]
    "StepLR: gamma": (lambda: schedules.StepLR(optimizer(), 2, gamma="a"), TypeError, "StepLR: gamma wants a number"),  # type: ignore[arg-type]
    "ExponentialLR": (lambda: schedules.ExponentialLR(optimizer(), "a"), TypeError, "gamma wants a number"),  # type: ignore[arg-type]
    "CosineAnnealingLR": (lambda: schedules.CosineAnnealingLR(optimizer(), "a"), TypeError, "T_max wants a number"),  # type: ignore[arg-type]
    "LinearLR": (lambda: schedules.LinearLR(optimizer(), total_iters=1.5), TypeError, "total_iters wants a whole"),  # type: ignore[arg-type]
    "LambdaLR": (
        lambda: schedules.LambdaLR(optimizer(), 3),
        TypeError,
        "lr_lambda wants a callable of the step; got 3",
    ),  # type: ignore[arg-type]
    "MultiStepLR": (lambda: schedules.MultiStepLR(optimizer(), 3), TypeError, "milestones wants whole numbers; got 3"),  # type: ignore[arg-type]
    "MultiStepLR: items": (lambda: schedules.MultiStepLR(optimizer(), [1.5]), TypeError, "milestones wants a whole"),  # type: ignore[list-item]
    "ReduceLROnPlateau": (
        lambda: schedules.ReduceLROnPlateau(optimizer()).step("a"),  # type: ignore[arg-type]
        TypeError,
        "metrics wants a number; got 'a'",
    ),
    "mse_loss": (
        lambda: F.mse_loss(fastnn.ones(2), fastnn.ones(3)),
        ValueError,
        r"shapes do not broadcast: input \(2,\), target \(3,\)",
    ),
    "layer_norm": (
        lambda: F.layer_norm(X, 2.5),
        TypeError,
        "layer_norm: normalized_shape wants whole numbers; got 2.5",
    ),
    "chunk": (lambda: fastnn.ones(2).chunk(0), ValueError, "chunks wants a whole number of at least 1; got 0"),
    "keepdims": (lambda: ops.sum(X, keepdims="a"), TypeError, "sum: keepdims wants True or False; got 'a'"),
    "std": (lambda: fastnn.ones(2, 3).std(1, 2), TypeError, "unbiased wants True or False; got 2"),
    "std twice": (lambda: X_TENSOR.std(1, True, correction=1), TypeError, "unbiased or correction, not both"),
    "prod": (lambda: X_TENSOR.prod((0, 1)), TypeError, r"prod: dim wants one dimension; got \(0, 1\)"),
    "repeat": (lambda: X_TENSOR.repeat(2), ValueError, "repeat: sizes wants 2 whole numbers or more"),
    "unbind": (lambda: X_TENSOR.unbind(2), IndexError, "unbind: dim 2 is out of range"),
    "t": (lambda: fastnn.ones(1, 2, 3).t(), RuntimeError, "2 dimensions, but self is 3D"),
    "floats and bits": (lambda: X_TENSOR & X_TENSOR, TypeError, "& wants tensors of bool or whole numbers"),
    "floats turned": (lambda: ~X_TENSOR, TypeError, "~ wants a tensor of bool or whole numbers"),
    "integers over zero": (lambda: fastnn.tensor([1]) // 0, ZeroDivisionError, "whole numbers by zero"),
    "reshape": (
        lambda: ops.reshape(X, (-2, 3)),
        ValueError,
        r"lengths of at least 0, and at most one -1; got \(-2, 3\)",
    ),
    "axis": (lambda: ops.sum(X, axis=2), IndexError, "sum: axis 2 is out of range for an array of 2 dimensions"),
    "reduction": (lambda: ops.mse(X, X, reduction="a"), ValueError, "mse: reduction wants"),
    "bound": (lambda: ops.clip(X, low="a"), TypeError, "clip: low wants a number"),
    "max": (lambda: ops.max(np.ones((2, 0)), axis=1), ValueError, r"max: x wants at least one value along axis 1"),
    "index": (lambda: ops.index(X, 7), IndexError, r"index: key 7 is out of range for an array of shape \(2, 3\)"),
    "shuffle": (
        lambda: data.DataLoader(data.TensorDataset(X), shuffle="a"),  # type: ignore[arg-type]
        TypeError,
        "DataLoader: shuffle wants True or False; got 'a'",
    ),
    "save": (lambda: fastnn.save({}, b"path"), TypeError, "save: path wants a str or a path; got bytes"),  # type: ignore[arg-type]
    "constant_": (lambda: nn.init.constant_(fastnn.ones(2), "a"), TypeError, "constant_: val wants a number; got 'a'"),  # type: ignore[arg-type]
    "load": (lambda: fastnn.load(3), TypeError, "load: path wants a str or a path; got int"),  # type: ignore[arg-type]
    "load_metadata": (lambda: fastnn.io.load_metadata(None), TypeError, "load: path wants a str or a path; got None"),  # type: ignore[arg-type]
    "mnist": (lambda: fastnn.datasets.mnist(3), TypeError, "mnist: root wants a str or a path; got int"),  # type: ignore[arg-type]
    "the state of an optimizer": (
        lambda: optimizer().load_state_dict([]),  # type: ignore[arg-type]
        TypeError,
        "load_state_dict: state_dict wants a dict; got list",
    ),
    "a number of 65 bits": (
        lambda: F.nll_loss(X_TENSOR, [0, 1], ignore_index=1 << 64),
        ValueError,
        "nll: ignore_index wants a whole number of 64 bits; got 18446744073709551616",
    ),
    "a stride of 65 bits": (
        lambda: ops.max_pool(np.ones((1, 1, 4)), kernel_size=2, stride=1 << 64),
        ValueError,
        "max_pool: stride wants whole numbers of 64 bits; got 18446744073709551616",
    ),
    "instance_norm": (
        lambda: ops.instance_norm(None),
        TypeError,
        "instance_norm: x wants an array or Tensor; got None",
    ),
    "weights of instance_norm": (
        lambda: ops.instance_norm(np.ones((2, 2, 2)), [1.0, 1.0]),
        TypeError,
        "instance_norm: weight wants an array or Tensor; got list",
    ),
    "statistics of instance_norm": (
        lambda: ops.instance_norm(np.ones((2, 2, 2)), running=None),
        TypeError,
        "instance_norm: running wants a list of arrays; got NoneType",
    ),
    "pixel_shuffle": (lambda: ops.pixel_shuffle("x", factor=2), TypeError, "pixel_shuffle: x wants an array or Tensor"),
    "pixel_unshuffle": (lambda: ops.pixel_unshuffle(None, factor=2), TypeError, "pixel_unshuffle: x wants an array"),
    "unfold": (lambda: ops.unfold([[[1.0]]], kernel=1), TypeError, "unfold: x wants an array or Tensor; got list"),
    "fold": (lambda: ops.fold([[[1.0]]], size=1, kernel=1), TypeError, "fold: x wants an array or Tensor; got list"),
    "a fraction of zeros": (
        lambda: ops.interpolate(np.ones((1, 1, 4)), scale_factor=(2, 0)),
        ValueError,
        r"interpolate: scale_factor wants a positive number, .* got \(2, 0\)",
    ),
    "local_response_norm": (
        lambda: ops.local_response_norm([[[1.0]]], size=2),
        TypeError,
        "local_response_norm: x wants an array or Tensor; got list",
    ),
    "a list of arrays": (lambda: ops.concatenate(3.0), TypeError, "concatenate: xs wants a list of arrays; got float"),
    "a list to stack": (lambda: ops.stack(None), TypeError, "stack: xs wants a list of arrays; got NoneType"),
    "one of a list": (lambda: ops.concatenate([X, None]), TypeError, r"concatenate: xs\[1\] wants numbers; got NoneT"),
    "ragged lists": (lambda: ops.relu([[1.0], [1.0, 2.0]]), ValueError, "relu: x wants numbers in nested lists of eq"),
    "ragged rows": (lambda: ops.sum([[1.0], [1.0, 2.0]], 0), ValueError, "sum: .* inhomogeneous"),
    "the negative of bools": (lambda: ops.negative(X > 0), TypeError, "negative: x wants numbers; got bool"),
    "no forward": (
        lambda: nn.Module()(X),
        NotImplementedError,
        r"Module \[Module\] is missing .* \"forward\" function",
    ),
    "a list of modules": (lambda: nn.ModuleList()(X), NotImplementedError, r"\[ModuleList\] is missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words) as caught:
        call()
    assert type(caught.value) is error


def test_lengths_may_be_one_number() -> None:
    np.testing.assert_array_equal(F.layer_norm(X, 3).numpy(), F.layer_norm(X, (3,)).numpy())
    np.testing.assert_array_equal(F.rms_norm(X, 3).numpy(), F.rms_norm(X, [3]).numpy())


def test_labels_may_be_an_empty_list() -> None:
    assert data.one_hot([], 3).shape == (0, 3)


NESTED = {
    "sum": lambda x: ops.sum(x, axis=-1),
    "var": lambda x: ops.var(x, axis=-1),
    "argmax": lambda x: ops.argmax(x, 1),
    "softmax": lambda x: ops.softmax(x, axis=1),
    "flip": lambda x: ops.flip(x, axis=-1),
    "transpose": ops.transpose,
    "pad": lambda x: ops.pad(x, width=1),
    "max_pool": lambda x: ops.max_pool([x], kernel_size=1),
    "stack": lambda x: ops.stack([x, x], axis=2),
    "split": lambda x: ops.split(x, 3, axis=1)[1],
    "split_sizes": lambda x: ops.split_sizes(x, 2, 1)[0],
}


@pytest.mark.parametrize("name", NESTED)
def test_nested_lists_are_arrays(name: str, target: str) -> None:
    """A list of rows has the rank of the array it stands for, and teaches an op nothing wrong about others."""
    rows = [[1.0, 2.0, 4.0], [8.0, 3.0, 5.0]]
    x, call = np.array(rows, np.float32), NESTED[name]
    for given in (rows, [*x], x):
        got, want = call(given), call(x)
        assert got.shape == want.shape
        assert np.array_equal(got, want)
    assert ops.sum([*x], axis=-1).shape == (2,)
    assert ops.sum(x[0], axis=-1).shape == ()


def test_whole_numbers_may_be_those_of_numpy(target: str) -> None:
    x, draws = np.ones((5, 9), np.float32), {"seed": 3, "offset": (1 << 64) - 9}
    theirs = {name: np.uint64(value) for name, value in draws.items()}
    assert np.array_equal(ops.dropout(x, p=0.5, **theirs), ops.dropout(x, p=0.5, **draws))
