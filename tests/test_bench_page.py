"""Pages and figures made of results of benchmarks; nothing is measured here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import cases
import figures
import page
from roofline import Roof
from work import BY_HAND


def made_up(names: dict[str, dict[str, float]]) -> dict[str, Any]:
    """A report of workloads of these names, with these times."""
    rows = [
        {
            "kind": name.split()[0],
            "name": name.split(" ", 1)[1],
            "seconds": seconds,
            "baseline": None,
            "fastest": "cpp",
            "flops": 1e6,
            "roof": 40.0,
            "yardstick": {"copy": 1.0} if "warm" in name else {},
            "share": 0.5,
        }
        for name, seconds in names.items()
    ]
    versions = {"fastnn": "0.1.0", "NumPy": "2.0"}
    about = {"processor": "a <processor>", "ISA": "avx2", "threads": 1, "BLAS": "a BLAS", "versions": versions}
    roof = Roof(100.0, 50.0, {1024: 5.0}, {1024: 10.0}).plain()
    return json.loads(json.dumps({"machine": about, "roof": roof, "rows": rows}))


EVERYTHING = {
    "gemm matmul NN 64x64x64": {"cpp": 1.0, "torch": 2.0, "jax": 0.5},
    "gemm matmul TN 65x65x65": {"cpp": 1.0, "torch": 3.0},
    "gemm matmul NT 8x100x784 (784-100 forward)": {"cpp": 2.0, "torch": 3.0},
    "gemm matmul NN 6x256x256 (skinny)": {"cpp": 1.0, "onnxruntime": 0.9},
    "parts exp 1e6 warm": {"cpp": 2.0, BY_HAND: 4.0},
    "parts Adam step 1x1000000 eager": {"cpp": 1.0, "torch": 3.0},
    "parts Adam step 1x1000000 captured": {"cpp": 0.5, "torch": 3.0},
    "steps 64-32-32-10 b32 SGD eager": {"cpp": 4.0, "torch": 31.0},
    "steps 64-32-32-10 b32 SGD captured": {"cpp": 1.0, "torch": 30.0, "jax": 8.0},
    "steps 20-64-64-10 inference b1 captured": {"cpp": 1.0, "onnxruntime": 2.5},
    "convnets LeNet b64 Adam eager": {"cpp": 1.2, "numba": 5.0, "numpy": 12.0, "torch": 2.0, "torch contiguous": 3.0},
    "convnets LeNet b64 Adam captured": {"cpp": 1.0, "numba": 5.0, "numpy": 12.0, "torch": 2.1, "jax": 4.0},
    "losses mse 1e3": {"cpp": 1.0, "torch": 2.0},
}
LAYERS = [  # as bench/convolutions.py writes them
    {"kind": "layers", "network": "VGG-19", "pass": name, "name": "a layer", "flops": 1e6, "share": share, "seconds": t}
    for name, share, t in (
        ("forward", 0.5, {"fastnn": 1.0, "torch": 2.0, "NumPy by hand": 4.0}),
        ("forward", 0.8, {"fastnn": 1.0, "torch": 0.5, "NumPy by hand": 9.0}),
        ("data gradient", 0.9, {"fastnn": 1.0, "torch": 1.5}),
    )
]


def test_page(tmp_path: Path) -> None:
    """Tables go between the markers, everything else stays; the same report makes the same page."""
    before = page.DOCS.read_text(encoding="utf-8")
    docs = tmp_path / "performance.md"
    docs.write_text(before, encoding="utf-8")
    figure = {
        "what": "a figure",
        "asked": 2.0,
        "sign": ">=",
        "measured": 3.0,
        "at the roof": 4.0,
        "unit": "x",
        "met": True,
    }
    report = {**made_up(EVERYTHING), "figures": [figure]}
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, part in zip(files, (report, {**made_up({}), "rows": LAYERS}), strict=True):
        file.write_text(json.dumps(part), encoding="utf-8")
    report["rows"] += LAYERS
    report["avx2"] = [figure | {"what": "on AVX2"}]
    avx2 = tmp_path / "avx2.json"
    avx2.write_text(json.dumps({"figures": report["avx2"]}), encoding="utf-8")
    assert page.main([*map(str, files), "--docs", str(docs), "--avx2", str(avx2)]) == 0
    after = docs.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- \w+ -->\n).*?(<!-- end -->)", re.S)
    assert marked.sub(r"\1\2", after) == marked.sub(r"\1\2", before)
    assert len(marked.findall(after)) == len(page.sections(report)) - 1  # all but the loss, of another kind
    assert "| a figure | >= 2x | 3x | 4x | yes |" in after
    assert "| on AVX2 | >= 2x | 3x | 4x | yes |" in after
    assert "| 64-32-32-10 b32 SGD | **1 s** | 4 s | 30 s | 8 s | 8.00 |" in after
    assert "| LeNet b64 Adam | **1 s** | 1.2 s | 5 s | 12 s | 2.1 s | 3 s | 4 s | 2.10 | 0 |" in after
    assert "| VGG-19, forward | 2 | 63% | 63% | 1.00 (0.50) | 6.00 (4.00) |" in after
    assert "| VGG-19, data gradient | 1 | 90% | 60% | 1.50 (1.50) |  |" in after
    assert "| 784-100 forward | 1.50 |" in after
    assert "| NN 6 x 256 x 256, skinny | 0.0 | ONNX Runtime | 0.0 | 0.90 |" in after
    assert "geometric mean 1.16, least 0.90, 1 below 1" in after
    pictures = re.findall(r"!\[.+\]\((.+)\)", after)
    assert len(pictures) == len(list((tmp_path / "pictures").iterdir())) == 6
    for picture in pictures:
        ElementTree.parse(tmp_path / picture)
    page.write(report, docs)
    assert docs.read_text(encoding="utf-8") == after


def test_page_in_one_file() -> None:
    text = page.page(made_up(EVERYTHING))
    assert "a &lt;processor&gt;" in text
    assert text.count("data:image/svg+xml") == 5
    assert "<b>1 s</b>" in text
    assert "mse 1e3" in text
    assert 'src="http' not in text
    assert len(page.sections(made_up({}))) == 1  # the machine


def test_figures_are_of_cases() -> None:
    names = [f"{c.kind} {c.name}" for kind in cases.PAGE for c in cases.cases(kind, cases.FULL)]
    assert len({f.name for f in figures.FIGURES}) == len(figures.FIGURES)
    for figure in figures.FIGURES:
        assert any(re.search(figure.cases, name) for name in names) != (figure.name in ("threads", "hashes"))


def test_figures_of_rows() -> None:
    """The worst row counts; a library that is not there leaves the figure open."""
    rows = {f"{r['kind']} {r['name']}": r for r in made_up(EVERYTHING)["rows"]}
    told = {}
    for figure in figures.FIGURES:
        found = [row for name, row in rows.items() if re.search(figure.cases, name)]
        if found:
            told[figure.name] = figure.told(found)
    assert told["gemm-64"]["measured"] == 0.5
    assert told["gemm-64"]["met"] is False
    assert told["gemm-64"]["at the roof"] == 0.5 / 0.4
    assert told["step-64-32-32-10-PyTorch"]["at the roof"] == 30 / 0.4
    assert told["lenet-Numba"]["at the roof"] is None
    assert told["peers-least"]["measured"] == 0.5
    assert told["peers-least"]["where"] == "matmul NN 64x64x64, jax"
    assert told["peers-mean"]["measured"] == pytest.approx((0.5 * 3 * 1.5 * 0.9) ** 0.25)
    assert told["step-64-32-32-10-PyTorch"]["met"] is True
    assert told["step-64-32-32-10-JAX"]["met"] is True
    assert told["lenet-NumPy"]["measured"] == 12
    assert told["lenet-NumPy"]["met"] is True
    assert told["lenet-Numba"]["measured"] == pytest.approx(2.4)
    assert told["lenet-PyTorch"]["measured"] == 2.1
    assert told["lenet-eager"]["measured"] == pytest.approx(2 / 1.2)
    assert told["lenet-eager"]["met"] is None
    assert told["adam-1x1000000-eager-fused"]["met"] is None
    assert told["adam-1x1000000-eager-unfused"]["measured"] is None
    text = figures.table(list(told.values()))
    assert "| 64^3, of the FMA peak | >= 0.75 | 0.5 | 1.25 | no | matmul NN 64x64x64 |" in text
    assert text.count("\n") == len(told) + 1


def test_figures_refuse() -> None:
    with pytest.raises(SystemExit) as error:
        figures.main(["no-such-figure"])
    assert error.value.code == 2
