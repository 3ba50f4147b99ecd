"""The examples that train convolutional networks run, and what they train has learned."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import fastnn
from test_cli import write_mnist

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.skipif(fastnn.backends()[0] != "cpp", reason="takes too long without the compiled core")


def accuracy(text: str) -> float:
    """What the last line says, in percent."""
    found = re.fullmatch(r"test accuracy (\d+\.\d\d)% \(\d+ of \d+\), backend cpp", text.splitlines()[-1])
    assert found is not None, text
    return float(found[1])


def test_digits_cnn(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "digits_cnn.py"))["main"]()
    assert accuracy(capsys.readouterr().out) > 97


@pytest.mark.parametrize("sizes", [{"train": 200, "t10k": 50}, {"t10k": 250}])
def test_mnist_cnn(sizes: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mnist(tmp_path, **sizes)
    runpy.run_path(str(EXAMPLES / "mnist_cnn.py"))["main"](["--data", str(tmp_path), "--epochs", "6"])
    text = capsys.readouterr().out
    assert ("200 to train on, 50 to test on" in text) == ("train" not in sizes)
    assert "(50 of 50)" in text
    assert accuracy(text) == 100
