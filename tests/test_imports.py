"""Who may import whom (docs/architecture.md), and what `import fastnn` costs and loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent
# A module may import what stands in its own or an earlier layer.
LAYERS = [
    ["_dtypes", "_env", "_samples"],
    ["_registry"],
    ["_writes"],
    ["_codegen"],
    ["ops", "_backends"],
    ["_dispatch"],
    ["random"],
    ["_hooks"],
    ["_engine"],
    ["_backward"],
    ["_grad"],
    ["_tensor_logic", "_tensor_math", "_tensor"],
    ["autograd", "_creation", "_functions", "_random_tensors"],
    ["capture"],
    ["nn"],
    ["losses", "optim", "models", "io"],
    ["data"],
    ["datasets"],
    ["_blas", "_config", "_threadpool"],
    ["train"],
    ["sklearn"],
    ["cli", "__main__"],
]
RANK = {name: i for i, layer in enumerate(LAYERS) for name in layer}
# An op is declared by making its two functions: the one knot in the order.
KNOTS = {("_registry", "_codegen")}


def top_level(path: Path) -> str:
    """The part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The parts of the package that a file imports, in functions too."""
    found = set()
    inside = path.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = list(inside[: len(inside) - node.level])
            module = base + (node.module.split(".") if node.module else [])
            found |= {module[0]} if module else {a.name for a in node.names}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found |= {n.split(".")[1] for n in names if n.startswith("fastnn.")}
    return found


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_point_left(path: Path) -> None:
    here = top_level(path)
    assert here in RANK, f"{here} has no place in the layers"
    for other in imports(path) & set(RANK):
        if other != here and (here, other) not in KNOTS:
            assert RANK[other] <= RANK[here], f"{here} imports {other}, which stands to its right"


def test_only_one_module_imports_the_extension() -> None:
    users = [p.name for p in FILES if "import _fastnn_core" in p.read_text(encoding="utf-8")]
    assert users == ["cpp.py"]


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, fastnn; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("numba", "scipy", "sklearn", "matplotlib", "onnx", "torch", "tqdm", "safetensors"):
        assert heavy not in loaded
