"""A training that takes no time, for the tests of Trainer."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.optim import SGD
from minigrad.train import Trainer


def problem(samples=60, batch_size=10, **options):
    """A linear classifier, its optimizer, and a loader that shuffles."""
    mg.manual_seed(3)
    data = TensorDataset(mg.randn(samples, 5), mg.randint(0, 3, (samples,)))
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    return model, SGD(model.parameters(), 0.1, momentum=0.9), DataLoader(data, batch_size, shuffle=True, **options)


def weights(model) -> np.ndarray:
    return nn.utils.parameters_to_vector(model.parameters()).detach().numpy().copy()


def quiet(*arguments, **options) -> Trainer:
    return Trainer(*arguments, progress=False, **options)
