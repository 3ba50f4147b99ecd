"""The bundled digits, and readers of IDX files."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.datasets import digits, mnist, read_idx
from fastnn.io import FileFormatError

Array = np.ndarray[Any, Any]
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: Array) -> bytes:
    """An array as an IDX file."""
    code = CODES[f"{array.dtype.kind}{array.dtype.itemsize}"]
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(params=["plain", "gzip"])
def pack(request: pytest.FixtureRequest) -> Any:
    return gzip.compress if request.param == "gzip" else bytes


# digits


def test_digits() -> None:
    x, y = digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 64), np.float32, (1797,), np.int64)
    assert (x.min(), x.max()) == (0, 16)
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    content = x.astype(np.uint8).tobytes() + y.astype(np.uint8).tobytes()
    assert hashlib.sha256(content).hexdigest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_digits(return_X_y=True)
    assert (digits()[0] == x).all()
    assert (digits()[1] == y).all()


def test_digits_are_new_at_each_call() -> None:
    digits()[0][...] = 3
    assert digits()[0].max() == 16


# read_idx


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", [(5,), (3, 2, 4), (), (0, 4), (2, 1, 1, 1, 3)])
def test_idx_of_every_kind(code: str, shape: tuple[int, ...], pack: Any, tmp_path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).normal(0, 50, shape).astype(code))
    path = tmp_path / "a"
    path.write_bytes(pack(idx(array)))
    got = read_idx(str(path))
    assert got.dtype == np.dtype(code)
    assert got.dtype.isnative
    assert got.shape == shape
    assert (got == array).all()


def test_every_truncation_is_told(pack: Any, tmp_path: Path) -> None:
    whole = pack(idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)))
    path = tmp_path / "cut-file"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match="cut-file: "):
            read_idx(path)


def test_every_flipped_bit_of_a_packed_file_is_told_or_harmless(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    whole = gzip.compress(idx(array), mtime=0)
    path = tmp_path / "flipped"
    told = 0
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert (read_idx(path) == array).all()  # bits of gzip's own header, its time say
        except FileFormatError:
            told += 1
    assert told > 8 * (len(whole) - 10)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\3\4 no such file", "no IDX file"),
        (bytes([0, 0, 7, 1, 0, 0, 0, 1, 0]), "no IDX file"),
        (idx(np.zeros(3, np.uint8)) + b"\0", "holds more than the 3 bytes"),
        (bytes([0, 0, 14, 3]) + b"\xff" * 12, "too short to hold an array"),
        (bytes([0, 0, 8, 255]) + bytes(4 * 255), "too short to hold an array"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 8 + bytes(4), "NumPy has no arrays of shape"),
    ],
)
def test_what_cannot_be_is_refused(content: bytes, words: str, pack: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad"
    path.write_bytes(pack(content))
    with pytest.raises(FileFormatError, match=words):
        read_idx(path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        read_idx("no such file")


# mnist


@pytest.fixture
def images() -> Array:
    return np.random.default_rng(0).integers(0, 256, (7, 5, 4), np.uint8)


def write(folder: Path, part: str, images: Array, labels: Array, pack: Any) -> None:
    ending = ".gz" if pack is gzip.compress else ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(idx(images)))
    (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(labels)))


@pytest.mark.parametrize("within", [".", "MNIST/raw"])
def test_mnist(within: str, images: Array, pack: Any, tmp_path: Path) -> None:
    labels = np.arange(7, dtype=np.uint8)
    write(tmp_path / within, "train", images, labels, pack)
    write(tmp_path / within, "t10k", images[::-1], labels[::-1], pack)
    x, y = mnist(tmp_path)
    assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert (x == images.reshape(7, 20)).all()
    assert y.tolist() == labels.tolist()
    x, y = mnist(str(tmp_path), train=False)
    assert (x == images[::-1].reshape(7, 20)).all()
    assert y.tolist() == labels[::-1].tolist()


def test_mnist_files_that_do_not_belong_together(images: Array, tmp_path: Path) -> None:
    for wrong in (images[:, 0], images[:-1]), (images, images), (images[0], images[0]):
        write(tmp_path, "train", wrong[0], wrong[1], bytes)
        with pytest.raises(FileFormatError, match="do not belong together"):
            mnist(tmp_path)


def test_mnist_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte or train-images-idx3-ubyte\.gz in"):
        mnist(tmp_path)
