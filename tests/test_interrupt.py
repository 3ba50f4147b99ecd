"""Ctrl-C while training, and the progress bar."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastnn
from fastnn.train import Callback
from training import data, trainer


def test_progress_is_silent_without_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    trainer().fit(data(), epochs=2)
    assert capfd.readouterr() == ("", "")


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Say(Callback):
        def on_epoch_end(self, trainer: Any, epoch: int, values: dict[str, float]) -> None:
            trainer.write(f"epoch {epoch} done")

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    trainer().fit(data(), epochs=2, batch_size=16, callbacks=[Say()])
    out, err = capsys.readouterr()
    assert out == "epoch 1 done\nepoch 2 done\n"
    assert "epoch 1/2" in err
    assert "/6" in err
    trainer().fit(data(), progress=False)
    assert capsys.readouterr().err == ""


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, fastnn
sys.path.insert(0, sys.argv[1])
from training import data, trainer, weights
seen = []
class Log(fastnn.train.Callback):
    def on_step_end(self, trainer, epoch, loss):
        seen.append((weights(trainer.model), trainer.optimizer.state_dict()["state"][0]["step"].item()))
    def on_train_end(self, trainer):
        seen.append("end")
sent = []
def send():
    time.sleep(float(sys.argv[2]))
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
t = trainer()
t.fit(data(), epochs=2)
seen.clear()
before = signal.getsignal(signal.SIGINT)
threading.Thread(target=send).start()
try:
    t.fit(data(2000), epochs=10**6, batch_size=16, callbacks=[Log()])
except KeyboardInterrupt:
    late = time.perf_counter() - sent[0]
assert late < 0.5, late
assert signal.getsignal(signal.SIGINT) is before
assert t.history.interrupted and seen.pop() == "end"
done = t.optimizer.state_dict()["state"][0]["step"].item()
assert done - seen[-1][1] in (0, 1), (done, seen[-1][1])
if done == seen[-1][1]:
    assert np.array_equal(weights(t.model), seen[-1][0])
assert np.isfinite(weights(t.model)).all()
assert len(t.fit(data(), epochs=1)["loss"]) == 1
print("usable")
"""


@pytest.mark.parametrize("backend", [b for b in fastnn.backends() if b != "numba"])
def test_ctrl_c_leaves_a_usable_state(backend: str) -> None:
    environment = {**os.environ, "FASTNN_BACKEND": backend}
    for delay in ("0.05", "0.173"):
        command = [sys.executable, "-c", INTERRUPTED, str(Path(__file__).parent), delay]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        assert result.stdout == "usable\n", result.stderr


def test_a_step_under_way_is_finished_first() -> None:
    from fastnn.train._interrupt import WholeSteps

    done = []

    def step() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        done.append(1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), WholeSteps() as whole:
        whole.run(step)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is before

    def stubborn() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        done.append(2)

    with pytest.raises(KeyboardInterrupt), WholeSteps() as whole:
        whole.run(stubborn)
    assert done == [1]
