"""save, load, load_metadata."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from .._tensor import Tensor
from ..random import refuse_while_recording
from ._arrays import Array, memory, read_array
from ._atomic import replacing
from ._errors import FileFormatError, naming
from ._header import (
    BLANK,
    CHECKSUM,
    DTYPES,
    FORMAT,
    METADATA,
    NAMES,
    VERSION,
    Entry,
    Header,
    header_bytes,
    layout,
    most_header_bytes,
    read_header,
)

BLOCK = 1 << 20


def save(
    state_dict: Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write arrays by name, and text, to a safetensors file that is there whole or not at all.

    The file is written beside `path`, flushed to the disk and renamed; if anything fails, what stood at `path` stays.
    A SHA-256 over names, dtypes, shapes, metadata and all bytes goes into the header, and `load` checks it. Other
    programs read the file as any safetensors file (https://github.com/huggingface/safetensors).

    Parameters
    ----------
    state_dict : mapping of str to Tensor or numpy.ndarray
        What ``module.state_dict()`` gives, say; any shapes; float16, float32, float64, complex64, bool, and integers of
        8 to 64 bits, signed or not. The order is kept.
    path : str or os.PathLike
        The file; by custom its name ends in ``.safetensors``. Through a symbolic link, what that leads to is written.
    metadata : mapping of str to str, optional
        Text to keep in the file, a network's configuration as JSON, say.

    Raises
    ------
    TypeError
        If `state_dict` is not flat (nested dicts), or holds anything but arrays of these dtypes; or if metadata is not
        text.
    ValueError
        For a reserved name, or names and metadata too long for a header.
    OSError
        If the file cannot be written; nothing is left over then. `IsADirectoryError` for a folder,
        `shutil.SpecialFileError` for a pipe, a device or a socket, which a file would take the place of.

    Examples
    --------
    >>> import fastnn, numpy, tempfile
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> fastnn.io.save({"weight": numpy.eye(2), "bias": numpy.zeros(2)}, path, metadata={"made by": "an example"})
    >>> fastnn.io.load(path)["bias"]
    array([0., 0.])
    """
    refuse_while_recording("save")
    if not isinstance(path, str) and not isinstance(path, os.PathLike):
        raise TypeError(f"save: path wants a str or a path; got {type(path).__name__}")
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"save: state_dict wants a dict of arrays by name; got {type(state_dict).__name__}")
    arrays = {name: _array(name, value) for name, value in state_dict.items()}
    entries = layout((name, NAMES[_stored(a)], a.shape) for name, a in arrays.items())
    # The two keys stand on both sides of the checksum: no small damage can lose both and make the file a foreign one.
    text = {CHECKSUM: BLANK, FORMAT: VERSION, **_checked(metadata or {})}
    try:
        unsigned = header_bytes(entries, text)
    except UnicodeEncodeError as why:
        raise ValueError(f"save: {why.object!r} among names and metadata is not Unicode text") from None
    size = 8 + len(unsigned) + sum(a.nbytes for a in arrays.values())
    if len(unsigned) > most_header_bytes(size):
        raise ValueError(
            f"save: names, shapes and metadata take {len(unsigned)} bytes; a file of {size} bytes may have "
            f"{most_header_bytes(size)}"
        )
    header = Header(entries, text, unsigned)
    digest = hashlib.sha256(unsigned)
    with replacing(path) as file:
        file.write(len(unsigned).to_bytes(8, "little") + unsigned)
        for name, _ in header.in_file_order:
            array = arrays[name]
            data = memory(np.asarray(array, _stored(array), order="C"))
            digest.update(data)
            file.write(data)
        file.seek(8)
        file.write(header_bytes(entries, {**text, CHECKSUM: digest.hexdigest()}))


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read the arrays of a safetensors file.

    A file that fastnn wrote is checked against its checksum; others (PyTorch's, say) have none. Nothing in a file is
    run, and no more memory is taken than the file is long, and 16 MiB.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    dict of str to numpy.ndarray
        New arrays in the order in which they were saved; ``module.load_state_dict`` takes them.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged or not a safetensors file.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import fastnn, numpy, tempfile
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> fastnn.io.save({"steps": numpy.arange(3)}, path)
    >>> fastnn.io.load(path)
    {'steps': array([0, 1, 2])}
    """
    with _opened(path) as (file, header):
        digest = hashlib.sha256(header.unsigned) if header.own else None
        arrays = {name: _read(file, name, entry, digest) for name, entry in header.in_file_order}
        _compare(header, digest)
    return {name: arrays[name] for name in header.entries}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the text kept in a safetensors file; a file that fastnn wrote is checked as a whole.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    dict of str to str
        What was given to `save` as `metadata`.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged or not a safetensors file.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import fastnn, tempfile
    >>> path = tempfile.mkdtemp() + "/model.safetensors"
    >>> fastnn.io.save({}, path, metadata={"model": "mlp"})
    >>> fastnn.io.load_metadata(path)
    {'model': 'mlp'}
    """
    with _opened(path) as (file, header):
        if header.own:
            digest = hashlib.sha256(header.unsigned)
            while block := file.read(BLOCK):
                digest.update(block)
            _compare(header, digest)
    return header.users_metadata


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, Header]]:
    """The file behind its header, and the header."""
    if not isinstance(path, str) and not isinstance(path, os.PathLike):
        raise TypeError(f"load: path wants a str or a path; got {type(path).__name__}")
    with naming(path):
        if not stat.S_ISREG(os.stat(path).st_mode):  # asked first, since opening a pipe would wait for a writer
            raise FileFormatError("not a regular file")
        with open(path, "rb") as file:
            yield file, read_header(file, os.fstat(file.fileno()).st_size)


def _read(file: BinaryIO, name: str, entry: Entry, digest: Any) -> Array:
    """The next array of the file."""
    dtype = DTYPES[entry.dtype]
    array = read_array(file, entry.shape, dtype)
    if digest is not None:
        digest.update(memory(array))
    if entry.dtype == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise FileFormatError(f"{name!r} holds bytes that are no booleans")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _compare(header: Header, digest: Any) -> None:
    """Refuse a file whose checksum is not that of its content."""
    if digest is not None and digest.hexdigest() != header.checksum:
        raise FileFormatError("the checksum does not fit the content; damaged")


def _stored(array: Array) -> np.dtype[Any]:
    """The array's dtype as it stands in a file: little-endian."""
    dtype: np.dtype[Any] = array.dtype.newbyteorder("<")
    return dtype


def _array(name: Any, value: Any) -> Array:
    """A value of the state_dict as an array that the format can hold."""
    if not isinstance(name, str):
        raise TypeError(f"save: names want to be str; got {name!r}")
    if name == METADATA:
        raise ValueError(f"save: {METADATA!r} is reserved by the format; text goes into metadata")
    if isinstance(value, Mapping):
        raise TypeError(f"save: {name!r} is a nested dict; wants arrays under flat names such as '{name}.weight'")
    array = value.array if isinstance(value, Tensor) else value
    if not isinstance(array, (np.ndarray, np.generic)):
        raise TypeError(f"save: {name!r} wants a Tensor or array; got {type(value).__name__}")
    array = np.asarray(array)
    if _stored(array) not in NAMES:
        raise TypeError(f"save: {name!r} is of dtype {array.dtype}, which safetensors files do not hold")
    return array


def _checked(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """The user's metadata, if it is text under names of the user's own."""
    if not isinstance(metadata, Mapping):
        raise TypeError(f"save: metadata wants a dict of str to str; got {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"save: metadata wants str to str; got {value!r} for {key!r} (json.dumps makes it text)")
        if key in (FORMAT, CHECKSUM):
            raise ValueError(f"save: the metadata key {key!r} is fastnn's own")
    return metadata
