"""The one error of everything that reads files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class FileFormatError(ValueError):
    """A file is truncated, damaged or not of the format it is read as.

    Examples
    --------
    >>> import fastnn, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.safetensors")
    >>> _ = path.write_bytes(b"not a model")
    >>> try:
    ...     fastnn.io.load(path)
    ... except fastnn.io.FileFormatError as error:
    ...     print(type(error).__mro__[1].__name__)
    ValueError
    """


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except FileFormatError as why:
        raise FileFormatError(f"{os.fspath(path)}: {why}") from None
