"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of `path` when the block ends and vanishes when the block raises.

    The file is written beside `path`, flushed to the disk, renamed, and the folder flushed: after a crash at any moment
    `path` is the old file or the new one. What a killed process left behind goes away with the next write to `path`.
    Through a symbolic link the file that it leads to is written.
    """
    mode = _mode_of(path)
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    _remove_orphans(folder, name)
    temporary, file = _create(folder, name)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        if sys.platform == "win32":
            file.close()  # Windows renames closed files only; elsewhere the open file's lock guards it until then
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):  # a full disk fails again here
            file.close()
        with suppress(OSError):
            os.unlink(temporary)
        raise
    file.close()
    _sync_folder(folder)


def _mode_of(path: str | os.PathLike[str]) -> int | None:
    """The mode of what stands at `path`, None for nothing; what is no regular file is refused: a rename removes it."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return mode
    kind = KINDS.get(stat.S_IFMT(mode), "something else")
    words = f"save: path wants a regular file or a new one; {os.fspath(path)!r} is {kind}"
    raise IsADirectoryError(words) if stat.S_ISDIR(mode) else shutil.SpecialFileError(words)


def _create(folder: str, name: str) -> tuple[str, BinaryIO]:
    """A new locked file beside the target; the lock tells it from an orphan and dies with the process."""
    while True:
        temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(8)}.tmp")
        try:
            file = open(temporary, "xb")  # noqa: SIM115 (the caller closes it)
        except OSError as error:  # about the file that the caller knows
            raise OSError(error.errno, error.strerror, os.path.join(folder, name)) from None
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process takes it for an orphan just now
                file.close()
                continue
            except OSError:  # a file system without locks: no one will remove it either
                pass
            if os.fstat(file.fileno()).st_nlink == 0:
                file.close()
                continue
        return temporary, file


def _remove_orphans(folder: str, name: str) -> None:
    """Remove the temporary files of processes that died: those that nobody holds locked."""
    if sys.platform != "win32":
        ours = re.compile(re.escape(f".{name[:40]}.") + r"[0-9a-f]{16}\.tmp")
        for entry in filter(ours.fullmatch, os.listdir(folder)):
            orphan = os.path.join(folder, entry)
            with suppress(OSError), open(orphan, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(orphan)


def _sync_folder(folder: str) -> None:
    """Make the rename itself durable."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
