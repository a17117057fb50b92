"""The measured program: train a network, then use it. The library is chosen by `benchmarks.backend`.

python -m benchmarks.program MODEL BATCH CHANNELS SIZE LAYOUT SECONDS, started by `benchmarks.runner`, which also notes
when the line "first step" comes. Times are medians, in seconds, of the runs that fit into SECONDS.
"""

import json
import sys

from benchmarks import models
from benchmarks.backend import nn, torch
from benchmarks.timing import peak_memory, typical_time


def main():
    name, layout = sys.argv[1], sys.argv[5]
    batch, channels, size = (int(word) for word in sys.argv[2:5])
    seconds = float(sys.argv[6])

    torch.manual_seed(0)
    model = getattr(models, name)(channels)
    images = torch.randn(batch, channels, size, size)
    labels = torch.randint(0, 10, (batch,))
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    step()
    print("first step", flush=True)
    figures = {"training step": typical_time(step, seconds)}
    figures["peak memory"] = peak_memory()
    if not step().item() < 100:  # a diverged network would be measured on infinities
        raise SystemExit(f"{name}: the loss has diverged")

    model.eval()
    single = images[:1]
    with torch.inference_mode():
        figures["inference"] = typical_time(lambda: model(images), seconds / 2)
        figures["inference, batch 1"] = typical_time(lambda: model(single), seconds / 2)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
