"""The benchmarks run, say what they should, and compare equals; no times are asserted."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baseline
import cases
import convolutions
import fastnn
import ops_vs_numpy
import peers
import roofline
import runner
from convnets import CONVNETS, ConvNet, ConvStepWork
from fastnn import nn
from fastnn._registry import OPS
from fastnn.models.resnet import Residual
from parts import AdamWork, LossWork, Product, Warm
from peers import numpy_skylakex
from report import human
from roofline import Roof
from work import BY_HAND, Column, GradientWork, Net, OpWork, StepWork, Work, Yardstick

BENCH = Path(__file__).parent.parent / "bench"
SMALL = [Net((7, 6, 5), 4, "sgd"), Net((7, 6, 6, 5), 3, "adam"), Net((7, 6, 5), 1, "adam", "sigmoid")]


@pytest.mark.parametrize("net", SMALL, ids=lambda n: n.name)
def test_steps_by_hand_are_fastnns(net: Net) -> None:
    """In float64 the losses and weights of ten steps agree to 1e-10."""
    by_hand = baseline.MLP(net.weights, net.batch, net.activation, net.optimizer, np.float64)
    model = net.model().to(fastnn.float64)
    kind: Any = {"sgd": fastnn.optim.SGD, "adam": fastnn.optim.Adam}[net.optimizer]
    optimizer = kind(model.parameters(), lr=1e-3, **({"momentum": 0.9} if net.optimizer == "sgd" else {}))
    x = net.x.astype(np.float64)
    for y in net.labels[:10]:
        optimizer.zero_grad()
        loss = fastnn.nn.functional.cross_entropy(model(fastnn.tensor(x)), fastnn.tensor(y))
        loss.backward()
        assert loss.item() == pytest.approx(by_hand.step(x, y), rel=1e-10)
        for p, g in zip(model.parameters(), by_hand.gradients, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), g, rtol=1e-10, atol=1e-14)
        optimizer.step()
    for p, w in zip(model.parameters(), by_hand.weights, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), w, rtol=1e-10)


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
@pytest.mark.parametrize("net", SMALL, ids=lambda n: n.name)
def test_steps_pass_their_check(net: Net, captured: bool, target: str) -> None:
    work = StepWork(net, captured)
    work.check(work.by_hand())
    column = work.own()
    work.check(column)


def parts() -> list[Work]:
    """Small ones of every kind."""
    a, b = cases.matrices("NN", 6, 5, 4)
    products = [cases.matrices(form, 6, 5, 4) for form in ("NN", "NT", "TN")] + [
        [a, b[:, 0]],
        [a.T, a[:, 0]],
        [a[0], b],
    ]
    warm = [Warm(name, 50, 2) for name in cases.VECTOR]
    modes = (False, True)
    return [
        *(Product(*ab) for ab in products),
        *warm,
        *(LossWork(5, 7, captured) for captured in modes),
        *(AdamWork(3, 5, captured) for captured in modes),
    ]


def test_parts_pass_their_check(target: str) -> None:
    for work in parts():
        by_hand, own = work.by_hand(), work.own()
        for column in (by_hand, own):
            if column is not None:
                work.check(column)
        wrong = Column("wrong", own.call, lambda result, read=own.read: [np.asarray(a) + 0.1 for a in read(result)])
        with pytest.raises(AssertionError, match="wrong"):
            work.check(wrong)


def every_layer() -> Any:
    """A network with every layer that networks of benchmarks have."""
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), Residual(4, 6, stride=2), Residual(6, 6)]
    last = [nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False), nn.BatchNorm2d(6), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, *last, nn.Flatten(), nn.Linear(6, 5))


IMAGES = ConvNet("every layer", every_layer, (2, 8, 12), 5, 6, "sgd")


@pytest.mark.parametrize("captured", [False, True], ids=["eager", "captured"])
def test_steps_on_images_pass_their_check(captured: bool, target: str) -> None:
    work = ConvStepWork(IMAGES, captured)
    column = work.own()
    work.check(column)
    assert work.by_hand() is None
    with pytest.raises(AssertionError):  # three steps further on
        work.check(column)


def test_multiplications_are_counted() -> None:
    want = [96 * 4 * 18, 6 * 6 * 36, 6 * 6 * 54, 6 * 6 * 4, 6 * 6 * 54, 6 * 6 * 54, 6 * 6 * 9, 30]
    assert IMAGES.multiplications == want
    assert ConvStepWork(IMAGES, False).flops == 2 * 6 * (3 * sum(want) - want[0])
    lenet = ConvStepWork(CONVNETS[0], True)
    assert lenet.flops == 2 * 64 * (3 * (28 * 28 * 32 * 9 + 14 * 14 * 64 * 288 + 3136 * 128 + 1280) - 28 * 28 * 32 * 9)


@pytest.mark.parametrize("name", ["torch", "torch_contiguous", "torch_unfused", "jax", "onnxruntime", "sklearn"])
def test_peers_pass_the_check(name: str) -> None:
    pytest.importorskip({"torch_unfused": "torch", "torch_contiguous": "torch"}.get(name, name))
    (peer,) = peers.installed([name], 1)
    net = Net((7, 6, 5), 4, "sgd")
    served = 0
    images = [ConvStepWork(IMAGES, captured) for captured in (False, True)]
    for work in [*parts(), StepWork(net, False), StepWork(net, True), cases.InferenceWork(net, True), *images]:
        column = peer.column(work)
        if column is not None:
            work.check(column)
            served += 1
    assert served >= 2
    assert (peer.column(images[1]) is None) == (name in ("torch_unfused", "onnxruntime", "sklearn"))


def test_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side of the line does the work that this side describes; here it is a thread."""
    here, there = multiprocessing.Pipe()
    other = threading.Thread(target=numpy_skylakex.serve, args=(there,))
    other.start()
    monkeypatch.setattr(numpy_skylakex, "line", lambda: here)
    for work in (Product(*cases.matrices("NT", 6, 5, 4)), StepWork(SMALL[0], False)):
        column = numpy_skylakex.column(work)
        assert column is not None
        work.check(column)
        assert column.seconds(2) > 0
    assert numpy_skylakex.column(LossWork(5, 7, False)) is None
    assert numpy_skylakex.column(ConvStepWork(IMAGES, False)) is None
    here.close()
    other.join()


def test_yardsticks(target: str) -> None:
    work = Product(*cases.matrices("NN", 64, 64, 64))
    assert work.flops == 2 * 64**3
    yardstick = Yardstick(Column("FMA", lambda: None), flops=2.0 * work.flops)
    assert yardstick.share(work, 1.0, 1.0) == 0.5
    assert yardstick.share(work, 2.0, 1.0) == 0.25
    adam = AdamWork(1, 10, False)
    assert adam.yardstick().share(adam, 1.0, 1.0) == pytest.approx(28 / 16)
    matrix = np.ones((4, 3), np.float32).T
    summing = roofline.summing(matrix)
    assert summing.moved == matrix.nbytes
    assert np.ravel(summing.column.call())[0] == 12


def test_columns_keep_their_plans() -> None:
    """Going from column to column does not make a captured step record again."""
    work = StepWork(SMALL[0], True)
    before = fastnn.backend()
    columns = [work.on(name) for name in fastnn.backends()]
    for column in columns:
        work.check(column)
    plans = [column.call.__closure__ for column in columns]
    runs = [next(c.cell_contents for c in cells if hasattr(c.cell_contents, "plans")) for cells in plans]
    for _ in range(3):
        for column in columns:
            column.enter()
            column.call()
    assert [len(run.plans) for run in runs] == [1] * len(runs)
    fastnn.set_backend(before)


def test_wrong_results_are_found() -> None:
    x = np.linspace(-1, 1, 50, dtype=np.float32)
    for work in (OpWork("tanh", [x], {}), GradientWork("tanh", [x], {})):
        work.check(work.by_hand())
        with pytest.raises(AssertionError, match="NumPy by hand"):
            work.check(Column(BY_HAND, lambda: x))
    step = StepWork(SMALL[0], False)
    column = step.by_hand()
    column.call()
    with pytest.raises(AssertionError):
        step.check(column)


@pytest.mark.parametrize("op", [o for o in OPS.values() if not (o.view or o.composite)], ids=lambda o: o.name)
def test_every_op_has_work(op: Any, dtype: Any) -> None:
    """Arguments that the registry's samples do not tell directly are right, forward and backward."""
    for only, make, _ in ops_vs_numpy.kernels(f"^{op.name}(_backward)?$"):
        for n in (300, 1000):
            for _, work in ops_vs_numpy.works(only, make, n, dtype):
                work.check(work.by_hand())
                work.check(work.own())
                assert work.dtype == dtype
                assert work.moved > 0


@pytest.mark.skipif("cpp" not in fastnn.backends(), reason="times the compiled backend")
def test_convolutions_are_the_same_everywhere() -> None:
    """Of each kind of layer a small one: whole passes on cpp, in NumPy and, where it is installed, in PyTorch."""
    every = [layer for _, layers, _ in convolutions.NETWORKS.values() for layer in layers]
    kinds = {(a.kernel, a.stride, a.groups > 1, a.dilation, a.space, a.transposed, a.channels > 3): a for a in every}
    for layer in kinds.values():
        small = layer._replace(
            channels=min(layer.channels, 8),
            out=min(layer.out, 8),
            size=16 * layer.dilation,
            groups=min(layer.groups, 8),
        )
        for name, flops, calls in convolutions.passes(small, 2, True):
            assert flops > 0
            assert {"fastnn", "NumPy"} <= set(calls)
            convolutions.check(calls)
            if name == "forward":
                with pytest.raises(ArithmeticError, match="wrong differs"):
                    convolutions.check({**calls, "wrong": lambda y=calls["NumPy"]: 1.01 * y()})


def test_cases_have_names_of_their_own() -> None:
    names = [(c.kind, c.name) for c in cases.cases(level=cases.FULL)]
    assert len(names) == len(set(names))
    for kind in {k for k, _ in names}:
        assert (BENCH / f"test_{kind}.py").is_file()
        assert cases.cases(kind, cases.QUICK)


def test_roof() -> None:
    roof = Roof(100.0, 50.0, {1000: 5.0, 10_000: 1.0}, {1000: 10.0, 10_000: 1.0})
    assert roof.seconds(1e9, 0, np.float32) == pytest.approx(0.01)
    assert roof.seconds(1e9, 0, np.float64) == pytest.approx(0.02)
    assert roof.seconds(0, 1000, np.float32) == pytest.approx(1e-7)
    assert roof.seconds(0, 1e6, np.float32) == pytest.approx(1e-3)
    assert Roof(None, None, {1: 1.0}, {1: 1.0}).seconds(1e9, 0, np.float32) is None


def test_times_for_people() -> None:
    assert [human(t) for t in (4.614e-6, 0.9996, 2.0, 999.9e-9)] == ["4.61 us", "1000 ms", "2 s", "1000 ns"]


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a script of bench/ in a process of its own, which it may pin."""
    command = [sys.executable, "-W", "ignore", str(BENCH / script), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_runner(tmp_path: Path) -> None:
    file, html = tmp_path / "bench.json", tmp_path / "bench.html"
    workloads = ["--quick", "--seconds", "0.001", "--only", "64x64x64|tanh|64-32-32-10"]
    done = run("runner.py", *workloads, "--json", str(file), "--html", str(html))
    assert done.returncode == 0, done.stderr
    assert "64-32-32-10 b32 SGD" in html.read_text(encoding="utf-8")
    report = json.loads(file.read_text(encoding="utf-8"))
    assert set(report) == {"machine", "roof", "rows"}
    assert {"processor", "ISA", "threads", "BLAS", "versions"} <= set(report["machine"])
    assert report["machine"]["threads"] == 1
    assert (report["roof"]["float32"] is not None) == ("cpp" in fastnn.backends())
    names = [row["name"] for row in report["rows"]]
    assert names == ["matmul NN 64x64x64", "tanh 1e5", "tanh backward 1e5"] + [
        f"64-32-32-10 b32 SGD {mode}" for mode in ("eager", "captured")
    ]
    for row in report["rows"]:
        assert set(row["seconds"]) == set(row["ratio"]) == {BY_HAND, *fastnn.backends()}
        assert row["baseline"] in (BY_HAND, "numpy")
        assert row["ratio"][row["baseline"]] == 1
        assert row["fastest"] in fastnn.backends()
        assert row["name"] in done.stdout


def test_runner_refuses() -> None:
    wrong = [("--only", "no such thing"), ("--only", "("), ("--threads", "0"), ("--backends", "x"), ("--peers", "x")]
    wrong += [("--json", "no/such/folder/file"), ("--html", "no/such/folder/file"), ("--quick", "--full")]
    for arguments in wrong:
        with pytest.raises(SystemExit) as error:
            runner.main(arguments)
        assert error.value.code == 2
    listed = run("runner.py", "--list", "--quick")
    assert listed.returncode == 0
    assert "gemm        matmul NN 64x64x64" in listed.stdout


def test_suites_run() -> None:
    """One group of the pytest suites, with its comparison."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(BENCH / "test_gemm.py")]
    options = ["--no-peers", "-k", "NN and 64x64x64", "--benchmark-max-time=0.01"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=BENCH.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "benchmark 'gemm: matmul NN 64x64x64'" in done.stdout
    assert f"{1 + len(fastnn.backends())} passed" in done.stdout
