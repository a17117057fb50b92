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
from minigrad.device import device as as_device
from minigrad.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor
from minigrad.train.checkpoint import RunFolder, generator_states, kept, set_generator_states
from minigrad.train.curves import draw_curves
from minigrad.train.ema import EMA
from minigrad.train.history import best_row, describe, watched
from minigrad.train.interrupt import StopRequest, TrainingInterrupted
from minigrad.train.logs import EVERY, Logs
from minigrad.train.memory import out_of_memory
from minigrad.train.metrics import Metrics
from minigrad.train.nonfinite import NonFiniteLoss, nonfinite_weight
from minigrad.train.progress import Progress
from minigrad.train.setup import difference, loader_setup, setup_of
from minigrad.train.step import GraphedTrainingStep, TrainingStep, logits_of

# The picture of the curves is drawn again when this many times the time that drawing took has passed: 5 %.
DRAW_EVERY = 20
# The attributes that are numbers, strings, and lists of them, and that a checkpoint holds as they are.
PLAIN = ("setup", "history", "step", "stopped", "lr", "seconds", "_batches", "_trained")


class Trainer:
    """Train a model on batches (images, targets), validate it, and keep a run's files.

    Stopped by Ctrl-C, SIGTERM, a closed terminal, `kill -9` or a power cut, a run resumes with the same results, bit
    for bit: make model, optimizer, scheduler, loaders and Trainer as before, call `resume()`, then `fit`. That needs
    loaders that draw nothing random in their prefetching thread (see DataLoader).

    In `run_dir`: `checkpoint.pt`, `best.safetensors` (the weights of the best epoch), `history.csv` (a row per epoch),
    `log.jsonl` (a line every 50 steps and each epoch), `curves.png`. `fit` without `resume` starts over.

    Args:
        model: the model.
        optimizer: the optimizer of its parameters.
        criterion: `criterion(output, targets)` is the mean loss of a batch, cross-entropy by default. `output` is the
            model's, which may be a tuple in training (GoogLeNet's): the metrics take its first entry as logits.
        scheduler: a learning-rate schedule.
        schedule_by: call it after each "step" or each "epoch"; a ReduceLROnPlateau after each epoch with the
            validation loss, or top-1 if its mode is "max".
        augment: a function of a batch of images on the device, applied in training only.
        clip_norm, clip_value: bounds for the norm of all gradients together, and for each of their elements.
        accumulate: batches whose gradients make one step: the gradient of the mean over all their samples.
        mixup: train on blends of images, with shares drawn from Beta(mixup, mixup).
        ema: decay of a moving average of the weights, which is then what is validated and kept as the best.
        early_stopping: stop after this many epochs without a better one. Better is a higher validation top-1; where
            there is none a lower validation loss, or else a lower training loss.
        run_dir: the folder for the run's files; None keeps none.
        checkpoint_every: steps between checkpoints; there is one after each epoch in any case.
        callbacks: functions `callback(trainer, event)`, called with event "step" after each step, and "epoch" after
            each epoch, before its row `trainer.history[-1]` is logged: they may add to it.
        device: where to train; by default where the model is.
        cuda_graph: on a GPU, replay the step as one CUDA graph (see cuda.make_graphed_step), which a model must suit:
            Python does not run in it. A loss that is NaN or infinite then ends the training up to 50 steps later.
        progress: show a bar, and a line for each epoch.
        name: the run's name in its plots.
        classes: the classes' names, for programs that show the run's results.

    Attributes:
        history: a dict for each epoch, see `fit`.
        epoch: the number of the running epoch, from 1.
        step: the optimizer steps taken so far.
        setup: plain values that describe the run; `resume` compares them with the checkpoint's. More may be added
            before `resume` or `fit`: `trainer.setup["seed"] = 0`.

    Raises:
        ValueError: a number is out of its range, `schedule_by` is unknown, or `checkpoint_every` is given without a
            `run_dir`.

    Examples:
        >>> from minigrad.train import Trainer
        >>> x = mg.randn(64, 2)
        >>> loader = mg.data.DataLoader(mg.data.TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16, shuffle=True)
        >>> model = nn.Linear(2, 2)
        >>> trainer = Trainer(model, mg.optim.SGD(model.parameters(), lr=1.0), progress=False)
        >>> history = trainer.fit(loader, epochs=5)
        >>> trainer.evaluate(loader)["top1"] > 0.9
        True
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
        cuda_graph: bool = False,
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
        self.device = next((p.device for p in model.parameters()), "cpu") if device is None else device
        self.optimizer = optimizer
        self.criterion = nn.CrossEntropyLoss() if criterion is None else criterion
        kind = GraphedTrainingStep if cuda_graph and as_device(self.device).type == "cuda" else TrainingStep
        self.training_step = kind(model, optimizer, self.criterion, augment, mixup, accumulate, clip_norm, clip_value)
        self.scheduler = scheduler
        self.schedule_by = "epoch" if isinstance(scheduler, ReduceLROnPlateau) else schedule_by
        self.ema = None if ema is None else EMA(model, ema)
        self.early_stopping = early_stopping
        self.folder = None if run_dir is None else RunFolder(run_dir)
        self.logs = None if run_dir is None else Logs(run_dir)
        self.checkpoint_every = checkpoint_every
        self.callbacks = tuple(callbacks)
        self.progress = progress
        self.name = name
        self.classes = classes
        self.setup = setup_of(
            model,
            optimizer,
            self.criterion,
            scheduler,
            schedule_by=self.schedule_by,
            mixup=mixup,
            accumulate=accumulate,
            clip_norm=clip_norm,
            clip_value=clip_value,
            ema=ema,
        )

        self.history: list[dict[str, Any]] = []
        self.step = 0
        self.stopped = ""  # why no further epoch is wanted
        self.lr: float = optimizer.param_groups[0]["lr"]  # at the last step
        # Of this epoch: its metrics, how long and on how many batches it has trained, whether only validation is due.
        self.metrics = Metrics()
        self.seconds = 0.0
        self._batches = 0
        self._trained = False
        self._resumed: dict[str, Any] | None = None  # the checkpoint that the next fit goes on from
        self._drawn = (-math.inf, 0.0)  # when the curves were drawn last, and how long it took

    @property
    def epoch(self) -> int:
        """The number of the epoch that runs, or that the next `fit` begins with; the first is 1."""
        return len(self.history) + 1

    def stop(self, reason: str) -> None:
        """End the training after this epoch; a callback calls it.

        Args:
            reason: the text that is shown.
        """
        self.stopped = reason

    def fit(
        self, train_loader: Iterable[Any], validation_loader: Iterable[Any] | None = None, epochs: int = 1
    ) -> list[dict[str, Any]]:
        """Train until `epochs` epochs are done, those before a `resume` (or of an earlier call) included.

        The model is left with the last weights, in evaluation mode.

        Args:
            train_loader: an iterable of batches (images, targets).
            validation_loader: another one, evaluated after each epoch, or None.
            epochs: the number of epochs.

        Returns:
            The history, a dict for each epoch: "epoch" (1, 2, ...), "loss", "top1" (of the training batches, when they
                were trained on), "lr" (of the first group at the last step), "seconds", and with a validation set
                "validation_loss", "validation_top1", "validation_top5"; see `Metrics`.

        Raises:
            ValueError: `epochs` is not a positive int.
            RuntimeError: an earlier `fit` ended with an error: make the Trainer anew, and `resume`; or another process
                trains in `run_dir`.
            NonFiniteLoss: a loss is NaN or infinite; raised before the step.
            MemoryError: a step finds no memory; the message says what it needs. What it had made is freed.
            OSError: a checkpoint or the best weights cannot be written; the message says which checkpoint is whole.
                Logs and curves that cannot be written are a warning.
            TrainingInterrupted: Ctrl-C was pressed, or SIGTERM or SIGHUP came; all is saved.
        """
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"fit: epochs must be a whole number of at least 1, got {epochs!r}")
        held = nullcontext() if self.folder is None else self.folder.held()
        with StopRequest() as stop, Progress(self.progress) as bar, held:
            self._begin(train_loader)
            while len(self.history) < epochs and not self.stopped:
                words = f"epoch {self.epoch:{len(str(epochs))}}/{epochs}"
                if not self._trained:
                    bar.begin(words, train_loader, self._batches)
                    self._train_epoch(train_loader, stop, bar)
                row = {"epoch": self.epoch, **self.metrics.compute(), "lr": self.lr}
                if validation_loader is not None:
                    bar.begin(f"{words} validation", validation_loader)
                    row |= self._validate(train_loader, validation_loader, stop, bar)
                self._end_epoch({**row, "seconds": self.seconds}, train_loader)
                bar.line(f"{words}  {describe(self.history[-1])}")
                if stop.signal is not None:
                    self._interrupted(train_loader, stop.signal)
            if self.stopped:
                bar.line(f"stopped: {self.stopped}")
        self.model.eval()
        self._draw(now=True)
        return self.history

    @no_grad()
    def evaluate(self, loader: Iterable[Any]) -> dict[str, Any]:
        """Compute the metrics of the model (or of the average of its weights) on a whole data set.

        Args:
            loader: an iterable of batches (images, targets).

        Returns:
            "samples", "loss", "top1", "top5", "per_class" (C,) and "confusion" (C, C): see `Metrics.compute`.
        """
        metrics, training = Metrics(full=True), self.model.training
        with self._averaged():
            self.model.eval()
            try:
                for images, targets in loader:
                    targets = targets.to(self.device)
                    output = self.model(images.to(self.device))
                    metrics.add(self.criterion(output, targets), logits_of(output), targets)
            finally:
                self.model.train(training)
        return metrics.compute()

    def resume(self) -> None:
        """Load the checkpoint in `run_dir`, so that the next `fit` continues exactly from there.

        Raises:
            RuntimeError: the checkpoint was made with another setup, there is no `run_dir`, or another process trains
                in it.
            FileNotFoundError: there is no checkpoint.
        """
        if self.folder is None or self.logs is None:
            raise RuntimeError("resume: Trainer has no run_dir to resume from")
        state = self.folder.load(self.setup)
        self.model.load_state_dict(state["model"])
        for name in ("optimizer", "scheduler", "ema"):
            part = getattr(self, name)
            if part is not None:
                part.load_state_dict(state[name])
        self.metrics.load_state_dict(state["metrics"])
        for name in PLAIN:
            setattr(self, name, state[name])
        self._resumed = state

    # The loop

    def _begin(self, loader: Any) -> None:
        """Make the folder and the loader ready for a new run, or for the rest of one."""
        if self._batches and self._resumed is None:
            raise RuntimeError(
                f"fit: an error broke off epoch {self.epoch}; go back to the last checkpoint by resume()"
            )
        fresh = self._resumed is None and self.step == 0
        batches = loader_setup(loader)
        if self._resumed is not None and (different := difference(self.setup, batches)):
            raise RuntimeError(f"fit: the checkpoint that is resumed was made with {different}")
        self.setup |= batches
        if self.folder is not None and self.logs is not None and (fresh or self._resumed is not None):
            self.folder.open(fresh)
            with self.folder.spared("log.jsonl and history.csv"):
                self.logs.rewind(self.history, self.step)
        if self._resumed is not None:
            if hasattr(loader, "load_state_dict"):
                loader.load_state_dict(self._resumed["loader"])
            set_generator_states(self._resumed["generators"])
        elif fresh:
            self._save(loader)

    def _train_epoch(self, loader: Iterable[Any], stop: StopRequest, bar: Progress) -> None:
        if self._batches == 0:
            self.metrics, self.seconds = Metrics(), 0.0
        before, samples_before, started = self.seconds, self.metrics.samples, time.perf_counter()
        self.training_step.waiting = 0
        self.model.train()
        for images, targets in self._rest(loader):
            self._backward(images.to(self.device), targets.to(self.device))
            self._batches += 1
            if self._batches % self.training_step.accumulate == 0:
                self._update()
                self.seconds = before + time.perf_counter() - started
                if bar.due():
                    speed = (self.metrics.samples - samples_before) / (self.seconds - before)
                    bar.update(self._batches, f"{describe(self.metrics.compute())}  {speed:,.0f} images/s")
                if stop.signal is not None:
                    self._interrupted(loader, stop.signal)
                if self.checkpoint_every is not None and self.step % self.checkpoint_every == 0:
                    self._save(loader)
        if self._batches == 0:
            raise ValueError("fit: the training loader gave no batch")
        if self.training_step.waiting:
            self._update()
        self._check_weights()
        self.seconds = before + time.perf_counter() - started
        self._trained = True

    def _rest(self, loader: Iterable[Any]) -> Iterator[Any]:
        """The epoch's batches that are due: a DataLoader knows them, of anything else those seen are skipped."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not hasattr(loader, "load_state_dict"):
            return islice(loader, self._batches, None)
        return iter(loader)

    def _backward(self, images: Tensor, targets: Tensor) -> None:
        where = f"fit: in step {self.step + 1:,} (epoch {self.epoch})"
        try:
            self.metrics.add(*self.training_step.backward(images, targets))
            return
        except NonFiniteLoss as error:
            raise NonFiniteLoss(f"{where} {error}{kept(self.folder)}") from None
        except MemoryError as error:
            why = str(error)
        # Here, where the error is gone and with it all that the step had made: the program may go on.
        self.optimizer.zero_grad()
        words = out_of_memory(why, self.model, self.optimizer, images.shape)
        raise MemoryError(f"{where} {words}{kept(self.folder)}")

    def _update(self) -> None:
        """Move the weights, and do all that follows it."""
        self.lr = self.optimizer.param_groups[0]["lr"]
        self.training_step.update()
        self.step += 1
        if self.scheduler is not None and self.schedule_by == "step":
            self.scheduler.step()
        if self.ema is not None:
            self.ema.update()
        for callback in self.callbacks:
            callback(self, "step")
        if self.folder is not None and self.logs is not None and self.step % EVERY == 0:
            figures = self.metrics.compute()
            with self.folder.spared("log.jsonl"):
                self.logs.step(step=self.step, epoch=self.epoch, **figures, lr=self.lr)

    def _validate(
        self, train_loader: Iterable[Any], loader: Iterable[Any], stop: StopRequest, bar: Progress
    ) -> dict[str, Any]:
        """The validation's part of the epoch's row."""
        generators, started = generator_states(), time.perf_counter()

        def watch() -> Iterator[Any]:
            for batches, batch in enumerate(loader):
                if stop.signal is not None:
                    return
                if bar.due():
                    bar.update(batches, "")
                yield batch

        figures = self.evaluate(watch())
        if stop.signal is not None:
            set_generator_states(generators)  # a resumed run validates from the start
            self._interrupted(train_loader, stop.signal)
        self.seconds += time.perf_counter() - started
        return {f"validation_{key}": figures[key] for key in ("loss", "top1", "top5") if key in figures}

    def _end_epoch(self, row: dict[str, Any], loader: Iterable[Any]) -> None:
        """Draw the conclusions from the epoch's row, and write down what it has come to."""
        self.history.append(row)
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(watched(row, self.scheduler.mode))
        elif self.scheduler is not None and self.schedule_by == "epoch":
            self.scheduler.step()
        for callback in self.callbacks:
            callback(self, "epoch")
        best = best_row(self.history)
        if self.early_stopping is not None and row["epoch"] - best["epoch"] >= self.early_stopping:
            self.stop(f"no epoch of the last {self.early_stopping} was better than epoch {best['epoch']}")
        self._batches, self._trained = 0, False
        if self.folder is not None and self.logs is not None:
            with self.folder.spared("log.jsonl and history.csv"):
                self.logs.epoch(self.history, self.step)
            if best is row:
                with self._averaged():
                    self.folder.save_best(self.model.state_dict(), self.step)
            self._save(loader)
            self._draw()

    def _averaged(self) -> Any:
        """Within it the model has the weights that are validated and kept."""
        return nullcontext() if self.ema is None else self.ema.applied()

    # What is written

    def _state(self, loader: Any) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("model", "optimizer", "scheduler", "ema", "metrics")}
        state = {name: None if part is None else part.state_dict() for name, part in parts.items()}
        state |= {name: getattr(self, name) for name in PLAIN}
        state["loader"] = loader.state_dict() if hasattr(loader, "state_dict") else None
        return {**state, "generators": generator_states()}

    def _save(self, loader: Any) -> None:
        """Write the checkpoint, if the weights are good."""
        if self.folder is not None:
            self._check_weights()
            self.folder.save(self._state(loader))

    def _check_weights(self) -> None:
        """Stop where a weight is NaN or infinite, though no loss has been: the gradient was."""
        broken = nonfinite_weight(self.model)
        if broken is not None:
            raise NonFiniteLoss(f"fit: after step {self.step:,} (epoch {self.epoch}) {broken}{kept(self.folder)}")

    def _draw(self, now: bool = False) -> None:
        """Draw the curves, if that was not done lately."""
        if self.folder is None or not self.history:
            return
        started, (when, took) = time.perf_counter(), self._drawn
        if now or started - when > DRAW_EVERY * took:
            with self.folder.spared("curves.png"):
                draw_curves(self.folder.path / "curves.png", self.history, self.name)
            self._drawn = (started, time.perf_counter() - started)

    def _interrupted(self, loader: Any, signal: int) -> None:
        """Save, and raise what the signal means."""
        self._save(loader)
        self._resumed = self._state(loader)  # so that `fit` goes on also in this process
        where = f"stopped in epoch {self.epoch} after step {self.step:,}"
        if self.folder is None:
            raise TrainingInterrupted(f"{where}; without a run_dir nothing is saved", signal)
        raise TrainingInterrupted(
            f"{where}; all is saved in {self.folder.checkpoint}: resume() and fit() go on there", signal
        )
