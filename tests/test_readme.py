"""Every snippet of the README runs, and what its comments promise comes out."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from needs import simulator

from minigrad.vision.datasets import FashionMNISTSample

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.S | re.M)


@simulator
@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if ".cuda()" in s])
def test_snippet_for_a_gpu_on_the_simulator(snippet, tmp_path):
    simulator = {**os.environ, "MINIGRAD_CUDA_SIMULATOR": "1"}
    done = subprocess.run([sys.executable, "-c", snippet], env=simulator, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if ".cuda()" not in s])
def test_snippet(snippet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.random.seed(0)
    exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})
    promised = re.findall(r"^print\(.*\) +# (.*)$", snippet, re.M)
    assert capsys.readouterr().out.splitlines()[: len(promised)] == promised


def test_the_commands_of_a_run(tmp_path):
    pytest.importorskip("onnx")
    FashionMNISTSample(train=False)[0][0].save(tmp_path / "boot.png")
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", README, re.S | re.M) for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in commands if line.startswith("minigrad ")]
    assert [command[1] for command in commands] == ["train", "evaluate", "predict", "export", "summary"]
    for _, name, *arguments in commands:
        quick = ["--epochs", "1"] if name == "train" else []
        done = subprocess.run(
            [sys.executable, "-m", "minigrad", name, *arguments, *quick], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    for file in ("runs/lenet5-sample/best.safetensors", "prediction.png", "lenet5.onnx"):
        assert (tmp_path / file).stat().st_size > 0


def test_quick_start_is_two_commands():
    block = re.search(r"^## Quick start\n.*?^```sh\n(.*?)^```", README, re.S | re.M).group(1)
    commands = block.strip().splitlines()
    assert len(commands) == 2
    assert "pip install" in commands[0] and "examples/lenet_fashion_mnist.py" in commands[0]
    assert "pip install" in commands[1] and "pytest" in commands[1]


def test_every_file_that_is_linked_exists():
    root = Path(__file__).parent.parent
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    for link in links:
        assert (root / link).exists(), link
