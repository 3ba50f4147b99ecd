"""The two laws of kernel objects (csrc/README.md): no weak symbols, nothing global outside the ISA's namespace.

Wants the build folder: FASTNN_BUILD names it where it is not under build/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def kernel_objects() -> list[Path]:
    """The object files of all levels."""
    build = Path(os.environ["FASTNN_BUILD"]) if "FASTNN_BUILD" in os.environ else ROOT / "build"
    return sorted(p for p in build.rglob("*.o") if "kernels_" in str(p))


def symbols(path: Path) -> list[tuple[str, str]]:
    """``(kind, demangled name)`` of all symbols that an object defines."""
    out = subprocess.run(["nm", "-C", "--defined-only", str(path)], capture_output=True, text=True, check=True).stdout
    return [(kind, name) for kind, name in (line.split(maxsplit=2)[1:] for line in out.splitlines() if line.strip())]


def test_kernel_objects_keep_the_laws() -> None:
    objects = kernel_objects()
    if not objects or shutil.which("nm") is None:
        if "FASTNN_BUILD" in os.environ:
            pytest.fail("FASTNN_BUILD holds no kernel objects")
        pytest.skip("no build folder with kernel objects (CI keeps it and sets FASTNN_BUILD)")
    levels = set()
    for path in objects:
        level = next(part for part in path.parts if part.startswith("kernels_")).removeprefix("kernels_").split(".")[0]
        levels.add(level)
        for kind, name in symbols(path):
            assert kind not in "VvWwu", f"{path.name}: weak symbol {name}"
            if kind.isupper():
                assert name.startswith(f"fastnn::{level}::"), f"{path.name}: {name} is not in fastnn::{level}"
    assert levels >= {"baseline", "avx2", "avx512"} or levels == {"neon"}
