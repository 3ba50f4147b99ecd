"""The IDX format of MNIST's files."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import BinaryIO, cast

import numpy as np

from ..io import FileFormatError
from ..io._arrays import Array, read_array
from ..io._errors import naming

DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
MOST_DEFLATED = 1032  # no gzip file unpacks to more bytes for each of its own


def read_idx(path: str | os.PathLike[str]) -> Array:
    """Read an array from an IDX file, packed by gzip or not.

    Parameters
    ----------
    path : str or os.PathLike
        The file; whether it is packed is told by its content.

    Returns
    -------
    numpy.ndarray
        Of the file's shape and dtype: uint8, int8, int16, int32, float32 or float64, in native byte order.

    Raises
    ------
    FileFormatError
        If the file is truncated, too long, damaged or no IDX file.
    OSError
        If it cannot be read.

    Notes
    -----
    Source: the description of the format in Y. LeCun, C. Cortes and C. Burges, The MNIST database.

    Examples
    --------
    >>> import fastnn, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> fastnn.datasets.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    with naming(path), open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            return _read(raw, size)
        try:
            with gzip.open(raw) as file:
                return _read(cast(BinaryIO, file), size * MOST_DEFLATED)
        except (EOFError, zlib.error, gzip.BadGzipFile) as why:
            raise FileFormatError(f"damaged gzip data ({why})") from None


def _read(file: BinaryIO, most: int) -> Array:
    """The array in a file that cannot hold more than `most` bytes."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise FileFormatError(f"begins with {magic!r}; no IDX file")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise FileFormatError("ends within its header; truncated")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    dtype = np.dtype(DTYPES[magic[2]])
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > most or magic[3] > 64:
        raise FileFormatError(f"too short to hold an array of shape {shape}; truncated")
    array = read_array(file, shape, dtype)
    if file.read(1):
        raise FileFormatError(f"holds more than the {wanted} bytes of data that its shape {shape} wants")
    return array.astype(dtype.newbyteorder("="), copy=False)
