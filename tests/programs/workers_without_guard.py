"""Workers in a script without a guard; the data set, its transform and collate_fn stand in the script."""

import torch
from numbers_ import fill, images
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset, random_split
from torch.utils.data.sampler import SubsetRandomSampler

pictures, labels = images(24)


class Pictures(Dataset):
    def __init__(self, transform=None):
        self.transform = transform

    def __len__(self):
        return len(pictures)

    def __getitem__(self, idx):
        sample = {"image": pictures[idx], "label": labels[idx], "name": "%03d" % idx}
        if self.transform:
            sample["image"] = self.transform(sample["image"])
        return sample


dataset = Pictures(transform=lambda x: nn.functional.relu(x) * 2.0)
loader = DataLoader(dataset, batch_size=6, num_workers=2, pin_memory=False)
model = fill(nn.Sequential(nn.Flatten(), nn.Linear(144, 16), nn.Tanh(), nn.Linear(16, 4)))
optimizer = optim.RMSprop(model.parameters(), lr=1e-3)
for epoch in range(2):
    running = 0.0
    for i, batch in enumerate(loader):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch["image"]), batch["label"])
        loss.backward()
        optimizer.step()
        running += loss.item() * len(batch["name"])
    print(f"{epoch} {running / len(dataset):.6f} {batch['name'][-1]}")
pairs = DataLoader(
    dataset, 4, sampler=SubsetRandomSampler([1, 2]), num_workers=1, collate_fn=lambda b: [s["name"] for s in b]
)
print(sorted(next(iter(pairs))), [len(part) for part in random_split(dataset, [20, 4])])
