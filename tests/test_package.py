"""What is installed: types, data, the extension's stub, its size, and how the extension was linked."""

from __future__ import annotations

import ast
import compileall
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import fastnn
from fastnn._backends import cpp

PACKAGE = Path(fastnn.__file__).parent
NEEDS_CPP = pytest.mark.skipif(cpp.core is None, reason="the compiled core is not built")


@pytest.mark.parametrize("name", ["py.typed", "_fastnn_core.pyi", "datasets/digits.npz", "datasets/README.md"])
def test_package_holds(name: str) -> None:
    assert (PACKAGE / name).is_file()


def test_size(tmp_path: Path) -> None:
    """At most 10 MB are installed, bytecode included. Development builds keep symbols, an installation does not."""
    installed = tmp_path / "fastnn"
    shutil.copytree(PACKAGE, installed, ignore=shutil.ignore_patterns("__pycache__", "_fastnn_core*.so"))
    compileall.compile_dir(installed, quiet=1)
    if cpp.core is not None:
        extension = shutil.copy(cpp.core.__file__, installed)
        if shutil.which("strip") is not None:
            subprocess.run(["strip", extension], check=True)
    assert sum(p.stat().st_size for p in installed.rglob("*") if p.is_file()) <= 10e6


@NEEDS_CPP
def test_stub_tells_what_the_extension_has() -> None:
    stub = ast.parse((PACKAGE / "_fastnn_core.pyi").read_text(encoding="utf-8"))
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    assert functions | classes.keys() == {name for name in dir(cpp.core) if not name.startswith("_")}
    for name, node in classes.items():
        told = {ast.unparse(part.target) for part in node.body if isinstance(part, ast.AnnAssign)}
        told |= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        assert {n for n in told if n[0] != "_"} == {n for n in dir(getattr(cpp.core, name)) if n[0] != "_"}


@NEEDS_CPP
@pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf (binutils)")
def test_extension_is_hardened() -> None:
    """No writable code, no lazy binding, no path of the machine that built it, no OpenMP runtime."""
    told = subprocess.run(["readelf", "-dlW", cpp.core.__file__], capture_output=True, text=True, check=True).stdout
    assert re.search(r"GNU_STACK .* RW ", told)
    assert "GNU_RELRO" in told
    assert "BIND_NOW" in told
    assert "RPATH" not in told
    assert "RUNPATH" not in told
    assert not re.search(r"NEEDED.*(gomp|iomp|omp\.)", told)
