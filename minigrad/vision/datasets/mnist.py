"""MNIST, and Fashion-MNIST, which has its format: 28 by 28 grey images in ten classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.tensor import Tensor, from_array
from minigrad.vision.datasets.download import download
from minigrad.vision.datasets.files import cache_folder, find, read_idx
from minigrad.vision.datasets.vision import VisionDataset


class MNIST(VisionDataset):
    """Handwritten digits: 60,000 for training, 10,000 for testing.

    The files are searched for in `root` (root/MNIST/raw as torchvision has it, root/MNIST, or root itself; unpacked or
    .gz), then in the user's cache (~/.cache/minigrad).

    Args:
        root: the folder; None means the user's cache only.
        train: the training set, or the test set.
        transform, target_transform: functions of the image and of the class.
        download: fetch missing files from the mirrors into root/MNIST/raw, or into the cache.

    Attributes:
        data: a uint8 tensor (N, 28, 28).
        targets: an int64 tensor (N,).

    Raises:
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (1998).

    Examples:
        >>> data = mg.vision.datasets.MNIST("data", download=True)  # doctest: +SKIP
        >>> data.data.shape  # doctest: +SKIP
        (60000, 28, 28)
        >>> mg.vision.datasets.MNIST.classes[:3]
        ['0 - zero', '1 - one', '2 - two']
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    # name and SHA-256 of the archives as the mirrors serve them
    resources = [
        ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ]
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip
    system_folders: tuple[Path, ...] = ()  # where operating systems' packages put the files
    advice = "pass download=True"
    label_dimensions = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ):
        super().__init__(root, transform, target_transform)
        self.train = train
        files = self._files(download)
        images, labels = read_idx(files[0]), self._labels(files[1])
        if images.ndim != 3 or labels.shape[:1] != images.shape[:1] or labels.ndim != self.label_dimensions:
            raise RuntimeError(
                f"{type(self).__name__}: images of shape {images.shape} and labels of shape {labels.shape} "
                "do not fit; expected (N, H, W) and (N,)"
            )
        self.data = from_array(images)
        self.targets = from_array(labels.astype(np.int64))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The class number of each name."""
        return {name: index for index, name in enumerate(self.classes)}

    @property
    def train_data(self) -> Tensor:
        """`data`, as it was called until 2018."""
        return self._renamed("train_data", "data")

    @property
    def test_data(self) -> Tensor:
        """`data`, as it was called until 2018."""
        return self._renamed("test_data", "data")

    @property
    def train_labels(self) -> Tensor:
        """`targets`, as they were called until 2018."""
        return self._renamed("train_labels", "targets")

    @property
    def test_labels(self) -> Tensor:
        """`targets`, as they were called until 2018."""
        return self._renamed("test_labels", "targets")

    def _renamed(self, old: str, new: str) -> Tensor:
        warnings.warn(f"{old} has been renamed {new}", UserWarning, stacklevel=3)
        value: Tensor = getattr(self, new)
        return value

    def _archives(self) -> list[tuple[str, str]]:
        """The archives of images and labels, and their checksums."""
        return self.resources[:2] if self.train else self.resources[2:]

    def _labels(self, path: Path) -> np.ndarray:
        return read_idx(path)

    def _download(self, archive: str, checksum: str, folder: Path) -> Path:
        return download(archive, checksum, self.mirrors, folder)

    def _files(self, may_download: bool) -> list[Path]:
        """The paths of images and labels."""
        name = type(self).__name__
        cached = cache_folder() / name / "raw"
        folders = [cached, *self.system_folders]
        if self.root is not None:
            folders = [self.root / name / "raw", self.root / name, self.root, *folders]
        paths = []
        for archive, checksum in self._archives():
            path = find(archive.removesuffix(".gz").removesuffix(".xz"), folders)
            if path is None and not may_download:
                looked = ", ".join(map(str, folders))
                raise RuntimeError(f"{name}: {archive} (or unpacked) is not in {looked}; {self.advice}")
            paths.append(path or self._download(archive, checksum, folders[0]))
        return paths

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        return self._transformed(Image.fromarray(self.data.array[index]), int(self.targets.array[index]))

    def __getbatch__(self, indices: list[int]) -> Any:
        if type(self).__getitem__ is not MNIST.__getitem__:  # a subclass makes its own items
            return NotImplemented
        return self._batch(self.data.array[indices][..., None], self.targets.array[indices])

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Images of clothes in ten classes: 60,000 for training, 10,000 for testing.

    Searched for and downloaded as MNIST is (with FashionMNIST for MNIST in the folders' names), and found too where
    Debian's package dataset-fashion-mnist puts it.

    Args:
        root, train, transform, target_transform, download: as for MNIST.

    Raises:
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST" (2017), arXiv:1708.07747.

    Examples:
        >>> data = mg.vision.datasets.FashionMNIST("data", download=True)  # doctest: +SKIP
        >>> mg.vision.datasets.FashionMNIST.classes[-1]
        'Ankle boot'
    """

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
    system_folders = (Path("/usr/share/datasets/fashion-mnist"),)
    advice = "pass download=True, apt-get install dataset-fashion-mnist, or take the bundled FashionMNISTSample"


class FashionMNISTSample(FashionMNIST):
    """A tenth of Fashion-MNIST, included in minigrad: 600 training and 100 test images of each class.

    Args:
        train: the training set, or the test set.
        transform, target_transform: functions of the image and of the class.

    Raises:
        RuntimeError: the files of the package are damaged.

    Examples:
        >>> data = mg.vision.datasets.FashionMNISTSample(train=False)
        >>> image, label = data[0]
        >>> len(data), image.size, data.classes[label]
        (1000, (28, 28), 'Ankle boot')
    """

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        super().__init__(Path(__file__).parent / "fashion_mnist_sample", train, transform, target_transform)
