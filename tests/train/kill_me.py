"""A small training that is killed again and again: `python kill_me.py RUN_DIR`. It resumes what it finds.

Everything that must survive takes part: momentum, a schedule by step, dropout, running statistics, the moving
average, mixup, accumulated gradients with a last group that is smaller, a random augmentation.
"""

import sys
import time
from pathlib import Path

import minigrad as mg
from minigrad import nn
from minigrad.data import DataLoader, TensorDataset
from minigrad.data.worker import seed_everything
from minigrad.optim import SGD
from minigrad.optim.lr_scheduler import OneCycleLR
from minigrad.train import Trainer


def make(run_dir, callbacks=(), **options):
    """Trainer, training loader and validation loader, the same ones every time."""
    seed_everything(7)
    pictures, labels = mg.randn(150, 1, 6, 6), mg.randint(0, 4, (150,))
    loader = DataLoader(TensorDataset(pictures[:110], labels[:110]), batch_size=10, shuffle=True)
    validation = DataLoader(TensorDataset(pictures[110:], labels[110:]), batch_size=20)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 4)
    )
    optimizer = SGD(model.parameters(), 0.05, momentum=0.9)
    scheduler = OneCycleLR(optimizer, 0.05, total_steps=4 * 6)
    options = {"ema": 0.9, "mixup": 0.4, "accumulate": 2, "checkpoint_every": 2, "clip_norm": 1.0} | options
    trainer = Trainer(
        model, optimizer, scheduler=scheduler, augment=jitter, run_dir=run_dir, callbacks=callbacks, progress=False,
        **options,
    )  # fmt: skip
    return trainer, loader, validation


def jitter(images):
    return images + 0.1 * mg.randn(*images.shape)


if __name__ == "__main__":
    run_dir = Path(sys.argv[1])
    trainer, loader, validation = make(run_dir, [lambda trainer, event: time.sleep(0.01)])
    if (run_dir / "checkpoint.pt").exists():
        trainer.resume()
    print("started", flush=True)
    trainer.fit(loader, validation, epochs=4)
