"""What a Trainer is made of, one by one: metrics, mixup, logs, the run's folder, Ctrl-C, the progress."""

from __future__ import annotations

import json
import os
import random
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import posix_signals

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, IterableDataset
from minigrad.optim import SGD
from minigrad.train import Metrics, Trainer, mixup
from minigrad.train.checkpoint import RunFolder, generator_states, set_generator_states
from minigrad.train.history import best_row, watched
from minigrad.train.interrupt import StopRequest
from minigrad.train.logs import Logs
from minigrad.train.nonfinite import first_nonfinite
from minigrad.train.progress import Progress


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0.05, 5))
@settings(max_examples=30, deadline=None)
def test_mixup_blends_pictures_and_labels_alike(seed, size, alpha):
    mg.manual_seed(seed)
    labels = mg.arange(size)
    pictures = nn.functional.one_hot(labels, size).float().reshape(size, 1, size)
    state = mg.get_rng_state()
    mixed = mixup(pictures, labels, alpha)
    assert 0 <= mixed.share <= 1
    assert sorted(mixed.partner.tolist()) == labels.tolist() == mixed.own.tolist()
    wanted = mixed.share * np.eye(size) + (1 - mixed.share) * np.eye(size)[mixed.partner.numpy()]
    np.testing.assert_allclose(mixed.images.numpy()[:, 0], wanted, atol=1e-6)
    mg.set_rng_state(state)
    assert mg.equal(mixup(pictures, labels, alpha).images, mixed.images)


def test_mixup_draws_from_the_beta_distribution():
    mg.manual_seed(0)
    shares = [mixup(mg.zeros(2, 1), mg.zeros(2, dtype=mg.int64), 0.4).share for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    assert np.var(shares) == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.06)  # of Beta(a, a)


def test_metrics_go_on_where_they_were():
    generator = np.random.default_rng(0)
    batches = [
        (0.5 * i, mg.tensor(generator.normal(size=(6, 4))), mg.tensor(generator.integers(0, 4, 6))) for i in range(5)
    ]
    whole, first, second = Metrics(), Metrics(), Metrics()
    for i, batch in enumerate(batches):
        whole.add(*batch)
        if i < 2:
            first.add(*batch)
    second.load_state_dict(first.state_dict())
    for batch in batches[2:]:
        second.add(*batch)
    assert second.compute() == whole.compute()
    assert whole.compute()["loss"] == pytest.approx(1.0)
    assert np.isnan(Metrics().compute()["loss"])


def test_top5_of_few_classes_is_all():
    metrics = Metrics(full=True)
    metrics.add(mg.tensor(1.0), mg.randn(7, 3), mg.randint(0, 3, (7,)))
    assert metrics.compute()["top5"] == 1


def test_logs_drop_what_the_checkpoint_does_not_know(tmp_path):
    logs = Logs(tmp_path)
    history = [{"epoch": epoch, "loss": 1 / epoch, "validation_loss": float("nan")} for epoch in (1, 2)]
    logs.step(step=50, loss=1.5)
    logs.epoch(history[:1], 60)
    logs.step(step=100, loss=0.7)
    logs.epoch(history, 120)
    with open(logs.lines, "a") as file:
        file.write('{"event": "step", "st')  # the process was killed here
    wanted = [("step", 50), ("epoch", 60), ("step", 100), ("epoch", 120)]
    for epochs, step, kept in ((2, 120, 4), (1, 110, 3), (1, 60, 2), (0, 60, 1), (0, 0, 0)):
        logs.rewind(history[:epochs], step)
        events = [json.loads(line) for line in logs.lines.read_text().splitlines()]
        assert [(event["event"], event["step"]) for event in events] == wanted[:kept]
        assert len(logs.table.read_text().splitlines()) == epochs + 1
        assert all(event["validation_loss"] is None for event in events if event["event"] == "epoch")


def test_a_new_run_clears_the_folder_and_a_resumed_one_only_what_is_unfinished(tmp_path):
    folder = RunFolder(tmp_path / "a" / "run")
    folder.hold()
    folder.open(fresh=True)
    folder.save_best({"w": mg.ones(2)}, 1)
    unfinished = folder.path / ".checkpoint.pt.1234abcd.part"
    unfinished.write_bytes(b"PK")
    folder.open(fresh=False)
    assert folder.best.exists() and not unfinished.exists()
    folder.open(fresh=True)
    assert not folder.best.exists()
    mg.save({"model": {}}, folder.checkpoint)
    with pytest.raises(RuntimeError, match="is not a checkpoint of Trainer"):
        folder.load({})


def test_all_generators_are_taken_up(tmp_path):
    def draws():
        return mg.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), np.random.normal()

    np.random.normal()  # of a pair: the other one waits in the state
    mg.save(generator_states(), tmp_path / "states.pt")
    wanted = draws()
    set_generator_states(mg.load(tmp_path / "states.pt"))
    assert draws() == wanted


@posix_signals
@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_only_a_second_ctrl_c_does_not_wait(first):
    first = getattr(signal, first)
    with StopRequest() as stop:
        os.kill(os.getpid(), first)
        assert stop.signal == first
        for again in (signal.SIGTERM, signal.SIGHUP):  # the shell sends one, and the system another
            os.kill(os.getpid(), again)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == first


@posix_signals
def test_signals_that_a_program_ignores_or_handles_are_left_to_it():
    came = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal is None and came == [1]
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_which_epoch_is_best_and_what_a_schedule_watches():
    losses = [{"loss": 2.0, "top1": 0.1}, {"loss": 1.0, "top1": 0.3}, {"loss": float("nan"), "top1": 0.1}]
    assert best_row(losses) is losses[1]
    assert (watched(losses[0], "min"), watched(losses[0], "max")) == (2.0, 0.1)
    both = [{"loss": 1.0, "top1": 0.9, "validation_loss": 3.0, "validation_top1": 0.5}]
    both += [{"loss": 2.0, "top1": 0.8, "validation_loss": 4.0, "validation_top1": 0.6}] * 2
    assert best_row(both) is both[1]
    assert (watched(both[0], "min"), watched(both[0], "max")) == (3.0, 0.5)


def test_the_operation_that_made_an_infinity_is_named_with_its_module():
    class Half(nn.Module):
        def forward(self, x):
            return x.exp()

    model = nn.Sequential(nn.Linear(2, 3), Half(), nn.Linear(3, 1))
    pictures = mg.full((2, 2), 1e6)
    words = first_nonfinite(model, pictures, lambda: model(pictures))
    assert words.startswith("the first operation that made one is Exp of Half '1' (test_training_parts.py:")
    assert words.endswith("return x.exp())")
    assert first_nonfinite(model, mg.zeros(2, 2), lambda: model(mg.zeros(2, 2))) == "the same step repeated made none"


def test_progress_in_a_terminal_and_in_a_pipe(capsys, monkeypatch):
    batches = [(mg.randn(4, 2), mg.zeros(4, dtype=mg.int64))] * 3
    model = nn.Linear(2, 2)
    Trainer(model, SGD(model.parameters(), 0.1)).fit(batches, batches, epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "validation loss" in lines[0] and "top-1" in lines[0]

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Progress(True) as bar:
        bar.begin("epoch 1/2", batches, done=1)
        assert bar.due()
        bar.update(2, "loss [0.5]")
        assert not bar.due()
        bar.line("a line [that] stays")
    shown = capsys.readouterr().out
    assert "epoch 1/2" in shown and "a line [that] stays" in shown
    with Progress(False) as bar:
        bar.begin("epoch 1/2", batches)
        bar.line("nothing")
    assert capsys.readouterr().out == "" and not bar.due()


def test_a_stream_can_be_taken_up_between_epochs_only(tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            yield from [(mg.full((2,), float(i)), i % 2) for i in range(6)]

    def start(**options):
        mg.manual_seed(0)
        model = nn.Linear(2, 2)
        return Trainer(model, SGD(model.parameters(), 0.1), progress=False, run_dir=tmp_path, **options), DataLoader(
            Stream(), 2
        )

    trainer, loader = start()
    trainer.fit(loader, epochs=1)
    trainer, loader = start()
    trainer.resume()
    assert len(trainer.fit(loader, epochs=2)) == 2
    whole = trainer.model.weight.tolist()
    trainer, loader = start()
    trainer.fit(loader, epochs=2)
    assert trainer.model.weight.tolist() == whole

    trainer, loader = start(checkpoint_every=2, callbacks=[lambda trainer, event: trainer.step == 3 and 1 / 0])
    with pytest.raises(ZeroDivisionError):
        trainer.fit(loader, epochs=2)
    trainer, loader = start()
    trainer.resume()
    with pytest.raises(TypeError, match="an IterableDataset cannot be taken up in the middle"):
        trainer.fit(loader, epochs=2)
