"""The measured program: train on Fashion-MNIST, an epoch for every line on stdin. `benchmarks.backend` chooses.

python -m benchmarks.training MODEL PEAK_RATE DATA EPOCHS SEED, started by `benchmarks.fashion_mnist`, which waits for a
line of JSON after each epoch. MODEL is one of `benchmarks.models`, DATA an .npz file of the pictures and labels.
"""

import json
import sys
import time

import numpy as np

from benchmarks import models
from benchmarks.backend import nn, torch
from benchmarks.timing import peak_memory

BATCH = 128


def main():
    name, peak_rate = sys.argv[1], float(sys.argv[2])
    data, epochs, seed = np.load(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    images, test_images = (
        (torch.from_numpy(data[part]).unsqueeze(1).float() / 255 - 0.286) / 0.353 for part in ("train", "test")
    )
    labels, test_labels = (torch.from_numpy(data[part]) for part in ("train_labels", "test_labels"))

    torch.manual_seed(seed)
    model = getattr(models, name)(1)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), peak_rate, momentum=0.9, weight_decay=5e-4)
    steps = -(-len(images) // BATCH)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_rate, total_steps=epochs * steps)
    for _ in sys.stdin:
        begin = time.perf_counter()
        model.train()
        total = 0.0
        order = torch.randperm(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            loss = criterion(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(chosen)
        seconds = time.perf_counter() - begin
        row = {
            "seconds": seconds,
            "loss": total / len(images),
            "test_accuracy": accuracy(model, test_images, test_labels),
        }
        print(json.dumps(row | {"peak memory": peak_memory()}), flush=True)


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        right = [
            (model(images[start : start + 1000]).argmax(1) == labels[start : start + 1000]).sum().item()
            for start in range(0, len(images), 1000)
        ]
    return sum(right) / len(images)


if __name__ == "__main__":
    main()
