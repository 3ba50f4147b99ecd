"""Data sets, batches, splits and one-hot vectors."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn._registry import state
from fastnn._tensor import Tensor
from fastnn.data import DataLoader, Dataset, Subset, TensorDataset, one_hot, random_split, train_test_split

Array = np.ndarray[Any, Any]


def numbered(n: int, features: int = 3) -> TensorDataset:
    """Samples whose every number tells their row, and labels that are it."""
    rows = np.arange(n)
    return TensorDataset(np.repeat(rows, features).reshape(n, features).astype(np.float32), rows)


def labels(loader: DataLoader | Iterator[Any]) -> list[list[int]]:
    return [y.tolist() for _, y in loader]


class Squares(Dataset[Any]):
    """A data set that is read one by one."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[Array, int]:
        return np.array([index / 2, 1.0], np.float32), index**2


# TensorDataset


def test_tensor_dataset_shares_memory_and_gives_rows() -> None:
    x, y = np.zeros((4, 2)), np.arange(4)
    dataset = TensorDataset(x, Tensor(y), [[1.5], [2.5], [3.5], [4.5]])
    assert len(dataset) == 4
    assert np.shares_memory(dataset.tensors[0].array, x)
    row = dataset[2]
    assert [type(t) for t in row] == [Tensor] * 3
    assert [t.shape for t in row] == [(2,), (), (1,)]
    assert row[1].item() == 2
    assert dataset[1:3][1].tolist() == [1, 2]
    assert [t.dtype for t in dataset.tensors] == [np.float64, np.int64, np.float32]


def test_foreign_byte_order_becomes_native() -> None:
    (x,) = TensorDataset(np.arange(3, dtype=">f8")).tensors
    assert x.dtype == np.float64
    assert x.dtype.isnative
    assert x.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        ((), ValueError, "same number of rows"),
        ((np.zeros(3), np.zeros(4)), ValueError, r"same number of rows; got shapes \[\(3,\), \(4,\)\]"),
        ((np.zeros(()),), ValueError, "same number of rows"),
        ((["a"],), TypeError, "wants numbers; got list"),
        ((np.array([None]),), TypeError, "dtype object"),
    ],
)
def test_tensor_dataset_refuses(arrays: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TensorDataset(*arrays)


# DataLoader


@pytest.mark.parametrize(("n", "size"), [(10, 4), (12, 4), (3, 4), (4, 1), (1, 1), (0, 2)])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_each_sample_comes_once_with_its_label(n: int, size: int, shuffle: bool, drop_last: bool) -> None:
    loader = DataLoader(numbered(n), size, shuffle, drop_last=drop_last, seed=1)
    batches = list(loader)
    assert len(batches) == len(loader)
    sizes = [size] * (n // size) + ([] if drop_last or n % size == 0 else [n % size])
    assert [y.shape[0] for _, y in batches] == sizes
    for x, y in batches:
        assert isinstance(x, Tensor)
        assert isinstance(y, Tensor)
        assert (x.array == y.array[:, np.newaxis]).all()
        assert x.array.flags.c_contiguous
    seen = [i for _, y in batches for i in y.tolist()]
    assert len(set(seen)) == sum(sizes)
    if not shuffle:
        assert seen == list(range(sum(sizes)))


def test_order_follows_from_seed_and_epoch() -> None:
    def epochs(seed: Any) -> list[list[list[int]]]:
        loader = DataLoader(numbered(50), 8, True, seed=seed)
        return [labels(loader) for _ in range(3)]

    assert epochs(7) == epochs(7)
    assert epochs(7) != epochs(8)
    first, second, third = epochs(7)
    assert first != second != third != first
    assert epochs(np.random.default_rng(3)) == epochs(np.random.default_rng(3)) != epochs(np.random.default_rng(4))


def test_without_a_seed_manual_seed_decides() -> None:
    def order() -> list[list[int]]:
        return labels(DataLoader(numbered(40), 10, True))

    fastnn.manual_seed(5)
    first, second = order(), order()
    fastnn.manual_seed(5)
    assert (order(), order()) == (first, second)
    assert first != second


def test_loops_at_the_same_time_are_epochs_of_their_own() -> None:
    loader = DataLoader(numbered(30), 30, True, seed=0)
    ((a, b),) = zip(loader, loader, strict=True)
    again = DataLoader(numbered(30), 30, True, seed=0)
    assert [a[1].tolist()] == labels(again)
    assert [b[1].tolist()] == labels(again)


def test_a_loop_left_early_is_an_epoch() -> None:
    loader, whole = (DataLoader(numbered(30), 7, True, seed=0) for _ in range(2))
    next(iter(loader))
    labels(whole)
    assert labels(loader) == labels(whole)


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("dataset", [numbered(23), Squares()], ids=["arrays", "samples"])
def test_resumes_at_every_batch(dataset: Any, seed: int | None) -> None:
    fastnn.manual_seed(1)
    whole = DataLoader(dataset, 4, True, seed=seed)
    expected = [labels(whole) for _ in range(3)]
    for epoch in range(2):
        for cut in range(len(whole) + 1):
            fastnn.manual_seed(1)
            first = DataLoader(dataset, 4, True, seed=seed)
            for _ in range(epoch):
                labels(first)
            loop = iter(first)
            for _ in range(cut):
                next(loop)
            kept = json.loads(json.dumps(first.state_dict()))
            fastnn.manual_seed(2)
            second = DataLoader(dataset, 4, True, seed=99)
            second.load_state_dict(kept)
            assert second.state_dict() == kept
            assert labels(second) == expected[epoch][cut:]
            assert labels(second) == expected[epoch + 1]


def test_state_after_an_epoch_begins_the_next() -> None:
    loader = DataLoader(numbered(9), 4, True, seed=2)
    labels(loader)
    assert loader.state_dict() == {"seed": 2, "epoch": 1, "batch": 0}


@pytest.mark.parametrize(
    "state",
    [{}, {"seed": 1, "epoch": -1, "batch": 0}, {"seed": 1, "epoch": 0, "batch": 1.0}, {"seed": 1, "epoch": 0}],
)
def test_foreign_states_are_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wants seed, epoch and batch"):
        DataLoader(numbered(3)).load_state_dict(state)


def test_dtype_casts_floats_only() -> None:
    dataset = TensorDataset(np.ones((4, 2)), np.arange(4), np.ones(4, np.float32), np.ones(4, np.bool_))
    assert [t.dtype for t in next(iter(DataLoader(dataset)))] == [np.float64, np.int64, np.float32, np.bool_]
    cast = next(iter(DataLoader(dataset, dtype=np.float32)))
    assert [t.dtype for t in cast] == [np.float32, np.int64, np.float32, np.bool_]
    assert dataset.tensors[0].dtype == np.float64


def test_batches_are_copies() -> None:
    dataset = numbered(6)
    for x, _ in DataLoader(dataset, 3):
        x.array[...] = -1
    assert dataset.tensors[0].array.min() == 0


LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "reversed": lambda a: np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1],
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "broadcast": lambda a: np.broadcast_to(a[:, :1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout_gives_the_same_batches(layout: str) -> None:
    x = np.random.default_rng(0).random((11, 3, 4, 5))
    laid = LAYOUTS[layout](x)
    values = np.ascontiguousarray(laid)
    laid.flags.writeable = False
    seen = 0
    for batch, rows in DataLoader(TensorDataset(laid, np.arange(11)), 4, True, seed=0):
        assert (batch.array == values[rows.array]).all()
        assert batch.array.flags.writeable
        seen += len(rows.array)
    assert seen == 11


def test_channels_last_batches_stay_channels_last() -> None:
    x = LAYOUTS["channels last"](np.zeros((8, 3, 4, 5), np.float32))
    (batch,) = next(iter(DataLoader(TensorDataset(x), 4, True, seed=0)))
    assert batch.shape == (4, 3, 4, 5)
    assert batch.array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_memory_maps_are_read_batch_by_batch(tmp_path: Any) -> None:
    x = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    loader = DataLoader(TensorDataset(mapped), 4)
    batches = [b.array for (b,) in loader]
    assert all(type(b) is np.ndarray for b in batches)
    assert (np.concatenate(batches) == x).all()


def test_samples_are_stacked() -> None:
    x, y = next(iter(DataLoader(Squares(), 5)))
    assert x.tolist() == [[0, 1], [0.5, 1], [1, 1], [1.5, 1], [2, 1]]
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert y.tolist() == [0, 1, 4, 9, 16]


def test_samples_may_be_single_or_nested() -> None:
    assert next(iter(DataLoader([3, 1, 2], 2))).tolist() == [3, 1]
    nested = next(iter(DataLoader([((1, Tensor(np.ones(2))), 5.0)] * 3, 3, dtype=np.float64)))
    assert nested[0][0].tolist() == [1, 1, 1]
    assert nested[0][1].shape == (3, 2)
    assert nested[1].dtype == np.float64


def test_samples_may_be_dicts_with_words() -> None:
    class Named(Dataset[Any]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            return {"x": np.full(2, index, np.float32), "of": (index, f"sample {index}")}

    first, last = DataLoader(Named(), 2)
    assert first["x"].tolist() == [[0, 0], [1, 1]]
    assert (first["of"][0].tolist(), first["of"][1]) == ([0, 1], ["sample 0", "sample 1"])
    assert (last["x"].shape, last["of"][1]) == ((1, 2), ["sample 2"])


@pytest.mark.parametrize("dataset", [numbered(7), Squares()], ids=["arrays", "items"])
def test_subsets(dataset: Any) -> None:
    subset = Subset(dataset, np.array([5, 0, 6]))
    assert (len(subset), subset.indices) == (3, [5, 0, 6])
    assert [int(y) for _, y in (subset[i] for i in range(3))] == [int(dataset[i][1]) for i in (5, 0, 6)]
    x, y = next(iter(DataLoader(subset, 3)))
    assert y.tolist() == [int(dataset[i][1]) for i in (5, 0, 6)]
    assert x.dtype == np.float32
    nested = labels(DataLoader(Subset(subset, [1, 2]), 1, shuffle=True))
    assert sorted(nested) == sorted([n] for n in y.tolist()[1:])
    for wrong, kind in (([7], IndexError), ([-1], IndexError), ([0.5], TypeError)):
        with pytest.raises(kind, match="Subset: indices wants"):
            Subset(dataset, wrong)


def test_random_split() -> None:
    dataset = numbered(10)
    for lengths, counts in (([7, 3], [7, 3]), ([0.75, 0.25], [8, 2]), ([1 / 3] * 3, [4, 3, 3]), ([10, 0], [10, 0])):
        parts = random_split(dataset, lengths, seed=1)
        assert [len(p) for p in parts] == counts
        assert sorted(i for p in parts for i in p.indices) == list(range(10))
    assert random_split(dataset, [7, 3], seed=1)[0].indices == random_split(dataset, [7, 3], seed=1)[0].indices
    fastnn.manual_seed(4)
    drawn = random_split(dataset, [7, 3])[0].indices
    fastnn.manual_seed(4)
    assert random_split(dataset, [7, 3])[0].indices == drawn != list(range(7))
    assert [len(p) for p in random_split(numbered(1), [1])] == [1]
    for wrong in ([7, 4], [11, -1], [0.5, 0.6], [2.5, 7.5]):
        with pytest.raises(ValueError, match="random_split: lengths wants"):
            random_split(dataset, wrong)


def test_collate_fn_makes_the_batch() -> None:
    assert list(DataLoader([3, 1, 2], 2, collate_fn=sum)) == [4, 2]
    rows = list(DataLoader(numbered(3), 2, collate_fn=len))
    assert rows == [2, 1]


def test_items_of_a_derived_tensor_dataset_are_its_own() -> None:
    class Negated(TensorDataset):
        def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
            return tuple(Tensor(-t.array) for t in super().__getitem__(index))

    ((x,),) = DataLoader(Negated([1.0, 2.0]), 2)
    assert x.tolist() == [-1, -2]


def test_sampler_gives_the_order() -> None:
    class Backward:
        def __len__(self) -> int:
            return 5

        def __iter__(self) -> Iterator[int]:
            return iter(range(9, 4, -1))

    loader = DataLoader(TensorDataset(np.arange(10)), 2, sampler=Backward(), num_workers=2, pin_memory=True)
    assert len(loader) == 3
    for _ in range(2):
        assert [x.tolist() for (x,) in loader] == [[9, 8], [7, 6], [5]]
    listed = DataLoader(list(range(10)), 2, sampler=[3, 3, 0], drop_last=True)  # type: ignore[arg-type]
    assert [x.tolist() for x in listed] == [[3, 3]]
    for wrong, error in (([10], IndexError), ([-1], IndexError), ([0.5], TypeError)):
        with pytest.raises(error, match="sampler wants"):
            list(DataLoader(TensorDataset(np.arange(10)), sampler=wrong))


def test_loader_can_be_copied_and_pickled() -> None:
    loader = DataLoader(numbered(20), 6, True, seed=4)
    labels(loader)
    twins = copy.deepcopy(loader), pickle.loads(pickle.dumps(loader))
    expected = labels(loader)
    assert [labels(twin) for twin in twins] == [expected, expected]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"sampler": 3}, TypeError, "sampler wants an iterable with a length; got int"),
        ({"sampler": [0], "shuffle": True}, ValueError, "sampler wants shuffle to be False"),
        ({"batch_size": 0}, ValueError, "batch_size wants at least 1; got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size wants a whole number; got 2.0"),
        ({"batch_size": True}, TypeError, "batch_size wants a whole number"),
        ({"seed": -1}, ValueError, "seed wants 0 <= seed"),
        ({"seed": "a"}, TypeError, "seed wants a whole number"),
        ({"dtype": np.int64}, TypeError, "dtype wants a dtype of floats; got int64"),
        ({"dataset": 3}, TypeError, "dataset wants a length and items; got int"),
    ],
)
def test_loader_names_bad_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^DataLoader: {words}"):
        DataLoader(**{"dataset": numbered(3), **arguments})


# train_test_split


@pytest.mark.parametrize(("test_size", "rows"), [(0.2, 360), (0.25, 450), (100, 100), (1e-9, 1), (0.999, 1796)])
def test_split_has_the_rows_asked_for(test_size: float, rows: int) -> None:
    x, y = np.arange(1797 * 2).reshape(1797, 2), np.arange(1797) % 7
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=test_size, seed=0)
    assert (len(x_train), len(x_test), len(y_train), len(y_test)) == (1797 - rows, rows, 1797 - rows, rows)
    together = np.concatenate([x_train, x_test])
    assert sorted(together[:, 0].tolist()) == x[:, 0].tolist()
    assert (np.concatenate([y_train, y_test]) == together[:, 0] // 2 % 7).all()
    assert (together != x).any()


def test_a_share_of_whole_rows_is_not_rounded_up() -> None:
    assert len(train_test_split(np.arange(100), test_size=0.07, seed=0)[1]) == 7


def test_stratified_parts_have_the_shares_of_the_whole() -> None:
    counts = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(10), counts))
    for seed in range(5):
        y_train, y_test = train_test_split(y, test_size=0.2, seed=seed, stratify=y)
        tested = np.bincount(y_test, minlength=10)
        assert tested.sum() == 360
        assert (np.abs(tested - counts * 360 / 1797) < 1).all()
        assert (np.bincount(y_train) + tested == counts).all()
    uneven = np.repeat([0, 1], [16, 4])  # shares of 4.8 and 1.2
    assert np.bincount(train_test_split(uneven, test_size=6, seed=0, stratify=uneven)[1]).tolist() == [5, 1]
    names = np.array([3, -5])[np.arange(20) % 2]
    assert sorted(train_test_split(names, test_size=4, seed=0, stratify=names)[1]) == [-5, -5, 3, 3]


def test_split_follows_from_the_seed() -> None:
    x = np.arange(100)

    def test_rows(seed: Any) -> list[int]:
        rows: list[int] = train_test_split(x, seed=seed, stratify=x % 3)[1].tolist()
        return rows

    assert test_rows(0) == test_rows(0) != test_rows(1)
    assert test_rows(np.random.default_rng(1)) == test_rows(np.random.default_rng(1))
    fastnn.manual_seed(3)
    first = test_rows(None)
    assert first != test_rows(None)
    fastnn.manual_seed(3)
    assert first == test_rows(None)


def test_split_by_training_rows_and_in_order() -> None:
    x = np.arange(10)
    assert [len(part) for part in train_test_split(x, train_size=0.55)] == [5, 5]
    assert [len(part) for part in train_test_split(x, train_size=3)] == [3, 7]
    train, test = train_test_split(x, train_size=4, test_size=0.25, seed=1)
    assert (len(train), len(test), len({*train, *test})) == (4, 3, 7)
    train, test = train_test_split(x, test_size=3, train_size=0.5, shuffle=False)
    assert (train.tolist(), test.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])
    assert all(map(np.array_equal, train_test_split(x, random_state=4), train_test_split(x, seed=4)))
    labels = np.repeat([0, 1], [20, 10])
    train, test = train_test_split(labels, train_size=12, test_size=6, stratify=labels, seed=0)
    assert (np.bincount(train).tolist(), np.bincount(test).tolist()) == ([8, 4], [4, 2])


def test_split_keeps_kinds_and_memory() -> None:
    images = LAYOUTS["channels last"](np.zeros((9, 3, 2, 2), np.float32))
    parts = train_test_split(images, Tensor(np.arange(9)), [0.5] * 9, test_size=3, seed=0)
    assert [type(p) for p in parts] == [np.ndarray, np.ndarray, Tensor, Tensor, np.ndarray, np.ndarray]
    assert parts[0].transpose(0, 2, 3, 1).flags.c_contiguous
    assert parts[4].dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"test_size": 0}, ValueError, "test_size and train_size want rows in both parts of 10; got test_size 0"),
        ({"test_size": 10}, ValueError, "test_size"),
        ({"test_size": 1.0}, ValueError, "test_size"),
        ({"test_size": 0.99}, ValueError, "test_size"),
        ({"test_size": -0.5}, ValueError, "test_size"),
        ({"test_size": "half"}, TypeError, "test_size wants a number"),
        ({"train_size": "half"}, TypeError, "train_size wants a number"),
        (
            {"train_size": 8, "test_size": 3},
            ValueError,
            "test_size and train_size want rows in both parts of 10; got test_size 3 and train_size 8",
        ),
        ({"train_size": 10}, ValueError, "test_size and train_size want rows in both parts of 10; got train_size 10"),
        ({"seed": 1, "random_state": 1}, TypeError, "random_state is another word for seed"),
        ({"shuffle": False, "stratify": [0, 1] * 5}, ValueError, "stratify wants shuffle to be True"),
        ({"test_size": True}, TypeError, "test_size wants a number"),
        ({"stratify": [0, 1]}, ValueError, r"stratify wants shape \(10,\); got \(2,\)"),
        ({"stratify": [0] * 9 + [1]}, ValueError, "2 classes, the smallest of 1 rows"),
        ({"stratify": [0, 1, 2, 3, 4] * 2, "test_size": 4}, ValueError, "5 classes"),
        ({"seed": 1.5}, TypeError, "seed wants a whole number"),
    ],
)
def test_split_names_bad_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^train_test_split: {words}"):
        train_test_split(np.arange(10), **arguments)


# one_hot


def test_one_hot() -> None:
    assert one_hot(np.array([[2], [0]])).tolist() == [[[0, 0, 1]], [[1, 0, 0]]]
    wide = one_hot(Tensor(np.array([1, 1])), num_classes=4, dtype=np.int64)
    assert isinstance(wide, Tensor)
    assert wide.dtype == np.int64
    assert wide.tolist() == [[0, 1, 0, 0]] * 2
    assert one_hot(np.array([], np.int64)).shape == (0, 0)
    assert one_hot(np.array(1, np.uint8)).tolist() == [0, 1]


def test_one_hot_refuses() -> None:
    with pytest.raises(IndexError, match="0 <= label < 3; got 3"):
        one_hot([0, 3], num_classes=3)
    with pytest.raises(IndexError, match="got -1"):
        one_hot([0, -1])
    with pytest.raises(TypeError, match="labels wants integers; got dtype float32"):
        one_hot([0.0, 1.0])
    with pytest.raises(TypeError, match="num_classes wants a whole number"):
        one_hot([0], num_classes=2.0)  # type: ignore[arg-type]


# the default dtype


def test_python_floats_get_the_default_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "default_dtype", np.dtype(np.float64))
    assert TensorDataset([1.0]).tensors[0].dtype == np.float64
    assert one_hot([1]).dtype == np.float64
    assert TensorDataset([1], np.ones(1, np.float32)).tensors[1].dtype == np.float32
