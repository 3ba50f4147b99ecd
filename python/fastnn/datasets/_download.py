"""Files from the network: kept only with the right checksum, and gone on with where they were interrupted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

CHUNK = 1 << 16
PATIENCE = 30.0  # seconds without an answer


def cache_folder(name: str) -> Path:
    """The user's folder for what can be fetched again, by the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "fastnn" / name


def download(mirrors: Sequence[str], path: Path, md5: str) -> None:
    """Fetch ``mirror + path.name`` from the first mirror that has the file with this checksum.

    What has come so far lies beside `path` under the ending ``.part``; the next call asks for the rest of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    failures = []
    for mirror in mirrors:
        for _ in range(2):  # a part that is spoiled, or of another file, is fetched anew
            try:
                resumed = _fetch(mirror + path.name, part)
            except OSError as error:
                failures.append(f"{mirror}: {error}")
                break
            found = hashlib.md5(part.read_bytes(), usedforsecurity=False).hexdigest()
            if found == md5:
                os.replace(part, path)
                return
            part.unlink()
            if not resumed:
                failures.append(f"{mirror}: md5 {found}, wants {md5}")
                break
    raise OSError(f"{path.name} could not be downloaded; " + "; ".join(failures))


def _fetch(url: str, part: Path) -> bool:
    """Append to `part` what it lacks, or write it anew where the server sends all; whether it was gone on with."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    have = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            resumed = int(answer.status) == 206
            with part.open("ab" if resumed else "wb") as file:
                expected = answer.length
                start = file.tell()
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                if expected is not None and file.tell() - start < expected:
                    raise ConnectionError(f"broke off after {file.tell()} bytes")
            return resumed
    except HTTPError as error:
        if error.code == 416 and have:  # there is no more: whole, or longer than the file
            return True
        raise
    except HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
