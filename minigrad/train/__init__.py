"""Training a classifier: the loop, its metrics, and exact resumption."""

from minigrad.train.ema import EMA
from minigrad.train.interrupt import TrainingInterrupted
from minigrad.train.metrics import Metrics
from minigrad.train.mixup import mixup
from minigrad.train.nonfinite import NonFiniteLoss
from minigrad.train.trainer import Trainer

__all__ = ["EMA", "Metrics", "NonFiniteLoss", "Trainer", "TrainingInterrupted", "mixup"]
