"""Training a classifier: the loop, what is counted on the way, and going on exactly where it was stopped."""

from minigrad.train.ema import EMA
from minigrad.train.interrupt import TrainingInterrupted
from minigrad.train.metrics import Metrics
from minigrad.train.mixup import mixup
from minigrad.train.nonfinite import NonFiniteLoss
from minigrad.train.trainer import Trainer

__all__ = ["EMA", "Metrics", "NonFiniteLoss", "Trainer", "TrainingInterrupted", "mixup"]
