"""Make the bundled sample of Fashion-MNIST: `python -m minigrad.vision.datasets.make_sample`.

It holds the first 600 training and the first 100 test pictures of each class, in their order in the full set,
which was shuffled when it was made: so the first are as good a sample as any, and everyone gets the same.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import numpy as np

from minigrad.serialize.files import atomic_write
from minigrad.vision.datasets.mnist import FashionMNIST

PER_CLASS = {"train": 600, "t10k": 100}


def first_of_each_class(targets: np.ndarray, count: int) -> np.ndarray:
    """The indices, ascending, of the first `count` members of each class."""
    return np.sort(np.concatenate([np.flatnonzero(targets == c)[:count] for c in np.unique(targets)]))


def write_idx(array: np.ndarray, path: Path) -> None:
    """Write a uint8 array as a gzipped IDX file whose bytes depend on the array only."""
    shape = np.array(array.shape, ">i4").tobytes()
    # no name and no time in the archive, so that making it again gives the same file
    with atomic_write(path) as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as archive:
        archive.write(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


def make_sample(root: str | None, folder: Path) -> None:
    """Write the four files of the sample into `folder`, from the full set found from `root`."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in PER_CLASS.items():
        full = FashionMNIST(root, train=split == "train")
        chosen = first_of_each_class(full.targets.array, count)
        write_idx(full.data.array[chosen], folder / f"{split}-images-idx3-ubyte.gz")
        write_idx(full.targets.array[chosen], folder / f"{split}-labels-idx1-ubyte.gz")
        print(f"{split}: {len(chosen)} of {len(full)} pictures")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the bundled sample of Fashion-MNIST from the full set.")
    parser.add_argument("--root", help="where the full set lies (default: the cache, then Debian's package)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "fashion_mnist_sample",
        help="where the sample goes",
    )
    arguments = parser.parse_args()
    make_sample(arguments.root, arguments.out)
