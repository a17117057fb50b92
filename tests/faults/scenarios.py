"""What is done while calls to the system fail, and what must hold afterwards. See inject.py."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from faults import tiny
from faults.inject import Outcome, Scenario

import minigrad as mg
from minigrad import nn
from minigrad.command.main import main
from minigrad.data import DataLoader, TensorDataset
from minigrad.data.worker import seed_everything
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR
from minigrad.serialize.files import atomic_write
from minigrad.train import Trainer, trainer
from minigrad.train.interrupt import StopRequest

WARNED = ("log.jsonl", "history.csv", "curves.png", "compiled kernels")  # what a training does without


def named(outcome: Outcome, folder: Path) -> None:
    """An error is one line of the system's kind, and names a file."""
    assert "\n" not in outcome.message and str(folder) in outcome.message, outcome
    assert "Error" in outcome.error and outcome.error not in ("AssertionError", "AttributeError", "TypeError"), outcome


def no_remains(folder: Path) -> None:
    assert not [path for path in folder.rglob("*") if ".part" in path.name or ".tmp" in path.name]


# Saving and loading


def old_and_new() -> tuple[dict[str, Any], dict[str, Any]]:
    mg.manual_seed(1)
    return {"w": mg.randn(50, 50)}, {"w": mg.randn(80, 80)}


def saving(suffix: str) -> Scenario:
    def judge(folder: Path, outcome: Outcome) -> None:
        old, new = old_and_new()
        found = mg.load(folder / f"a{suffix}")["w"]
        if outcome.error:
            named(outcome, folder)
            assert "cannot write" in outcome.message
            assert mg.equal(found, old["w"]) or mg.equal(found, new["w"])
        else:
            assert mg.equal(found, new["w"])
        if "unlink" not in outcome.message:
            no_remains(folder)

    return Scenario(
        lambda folder: mg.save(old_and_new()[0], folder / f"a{suffix}"),
        lambda folder: mg.save(old_and_new()[1], folder / f"a{suffix}"),
        judge,
    )


def loading(suffix: str) -> Scenario:
    def judge(folder: Path, outcome: Outcome) -> None:
        if outcome.error:
            named(outcome, folder)
            assert "load: cannot read" in outcome.message
        else:
            assert outcome.value == old_and_new()[0]["w"].sum().item()

    return Scenario(
        lambda folder: mg.save(old_and_new()[0], folder / f"a{suffix}"),
        lambda folder: mg.load(folder / f"a{suffix}")["w"].sum().item(),
        judge,
    )


# Training


def make(run_dir: Path | None, **options: Any) -> tuple[Any, ...]:
    """A small run with all that must survive."""
    seed_everything(7)
    pictures, labels = mg.randn(60, 20), mg.randint(0, 4, (60,))
    loader = DataLoader(TensorDataset(pictures[:40], labels[:40]), batch_size=10, shuffle=True)
    validation = DataLoader(TensorDataset(pictures[40:], labels[40:]), batch_size=20)
    model = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4))
    optimizer = SGD(model.parameters(), 0.05, momentum=0.9)
    options = {"ema": 0.9, "mixup": 0.4, "checkpoint_every": 3, "progress": False} | options
    return (
        Trainer(model, optimizer, scheduler=OneCycleLR(optimizer, 0.05, total_steps=8), run_dir=run_dir, **options),
        loader,
        validation,
    )


def train(folder: Path, epochs: int = 2, **options: Any) -> Any:
    fitting, loader, validation = make(folder / "run", **options)
    if (folder / "run/checkpoint.pt").exists():
        fitting.resume()
    fitting.fit(loader, validation, epochs=epochs)
    return fitting


def same(a: Any, b: Any) -> bool:
    """Whether two checkpoints' values are equal to the last bit, the clock's apart."""
    if isinstance(a, mg.Tensor):
        return a.dtype == b.dtype and mg.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a.keys() - {"seconds"})
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b or a != a


WHOLE: dict[str, Any] = {}  # what undisturbed runs end with


def as_undisturbed(run: Path) -> None:
    for name in ("checkpoint.pt", "best.safetensors"):
        assert same(mg.load(run / name), WHOLE[name]), name


def judge_training(folder: Path, outcome: Outcome) -> None:
    run = folder / "run"
    if outcome.error:
        named(outcome, folder)
        step = outcome.message.partition("the checkpoint of step ")[2].partition(" is whole")[0].split()
        if (run / "checkpoint.pt").exists():
            saved = mg.load(run / "checkpoint.pt")["step"]
            if " is whole" in outcome.message:
                assert saved >= int(outcome.message.split(" is whole")[0].rpartition(" ")[2]), (saved, step)
        train(folder)
    missed = [words for words in outcome.warned if any(name in words for name in WARNED)]
    assert missed == outcome.warned and len(set(missed)) == len(missed) <= len(WARNED), outcome.warned
    assert all(": cannot " in words for words in missed), missed
    as_undisturbed(run)
    no_remains(run)


TRAINING = Scenario(lambda folder: None, lambda folder: train(folder) and None, judge_training)
RESUMING = Scenario(
    lambda folder: train(folder, epochs=1) and None, lambda folder: train(folder) and None, judge_training
)


# The command line


def command(folder: Path) -> list[Any]:
    """`minigrad train`, or with --resume: its exit code and what it said."""
    sys.argv[0] = "minigrad"
    resume = (folder / "run/checkpoint.pt").exists()
    words = ["--resume"] if resume else [*tiny.OPTIONS, "--epochs", "1"]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(["train", *words, "--run-dir", str(folder / "run")])
    return [code, said.getvalue()]


def judge_command(folder: Path, outcome: Outcome) -> None:
    assert not outcome.error, outcome
    code, said = outcome.value
    lines = [line for line in said.splitlines() if "goes on without" not in line and "compiling kernels" not in line]
    if code:
        assert len(lines) == 1 and lines[0].startswith("minigrad train: ") and "[Errno" not in said, said
        assert str(folder) in said and "cannot " in said, said
        if (folder / "run/checkpoint.pt").exists() and "cannot read" not in said:
            assert lines[0].endswith(f"go on with: minigrad train --resume --run-dir {folder / 'run'}"), said
        assert command(folder)[0] == 0
    else:
        assert not lines, said
    assert same(mg.load(folder / "run/checkpoint.pt")["model"], WHOLE["command"])
    no_remains(folder)


# What is left beside a training


def plot(folder: Path) -> None:
    from minigrad import study

    history = [{"loss": 2.3, "top1": 0.1, "validation_top1": 0.2}]
    scores = mg.ones(6, 3) / 3
    study.plot_training(folder / "a.png", history, scores, mg.zeros(6).long(), mg.ones(6, 4, 4), ["a", "b", "c"])


def export(folder: Path) -> None:
    from minigrad import onnx

    onnx.export(nn.Linear(3, 2), mg.ones(1, 3), folder / "a.onnx")


KEPT = "source/__pycache__"  # where Numba keeps compiled forms
KERNEL = """
from minigrad.kernels.cpu.jit import jit

@jit
def add(x):
    return x + 1
"""


def compile_kernel(folder: Path) -> int:
    """Import a module with a kernel, which is compiled or found compiled beside it, and call it."""
    sys.path.insert(0, str(folder / "source"))
    sys.dont_write_bytecode = True
    import made_up_kernel

    return int(made_up_kernel.add(41))


def judge_kernel(folder: Path, outcome: Outcome) -> None:
    assert not outcome.error and outcome.value == 42, outcome
    assert len(outcome.warned) <= 1 and all("kernels cannot be kept" in words for words in outcome.warned), outcome
    assert compile_kernel(folder) == 42
    if not outcome.warned:
        no_remains(folder)


def prepare_kernel(folder: Path, compiled: bool) -> None:
    (folder / "source/__pycache__").mkdir(parents=True)
    (folder / "source/made_up_kernel.py").write_text(KERNEL)
    if compiled:
        compile_kernel(folder)


def stopped_command(folder: Path) -> None:
    """A run that a signal stopped in its first step."""

    class Requested(StopRequest):
        def __init__(self) -> None:
            super().__init__()
            self.signal = 15

    trainer.StopRequest = Requested
    assert command(folder)[0] == 128 + 15


def whole_or_old(name: str, act: Any) -> Scenario:
    """A file that was there stays, or the new one is whole. Not where a package that `act` needs is missing."""

    def judge(folder: Path, outcome: Outcome) -> None:
        if name not in WHOLE:
            return
        content = (folder / name).read_bytes()
        if outcome.error:
            named(outcome, folder)
            assert content == b"old" or len(content) == WHOLE[name]
        else:
            assert len(content) == WHOLE[name]
        no_remains(folder)

    return Scenario(lambda folder: (folder / name).write_bytes(b"old") and None, act, judge)


def warm() -> None:
    """Import and compile what the scenarios need, and see how they end undisturbed."""
    import tempfile

    def cheap(path: Path, history: Any, title: str = "") -> None:
        # Matplotlib takes most of the time: curves.png is written as ever, with other bytes.
        with atomic_write(path) as file:
            file.write(bytes(range(256)) * 40)

    trainer.draw_curves = cheap
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train(folder)
        for name in ("checkpoint.pt", "best.safetensors"):
            WHOLE[name] = mg.load(folder / "run" / name)
        (folder / "command").mkdir()
        code, said = command(folder / "command")
        assert code == 0, said
        WHOLE["command"] = mg.load(folder / "command/run/checkpoint.pt")["model"]
        for name, act in (("a.png", plot), ("a.onnx", export)):
            with contextlib.suppress(ModuleNotFoundError):
                act(folder)
                WHOLE[name] = (folder / name).stat().st_size
    np.random.seed(0)


SCENARIOS = {
    "save .pt": saving(".pt"),
    "save .safetensors": saving(".safetensors"),
    "load .pt": loading(".pt"),
    "load .safetensors": loading(".safetensors"),
    "train": TRAINING,
    "resume": RESUMING,
    "minigrad train": Scenario(lambda folder: None, command, judge_command),
    "minigrad train --resume": Scenario(stopped_command, command, judge_command),
    "compile": Scenario(lambda folder: prepare_kernel(folder, False), compile_kernel, judge_kernel, KEPT),
    "load compiled": Scenario(lambda folder: prepare_kernel(folder, True), compile_kernel, judge_kernel, KEPT),
    "plot": whole_or_old("a.png", plot),
    "export": whole_or_old("a.onnx", export),
}
