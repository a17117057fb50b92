"""Weights and data that do not depend on the engine; imported by the programs beside it."""

import numpy as np
import torch

rng = np.random.RandomState(0)


def array(*shape):
    return rng.standard_normal(shape).astype("float32")


def images(count, channels=1, size=12):
    labels = rng.randint(0, 4, count)
    pictures = array(count, channels, size, size) * 0.3 + labels[:, None, None, None] * 0.2
    return torch.from_numpy(pictures.astype("float32")), torch.from_numpy(labels)


def fill(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(array(*parameter.shape) * 0.1))
    return model
