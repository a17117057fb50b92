"""A run that is stopped and resumed from a checkpoint, best weights kept, whole model saved."""

import copy
import os
import shutil
import sys
import tempfile

import torch
import torch.nn as nn
from numbers_ import fill, images
from torch.optim import lr_scheduler

folder = tempfile.mkdtemp()


def make():
    model = nn.DataParallel(
        fill(nn.Sequential(nn.Conv2d(1, 4, 5), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)))
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    return model, optimizer, lr_scheduler.MultiStepLR(optimizer, milestones=[2, 3, 3], gamma=0.1)


def save_checkpoint(state, is_best, filename="checkpoint.pth.tar"):
    torch.save(state, os.path.join(folder, filename))
    if is_best:
        shutil.copyfile(os.path.join(folder, filename), os.path.join(folder, "model_best.pth.tar"))


model, optimizer, scheduler = make()
x, y = images(32)
criterion = nn.CrossEntropyLoss()
best = float("inf")


def epochs(first, last):
    global best
    for epoch in range(first, last):
        model.train()
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        print(epoch, scheduler.get_last_lr()[0], loss.item())
        save_checkpoint(
            {
                "epoch": epoch + 1,
                "state_dict": model.state_dict(),
                "best": best,
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
            },
            loss.item() < best,
        )
        best = min(best, loss.item())


epochs(0, 3)
model, optimizer, scheduler = make()
checkpoint = torch.load(os.path.join(folder, "model_best.pth.tar"), map_location=lambda storage, loc: storage)
model.load_state_dict(checkpoint["state_dict"])
optimizer.load_state_dict(checkpoint["optimizer"])
scheduler.load_state_dict(checkpoint["scheduler"])
epochs(checkpoint["epoch"], 5)
print(sorted(model.state_dict())[0], dict(scheduler.milestones))
weights = copy.deepcopy(model.module.state_dict())
torch.save(model.module, os.path.join(folder, "whole.pt"))
whole = torch.load(os.path.join(folder, "whole.pt"), weights_only=False)
whole.eval()
print(whole(x).sum().item(), all(torch.equal(weights[k], v) for k, v in whole.state_dict().items()))
shutil.rmtree(folder)
sys.exit(0 if best < 2 else 1)
