"""Damaged and hostile model files: all that is wrong is told, and none takes more memory than it is long."""

from __future__ import annotations

import json
import os
import random
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.io import FileFormatError, load, load_metadata, save

SMALL = {"b": np.arange(3, dtype=np.float32), "a.mask": np.array([True, False]), "steps": np.array(7)}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def foreign(header: Any, data: bytes = b"") -> bytes:
    """A file of another program's, with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def taken_apart(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def check_flip(content: bytearray, bit: int, path: Path) -> None:
    """A file with one bit turned is refused by both readers."""
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    content[bit // 8] ^= 1 << bit % 8
    for read in (load, load_metadata):
        with pytest.raises(FileFormatError, match=r"model\.safetensors: "):
            read(path)


def test_every_flipped_bit_is_told(path: Path) -> None:
    save(SMALL, path, metadata={"a": "b"})
    content = bytearray(path.read_bytes())
    for bit in range(8 * len(content)):
        check_flip(content, bit, path)


@pytest.mark.full
def test_100_000_flipped_bits_are_told(path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"layer.{i}.{n}": rng.normal(size=s) for i in range(3) for n, s in (("weight", (9, 17)), ("bias", (9,)))}
    save({**arrays, **SMALL}, path, metadata={"config": json.dumps({"hidden": [17, 9]})})
    content = bytearray(path.read_bytes())
    for bit in rng.integers(0, 8 * len(content), 100_000):
        check_flip(content, int(bit), path)


def test_every_truncation_and_extension_is_told(path: Path) -> None:
    for content in (None, foreign({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))):
        if content is None:
            save(SMALL, path)
            content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(FileFormatError):
                load(path)
        for more in (b"\0", content):
            path.write_bytes(content + more)
            with pytest.raises(FileFormatError):
                load(path)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """A file with a few bytes changed, cut out, doubled or put in."""
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(damaged) + 1), rng.randint(0, 12)
        damaged[at : at + rng.choice([0, length])] = rng.choice(
            [rng.randbytes(length), damaged[at : at + length] * 2, b"9" * length, b'"', b"{", b"]", b"-", b"\xff"]
        )
    return bytes(damaged)


def check_mutations(count: int, path: Path) -> None:
    """Files mutated at random are read or refused, whoever wrote them; those of fastnn are read only if unchanged."""
    entries = {
        "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "mask": {"dtype": "BOOL", "shape": [3], "data_offsets": [24, 27]},
    }
    data = np.arange(6, dtype=np.float32).tobytes() + b"\0\1\0"
    theirs = foreign({"__metadata__": {"format": "pt"}, **entries}, data)
    save(SMALL, path, metadata={"config": '{"hidden": [3]}'})
    ours = path.read_bytes()
    rng, read = random.Random(0), 0
    for _ in range(count):
        for content in (ours, theirs):
            damaged = mutated(content, rng)
            path.write_bytes(damaged)
            try:
                arrays = load(path)
                load_metadata(path)
            except FileFormatError:
                continue
            assert content is theirs or damaged == ours
            assert all(type(a) is np.ndarray and a.sum() is not None for a in arrays.values())
            read += 1
    assert read > count // 100  # so that both ways were gone


def test_mutated_files_are_read_or_refused(path: Path) -> None:
    check_mutations(2_000, path)


@pytest.mark.full
def test_100_000_mutated_files_are_read_or_refused(path: Path) -> None:
    check_mutations(50_000, path)


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (b"\xff" * 8, "truncated"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "truncated"),
        (foreign(b""), "not JSON"),
        (foreign(b"[]"), "not a JSON object"),
        (foreign(b" {}"), "not a JSON object"),
        (foreign(b"\xff{}"), "not JSON"),
        (foreign(b"[" * 100_000), "not JSON"),
        (foreign(b'{"a":' * 100_000), "not JSON"),
        (foreign(b'{"a":' + b"1" * 5000 + b"}"), "not JSON"),
        (foreign(b'{"a":{},"a":{}}'), "stands twice"),
        (foreign(b'{"__metadata__":{"a":"","a":""}}'), "stands twice"),
        (foreign({"__metadata__": {"a": 1}}), "not a table of strings"),
        (foreign({"__metadata__": []}), "not a table of strings"),
        (foreign({"a": []}), "is not a dtype, a shape and two offsets"),
        (foreign({"a": entry(more=1)}, bytes(8)), "is not a dtype, a shape and two offsets"),
        (foreign({"a": entry(offsets=[0])}, bytes(8)), "is not a dtype, a shape and two offsets"),
        (foreign({"a": entry(shape="2")}, bytes(8)), "is not a dtype, a shape and two offsets"),
        (foreign({"a": entry(dtype=4)}, bytes(8)), "is not a dtype, a shape and two offsets"),
        (foreign({"a": entry(dtype="BF16", shape=[4])}, bytes(8)), "dtype 'BF16', which NumPy does not have"),
        (foreign({"a": entry(shape=[-2])}, bytes(8)), "cannot be"),
        (foreign({"a": entry(shape=[-1, -2])}, bytes(8)), "cannot be"),
        (foreign({"a": entry(shape=[2.0])}, bytes(8)), "cannot be"),
        (foreign({"a": entry(shape=[2, True])}, bytes(8)), "cannot be"),
        (foreign({"a": entry(shape=[1] * 65, offsets=[0, 4])}, bytes(4)), "cannot be"),
        (foreign({"a": entry(offsets=[8, 0])}, bytes(8)), "is said to have"),
        (foreign({"a": entry(shape=[3])}, bytes(8)), "is said to have"),
        (foreign({"a": entry(shape=[1 << 62], offsets=[0, 1 << 64])}), "truncated"),
        (foreign({"a": entry(shape=[0, 1 << 70], offsets=[0, 0])}), "NumPy has no arrays of shape"),
        (foreign({"a": entry(), "b": entry()}, bytes(8)), "begin at 0; those before them end at 8"),
        (foreign({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)), "begin at 4; those before them end at 8"),
        (foreign({"a": entry(), "b": entry(offsets=[9, 17])}, bytes(17)), "begin at 9; those before them end at 8"),
        (foreign({"a": entry(offsets=[8, 16])}, bytes(16)), "begin at 8; those before them end at 0"),
        (foreign({"a": entry()}, bytes(9)), "9 bytes of data where the header says 8"),
        (foreign({"a": entry("BOOL", [2], [0, 2])}, b"\1\2"), "no booleans"),
    ],
)
def test_headers_that_cannot_be(content: bytes, words: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=words):
        load(path)


def test_a_header_that_is_not_what_fastnn_writes_is_refused(path: Path) -> None:
    save({"a": np.zeros(2, np.float32), "b": np.zeros(1)}, path, metadata={"c": "d"})
    header, data = taken_apart(path.read_bytes())
    text = header["__metadata__"]

    def refused(changed: dict[str, Any], words: str) -> None:
        path.write_bytes(foreign(json.dumps(changed, separators=(",", ":")).encode() + b" " * spaces(changed), data))
        with pytest.raises(FileFormatError, match=words):
            load(path)

    def spaces(changed: dict[str, Any]) -> int:
        return -len(json.dumps(changed, separators=(",", ":"))) % 8

    path.write_bytes(foreign(json.dumps(header, separators=(",", ":")).encode() + b" " * spaces(header), data))
    load(path)
    path.write_bytes(foreign(json.dumps(header).encode(), data))
    with pytest.raises(FileFormatError, match="not what fastnn would have written"):
        load(path)
    for key in ("fastnn.format", "fastnn.sha256"):
        without = {k: v for k, v in text.items() if k != key}
        refused({**header, "__metadata__": without}, "alone, not both")
    refused({**header, "__metadata__": {**text, "fastnn.format": "2"}}, "of format '2'; this fastnn reads format '1'")
    refused({**header, "__metadata__": {**text, "c": "e"}}, "checksum does not fit")
    refused({**header, "__metadata__": dict(reversed(text.items()))}, "checksum does not fit")
    refused({**header, "__metadata__": {**text, "fastnn.sha256": "0" * 64}}, "checksum does not fit")
    refused({"x" if k == "a" else k: v for k, v in header.items()}, "checksum does not fit")
    refused({**header, "a": {**header["a"], "dtype": "I32"}}, "checksum does not fit")
    refused({**header, "a": {**header["a"], "shape": [2, 1]}}, "checksum does not fit")
    refused(dict(reversed(header.items())), "not what fastnn would have written")


def headers_that_grow(size: int) -> dict[str, bytes]:
    """Headers that become far more memory than they are long, each of about `size` bytes."""
    empty = '"dtype":"U8","shape":[0],"data_offsets":[0,0]'
    return {
        "lists": b'{"a":[' + b"[]," * (size // 3) + b"[]]}",
        "objects": b'{"a":[' + b'{"":1},' * (size // 7) + b"{}]}",
        "numbers": b'{"a":{"dtype":"U8","shape":[' + b"1000," * (size // 5) + b'0],"data_offsets":[0,0]}}',
        "arrays": ("{" + ",".join(f'"{i:x}":{{{empty}}}' for i in range(size // 56)) + "}").encode(),
        "text": ('{"__metadata__":{' + ",".join(f'"{i:x}":""' for i in range(size // 10)) + "}}").encode(),
    }


@pytest.mark.parametrize("size", [500_000, 1 << 23])
@pytest.mark.parametrize("kind", headers_that_grow(0))
def test_memory_is_bounded_by_the_length_of_the_file(kind: str, size: int, path: Path) -> None:
    path.write_bytes(foreign(headers_that_grow(size)[kind]))
    tracemalloc.start()
    try:
        if size < 1 << 19 and kind in ("arrays", "text"):
            load(path)
        else:
            with pytest.raises(FileFormatError):
                load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 1.1 * path.stat().st_size + (16 << 20)


def test_arrays_are_read_into_the_memory_they_stay_in(path: Path) -> None:
    save({"a": np.zeros(3_000_000), "b": np.zeros(2_000_000, np.float32)}, path)
    for read, wanted in ((load, 32_000_000), (load_metadata, 0)):
        tracemalloc.start()
        try:
            read(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert wanted <= peak <= wanted + (4 << 20)


@POSIX
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FileFormatError, match="not a regular file"):
            load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")
