"""Loss and accuracy over batches."""

from __future__ import annotations

from typing import Any

from minigrad.autograd import no_grad
from minigrad.ops.creation import zeros
from minigrad.ops.creation_like import ones_like
from minigrad.tensor import Tensor


class Metrics:
    """Mean loss and accuracy over batches.

    `top1` is the share of samples whose label has the largest logit, `top5` of those whose label is among the five
    largest; the papers' top-1 error is 1 - top1. Counts stay on the device until `compute`, so that a GPU is not
    waited for. Where the targets are not one integer label for each row of logits, only the loss is computed.

    Args:
        full: compute top-5, and how often each class is taken for each, too.

    Examples:
        >>> from minigrad.train import Metrics
        >>> metrics = Metrics()
        >>> metrics.add(0.5, mg.tensor([[2.0, 1.0], [0.0, 3.0]]), mg.tensor([0, 0]))
        >>> metrics.compute()
        {'loss': 0.5, 'top1': 0.5}
    """

    def __init__(self, full: bool = False):
        self.full = full
        self.samples = 0
        self._loss: Any = 0.0
        self._right: Any = None
        self._right5: Any = 0
        self._confusion: Tensor | None = None

    @no_grad()
    def add(self, loss: float | Tensor, logits: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            loss: its mean loss.
            logits: (N, C).
            targets: labels (N,).
        """
        size = len(targets)
        self.samples += size
        self._loss = self._loss + (loss.detach().double() if isinstance(loss, Tensor) else loss) * size
        if logits.ndim != 2 or targets.ndim != 1 or targets.is_floating_point():
            return
        predicted = logits.argmax(dim=1)
        self._right = (predicted == targets).sum() + (0 if self._right is None else self._right)
        if not self.full:
            return
        classes = logits.shape[1]
        likeliest = logits.topk(min(5, classes), dim=1).indices
        self._right5 = self._right5 + (likeliest == targets.unsqueeze(1)).sum()
        if self._confusion is None:
            self._confusion = zeros(classes * classes, dtype=predicted.dtype, device=logits.device)
        places = targets.long() * classes + predicted
        self._confusion = self._confusion.scatter_add(0, places, ones_like(places))

    def compute(self) -> dict[str, Any]:
        """Return the figures so far.

        "loss", "top1" (floats, NaN before the first batch); with `full` also "samples", "top5", "confusion" (C, C), an
        int64 tensor whose entry (i, j) counts the samples of class i taken for class j, and "per_class" (C,), the
        share of each class that is classified right (NaN for a class without samples).
        """
        figures: dict[str, Any] = {"samples": self.samples} if self.full else {}
        figures["loss"] = self._share(self._loss)
        if self._right is None:
            return figures
        figures["top1"] = self._share(self._right)
        if self._confusion is not None:
            classes = round(self._confusion.numel() ** 0.5)
            confusion = self._confusion.cpu().reshape(classes, classes)
            figures["top5"] = self._share(self._right5)
            figures["per_class"] = confusion[range(classes), range(classes)] / confusion.sum(dim=1)
            figures["confusion"] = confusion
        return figures

    def _share(self, total: Any) -> float:
        return float(total) / self.samples if self.samples else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Return the counts, to resume later (with `full`, an evaluation starts over)."""
        right = None if self._right is None else int(self._right)
        return {"samples": self.samples, "loss": float(self._loss), "right": right}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the counts of `state_dict`."""
        self.samples, self._loss, self._right = (state_dict[key] for key in ("samples", "loss", "right"))
