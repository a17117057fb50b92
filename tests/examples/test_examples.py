"""The examples, run as a person would: to the end, with wrong arguments, and stopped in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from needs import HANGS, posix_signals

import minigrad as mg

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
LENET = [sys.executable, str(EXAMPLES / "lenet_fashion_mnist.py"), "--data", "sample"]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=HANGS, check=False)


def test_lenet_leaves_weights_and_a_picture(tmp_path):
    result = run(*LENET, "--epochs", "2", "--batch-size", "64", "--run-dir", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "test accuracy after 2 epochs" in result.stdout.splitlines()[-1]
    assert float(result.stdout.splitlines()[-1].split("%")[0]) > 60
    assert (tmp_path / "run" / "training.png").read_bytes().startswith(b"\x89PNG")
    model = mg.vision.models.LeNet5()
    model.load_state_dict(mg.load(tmp_path / "run" / "best.safetensors"))


@posix_signals
def test_lenet_stopped_and_resumed_is_lenet_uninterrupted(tmp_path):
    whole = run(*LENET, "--epochs", "3", "--run-dir", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr

    stopped = subprocess.Popen(
        [*LENET, "--epochs", "3", "--run-dir", "parts"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    parts = tmp_path / "parts"
    deadline = time.monotonic() + HANGS
    while not (parts / "best.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(stopped.pid, signal.SIGINT)
    _, errors = stopped.communicate(timeout=HANGS)
    if stopped.returncode == 0:
        pytest.skip("the machine was too fast: training ended before it was stopped")
    assert b"go on with --resume" in errors and b"Traceback" not in errors
    assert 1 <= len(mg.load(parts / "checkpoint.pt")["history"]) < 3
    other = run(*LENET, "--epochs", "3", "--run-dir", "parts", "--resume", "--lr", "0.2", cwd=tmp_path)
    assert other.returncode == 2 and "lr 0.1, not 0.2" in other.stderr.splitlines()[-1]

    resumed = run(*LENET, "--epochs", "3", "--run-dir", "parts", "--resume", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    a, b = (mg.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert [row["loss"] for row in a["history"]] == [row["loss"] for row in b["history"]]
    for name in a["model"]:
        assert mg.equal(a["model"][name], b["model"][name]), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "at least 1"),
        (["--lr", "-1"], "more than 0"),
        (["--epochs", "many"], "invalid int value"),
        (["--data", "cifar"], "invalid choice"),
        (["--resume", "--run-dir", "nowhere"], "start a run without --resume first"),
    ],
)
def test_wrong_arguments_are_one_line(tmp_path, arguments, words):
    result = run(*LENET, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert words in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_help(tmp_path):
    for example in ("lenet_fashion_mnist.py", "cnn_tutorial.py"):
        result = run(sys.executable, str(EXAMPLES / example), "--help", cwd=tmp_path)
        assert result.returncode == 0 and "--epochs" in result.stdout


def test_tutorial_on_the_sample(tmp_path):
    result = run(sys.executable, str(EXAMPLES / "cnn_tutorial.py"), "--data", "sample", "--epochs", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "the first test picture is taken for" in result.stdout
    assert (tmp_path / "runs" / "cnn_tutorial" / "best.pt").exists()
