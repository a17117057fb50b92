"""Too little memory: the error says what a step needs and what helps, and the process goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults import tiny

from minigrad.command.main import main
from minigrad.train import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit is counted by /proc/self/statm")

LIMIT = """
import resource
import minigrad as mg
from minigrad import nn
from minigrad.train import Trainer

def limit(more):
    "Let the process have so many bytes more than it has."
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more,) * 2)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
"""

STEPS = """
model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
                      nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
def fit(count):
    trainer = Trainer(model, mg.optim.SGD(model.parameters(), 0.01), progress=False)
    return trainer.fit([(mg.randn(count, 3, 64, 64), mg.zeros(count).long())])[0]["loss"]

fit(4)
fit(60)  # the forms of the kernels for much work
limit(150_000_000)
for count in (200, 8, 200, 8):
    before = resident()
    try:
        print(f"{fit(count):.2g}")
    except MemoryError as error:
        print(error)
    assert resident() < before + 90_000_000
"""

FORWARD = """
def double(size):
    return (mg.ones(size, size, requires_grad=True) * 2).sum().item()

double(2), double(3000)
limit(50_000_000)
for _ in range(3):
    try:
        double(5000)
    except MemoryError as error:
        print(error)
print(double(2))
"""


def run(program: str) -> list[str]:
    path = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    code = f"import sys; sys.path[:0] = {path!r}\n{LIMIT}{program}"
    environment = os.environ | {"MINIGRAD_KEEP_MEMORY": "0"}  # what is freed is given back, so that it counts
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_step_without_memory_says_what_it_needs_and_a_smaller_one_follows():
    first, small, second, again = run(STEPS)
    for words in (first, second):
        assert words.startswith("fit: in step 1 (epoch 1) out of memory in a step on a batch of 200 x 3 x 64 x 64, ")
        assert "which holds at least 0.2" in words and "take a smaller batch" in words and "checkpoint" in words
    assert float(small) > 0 and float(again) > 0


def test_an_operation_without_memory_names_the_shape():
    *errors, result = run(FORWARD)
    assert len(errors) == 3 and all("(5000, 5000)" in words for words in errors) and result == "8.0"


def test_the_command_line_says_it_in_one_line(tmp_path):
    program = f"""
from faults import tiny

from minigrad.command.main import main
from minigrad.train import memory
from minigrad.command.main import main
line = "train resnet20 --data tiny --epochs 1 --recipe quick-resnet"
assert main(f"{{line}} --batch-size 32 --run-dir {tmp_path}/first".split()) == 0
limit(20_000_000)
sys.stderr = sys.stdout
print(main(f"{{line}} --batch-size 96 --run-dir {tmp_path}/run".split()))
"""
    *_, words, code = run(program)
    assert code == "1" and words.startswith("minigrad train: fit: in step 1 (epoch 1) out of memory in a step on a ")
    assert "--batch-size 24" in words


def test_a_limit_that_is_too_small_is_a_warning_before_the_run(tmp_path, monkeypatch, capsys):
    assert 0 < memory.allowed_bytes() < float("inf")
    monkeypatch.setattr("minigrad.command.train.allowed_bytes", lambda: 1e6)
    assert main(["train", *tiny.OPTIONS, "--epochs", "1", "--run-dir", str(tmp_path / "run")]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("minigrad: a step on 32 pictures needs at least ") and line.endswith(
        "a smaller --batch-size"
    )
    assert "this process may have 0.001 GB" in line
