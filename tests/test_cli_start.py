"""What the command says before and while it gets ready: a wrong environment, numba's compilation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fastnn
from fastnn._backends import cpp
from test_cli import environment


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"FASTNN_BACKEND": "foo"}, "FASTNN_BACKEND='foo' is not known; wants one of auto, cpp, numba, numpy"),
        ({"FASTNN_ISA": "mmx"}, "FASTNN_ISA='mmx' is not known"),
        ({"FASTNN_NUM_THREADS": "0"}, "FASTNN_NUM_THREADS='0' is not known; wants a whole number from 1 to 4096"),
    ],
)
@pytest.mark.parametrize("by", ["module", "script"])
def test_a_wrong_environment(by: str, setting: dict[str, str], words: str, tmp_path: Path) -> None:
    if "FASTNN_BACKEND" not in setting and cpp.core is None:
        pytest.skip("read by the compiled core")
    script = tmp_path / "fastnn"
    script.write_text("import sys\nfrom fastnn.cli import main\nsys.exit(main())\n")
    program = ["-m", "fastnn"] if by == "module" else [str(script)]
    env = environment(**setting)
    command = [sys.executable, *program, "info"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fastnn: {words}")
    assert done.stderr.count("\n") == 1


def test_a_wrong_environment_of_another_program() -> None:
    command = [sys.executable, "-c", "import fastnn", "-m", "fastnn"]
    env = environment(FASTNN_BACKEND="foo")
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 1
    assert "ValueError: FASTNN_BACKEND='foo' is not known" in done.stderr


@pytest.mark.skipif("numba" not in fastnn.backends(), reason="wants numba")
def test_numba_says_that_it_compiles(tmp_path: Path) -> None:
    """Where it does, once, whatever the options; no word where the kernels were kept."""
    code = """
import numpy as np
from fastnn import ops
from fastnn.train import recipes
recipes.announce_compilation()
ops.relu(np.zeros(3)); ops.tanh(np.zeros(3))
"""
    env = environment(FASTNN_BACKEND="numba", NUMBA_CACHE_DIR=str(tmp_path))
    said = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
        said.append(done.stderr.splitlines())
    assert said == [
        ["fastnn: numba compiles its kernels at their first use, which may take a minute, and keeps them"],
        [],
    ]
