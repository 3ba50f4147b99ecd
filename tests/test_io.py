"""Model files: what goes in comes out, here and in other programs, and what cannot go in is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn._registry import state
from fastnn._tensor import Tensor
from fastnn.io import load, load_metadata, save

Array = np.ndarray[Any, Any]
DTYPES = ["f2", "f4", "f8", "c8", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
SMALL = {"b": np.arange(3, dtype=np.float32), "a.mask": np.array([True, False]), "steps": np.array(7)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def same(got: dict[str, Array], wanted: dict[str, Any]) -> bool:
    """Equal in names, order, dtypes, shapes and bits."""
    arrays = {name: np.asarray(value) for name, value in wanted.items()}
    return list(got) == list(arrays) and all(
        got[n].dtype == a.dtype.newbyteorder("=") and got[n].shape == a.shape and got[n].tobytes() == a.tobytes()
        for n, a in arrays.items()
    )


def foreign(header: Any, data: bytes = b"") -> bytes:
    """A file of another program's, with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def taken_apart(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


# What goes in comes out


@pytest.mark.parametrize("code", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 0, 2), (2, 3, 4)])
def test_every_dtype_and_shape(code: str, shape: tuple[int, ...], path: Path) -> None:
    array = np.asarray(np.random.default_rng(0).normal(0, 40, shape)).astype(code)
    save({"a": array, "other": np.ones(1, np.int8)}, path)
    got = load(path)
    assert same(got, {"a": array, "other": np.ones(1, np.int8)})
    assert got["a"].flags.owndata
    assert got["a"].flags.writeable
    assert got["a"].flags.c_contiguous


def test_special_values_keep_their_bits(path: Path) -> None:
    bits = np.array([0x7FC00001, 0xFFC12345, 0x80000000, 0x00000001, 0x7F800000], np.uint32)
    save({"a": bits.view(np.float32)}, path)
    assert (load(path)["a"].view(np.uint32) == bits).all()


def test_every_layout(path: Path) -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    arrays = {
        "transposed": x.T,
        "reversed": x[::-1, :, ::-2],
        "broadcast": np.broadcast_to(x[:1], x.shape),
        "big endian": np.arange(4, dtype=">i2"),
        "scalar": np.float32(2.5),
    }
    save(arrays, path)
    assert same(load(path), {name: np.ascontiguousarray(a).astype(a.dtype.newbyteorder("=")).reshape(np.shape(a))
                             for name, a in arrays.items()})  # fmt: skip


def test_tensors_are_taken_as_arrays(path: Path) -> None:
    save({"w": Tensor(np.eye(2)), "b": np.zeros(2)}, path)
    assert same(load(path), {"w": np.eye(2), "b": np.zeros(2)})


def test_names_may_be_any_text_and_keep_their_order(path: Path) -> None:
    names = ["z", "a", "", "über.gewicht", 'quo"te\\n\n', "\u2028", "層.0", "fastnn.format"]
    arrays = {name: np.full(i, i, DTYPES[i]) for i, name in enumerate(names)}
    save(arrays, path)
    assert same(load(path), arrays)


def test_metadata(path: Path) -> None:
    text = {"config": json.dumps({"hidden": [128, 64]}), "z": "", "a": "層\n"}
    save(SMALL, path, metadata=text)
    assert load_metadata(path) == text
    assert list(load_metadata(path)) == list(text)
    assert same(load(path), SMALL)
    save({}, path)
    assert (load(path), load_metadata(path)) == ({}, {})


def test_the_same_content_gives_the_same_bytes(path: Path) -> None:
    save(SMALL, path, metadata={"a": "b"})
    first = path.read_bytes()
    save(dict(SMALL), path, metadata={"a": "b"})
    assert path.read_bytes() == first


def test_arrays_are_aligned_for_programs_that_map_the_file(path: Path) -> None:
    save({code: np.ones(3, code) for code in DTYPES}, path)
    header, _ = taken_apart(path.read_bytes())
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
    for code in DTYPES:
        assert header[code]["data_offsets"][0] % np.dtype(code).itemsize == 0


def test_safetensors_reads_what_fastnn_writes(path: Path) -> None:
    package = pytest.importorskip("safetensors")
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {code: np.ones((2, 3), code) for code in DTYPES if code != "c8"}
    save(arrays, path, metadata={"a": "b"})
    theirs = numpy.load_file(path)
    assert same({name: theirs[name] for name in arrays}, arrays)
    with package.safe_open(path, "np") as file:
        assert file.metadata()["a"] == "b"


def test_fastnn_reads_what_safetensors_writes(path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {code: np.ones((2, 3), code) for code in DTYPES if code != "c8"}
    path.write_bytes(numpy.save(arrays, metadata={"format": "pt"}))
    got = load(path)
    assert same({name: got[name] for name in arrays}, arrays)
    assert load_metadata(path) == {"format": "pt"}
    path.write_bytes(numpy.save(arrays))
    assert load_metadata(path) == {}


def test_foreign_files_may_look_otherwise(path: Path) -> None:
    byte = b'"b" : {"data_offsets":[4,5],"shape":[],"dtype":"U8"}'
    number = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    path.write_bytes(foreign(b"{ " + byte + b", " + number + b"}   \n", np.float32(1.5).tobytes() + b"\7"))
    assert same(load(path), {"b": np.array(7, np.uint8), "a": np.array([1.5], np.float32)})


# What cannot be saved


@pytest.mark.parametrize(
    ("state_dict", "metadata", "error", "words"),
    [
        ({"layer": {"weight": np.eye(2)}}, None, TypeError, "'layer' is a nested dict.*'layer.weight'"),
        ({"lr": 0.1}, None, TypeError, "'lr' wants a Tensor or array; got float"),
        ({"x": [1, 2]}, None, TypeError, "'x' wants a Tensor or array; got list"),
        ({"x": np.array(["a"])}, None, TypeError, "'x' is of dtype <U1"),
        ({"x": np.array([None])}, None, TypeError, "'x' is of dtype object"),
        ({"x": np.zeros(2, np.complex128)}, None, TypeError, "'x' is of dtype complex128"),
        ({"x": np.zeros(2, "M8[s]")}, None, TypeError, "'x' is of dtype datetime64"),
        ({3: np.zeros(2)}, None, TypeError, "names want to be str; got 3"),
        ({"__metadata__": np.zeros(2)}, None, ValueError, "'__metadata__' is reserved"),
        ([("a", np.zeros(2))], None, TypeError, "state_dict wants a dict of arrays by name; got list"),
        ({"\ud800": np.zeros(2)}, None, ValueError, "is not Unicode text"),
        ({}, {"a": 1}, TypeError, "metadata wants str to str; got 1 for 'a'"),
        ({}, {1: "a"}, TypeError, "metadata wants str to str"),
        ({}, "text", TypeError, "metadata wants a dict of str to str; got str"),
        ({}, {"fastnn.format": "1"}, ValueError, "'fastnn.format' is fastnn's own"),
        ({}, {"fastnn.sha256": "1"}, ValueError, "'fastnn.sha256' is fastnn's own"),
        ({}, {"a": "x" * (1 << 20)}, ValueError, "names, shapes and metadata take"),
    ],
)
def test_save_names_what_it_refuses(
    state_dict: Any, metadata: Any, error: type[Exception], words: str, path: Path
) -> None:
    path.write_bytes(b"old")
    with pytest.raises(error, match=f"^save: .*{words}"):
        save(state_dict, path, metadata)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_save_inside_a_captured_step_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        def refuse(self, what: str) -> None:
            raise RuntimeError(what)

    monkeypatch.setattr(state, "recorder", Recorder())
    with pytest.raises(RuntimeError, match=r"^save would be frozen"):
        save(SMALL, path)
