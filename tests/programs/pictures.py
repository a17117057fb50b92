"""torchvision's parts: transforms on Pillow images, a grid of pictures, a file written and read."""

import os
import tempfile

import numpy as np
import torch
import torchvision
import torchvision.transforms as transforms
from numbers_ import images
from PIL import Image
from torchvision.io import read_image
from torchvision.utils import make_grid, save_image

rng = np.random.RandomState(1)
photo = Image.fromarray(rng.randint(0, 256, (20, 30, 3), dtype=np.uint8))
mask = Image.fromarray(rng.randint(0, 4, (20, 30), dtype=np.uint8), mode="L").convert("P")
transform = transforms.Compose(
    [
        transforms.Resize((10, 15)),
        transforms.CenterCrop(8),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ]
)
x = transform(photo)
print(x.shape[0], x.sum().item(), sorted(set(np.unique(np.asarray(transforms.Resize(9)(mask)))) - {0, 1, 2, 3}))
pictures, _ = images(5)
for options in (
    {},
    {"nrow": 2, "padding": 1},
    {"normalize": True, "scale_each": True},
    {"normalize": True, "value_range": (-1, 1)},
):
    grid = make_grid(pictures, pad_value=0.5, **options)
    print(grid.shape[1], grid.shape[2], grid.sum().item())
path = os.path.join(tempfile.mkdtemp(), "grid.png")
save_image(pictures.clamp(0, 1), path, nrow=3)
print(read_image(path).sum().item(), torchvision.__version__ > "0.2")
