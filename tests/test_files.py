"""Files stay small: at most 400 lines of code, docstrings, comments and blank lines not counted."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST = 400
EXCEPTIONS: dict[str, str] = {}  # path -> the reason
SOURCES = sorted(p for d in ("python", "csrc", "tests", "bench", "examples") for p in (ROOT / d).rglob("*.*"))


def python_lines(text: str) -> int:
    """Lines that hold code."""
    code = set()
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            code |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


def cpp_lines(text: str) -> int:
    """Lines that are neither blank nor a line comment."""
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("//"))


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_file_is_small(path: Path) -> None:
    if path.suffix == ".py":
        lines = python_lines(path.read_text(encoding="utf-8"))
    elif path.suffix in (".h", ".cpp", ".def"):
        lines = cpp_lines(path.read_text(encoding="utf-8"))
    else:
        return
    assert lines <= MOST or str(path.relative_to(ROOT)) in EXCEPTIONS, f"{lines} lines of code"
