"""Trainer: what it computes equals a loop written by hand, and what goes wrong is said in a line."""

from __future__ import annotations

import csv
import json
import os
import signal

import kill_me
import numpy as np
import pytest
from needs import posix_signals
from small_problem import problem, quiet, weights

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from minigrad.train import Trainer, TrainingInterrupted


def test_it_is_the_loop_one_would_write():
    model, optimizer, loader = problem()
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=18)
    losses = []
    for _ in range(3):
        total, right = 0.0, 0
        for images, labels in loader:
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 0.5)
            nn.utils.clip_grad_norm_(model.parameters(), 0.2)
            optimizer.step()
            scheduler.step()
            total, right = total + loss.item() * 10, right + (logits.argmax(1) == labels).sum().item()
        losses.append((total / 60, right / 60))
    wanted = weights(model)

    model, optimizer, loader = problem()
    scheduler = OneCycleLR(optimizer, 0.1, total_steps=18)
    history = quiet(model, optimizer, scheduler=scheduler, clip_norm=0.2, clip_value=0.5).fit(loader, epochs=3)
    assert np.array_equal(weights(model), wanted)
    assert [(row["loss"], row["top1"]) for row in history] == losses
    assert [row["epoch"] for row in history] == [1, 2, 3] and all(row["seconds"] > 0 for row in history)


def test_accumulated_batches_are_one_large_batch():
    """Also where the last group and the last batch are smaller: 64 samples, in 7 tens and fours or 3 thirties."""
    results = []
    for batch_size, accumulate in ((10, 3), (30, 1)):
        model, optimizer, loader = problem(64, batch_size)
        trainer = quiet(model.double(), optimizer, accumulate=accumulate, augment=lambda images: images.double())
        trainer.fit(loader, epochs=2)
        results.append((weights(model), trainer.step))
    assert results[0][1] == results[1][1] == 6
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-12)


def test_evaluate_counts():
    logits = mg.tensor(np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32))
    labels = mg.tensor(np.random.default_rng(1).integers(0, 6, 50))  # class 6 has no sample
    model = nn.Identity()
    model.register_parameter("unused", nn.Parameter(mg.zeros(1)))
    trainer = quiet(model, SGD(model.parameters(), 0.1))
    figures = trainer.evaluate(DataLoader(TensorDataset(logits, labels), 8))

    x, y = logits.numpy().astype(np.float64), labels.numpy()
    order = np.argsort(-x, axis=1)
    assert figures["samples"] == 50
    assert figures["loss"] == pytest.approx((np.log(np.exp(x).sum(1)) - x[np.arange(50), y]).mean(), rel=1e-6)
    assert figures["top1"] == np.mean(order[:, 0] == y)
    assert figures["top5"] == np.mean([y[i] in order[i, :5] for i in range(50)])
    confusion = np.zeros((7, 7), int)
    np.add.at(confusion, (y, order[:, 0]), 1)
    assert np.array_equal(figures["confusion"].numpy(), confusion)
    for c, share in enumerate(figures["per_class"].tolist()):
        assert np.isnan(share) if c == 6 else share == pytest.approx(confusion[c, c] / confusion[c].sum())
    assert model.training, "evaluate leaves the mode as it was"


@pytest.fixture(scope="module")
def whole():
    """A run that nothing interrupted."""
    trainer, loader, validation = kill_me.make(None, checkpoint_every=None)
    trainer.fit(loader, validation, epochs=4)
    return trainer


@posix_signals
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("moment", ["middle of an epoch", "last batch", "validation"])
def test_a_signal_saves_and_resuming_is_exact(tmp_path, whole, moment, name):
    number = getattr(signal, name)

    def press(trainer, event):
        if event == "step" and trainer.step == 8 and moment == "middle of an epoch":
            os.kill(os.getpid(), number)
        if event == "step" and trainer.step == 12 and moment == "last batch":
            os.kill(os.getpid(), number)

    trainer, loader, validation = kill_me.make(tmp_path / "parts", [press], checkpoint_every=None)
    if moment == "validation":
        validation = PressingLoader(validation, trainer, number)
    before = signal.getsignal(number)
    with pytest.raises(TrainingInterrupted, match=r"stopped in epoch 2 after step .*checkpoint.pt: resume\(\)") as stop:
        trainer.fit(loader, validation, epochs=4)
    assert signal.getsignal(number) is before and stop.value.signal == number
    assert len(trainer.history) == 1

    trainer, loader, validation = kill_me.make(tmp_path / "parts", checkpoint_every=None)
    trainer.resume()
    trainer.fit(loader, validation, epochs=4)
    assert np.array_equal(weights(trainer.model), weights(whole.model))
    for a, b in zip(trainer.history, whole.history, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


class PressingLoader:
    """A loader during which a signal comes once, in epoch 2."""

    def __init__(self, loader, trainer, number):
        self.loader, self.trainer, self.number, self.pressed = loader, trainer, number, False

    def __iter__(self):
        for batch in self.loader:
            if self.trainer.epoch == 2 and not self.pressed:
                self.pressed = True
                os.kill(os.getpid(), self.number)
            yield batch


@posix_signals
def test_fit_goes_on_after_ctrl_c_in_the_same_process():
    whole = problem()
    quiet(*whole[:2]).fit(whole[2], epochs=3)
    model, optimizer, loader = problem()

    def press(trainer, event):
        if event == "step" and trainer.step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    trainer = quiet(model, optimizer, callbacks=[press])
    with pytest.raises(TrainingInterrupted, match="without a run_dir nothing is saved"):
        trainer.fit(loader, epochs=3)
    assert len(trainer.fit(loader, epochs=3)) == 3
    assert np.array_equal(weights(model), weights(whole[0]))


def test_any_iterable_of_batches_can_be_resumed(tmp_path):
    batches = [(mg.randn(4, 5), mg.randint(0, 3, (4,))) for _ in range(5)]
    model, optimizer, _ = problem()
    quiet(model, optimizer).fit(batches, epochs=2)
    wanted = weights(model)

    def fail(trainer, event):
        if trainer.step == 8:
            raise KeyError("out of the loop")

    model, optimizer, _ = problem()
    with pytest.raises(KeyError):
        quiet(model, optimizer, run_dir=tmp_path, checkpoint_every=3, callbacks=[fail]).fit(batches, epochs=2)
    model, optimizer, _ = problem()
    trainer = quiet(model, optimizer, run_dir=tmp_path)
    trainer.resume()
    assert trainer.step == 6 and trainer.epoch == 2
    trainer.fit(batches, epochs=2)
    assert np.array_equal(weights(model), wanted)


def test_a_finished_run_can_be_resumed_for_more_epochs(tmp_path):
    model, optimizer, loader = problem()
    quiet(model, optimizer).fit(loader, epochs=3)
    wanted = weights(model)
    for epochs in (1, 3):
        model, optimizer, loader = problem()
        trainer = quiet(model, optimizer, run_dir=tmp_path)
        if epochs == 3:
            trainer.resume()
        assert len(trainer.fit(loader, epochs=epochs)) == epochs
    assert np.array_equal(weights(model), wanted)
    assert trainer.fit(loader, epochs=3) is trainer.history and np.array_equal(weights(model), wanted)


def test_another_setup_is_refused(tmp_path):
    model, optimizer, loader = problem()
    quiet(model, optimizer, run_dir=tmp_path, clip_norm=1.0).fit(loader, epochs=1)
    for options, words in (
        ({"clip_norm": 2.0}, "clip_norm 1.0, not 2.0"),
        ({"clip_norm": 1.0, "ema": 0.9}, "ema None, not 0.9"),
        ({"clip_norm": 1.0, "criterion": nn.CrossEntropyLoss(label_smoothing=0.1)}, "criterion.label_smoothing 0.0"),
        ({"clip_norm": 1.0, "scheduler": StepLR(problem()[1], 1)}, "scheduler 'NoneType', not 'StepLR'"),
    ):
        model, optimizer, loader = problem()
        with pytest.raises(RuntimeError, match=words):
            quiet(model, optimizer, run_dir=tmp_path, **options).resume()
    model, optimizer, loader = problem(batch_size=20)
    trainer = quiet(model, optimizer, run_dir=tmp_path, clip_norm=1.0)
    trainer.resume()
    with pytest.raises(RuntimeError, match="batch_size 10, not 20"):
        trainer.fit(loader, epochs=2)
    trainer.setup["seed"] = 5
    with pytest.raises(RuntimeError, match="seed None, not 5"):
        trainer.resume()


def test_nothing_to_resume(tmp_path):
    model, optimizer, _ = problem()
    with pytest.raises(FileNotFoundError, match="start the run without resuming"):
        quiet(model, optimizer, run_dir=tmp_path).resume()
    with pytest.raises(RuntimeError, match="no run_dir"):
        quiet(model, optimizer).resume()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_is_noticed(tmp_path, damage):
    model, optimizer, loader = problem()
    quiet(model, optimizer, run_dir=tmp_path).fit(loader, epochs=1)
    content = bytearray((tmp_path / "checkpoint.pt").read_bytes())
    place = content.index(weights(model).tobytes()[:8])  # in the weights, where any bits make a number
    content[place] ^= 1
    (tmp_path / "checkpoint.pt").write_bytes(content[:-40] if damage == "cut" else content)
    with pytest.raises(RuntimeError, match="checkpoint.pt' is broken or truncated"):
        quiet(*problem()[:2], run_dir=tmp_path).resume()


def test_best_weights_early_stopping_and_plateau(tmp_path):
    """Training labels that say nothing of the validation's: the best epoch comes early."""
    model, optimizer, loader = problem()
    with mg.no_grad():
        pictures = mg.randn(30, 5)
        labels = model(pictures).argmax(1)
    loader.dataset.tensors[1][:] = 1
    kept = []

    def keep(trainer, event):
        if event == "epoch":
            kept.append(weights(model))

    plateau = ReduceLROnPlateau(optimizer, "max", patience=0)
    trainer = quiet(model, optimizer, scheduler=plateau, early_stopping=2, run_dir=tmp_path, callbacks=[keep])
    history = trainer.fit(loader, DataLoader(TensorDataset(pictures, labels), 10), epochs=50)
    best = int(np.argmax([row["validation_top1"] for row in history]))
    assert len(history) == best + 3 < 50
    assert trainer.stopped == f"no epoch of the last 2 was better than epoch {best + 1}"
    best_weights = mg.load(tmp_path / "best.safetensors")
    assert np.array_equal(
        np.concatenate([best_weights[n].numpy().ravel() for n, _ in model.named_parameters()]), kept[best]
    )
    assert [row["lr"] for row in history][-1] == pytest.approx(0.01) and optimizer.param_groups[0]["lr"] < 0.0011


def test_ema_is_what_is_validated_and_kept(tmp_path):
    model, optimizer, loader = problem()
    average, own = None, None
    trajectory = [weights(model).astype(np.float64)]

    def record(trainer, event):
        if event == "step":
            trajectory.append(weights(model).astype(np.float64))

    trainer = quiet(model, optimizer, ema=0.7, run_dir=tmp_path, callbacks=[record])
    trainer.fit(loader, loader, epochs=2)
    own = weights(model)
    assert np.array_equal(own, trajectory[-1])
    average = trajectory[0]
    for t, w in enumerate(trajectory[1:]):
        keep = min(0.7, (1 + t) / (10 + t))
        average = keep * average + (1 - keep) * w
    shadow = trainer.ema.average
    np.testing.assert_allclose(
        np.concatenate([shadow[n].numpy().ravel() for n, _ in model.named_parameters()]), average, rtol=1e-4, atol=1e-6
    )
    figures = trainer.evaluate(loader)
    assert np.array_equal(weights(model), own)
    model.load_state_dict(shadow)
    assert figures["loss"] == pytest.approx(quiet(model, optimizer).evaluate(loader)["loss"])


def test_logs_and_curves(tmp_path):
    def note(trainer, event):
        if event == "epoch":
            trainer.history[-1]["largest"] = float(np.abs(weights(trainer.model)).max())

    model, optimizer, loader = problem(600)
    trainer = quiet(model, optimizer, run_dir=tmp_path, callbacks=[note], name="a run")
    history = trainer.fit(loader, loader, epochs=2)
    with open(tmp_path / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [{key: float(value) for key, value in row.items()} for row in rows] == history
    assert list(history[0]) == [
        "epoch", "loss", "top1", "lr", "validation_loss", "validation_top1", "validation_top5", "seconds", "largest"
    ]  # fmt: skip
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(event["event"], event["step"]) for event in events] == [
        ("step", 50),
        ("epoch", 60),
        ("step", 100),
        ("epoch", 120),
    ]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_starting_over_forgets_the_run_that_was_there(tmp_path):
    for epochs in (3, 1):
        model, optimizer, loader = problem()
        quiet(model, optimizer, run_dir=tmp_path).fit(loader, epochs=epochs)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 2
    assert len(mg.load(tmp_path / "checkpoint.pt")["history"]) == 1


def test_regression_has_no_accuracy():
    model = nn.Linear(3, 1)
    batches = [(mg.randn(8, 3), mg.randn(8, 1)) for _ in range(3)]
    trainer = quiet(model, SGD(model.parameters(), 0.1), nn.MSELoss(), early_stopping=3)
    history = trainer.fit(batches, batches, epochs=2)
    assert list(history[0]) == ["epoch", "loss", "lr", "validation_loss", "seconds"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"schedule_by": "batch"}, "schedule_by must be 'step' or 'epoch', got 'batch'"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, got 0"),
        ({"checkpoint_every": 2.5}, "checkpoint_every must be a whole number"),
        ({"checkpoint_every": 5}, "checkpoint_every needs a run_dir"),
        ({"clip_norm": 0}, "clip_norm must be more than 0"),
        ({"mixup": -1.0}, "mixup must be more than 0"),
        ({"ema": 1.0}, "decay must be in"),
    ],
)
def test_arguments_are_checked(options, words):
    model, optimizer, _ = problem()
    with pytest.raises(ValueError, match=words):
        Trainer(model, optimizer, **options)


def test_fit_checks_its_arguments():
    model, optimizer, loader = problem()
    with pytest.raises(ValueError, match="epochs must be a whole number of at least 1, got 0"):
        quiet(model, optimizer).fit(loader, epochs=0)
    with pytest.raises(ValueError, match="the training loader gave no batch"):
        quiet(model, optimizer).fit([])


def test_a_last_batch_of_one_that_batch_norm_refuses():
    model, _, loader = problem(samples=21)
    model.insert(1, nn.BatchNorm1d(8))
    trainer = quiet(model, SGD(model.parameters(), 0.1))
    with pytest.raises(ValueError, match=r"batch_norm: .*input size \[1, 8\]; a last batch of one .*drop_last=True"):
        trainer.fit(loader)
    model, _, loader = problem(samples=21, drop_last=True)
    model.insert(1, nn.BatchNorm1d(8))
    assert quiet(model, SGD(model.parameters(), 0.1)).fit(loader)[-1]["epoch"] == 1
