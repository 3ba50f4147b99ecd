"""Downloads from a server on this machine: whole, interrupted, damaged, missing."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn.datasets import _mnist, mnist

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
LABELS = (np.arange(50) % 10).astype(np.uint8)


def idx(array: Any) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes())


FILES = {"t10k-images-idx3-ubyte.gz": idx(IMAGES), "t10k-labels-idx1-ubyte.gz": idx(LABELS)}


class Server(ThreadingHTTPServer):
    files: dict[str, bytes]
    break_after: int | None = None  # bytes of an answer, once
    ranges: bool = True
    asked: list[tuple[str, str | None]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, wanted = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
        self.server.asked.append((name, wanted))
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        first = int(wanted.split("=")[1].rstrip("-")) if wanted and self.server.ranges else 0
        if first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        end, self.server.break_after = self.server.break_after, None
        self.wfile.write(content[first:] if end is None else content[first:end])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked = dict(FILES), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(_mnist, "MIRRORS", [f"http://127.0.0.1:{server.server_port}/mnist/"])
        sums = {name[:-3]: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
        monkeypatch.setattr(_mnist, "MD5", sums)
        yield server
        server.shutdown()


def test_downloads_once(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        x, y = mnist(tmp_path / "new", train=False, download=True)
        assert (x == IMAGES.reshape(50, -1)).all()
        assert y.tolist() == LABELS.tolist()
    assert len(server.asked) == 2
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(FILES)


def test_the_cache_is_the_default(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mnist(train=False, download=True)
    assert (tmp_path / "fastnn" / "mnist" / "t10k-images-idx3-ubyte.gz").is_file()
    assert len(mnist(train=False)[1]) == 50


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_where_it_was_interrupted(ranges: bool, server: Server, tmp_path: Path) -> None:
    server.break_after, server.ranges = 1000, ranges
    with pytest.raises(OSError, match="broke off after 1000 bytes"):
        mnist(tmp_path, train=False, download=True)
    assert [p.name for p in tmp_path.iterdir()] == ["t10k-images-idx3-ubyte.gz.part"]
    assert len(mnist(tmp_path, train=False, download=True)[1]) == 50
    assert server.asked[1] == ("t10k-images-idx3-ubyte.gz", "bytes=1000-")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("left", [b"of another file", FILES["t10k-images-idx3-ubyte.gz"], b"x" * 10**6])
def test_what_an_earlier_call_left_is_used_only_if_it_fits(left: bytes, server: Server, tmp_path: Path) -> None:
    (tmp_path / "t10k-images-idx3-ubyte.gz.part").write_bytes(left)
    assert (mnist(tmp_path, train=False, download=True)[0] == IMAGES.reshape(50, -1)).all()


def test_damaged_files_are_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["t10k-images-idx3-ubyte.gz"] = FILES["t10k-images-idx3-ubyte.gz"][:-1] + b"?"
    with pytest.raises(OSError, match=r"md5 .*, wants"):
        mnist(tmp_path, train=False, download=True)
    assert list(tmp_path.iterdir()) == []


def test_the_next_mirror_is_asked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here,) = _mnist.MIRRORS
    monkeypatch.setattr(_mnist, "MIRRORS", ["http://127.0.0.1:9/", here])
    assert len(mnist(tmp_path, train=False, download=True)[1]) == 50


def test_all_failures_are_told(server: Server, tmp_path: Path) -> None:
    server.files.clear()
    with pytest.raises(OSError, match=r"t10k-images-idx3-ubyte\.gz could not be downloaded; http.*404"):
        mnist(tmp_path, train=False, download=True)


def test_nothing_is_downloaded_unasked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mnist\(root, download=True\) fetches it"):
        mnist(tmp_path, train=False)
    assert server.asked == []
