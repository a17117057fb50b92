"""Trainer: the training loop of a classifier, with all that a long run needs."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from typing import Any

from minigrad import nn
from minigrad.autograd import no_grad
from minigrad.generator import get_rng_state, set_rng_state
from minigrad.nn.utils import clip_grad_norm_, clip_grad_value_
from minigrad.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor
from minigrad.train.checkpoint import RunFolder, generator_states, set_generator_states
from minigrad.train.curves import draw_curves
from minigrad.train.ema import EMA
from minigrad.train.interrupt import CtrlC, TrainingInterrupted
from minigrad.train.logs import EVERY, Logs
from minigrad.train.metrics import Metrics
from minigrad.train.mixup import mixup
from minigrad.train.nonfinite import NonFiniteLoss, first_nonfinite, nonfinite_weight
from minigrad.train.progress import Progress, describe
from minigrad.train.setup import difference, setup_of

# The picture of the curves is drawn again when this many times the time that drawing took has passed: 5 %.
DRAW_EVERY = 20


class Trainer:
    """Trains `model` on batches (images, targets), validates it, and keeps a run's files.

        trainer = Trainer(model, SGD(model.parameters(), 0.1, momentum=0.9), run_dir="runs/first")
        history = trainer.fit(train_loader, validation_loader, epochs=10)
        print(trainer.evaluate(test_loader)["top1"])

    Stopped by Ctrl-C, by `kill -9` or by a power cut, a run goes on bit for bit as if nothing had happened: make
    model, optimizer, scheduler, loaders and Trainer as before, call `resume()`, then `fit`. That needs loaders
    that draw nothing random in their prefetching thread (see DataLoader).

    In `run_dir`: `checkpoint.pt`, `best.safetensors` (the weights of the best epoch), `history.csv` (a row an
    epoch), `log.jsonl` (a line every 50 steps and each epoch), `curves.png`. `fit` without `resume` starts over.

    Args:
        criterion: `criterion(output, targets)` is the mean loss of a batch. `output` is the model's, which may be a
            tuple in training (GoogLeNet's): the metrics take its first entry as logits.
        scheduler: stepped after each optimizer step, or each epoch, as `schedule_by` says; a
            ReduceLROnPlateau each epoch with the validation loss, or top-1 if its mode is "max".
        augment: a function of a batch of images on the device, applied in training only.
        clip_norm, clip_value: bounds for the norm of all gradients together, and for each of their elements.
        accumulate: batches whose gradients make one step: the gradient of the mean over all their samples.
        mixup: train on blends of pictures, with shares drawn from Beta(mixup, mixup).
        ema: decay of a moving average of the weights, which is then what is validated and kept as the best.
        early_stopping: epochs without a better one after which to stop. Better is a higher validation top-1; where
            there is none a lower validation loss, or else a lower training loss.
        checkpoint_every: steps between checkpoints; there is one after each epoch in any case.
        callbacks: functions `callback(trainer, event)`, called with event "step" after each step, and "epoch"
            after each epoch, before its row `trainer.history[-1]` is logged: they may add to it.
        device: where to train; by default where the model is.
        progress: show a bar, and a line for each epoch.
        name: what the run is called in its picture.
        classes: the classes' names, for those who show the run's results.

    Attributes:
        history: a dict for each epoch, see `fit`.
        epoch: the number of the running epoch, from 1. step: the optimizer steps taken so far.
        setup: plain values that describe the run; `resume` compares them with the checkpoint's. More may be added
            before `resume` or `fit`: `trainer.setup["seed"] = 0`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        criterion: Callable[[Any, Tensor], Tensor] | None = None,
        *,
        scheduler: LRScheduler | None = None,
        schedule_by: str = "step",
        augment: Callable[[Tensor], Tensor] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        mixup: float | None = None,
        ema: float | None = None,
        early_stopping: int | None = None,
        run_dir: str | os.PathLike[str] | None = None,
        checkpoint_every: int | None = None,
        callbacks: Iterable[Callable[[Trainer, str], None]] = (),
        device: Any = None,
        progress: bool = True,
        name: str = "",
        classes: list[str] | None = None,
    ):
        if schedule_by not in ("step", "epoch"):
            raise ValueError(f"Trainer: schedule_by must be 'step' or 'epoch', got {schedule_by!r}")
        for argument, count in (
            ("accumulate", accumulate),
            ("early_stopping", early_stopping),
            ("checkpoint_every", checkpoint_every),
        ):
            if count is not None and (not isinstance(count, int) or count < 1):
                raise ValueError(f"Trainer: {argument} must be a whole number of at least 1, got {count!r}")
        for argument, bound in (("clip_norm", clip_norm), ("clip_value", clip_value), ("mixup", mixup)):
            if bound is not None and not bound > 0:
                raise ValueError(f"Trainer: {argument} must be more than 0, got {bound!r}")
        if checkpoint_every is not None and run_dir is None:
            raise ValueError("Trainer: checkpoint_every needs a run_dir, the folder for the checkpoints")
        self.model = model if device is None else model.to(device)
        self.device = next((p.device for p in model.parameters()), None) if device is None else device
        self.optimizer = optimizer
        self.criterion = nn.CrossEntropyLoss() if criterion is None else criterion
        self.scheduler = scheduler
        self.schedule_by = schedule_by
        self.augment = augment
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.accumulate = accumulate
        self.mixup = mixup
        self.ema = None if ema is None else EMA(model, ema)
        self.early_stopping = early_stopping
        self.folder = None if run_dir is None else RunFolder(run_dir)
        self.logs = None if self.folder is None else Logs(self.folder.path)
        self.checkpoint_every = checkpoint_every
        self.callbacks = tuple(callbacks)
        self.progress = progress
        self.name = name
        self.classes = classes
        self.setup = setup_of(self)

        self.history: list[dict[str, Any]] = []
        self.step = 0
        self.stopped = ""  # why no further epoch is wanted
        self.seconds = 0.0  # of this epoch
        self.lr: float = optimizer.param_groups[0]["lr"]  # at the last step
        self.metrics = Metrics()  # of this epoch's training
        self._batches = 0  # of this epoch that were trained on
        self._trained = False  # the epoch's training is over, its validation is not
        self._resumed: dict[str, Any] | None = None
        self._drawn = (-math.inf, 0.0)  # when the curves were drawn last, and how long it took

    @property
    def epoch(self) -> int:
        """The number of the epoch that runs, or that the next `fit` begins with; the first is 1."""
        return len(self.history) + 1

    def stop(self, reason: str) -> None:
        """End the training after this epoch; callbacks call it."""
        self.stopped = reason

    def fit(self, train_loader: Iterable, validation_loader: Iterable | None = None, epochs: int = 1) -> list[dict]:
        """Train until `epochs` epochs are done, those before a `resume` (or of an earlier call) counted.

        Returns the history, a dict for each epoch: "epoch" (1, 2, ...), "loss", "top1" (of the training batches, as
        they were met), "lr" (of the first group at the last step), "seconds", and with a validation set
        "validation_loss", "validation_top1", "validation_top5"; see `Metrics`.

        The model is left with the last weights, in evaluation mode. Raises NonFiniteLoss, before the step, when a
        loss is NaN or infinite; TrainingInterrupted after Ctrl-C, when all is saved.
        """
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"fit: epochs must be a whole number of at least 1, got {epochs!r}")
        self._compare({"batches": _length(train_loader), "batch_size": getattr(train_loader, "batch_size", None)})
        self._begin(train_loader)
        with CtrlC() as ctrl_c, Progress(self.progress) as bar:
            while len(self.history) < epochs and not self.stopped:
                words = f"epoch {self.epoch:{len(str(epochs))}}/{epochs}"
                if not self._trained:
                    self._train_epoch(train_loader, ctrl_c, bar, words)
                    self._trained = True
                self._end_epoch(train_loader, validation_loader, ctrl_c, bar, words)
            if self.stopped:
                bar.line(f"stopped: {self.stopped}")
        self.model.eval()
        self._draw(force=True)
        return self.history

    def evaluate(self, loader: Iterable) -> dict[str, Any]:
        """The metrics of the model (of the average of its weights, where there is one) on a whole data set.

        "samples", "loss", "top1", "top5", "per_class" (C,) and "confusion" (C, C): see `Metrics.compute`.
        """
        return self._evaluate(loader, lambda: None)

    def resume(self) -> None:
        """Load `run_dir`'s checkpoint, so that the next `fit` goes on exactly where it was written.

        RuntimeError where the checkpoint was made with another setup; FileNotFoundError where there is none.
        """
        if self.folder is None or self.logs is None:
            raise RuntimeError("resume: Trainer has no run_dir to resume from")
        state = self.folder.load()
        different = difference(state["setup"], self.setup)
        if different:
            raise RuntimeError(
                f"resume: {self.folder.checkpoint} was made with {different}; give the same, or start another run_dir"
            )
        self.model.load_state_dict(state["model"])
        for name in ("optimizer", "scheduler", "ema"):
            part = getattr(self, name)
            if part is not None:
                part.load_state_dict(state[name])
        self.metrics.load_state_dict(state["metrics"])
        self.history, self.step, self.stopped = state["history"], state["step"], state["stopped"]
        self.seconds, self.lr = state["seconds"], state["lr"]
        self._batches, self._trained = state["batches"], state["trained"]
        self._resumed = state

    # The loop

    def _begin(self, loader: Iterable) -> None:
        """Make the folder and the loader ready for a new run, or for the rest of one."""
        if self.folder is not None and self.logs is not None and (self._resumed or not self.step):
            self.folder.open()
            self.logs.rewind(self.history, self.step)
        if self._resumed is not None:
            if hasattr(loader, "load_state_dict"):
                loader.load_state_dict(self._resumed["loader"])
            set_generator_states(self._resumed["generators"])
        elif not self.step:
            self._save(loader)

    def _train_epoch(self, loader: Iterable, ctrl_c: CtrlC, bar: Progress, words: str) -> None:
        if self._batches == 0:
            self.metrics, self.seconds = Metrics(), 0.0
        bar.begin(words, _length(loader), self._batches)
        before, started, samples_before = self.seconds, time.perf_counter(), self.metrics.samples
        self.model.train()
        waiting = 0  # samples whose gradients wait for the step
        for images, targets in self._rest(loader):
            if waiting == 0:
                self.optimizer.zero_grad()
            waiting += self._backward(images.to(self.device), targets.to(self.device))
            self._batches += 1
            if self._batches % self.accumulate == 0:
                self._update(waiting)
                waiting = 0
                self.seconds = before + time.perf_counter() - started
                if bar.due():
                    speed = (self.metrics.samples - samples_before) / (self.seconds - before)
                    bar.update(self._batches, f"{describe(self.metrics.compute())}  {speed:,.0f} images/s")
                if ctrl_c.pressed:
                    self._interrupted(loader)
                if self.checkpoint_every is not None and self.step % self.checkpoint_every == 0:
                    self._save(loader)
        if self._batches == 0:
            raise ValueError("fit: the training loader gave no batch")
        if waiting:
            self._update(waiting)
        self.seconds = before + time.perf_counter() - started

    def _rest(self, loader: Iterable) -> Iterator:
        """The epoch's batches that are due: a DataLoader knows, of anything else those seen are skipped."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not hasattr(loader, "load_state_dict"):
            return islice(iter(loader), self._batches, None)
        return iter(loader)

    def _backward(self, images: Tensor, targets: Tensor) -> int:
        """Forward and backward of a batch; how many samples it had."""
        if self.augment is not None:
            images = self.augment(images)
        labels = targets
        if self.mixup is not None:
            images, labels, partners, share = mixup(images, targets, self.mixup)

        def forward() -> tuple[Tensor, Any]:
            output = self.model(images)
            loss = self.criterion(output, labels)
            if self.mixup is not None:
                loss = share * loss + (1 - share) * self.criterion(output, partners)
            return loss, output

        generator = get_rng_state()
        loss, output = forward()
        value = loss.item()
        if not math.isfinite(value):
            set_rng_state(generator)
            self._nonfinite(f"the loss is {value}", first_nonfinite(self.model, images, forward))
        (loss if self.accumulate == 1 else loss * len(targets)).backward()
        if self.mixup is not None and share < 0.5:
            labels = partners  # the picture that is seen more clearly gives the label to be found
        self.metrics.add(value, _logits(output), labels)
        return len(targets)

    def _update(self, samples: int) -> None:
        """One step of the optimizer, and all that follows it."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.accumulate > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(1 / samples)
        if self.clip_value is not None:
            clip_grad_value_(parameters, self.clip_value)
        if self.clip_norm is not None:
            clip_grad_norm_(parameters, self.clip_norm)
        self.lr = self.optimizer.param_groups[0]["lr"]
        self.optimizer.step()
        self.step += 1
        if self.scheduler is not None and self.schedule_by == "step" and not self._watches:
            self.scheduler.step()
        if self.ema is not None:
            self.ema.update()
        for callback in self.callbacks:
            callback(self, "step")
        if self.logs is not None and self.step % EVERY == 0:
            self.logs.step(step=self.step, epoch=self.epoch, **self.metrics.compute(), lr=self.lr)

    def _end_epoch(
        self, loader: Iterable, validation_loader: Iterable | None, ctrl_c: CtrlC, bar: Progress, words: str
    ) -> None:
        """Validate, and write down what the epoch has come to."""
        row = {"epoch": self.epoch, **self.metrics.compute(), "lr": self.lr}
        started = time.perf_counter()
        if validation_loader is not None:
            generators = generator_states()

            def listen() -> None:
                if ctrl_c.pressed:
                    set_generator_states(generators)
                    self._interrupted(loader)

            bar.begin(f"{words}: validation", None)
            figures = self._evaluate(validation_loader, listen)
            row |= {f"validation_{key}": figures[key] for key in ("loss", "top1", "top5") if key in figures}
        row["seconds"] = self.seconds + time.perf_counter() - started
        self.history.append(row)
        if self.scheduler is not None:
            if self._watches:
                accuracy = self.scheduler.mode == "max"
                self.scheduler.step(_first(row, "validation_top1", "top1") if accuracy else _first(row, *LOSSES))
            elif self.schedule_by == "epoch":
                self.scheduler.step()
        for callback in self.callbacks:
            callback(self, "epoch")
        best = max(self.history, key=_score)  # the first of equals
        if self.early_stopping is not None and row["epoch"] - best["epoch"] >= self.early_stopping:
            self.stop(f"no epoch of the last {self.early_stopping} was better than epoch {best['epoch']}")
        self._batches, self._trained = 0, False
        bar.line(f"{words}  {describe(row)}")
        if self.folder is not None and self.logs is not None:
            if best is row:
                with self._averaged():
                    self.folder.save_best(self.model.state_dict())
            self.logs.epoch(self.history, self.step)
            self._save(loader)
            self._draw()
        if ctrl_c.pressed:
            self._interrupted(loader)

    @no_grad()
    def _evaluate(self, loader: Iterable, listen: Callable[[], None]) -> dict[str, Any]:
        metrics, training = Metrics(full=True), self.model.training
        with self._averaged():
            self.model.eval()
            try:
                for images, targets in loader:
                    targets = targets.to(self.device)
                    output = self.model(images.to(self.device))
                    metrics.add(self.criterion(output, targets), _logits(output), targets)
                    listen()
            finally:
                self.model.train(training)
        return metrics.compute()

    def _averaged(self) -> Any:
        """Within it the model has the weights that are validated."""
        return nullcontext() if self.ema is None else self.ema.applied()

    @property
    def _watches(self) -> bool:
        return isinstance(self.scheduler, ReduceLROnPlateau)

    # What is written

    def _state(self, loader: Any) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("model", "optimizer", "scheduler", "ema", "metrics")}
        state = {name: None if part is None else part.state_dict() for name, part in parts.items()}
        state |= {"history": self.history, "step": self.step, "stopped": self.stopped, "seconds": self.seconds}
        state |= {"batches": self._batches, "trained": self._trained, "lr": self.lr, "setup": self.setup}
        state["loader"] = loader.state_dict() if hasattr(loader, "state_dict") else None
        state["generators"] = generator_states()
        return state

    def _save(self, loader: Any) -> None:
        """Write the checkpoint, unless the weights are broken: then the last good one stays."""
        if self.folder is None:
            return
        broken = nonfinite_weight(self.model)
        if broken is not None:
            self._nonfinite(f"{broken!r} is not finite", "the loss was finite, its gradient was not")
        self.folder.save(self._state(loader))

    def _draw(self, force: bool = False) -> None:
        if self.folder is None or not self.history:
            return
        when, took = self._drawn
        now = time.perf_counter()
        if force or now - when > DRAW_EVERY * took:
            draw_curves(self.folder.path / "curves.png", self.history, self.name)
            self._drawn = (time.perf_counter(), time.perf_counter() - now)

    # What ends a training early

    def _interrupted(self, loader: Any) -> None:
        """Save, and raise what Ctrl-C means."""
        self._resumed = self._state(loader)  # so that calling fit once more goes on, too
        self._save(loader)
        where = f"stopped in epoch {self.epoch} after step {self.step:,}"
        if self.folder is None:
            raise TrainingInterrupted(f"{where}; there is no run_dir, so nothing was saved")
        raise TrainingInterrupted(
            f"{where}; all is saved in {self.folder.checkpoint}: resume() and fit go on from there"
        )

    def _nonfinite(self, what: str, why: str) -> None:
        kept = "" if self.folder is None else f"; the last good checkpoint is {self.folder.checkpoint}"
        raise NonFiniteLoss(f"fit: {what} at step {self.step + 1:,} (epoch {self.epoch}): {why}{kept}")

    def _compare(self, setup: dict[str, Any]) -> None:
        """Note what the loader adds to the setup; it must fit what was resumed."""
        if self._resumed is not None:
            different = difference(self._resumed["setup"], setup)
            if different:
                raise RuntimeError(f"fit: the checkpoint that was resumed was made with {different}")
        self.setup |= setup


LOSSES = ("validation_loss", "loss")


def _score(row: dict[str, Any]) -> float:
    """What makes an epoch better than another: the best has the greatest; NaN is the worst."""
    value = row["validation_top1"] if "validation_top1" in row else -_first(row, *LOSSES)
    return -math.inf if math.isnan(value) else value


def _first(row: dict[str, Any], *keys: str) -> float:
    return next(row[key] for key in keys if key in row)


def _logits(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None
