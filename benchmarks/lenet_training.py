"""The measured program: LeNet-5 on Fashion-MNIST, an epoch for every line on stdin. `benchmarks.backend` chooses.

python -m benchmarks.lenet_training DATA EPOCHS SEED, started by `benchmarks.fashion_mnist`, which waits for a line of
JSON after each epoch. DATA is an .npz file of the pictures and labels.
"""

import json
import sys
import time

import numpy as np

from benchmarks.backend import nn, torch
from benchmarks.models import lenet5
from benchmarks.timing import peak_memory

BATCH = 128


def main():
    epochs, seed = int(sys.argv[2]), int(sys.argv[3])
    data = np.load(sys.argv[1])
    images, test_images = (
        (torch.from_numpy(data[name]).unsqueeze(1).float() / 255 - 0.286) / 0.353 for name in ("train", "test")
    )
    labels, test_labels = (torch.from_numpy(data[name]) for name in ("train_labels", "test_labels"))

    torch.manual_seed(seed)
    model = lenet5(1)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    steps = -(-len(images) // BATCH)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs * steps)
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
