"""The program of `benchmarks.exactness`: the gradients of one step. The library is chosen by `benchmarks.backend`.

python -m benchmarks.gradients MODEL BATCH CHANNELS SIZE SEED DTYPE WEIGHTS GRADIENTS: the network's first parameters
are those in the file WEIGHTS, which is written where there is none; GRADIENTS is the file of the results.
"""

import sys
from pathlib import Path

import numpy as np

from benchmarks import models
from benchmarks.backend import nn, torch


def main():
    name, dtype, weights, gradients = sys.argv[1], sys.argv[6], Path(sys.argv[7]), sys.argv[8]
    batch, channels, size, seed = (int(word) for word in sys.argv[2:6])
    torch.manual_seed(seed)
    model = getattr(models, name)(channels)
    if not weights.exists():
        np.savez(weights, **{key: value.numpy() for key, value in model.state_dict().items()})
    with np.load(weights) as stored:
        model.load_state_dict({key: torch.from_numpy(np.asarray(stored[key])) for key in stored.files})
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the libraries draw different masks

    rng = np.random.default_rng(seed)
    images = rng.standard_normal((batch, channels, size, size), np.float32)
    labels = rng.integers(0, 10, batch)
    kind = getattr(torch, dtype)
    model = model.to(kind)
    loss = nn.functional.cross_entropy(model(torch.from_numpy(images).to(kind)), torch.from_numpy(labels))
    loss.backward()
    found = {key: parameter.grad.numpy() for key, parameter in model.named_parameters()}
    np.savez(gradients, loss=loss.detach().numpy(), **found)
    print("{}")


if __name__ == "__main__":
    main()
