"""The command ``fastnn``, run as a command."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest

import fastnn
from fastnn import cli
from fastnn.train import _pictures, recipes

RESULT = re.compile(
    r"test accuracy (\d+\.\d\d) % \((\d+) of 360\), (\d+\.\d) s, backend (\w+), ISA (-|baseline|avx2|avx512|neon), "
    r"(\d+) threads?"
)
ROW = re.compile(r" +(\d+)  \d\.\d{4}  +\d+\.\d\d%  +\d\.\d{4}  +\d+\.\d\d%  +\d\.\de[-+]\d\d  +\d+\.\d\d s")


def environment(**more: str) -> dict[str, str]:
    """Variables under which the command is the package that is tested, on a backend that is there."""
    paths = [str(Path(fastnn.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, paths))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "FASTNN_BACKEND": "numpy", **more}


def run(*args: str, folder: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder of its own."""
    command = [sys.executable, "-m", "fastnn", *args]
    env = environment(**more)
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=300, check=False)


@pytest.mark.parametrize("backend", fastnn.backends())
def test_train_and_predict(backend: str, tmp_path: Path) -> None:
    done = run("train", "digits", "--epochs", "3", "--backend", backend, "--threads", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    *lines, saved, last = done.stdout.splitlines()
    assert lines[0] == "digits: 1,293 samples to train on, 144 to validate on, 360 to test on"
    assert lines[1] == "network 64-128-64-10, 17,226 parameters, adam, seed 0"
    assert lines[2].split() == [
        "epoch",
        "loss",
        "accuracy",
        "validation",
        "loss",
        "accuracy",
        "learning",
        "rate",
        "time",
    ]
    assert [ROW.fullmatch(line)[1] for line in lines[3:]] == ["1", "2", "3"]  # type: ignore[index]
    assert saved == "saved digits-mlp.safetensors"
    result = RESULT.fullmatch(last)
    assert result is not None, last
    assert float(result[1]) == pytest.approx(100 * int(result[2]) / 360, abs=0.006)
    assert float(result[1]) > 90
    assert result[4] == backend
    assert (result[5] == "-") == (backend != "cpp")
    assert result[6] == "1"
    assert "compiles" not in done.stderr or backend == "numba"  # said where something is compiled only
    assert [p.name for p in tmp_path.iterdir()] == ["digits-mlp.safetensors"]

    shown = run("predict", "--count", "12", folder=tmp_path, FASTNN_BACKEND=backend)
    assert shown.returncode == 0, shown.stderr
    head, columns, *rows, last = shown.stdout.splitlines()
    assert head == "digits-mlp.safetensors: network 64-128-64-10; samples that it was not trained on"
    assert columns.split() == ["sample", "digit", "predicted", "probability"]
    assert len(rows) == 12
    right = sum(row.split()[1] == row.split()[2] for row in rows)
    assert last == f"{right} of 12 right"
    assert sum("wrong" in row for row in rows) == 12 - right
    assert shown.stderr == ""


def test_options(tmp_path: Path) -> None:
    options = [
        "--hidden",
        "16",
        "--epochs",
        "2",
        "--batch-size",
        "64",
        "--lr",
        "0.01",
        "--optimizer",
        "sgd",
        "--seed",
        "4",
        "--quiet",
    ]
    done = run("train", "digits", *options, "--output", "net", "--plot", "curve.png", "--model", "mlp", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert RESULT.fullmatch(done.stdout.strip())
    assert done.stderr == ""
    assert (tmp_path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    text = fastnn.io.load_metadata(tmp_path / "net")
    assert (text["dataset"], text["seed"]) == ("digits", "4")
    assert '"hidden": [16]' in text["model"]
    assert fastnn.load(tmp_path / "net")["layers.0.weight"].shape == (16, 64)
    again = run("train", "digits", *options, "--output", "again", folder=tmp_path)
    assert RESULT.fullmatch(again.stdout.strip())[2] == RESULT.fullmatch(done.stdout.strip())[2]  # type: ignore[index]
    for name, array in fastnn.load(tmp_path / "again").items():
        np.testing.assert_array_equal(array, fastnn.load(tmp_path / "net")[name])


@pytest.mark.parametrize(
    ("model", "width", "title"),
    [
        ("cnn", 8, "CNN of width 8, 1,922 parameters"),
        ("resnet8", 8, "ResNet8 of width 8, 19,810 parameters"),
        ("ds-cnn", 32, "DSCNN of width 32, 6,442 parameters"),
    ],
)
def test_networks_for_images(model: str, width: int, title: str, tmp_path: Path) -> None:
    backend, epochs = fastnn.backends()[0], 8 if fastnn.backends()[0] == "cpp" else 1
    options = ("--model", model, "--width", str(width), "--epochs", str(epochs), "--backend", backend)
    done = run("train", "digits", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    *lines, saved, last = done.stdout.splitlines()
    assert lines[1] == f"network {title}, adam, seed 0"
    assert [ROW.fullmatch(line)[1] for line in lines[3:]] == [str(i + 1) for i in range(epochs)]  # type: ignore[index]
    assert saved == f"saved digits-{model}.safetensors"
    assert epochs == 1 or float(RESULT.fullmatch(last)[1]) > 95  # type: ignore[index]
    scaler = json.loads(fastnn.io.load_metadata(tmp_path / f"digits-{model}.safetensors")["scaler"])
    assert (len(scaler["mean"]), len(scaler["scale"])) == (1, 1)  # one for all pixels

    shown = run("predict", f"digits-{model}.safetensors", "--count", "360", folder=tmp_path, FASTNN_BACKEND=backend)
    assert shown.returncode == 0, shown.stderr
    assert title.startswith(shown.stdout.splitlines()[0].partition("network ")[2].partition(";")[0])
    assert shown.stdout.splitlines()[-1] == f"{RESULT.fullmatch(last)[2]} of 360 right"  # type: ignore[index]


@pytest.mark.parametrize("optimizer", recipes.OPTIMIZERS)
def test_every_optimizer_learns(optimizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipes.Recipe.of("digits", optimizer=optimizer, epochs=4)
    assert recipes.train(recipe, str(tmp_path / "net"), None, None, quiet=True) == 0
    result = RESULT.fullmatch(capsys.readouterr().out.strip())
    assert result is not None
    assert float(result[1]) > 93


@pytest.mark.full
@pytest.mark.parametrize("backend", fastnn.backends())
@pytest.mark.parametrize("seed", range(5))
def test_accuracy(seed: int, backend: str, tmp_path: Path) -> None:
    done = run("train", "digits", "--quiet", "--seed", str(seed), "--backend", backend, folder=tmp_path)
    assert float(RESULT.fullmatch(done.stdout.strip())[1]) >= 97  # type: ignore[index]


def test_accuracy_of_one_seed(tmp_path: Path) -> None:
    done = run("train", "digits", "--quiet", folder=tmp_path, FASTNN_BACKEND=fastnn.backends()[0])
    assert float(RESULT.fullmatch(done.stdout.strip())[1]) >= 97  # type: ignore[index]


def write_idx(path: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    path.write_bytes(
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def write_mnist(folder: Path, **sizes: int) -> None:
    """Images that are easy to tell apart, as MNIST's files."""
    rng = np.random.default_rng(0)
    for part, n in sizes.items():
        labels = np.arange(n) % 10
        images = rng.integers(0, 50, (n, 28, 28)) + 200 * (np.arange(28) // 2 % 10 == labels[:, None])[:, :, None]
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)


def test_mnist(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=200, t10k=50)
    data = ("--data", str(tmp_path))
    done = run("train", "mnist", "--hidden", "32", "--epochs", "8", "--batch-size", "16", *data, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(50 of 50)" in done.stdout.splitlines()[-1]
    assert "instead" not in done.stderr
    shown = run("predict", "mnist-mlp.safetensors", *data, folder=tmp_path)
    assert shown.stdout.splitlines()[-1] == "10 of 10 right"


def test_mnist_as_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=200, t10k=50)
    data = ("--data", str(tmp_path))
    options = ("--model", "cnn", "--width", "4", "--epochs", "6", "--batch-size", "16")
    done = run("train", "mnist", *options, *data, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "(50 of 50)" in done.stdout.splitlines()[-1]
    shown = run("predict", "mnist-cnn.safetensors", *data, folder=tmp_path)
    assert shown.stdout.splitlines()[-1] == "10 of 10 right"


def test_mnist_without_its_training_images(tmp_path: Path) -> None:
    write_mnist(tmp_path, t10k=250)
    data = ("--data", str(tmp_path))
    done = run("train", "mnist", "--hidden", "32", "--epochs", "8", "--batch-size", "16", *data, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mnist: 180 samples to train on, 20 to validate on, 50 to test on" in done.stdout
    assert "(50 of 50)" in done.stdout.splitlines()[-1]
    words = "instead the first 200 of the test images are trained on, and the other 50 are tested on"
    assert words in done.stderr
    shown = run("predict", "mnist-mlp.safetensors", *data, folder=tmp_path)
    assert shown.stdout.splitlines()[-1] == "10 of 10 right"
    assert words in shown.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ((), 2, "required: COMMAND"),
        (("fly",), 2, "invalid choice: 'fly'"),
        (("train",), 2, "required: DATASET"),
        (("train", "cats"), 2, "choose from"),
        (("train", "mnist"), 2, "usage: fastnn train"),
        (("train", "mnist"), 2, "--data FOLDER"),
        (("train", "digits", "--data", "x"), 2, "--data FOLDER, the folder of its files, is for mnist"),
        (("train", "digits", "--epochs", "0"), 2, "at least 1; got 0"),
        (("train", "digits", "--lr", "-1"), 2, "above 0; got -1"),
        (("train", "digits", "--seed", "-1"), 2, "0 <= seed"),
        (("train", "digits", "--hidden"), 2, "--hidden"),
        (("train", "digits", "--model", "cnn", "--hidden", "8"), 2, "--hidden is for mlp"),
        (("train", "digits", "--width", "8"), 2, "--width for the other models"),
        (("train", "digits", "--width", "8"), 2, "usage: fastnn train"),
        (("train", "digits", "--model", "rnn"), 2, "invalid choice: 'rnn'"),
        (("train", "digits", "--colour"), 2, "unrecognized arguments: --colour"),
        (("train", "digits", "--threads", "5000"), 1, "n wants 1 <= n <= 4096"),
        (("train", "digits", "--output", "none/such/file"), 1, "there is no folder for none/such/file"),
        (("train", "digits", "--output", "."), 1, ". is no regular file"),
        (("train", "digits", "--output", "/proc/net.safetensors"), 1, "the folder of /proc/net.safetensors: ")
        if Path("/proc").exists()
        else (("train", "digits", "--output", "/dev/null"), 1, "/dev/null is no regular file"),
        (("train", "digits", "--plot", "x.foo"), 1, "x.foo wants the ending of a picture: ."),
        (("train", "digits", "--plot", "x"), 1, "x wants the ending of a picture"),
        (("train", "mnist", "--data", "none"), 1, "no file train-images-idx3-ubyte"),
        (("predict", "none.safetensors"), 1, "there is no file none.safetensors"),
        (("predict", "foreign", "--plot", "none/such.png"), 1, "there is no folder for none/such.png"),
        (
            ("predict", "foreign", "--plot", "a.png", "--count", "401"),
            1,
            "--plot shows 400 samples at most; got --count",
        ),
        (("predict", "foreign", "--plot-filters", "x.foo"), 1, "x.foo wants the ending of a picture"),
        (("predict", "foreign"), 1, "not saved by 'fastnn train': its metadata lacks model, scaler, dataset, seed"),
        (("predict", "damaged"), 1, "damaged"),
        (("bench", "--root", "none"), 1, "benchmarks come with fastnn's source code"),
    ],
)
def test_what_is_refused(
    args: tuple[str, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fastnn.save({"w": np.zeros(2)}, "foreign")
    Path("damaged").write_bytes(b"x" * 100)
    try:
        got = cli.main(args)
    except SystemExit as stop:
        got = stop.code  # type: ignore[assignment]
    out, err = capsys.readouterr()
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_predict_quietly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = str(tmp_path / "net")
    recipes.train(recipes.Recipe.of("digits", epochs=1), network, None, None, quiet=True)
    capsys.readouterr()
    assert cli.main(["predict", network, "--quiet"]) == 0
    assert re.fullmatch(r"\d+ of 10 right\n", capsys.readouterr().out)
    assert cli.main(["predict", network, "--data", "x"]) == 1
    assert "--data is for networks trained on mnist" in capsys.readouterr().err


def test_a_plot_without_matplotlib(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["train", "digits", "--plot", "curve.png"]) == 1
    assert "pip install 'fastnn[plot]'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--plot", "--plot-filters"])
def test_pictures_of_predictions_without_matplotlib(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["predict", "no-such-file", option, "picture.png"]) == 1
    assert "pip install 'fastnn[plot]'" in capsys.readouterr().err


@pytest.mark.parametrize("model", recipes.MODELS)
def test_pictures_of_predictions(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipes.Recipe.of("digits", model=model, epochs=1, **({} if model == "mlp" else {"width": 4}))
    recipes.train(recipe, "net", None, None, quiet=True)
    drawn = {}
    for name in ("draw_predictions", "draw_filters"):
        real = getattr(_pictures, name)
        monkeypatch.setattr(recipes, name, lambda *args, name=name, real=real: drawn.update({name: real(*args)}))
    capsys.readouterr()
    assert cli.main(["predict", "net", "--count", "25", "--plot", "a.png", "--plot-filters", "b.png"]) == 0
    *_, result, saved = capsys.readouterr().out.splitlines()
    assert saved == "saved a.png and b.png"
    for name in ("a.png", "b.png"):
        assert Path(name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    titles = [axes.get_title() for axes in drawn["draw_predictions"].axes if axes.get_title()]
    assert len(titles) == 25
    assert sum("is" not in t for t in titles) == int(result.split()[0])
    shown = [axes.images[0].get_array() for axes in drawn["draw_filters"].axes if axes.images]
    assert len(shown) == (128 if model == "mlp" else 4)
    weight = fastnn.load("net")["layers.0.weight"]
    np.testing.assert_array_equal(np.stack(shown), weight.reshape(len(weight), *shown[0].shape))


def test_wrong_ones_are_marked(tmp_path: Path) -> None:
    scores = np.eye(3)[[0, 1, 1]] * 0.5
    figure = _pictures.draw_predictions(str(tmp_path / "a.png"), "", np.zeros((3, 2, 2)), np.array([0, 1, 2]), scores)
    assert [axes.get_title() for axes in figure.axes] == ["0", "1", "1, is 2"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["50%"] * 3
    frames = [matplotlib.colors.to_hex(axes.spines["left"].get_edgecolor()) for axes in figure.axes]
    assert frames[2] == _pictures.WRONG
    assert _pictures.WRONG not in frames[:2]


def test_help_names_everything() -> None:
    for command in ([], ["train"], ["predict"], ["info"], ["bench"]):
        assert run(*command, "--help").returncode == 0
    text = run("predict", "--help").stdout
    assert all(f"--{option} " in text for option in ("quiet", "count", "backend", "data", "plot", "plot-filters"))
    text = run("train", "--help").stdout
    for option in [
        "model",
        "hidden",
        "width",
        "epochs",
        "batch-size",
        "lr",
        "optimizer",
        "backend",
        "threads",
        "seed",
        "output",
        "plot",
        "quiet",
        "data",
    ]:
        assert f"--{option}" in text


def test_info() -> None:
    done = run("info", "--ops")
    assert done.returncode == 0
    assert "backend   numpy; usable here:" in done.stdout


def test_bench_passes_options_through(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "runner.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(3)\n")
    done = run("bench", "--json", "out.json", "-k", "gemm", folder=tmp_path)
    assert (done.stdout, done.returncode) == ("['--json', 'out.json', '-k', 'gemm']\n", 3)


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    code = """
import sys
from fastnn import cli
cli.main(["train", "digits", "--epochs", "1", "--quiet", "--output", sys.argv[1], "--backend", "numpy"])
print([m for m in ("numba", "matplotlib", "tqdm", "torch") if m in sys.modules])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "net")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_ctrl_c_saves_what_there_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastnn", "train", "digits", "--epochs", "100000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment()
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("    2 "):
                break
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(r"fastnn: after \d+ epochs, saved to digits-mlp.safetensors\nfastnn: interrupted\n", err), err
    assert run("predict", folder=tmp_path).returncode == 0


def test_on_a_terminal(tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    command = [sys.executable, "-m", "fastnn", "train", "digits", "--epochs", "3"]
    with subprocess.Popen(command, stdout=end, stderr=end, cwd=tmp_path, env=environment()) as process:
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # Linux tells the end of a terminal by an error
            while piece := os.read(terminal, 4096):
                shown += piece
    os.close(terminal)
    assert process.returncode == 0
    assert b"steps/s" in shown
    lines = [line.split("\r")[-1] for line in shown.decode().replace("\r\n", "\n").split("\n")]
    assert lines[2].startswith("epoch    loss"), lines  # each row has its line for itself, above the bar
    assert all(ROW.fullmatch(row) for row in lines[3:6]), lines
    assert RESULT.fullmatch(lines[-2]), lines


def test_a_reader_that_leaves() -> None:
    env = environment()
    command = [sys.executable, "-m", "fastnn", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert err == ""
