"""The safetensors header: 8 bytes of length, then JSON that says where each array's bytes stand.

Source: https://github.com/huggingface/safetensors (format). What fastnn writes differs from other files in two metadata
keys that come together, `FORMAT` and `CHECKSUM`; such a file must be, byte for byte, what the writer here would write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ._errors import FileFormatError

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "C64": np.dtype("<c8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("|i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("|u1"),
    "BOOL": np.dtype("|b1"),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
METADATA = "__metadata__"
FORMAT, VERSION = "fastnn.format", "1"
CHECKSUM, BLANK = "fastnn.sha256", "0" * 64
MOST_AXES = 64  # NumPy's limit


class Entry(NamedTuple):
    """Where one array stands, in bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """A header taken apart."""

    entries: dict[str, Entry]
    metadata: dict[str, str]
    raw: bytes

    @property
    def in_file_order(self) -> list[tuple[str, Entry]]:
        """The arrays as their bytes follow each other."""
        return sorted(self.entries.items(), key=lambda item: (item[1].begin, item[1].end))

    @property
    def own(self) -> bool:
        """Whether fastnn wrote the file."""
        return FORMAT in self.metadata

    @property
    def checksum(self) -> str:
        """The checksum that stands in the header."""
        return self.metadata[CHECKSUM]

    @property
    def unsigned(self) -> bytes:
        """The header that the checksum was taken of."""
        return header_bytes(self.entries, {**self.metadata, CHECKSUM: BLANK})

    @property
    def users_metadata(self) -> dict[str, str]:
        """The metadata without fastnn's own two keys."""
        return {key: value for key, value in self.metadata.items() if key not in (FORMAT, CHECKSUM)}


def most_header_bytes(file_bytes: int) -> int:
    """The longest header that is read: JSON grows up to 29 times as Python objects, and memory is to stay bounded."""
    return (1 << 19) + file_bytes // 512


def layout(arrays: Iterable[tuple[str, str, tuple[int, ...]]]) -> dict[str, Entry]:
    """Places for arrays given as (name, dtype, shape): wide dtypes come first, so that every array is aligned."""
    arrays = list(arrays)
    places, position = {}, 0
    for name, dtype, shape in sorted(arrays, key=lambda a: -DTYPES[a[1]].itemsize):
        end = position + DTYPES[dtype].itemsize * math.prod(shape)
        places[name] = Entry(dtype, shape, position, end)
        position = end
    return {name: places[name] for name, _, _ in arrays}


def header_bytes(entries: Mapping[str, Entry], metadata: Mapping[str, str]) -> bytes:
    """The header as fastnn writes it, padded with blanks to whole groups of 8 bytes."""
    content: dict[str, Any] = {METADATA: dict(metadata)}
    for name, e in entries.items():
        content[name] = {"dtype": e.dtype, "shape": list(e.shape), "data_offsets": [e.begin, e.end]}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def read_header(file: BinaryIO, file_bytes: int) -> Header:
    """Read and check a header; nothing in it is believed that the file's own length does not bear out."""
    length = int.from_bytes(file.read(8), "little")
    if file_bytes < 8 or length > file_bytes - 8:
        raise FileFormatError(f"{file_bytes} bytes cannot hold a header of {length}; truncated, or no safetensors file")
    if length > most_header_bytes(file_bytes):
        raise FileFormatError(f"a header of {length} bytes is too long for a file of {file_bytes}")
    raw = file.read(length)
    content = _parse(raw)
    metadata = _metadata(content.pop(METADATA, {}))
    header = Header({name: _entry(name, value) for name, value in content.items()}, metadata, raw)
    position = 0
    for name, e in header.in_file_order:
        if e.begin != position:
            raise FileFormatError(f"the bytes of {name!r} begin at {e.begin}; those before them end at {position}")
        position = e.end
    if position != file_bytes - 8 - length:
        raise FileFormatError(f"{file_bytes - 8 - length} bytes of data where the header says {position}; truncated?")
    _check_own(header)
    return header


def _parse(raw: bytes) -> dict[str, Any]:
    """The header's JSON object."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise FileFormatError("a key stands twice in the header")
        return result

    try:
        content = json.loads(raw.decode(), object_pairs_hook=unique)
    except FileFormatError:
        raise
    except (ValueError, RecursionError):
        raise FileFormatError("the header is not JSON; damaged, or no safetensors file") from None
    if not isinstance(content, dict) or raw[:1] != b"{":
        raise FileFormatError("the header is not a JSON object; damaged, or no safetensors file")
    return content


def _metadata(value: Any) -> dict[str, str]:
    """The metadata, which is text by name."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise FileFormatError(f"{METADATA} is not a table of strings")
    return value


def _entry(name: str, value: Any) -> Entry:
    """One array's entry."""
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]} if len(value) == 3:
            sizes = (*shape, begin, end)
        case _:
            raise FileFormatError(f"the entry of {name!r} is not a dtype, a shape and two offsets")
    if dtype not in DTYPES:
        raise FileFormatError(f"{name!r} is of dtype {dtype[:16]!r}, which NumPy does not have")
    if len(shape) > MOST_AXES or not all(type(n) is int and n >= 0 for n in sizes):
        raise FileFormatError(f"the entry of {name!r} holds a shape or offsets that cannot be")
    if math.prod(shape) * DTYPES[dtype].itemsize != end - begin:
        raise FileFormatError(f"{name!r} is said to have a shape of {shape} and {end - begin} bytes of {dtype}")
    return Entry(dtype, tuple(shape), begin, end)


def _check_own(header: Header) -> None:
    """Refuse a header that looks like fastnn's but is not what fastnn would write."""
    keys = {FORMAT, CHECKSUM} & header.metadata.keys()
    if not keys:
        return
    if len(keys) == 1:
        raise FileFormatError(f"the metadata has {keys.pop()!r} alone, not both {FORMAT!r} and {CHECKSUM!r}; damaged")
    if header.metadata[FORMAT] != VERSION:
        raise FileFormatError(f"of format {header.metadata[FORMAT][:16]!r}; this fastnn reads format {VERSION!r}")
    try:
        expected = header_bytes(layout((n, e.dtype, e.shape) for n, e in header.entries.items()), header.metadata)
    except UnicodeEncodeError:
        expected = b""
    if header.raw != expected:
        raise FileFormatError("the header is not what fastnn would have written; damaged")
