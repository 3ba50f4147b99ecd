"""What the documentation shows runs: Python blocks and commands of README.md and docs/, examples of all docstrings.

A ``python`` block runs in the page's folder, under the file name in its first line if there is one, and prints what
the ``text`` block below it shows. In a ``console`` block each line after ``$`` runs there, too; a number stands for any
number and a backend for any. "..." stands for anything. Shell blocks, which install, and blocks that are pieces
(``py``) are not run here.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn
from fastnn._registry import OPS, Op

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PROGRAMS = {"python": [], "fastnn": ["-m", "fastnn"], "pytest": ["-m", "pytest", "-p", "no:cacheprovider"]}


def run(arguments: list[str], folder: Path, **variables: str) -> str:
    """The standard output of Python with the tested package on its path."""
    paths = [str(Path(fastnn.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **variables}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_shown(got: str, want: str) -> None:
    """The output is what the page shows."""
    if not doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS):
        pytest.fail(f"the page shows\n{want}\nand this came out:\n{got}")


def blurred(text: str) -> str:
    """Without what depends on the machine: numbers, and the backend that ran."""
    text = re.sub(r"backend \w+, ISA \S+, \d+ threads?", "backend", text)
    return re.sub(r" *\d[\d.]*", " 0", text)


def run_python(code: str, folder: Path) -> str:
    """What a Python block prints; one that is a test file is for a console block to run."""
    name = re.match(r"# (\w+\.py)\n", code)
    path = folder / (name[1] if name else "block.py")
    path.write_text(code, encoding="utf-8")
    return "" if path.name.startswith("test_") else run([path.name], folder)


def run_console(session: str, folder: Path) -> None:
    """Each command of a session, and what it prints."""
    for part in re.split(r"^\$ ", session, flags=re.M)[1:]:
        line, _, want = part.partition("\n")
        words = shlex.split(line)
        variables = {}
        while "=" in words[0]:
            key, _, variables[key] = words.pop(0).partition("=")
        assert_shown(blurred(run([*PROGRAMS[words[0]], *words[1:]], folder, **variables)), blurred(want))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page(page: Path, tmp_path: Path) -> None:
    if page.name == "sklearn.md":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'fastnn[sklearn]'")
    printed = ""
    for language, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            printed = run_python(body, tmp_path)
        elif language == "text":
            assert_shown(printed, body)
        elif language == "console":
            run_console(body, tmp_path)


def test_readme_shows_all_three_uses() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "import fastnn" in text
    assert "def test_layer(benchmark" in text
    assert "$ FASTNN_BACKEND=" in text


def test_readme_installs_by_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [body for language, body in BLOCK.findall(text) if language == "sh"]
    assert len(commands) == 2
    for command, ends in zip(commands, ("bin/fastnn train digits\n", "bin/pytest\n"), strict=True):
        assert command.startswith("python3 -m venv ")
        assert command.endswith(ends)
        assert command.count("\n") == 1


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "csrc" / "README.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def modules() -> list[str]:
    """All modules of the package, those of backends that cannot run here left out."""
    names = [m.name for m in pkgutil.walk_packages(fastnn.__path__, "fastnn.") if not m.name.endswith("__main__")]
    away = [] if "numba" in fastnn.backends() else ["fastnn._backends.numba"]
    away += [] if "cpp" in fastnn.backends() else ["fastnn._fastnn_core", "fastnn.capture.cpp_plan"]
    away += [] if importlib.util.find_spec("sklearn") else ["fastnn.sklearn"]
    return ["fastnn", *(n for n in names if not n.startswith(tuple(away)))]


def examples(module: str) -> list[doctest.DocTest]:
    """The docstrings of a module that hold examples."""
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), module)
    return [test for test in found if test.examples]


EXAMPLES = {module: tests for module in modules() if (tests := examples(module))}


@pytest.mark.parametrize("module", EXAMPLES)
def test_docstrings(module: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    said: list[str] = []
    for test in EXAMPLES[module]:
        before = runner.tries
        runner.run(test, out=said.append, clear_globs=False)
        assert runner.tries > before or all(e.options.get(doctest.SKIP) for e in test.examples), test.name
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_example_of_every_op_is_among_them(op: Op) -> None:
    """By its docstring: the last op of a module is found under the name of its rule, ``_``."""
    assert op.public.__doc__ in {test.docstring for test in EXAMPLES[op.public.__module__]}
