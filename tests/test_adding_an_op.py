"""docs/adding-an-op.md, followed to the letter in a copy of the sources, with the baseline instruction set only."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "adding-an-op.md"
BLOCK = re.compile(r"^```(?:python|cpp) (append|before-end) (\S+)\n(.*?)^```$", re.M | re.S)
TOOLS = all(shutil.which(tool) for tool in ("cmake", "ninja", "c++")) and importlib.util.find_spec("pybind11")


def blocks() -> list[tuple[str, str, str]]:
    """What the page says to put where."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def follow(root: Path) -> set[str]:
    """Do what the page says; the files touched."""
    for how, name, text in blocks():
        path = root / name
        old = path.read_text(encoding="utf-8")
        if how == "append":
            new = old.rstrip("\n") + "\n" + text
        else:
            at = old.rindex("}  // namespace\n}  // namespace fastnn")
            new = old[:at] + text + "\n" + old[at:]
        path.write_text(new, encoding="utf-8")
    return {name for _, name, _ in blocks()}


def lines_without_docstrings() -> int:
    """How many lines of code the page adds."""
    code = [re.sub(r'r?""".*?"""', "", text, flags=re.S) for _, _, text in blocks()]
    return sum(1 for text in code for line in text.splitlines() if line.strip())


def test_page_promises_what_it_shows() -> None:
    assert len({name for _, name, _ in blocks()}) == 4
    assert lines_without_docstrings() <= 45


@pytest.mark.skipif(not TOOLS, reason="needs cmake, ninja, a C++ compiler and pybind11 (the dev extra)")
def test_page_works(tmp_path: Path) -> None:
    for part in ("python", "csrc", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert follow(tmp_path) == {name for _, name, _ in blocks()}
    pybind11 = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True, check=True
    )
    build = tmp_path / "build"
    configure = ["cmake", "-S", str(tmp_path), "-B", str(build), "-G", "Ninja", "-DFASTNN_ISA_LEVELS=baseline"]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.stdout.strip()}"]
    for command in ([*configure, "-DCMAKE_CXX_FLAGS=-O1"], ["cmake", "--build", str(build)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for library in build.glob("_fastnn_core*"):
        shutil.copy(library, tmp_path / "python" / "fastnn")
    # Without site (-S): the finder of an editable install, which a .pth file starts, goes before all paths.
    paths = [str(tmp_path / "python"), *filter(None, sys.path)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "FASTNN_ISA": "baseline",
        "FASTNN_BACKEND": "cpp",
    }
    for name in ("FASTNN_TEST_ON", "FASTNN_CI"):  # this build has the baseline alone
        environment.pop(name, None)
    tests = ["test_ops.py", "test_gradients.py", "test_registry.py"]
    command = [sys.executable, "-S", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "logsigmoid"]
    command += [str(tmp_path / "tests" / t) for t in tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"\d\d passed", done.stdout)
