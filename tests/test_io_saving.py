"""Nothing that happens while a model file is saved loses what stood there, or leaves anything else behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.io import load, load_metadata, save

Array = np.ndarray[Any, Any]
SMALL = {"b": np.arange(3, dtype=np.float32), "a.mask": np.array([True, False]), "steps": np.array(7)}
BIG = {"a": np.arange(200_000.0), "b": np.ones((300, 300), np.float32)}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems only")


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


@POSIX
def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    resource = pytest.importorskip("resource")
    save(SMALL, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    whole = sum(a.nbytes for a in BIG.values())
    for limit in (0, 7, 8, 9, 300, 4096, 100_000, 1_600_000, whole):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                save(BIG, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert same(load(path), SMALL)
        assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "chmod"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError])
def test_a_failing_call_leaves_the_old_file_and_nothing_else(
    call: str, error: type[BaseException], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(SMALL, path)

    def fail(*_: Any, **__: Any) -> Any:
        raise error("no")

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open" if call == "open" else f"os.{call}", fail)
        with pytest.raises(error, match="no"):
            save(BIG, path)
    assert same(load(path), SMALL)
    assert os.listdir(path.parent) == [path.name]


def test_the_file_is_flushed_before_it_is_renamed_and_the_folder_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(source: str, target: str) -> None:
        assert same(load(source), SMALL)
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    save(SMALL, path)
    assert calls == (["file", "replace"] if sys.platform == "win32" else ["file", "replace", "folder"])


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(SMALL, tmp_path / "none" / "model.safetensors")
    assert os.listdir(tmp_path) == []


@contextmanager
def special_file(kind: str, path: Path) -> Iterator[None]:
    """A file of this kind at `path`."""
    if kind == "a folder":
        path.mkdir()
        yield
    elif kind == "a pipe":
        os.mkfifo(path)
        yield
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path))  # the name of a socket may have some 100 bytes
            yield
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # what /dev/null is
        except PermissionError:
            pytest.skip("only root makes devices")
        yield


@POSIX
@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a character device"])
def test_what_is_no_regular_file_is_refused_and_stays(
    kind: str, through_link: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    there = path.with_name("there") if through_link else path
    if through_link:
        path.symlink_to(there.name)
    with special_file(kind, there):
        before = os.lstat(there)
        error = IsADirectoryError if kind == "a folder" else shutil.SpecialFileError
        with pytest.raises(error, match=f"path wants a regular file or a new one; {str(path)!r} is {kind}"):
            save(SMALL, path)
        assert os.path.samestat(os.lstat(there), before)
        assert set(os.listdir(path.parent)) == {path.name, there.name}


@POSIX
def test_standard_output_is_refused() -> None:
    """Its link in /proc leads to a name that is no file's."""
    code = "from fastnn.io import save; save({}, '/dev/stdout')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "SpecialFileError" in done.stderr
    assert "'/dev/stdout' is a pipe" in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="wants a folder where nobody may write")
def test_errors_name_the_file_that_was_asked_for() -> None:
    with pytest.raises(OSError, match="'/proc/no-such-file'"):
        save({}, "/proc/no-such-file")


@POSIX
def test_links_and_modes_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    save({}, real)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~current_umask()
    real.chmod(0o640)
    link.symlink_to(real.name)
    save(SMALL, link)
    assert link.is_symlink()
    assert same(load(real), SMALL)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@POSIX
def test_links_to_nothing_and_to_themselves(tmp_path: Path) -> None:
    """As with open(): a file comes to be where a link leads, if its folder is there."""
    dangling, lost, loop = tmp_path / "dangling", tmp_path / "lost", tmp_path / "loop"
    dangling.symlink_to("new")
    lost.symlink_to("none/new")
    loop.symlink_to("loop")
    save(SMALL, dangling)
    assert dangling.is_symlink()
    assert same(load(tmp_path / "new"), SMALL)
    with pytest.raises(FileNotFoundError):
        save(SMALL, lost)
    with pytest.raises(OSError, match="symbolic links"):
        save(SMALL, loop)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "loop", "lost", "new"]


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("層" * 80 + ".st")
    save(SMALL, path)
    assert same(load(path), SMALL)


def test_savers_at_the_same_time_leave_one_whole_file(path: Path) -> None:
    errors: list[BaseException] = []

    def write(value: int) -> None:
        try:
            for _ in range(25):
                save({"a": np.full(1000, value)}, path)
                assert len(set(load(path)["a"].tolist())) == 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert os.listdir(path.parent) == [path.name]


@POSIX
def test_what_a_killed_process_left_goes_away_and_what_others_write_stays(path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    orphan, alive = (path.parent / f".model.safetensors.{digit * 16}.tmp" for digit in "0a")
    others = [path.parent / ".model.safetensors.tmp", path.parent / f".other.safetensors.{'0' * 16}.tmp"]
    for file in (orphan, alive, *others):
        file.write_bytes(b"half")
    with open(alive, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        save(SMALL, path)
        assert sorted(path.parent.iterdir()) == sorted([path, alive, *others])
    save(SMALL, path)
    assert sorted(path.parent.iterdir()) == sorted([path, *others])


SAVER = """
import sys, numpy as np
from fastnn.io import save
print("ready", flush=True)
for i in range(1, 1_000_000):
    save({"a": np.full(100_000, i), "b": np.full(7, i)}, sys.argv[1], metadata={"i": str(i)})
    print(i, flush=True)
"""


def check_kills(count: int, path: Path) -> None:
    """A process that saves again and again is killed; its newest complete file is there each time."""
    rng = random.Random(0)
    for _ in range(count):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True) as saver:
            assert saver.stdout is not None
            for _ in range(2):
                saver.stdout.readline()  # so that there is a file
            time.sleep(rng.uniform(0, 0.02))
            os.kill(saver.pid, signal.SIGKILL)
            done = max((int(line) for line in saver.stdout.read().split()), default=1)
        arrays = load(path)
        saved = int(load_metadata(path)["i"])
        assert done <= saved <= done + 1
        assert (arrays["a"] == saved).all()
        assert (arrays["b"] == saved).all()
        assert len(os.listdir(path.parent)) <= 2
        save(SMALL, path)
        assert os.listdir(path.parent) == [path.name]


@POSIX
def test_a_killed_saver_leaves_its_newest_complete_file(path: Path) -> None:
    check_kills(6, path)


@POSIX
@pytest.mark.full
def test_1_000_killed_savers_leave_their_newest_complete_files(path: Path) -> None:
    check_kills(1000, path)
