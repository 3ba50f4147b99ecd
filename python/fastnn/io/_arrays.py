"""Arrays out of files."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from ._errors import FileFormatError

Array = np.ndarray[Any, Any]


def memory(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, of any dtype and rank, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def read_array(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array filled from the file; the caller has seen that the file is long enough to hold it."""
    try:
        array = np.empty(shape, dtype)
    except (ValueError, OverflowError):
        raise FileFormatError(f"NumPy has no arrays of shape {shape}") from None
    got = file.readinto(memory(array))  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
    if got != array.nbytes:
        raise FileFormatError(f"ends after {got} of the {array.nbytes} bytes that shape {shape} wants; truncated")
    return array
