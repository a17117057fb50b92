"""Type checkers accept a program that uses the public interface, and know what comes out of it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensor_stub

ROOT = Path(__file__).parents[1]

PROGRAM = """
from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.nn import functional as F


class Network(nn.Module):
    scale: mg.Tensor

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.heads = nn.ModuleList([nn.Linear(16, classes)])
        self.bias = nn.Parameter(mg.zeros(classes))
        self.register_buffer("scale", mg.ones(1))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        x = F.dropout(self.features(x).flatten(1), 0.1, self.training)
        return self.heads[0](x) * self.scale + self.bias


def arithmetic(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
    z = (1 - x) * 2 / (y + 1) - x**2 + 2**y - abs(-x) @ y.mT
    z += 1
    z /= 2
    mask = (x > 0) & ~(y <= 1) | (x == y) ^ (x != 0)
    z[mask] = 0
    z.add_(y).clamp_(min=0)
    largest, place = z.reshape(-1, 2).max(dim=0)
    z = z.to(mg.float64).masked_fill(mask, largest.max().item() + place.size(0))
    rows: Iterator[mg.Tensor] = iter(z)
    reveal_type(x == y)
    reveal_type(x.T[0, ..., None])
    reveal_type(z.shape)
    return sum(rows, mg.zeros(())) + mg.where(mask, x, y).sum(dim=(0, 1), keepdim=True)


def train(path: str) -> float:
    mg.manual_seed(0)
    images = mg.from_numpy(np.zeros((8, 1, 4, 4), np.float32))
    labels = mg.tensor([0, 1, 2, 0, 1, 2, 0, 1], dtype=mg.int64)
    loader = DataLoader(TensorDataset(images, labels), batch_size=4, shuffle=True)
    network = Network().train()
    reveal_type(network)
    optimizer = mg.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    scheduler = mg.optim.lr_scheduler.StepLR(optimizer, step_size=1)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    for x, target in loader:
        optimizer.zero_grad()
        loss = criterion(network(x), target)
        loss.backward()
        optimizer.step()
    scheduler.step()
    with mg.no_grad():
        accuracy = (network.eval()(images).argmax(1) == labels).float().mean().item()
    mg.save({"model": network.state_dict(), "optimizer": optimizer.state_dict()}, path)
    network.load_state_dict(mg.load(path)["model"])
    gradient = network.bias.grad
    if gradient is not None:
        reveal_type(gradient + 1)
    gradients = mg.autograd.grad(network(images).sum(), list(network.parameters()))
    reveal_type(gradients)
    return float(accuracy)
"""

TENSOR = "minigrad.tensor.Tensor"
REVEALED = [TENSOR, TENSOR, "tuple[int, ...]", "program.Network", TENSOR, f"tuple[{TENSOR} | None, ...]"]


MISTAKES = """\
from minigrad import nn, optim, save, zeros

nn.Linear("3", 4)
nn.Linear(3, 4).eval(True)
zeros(3).backward(retain_graph="yes")
zeros(3).summ()
zeros(3).sum(dim="rows")
optim.SGD([zeros(3)], lr="fast")
save({})
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Run mypy on a program."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("typing")
    path = folder / "program.py"

    def run(program: str) -> subprocess.CompletedProcess:
        path.write_text(program)
        options = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={folder}", "--follow-imports=silent"]
        return subprocess.run(
            [sys.executable, "-m", "mypy", *options, str(path)], cwd=ROOT, capture_output=True, text=True
        )

    return run


def test_a_users_program_has_no_type_errors(check):
    result = check(PROGRAM)
    assert result.returncode == 0, result.stdout + result.stderr
    revealed = [line.split('"')[1] for line in result.stdout.splitlines() if "Revealed type is" in line]
    assert revealed == REVEALED, result.stdout


def test_mistakes_are_found(check):
    result = check(MISTAKES)
    found = re.findall(r"program\.py:(\d+): error", result.stdout)
    assert found == ["3", "4", "5", "6", "7", "8", "9"], result.stdout


def parts(text: str) -> tuple[set[str], list[str]]:
    """The imports of a module, one by one, and its other statements: what does not depend on how they are laid out."""
    imports, statements = set(), []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= {(getattr(node, "module", None), alias.name, alias.asname) for alias in node.names}
        else:
            statements.append(ast.unparse(node))
    return imports, statements


def test_the_stub_of_tensor_is_what_its_methods_are():
    assert parts(tensor_stub.STUB.read_text()) == parts(tensor_stub.stub()), "run python tests/tensor_stub.py"


def test_the_source_that_the_stub_hides_has_no_type_errors(tmp_path):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", f"--cache-dir={tmp_path}", "minigrad/tensor.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
