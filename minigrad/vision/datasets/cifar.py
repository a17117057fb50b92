"""CIFAR-10 and CIFAR-100: 32 by 32 colour images, from the binary version or the Python one."""

from __future__ import annotations

import lzma
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize.files import atomic_write, make_folder, read_bytes
from minigrad.vision.datasets.cifar_python import read_batch, read_names
from minigrad.vision.datasets.download import download
from minigrad.vision.datasets.files import MOST_BYTES, cache_folder
from minigrad.vision.datasets.vision import VisionDataset


class CIFAR10(VisionDataset):
    """Images of ten kinds of things: 50,000 for training, 10,000 for testing.

    The files are searched for in root/cifar-10-batches-bin, root/cifar-10-batches-py (torchvision's, whose pickles are
    read without running what they name) and in root, then likewise in the user's cache (~/.cache/minigrad); an archive,
    cifar-10-binary.tar.gz or cifar-10-python.tar.gz, in one of the two is unpacked.

    Args:
        root: the folder; None means the user's cache only.
        train: the training set, or the test set.
        transform, target_transform: functions of the image and of the class.
        download: fetch the binary archive into `root`, or into the cache, if the files are not found.

    Attributes:
        data: a uint8 NumPy array (N, 32, 32, 3), as in torchvision.
        targets: a list of ints.

    Raises:
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).

    Examples:
        >>> data = mg.vision.datasets.CIFAR10("data", download=True)  # doctest: +SKIP
        >>> data.data.shape  # doctest: +SKIP
        (50000, 32, 32, 3)
    """

    mirrors = ["https://www.cs.toronto.edu/~kriz/"]
    archive = "cifar-10-binary.tar.gz"
    sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    folder = "cifar-10-batches-bin"
    train_files = [f"data_batch_{n}.bin" for n in range(1, 6)]
    test_files = ["test_batch.bin"]
    names_file = "batches.meta.txt"
    label_bytes = 1  # before each picture; the last of them is the class
    python_archive = "cifar-10-python.tar.gz"
    python_folder = "cifar-10-batches-py"
    python_train_files = [f"data_batch_{n}" for n in range(1, 6)]
    python_test_files = ["test_batch"]
    python_names_file = "batches.meta"
    label_key, names_key = "labels", "label_names"

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
        folder, is_python = self._folder(download)
        if is_python:
            files = self.python_train_files if train else self.python_test_files
            batches = [read_batch(folder / name, self.label_key) for name in files]
            pixels = np.concatenate([data for data, _ in batches])
            self.targets: list[int] = [label for _, labels in batches for label in labels]
            self.classes = read_names(folder / self.python_names_file, self.names_key)
        else:
            records = np.concatenate([self._records(folder / name) for name in self._needed(False)[:-1]])
            pixels = records[:, self.label_bytes :]
            self.targets = records[:, self.label_bytes - 1].tolist()
            self.classes = (folder / self.names_file).read_text().split()
        self.data = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The class number of each name."""
        return {name: index for index, name in enumerate(self.classes)}

    def _records(self, path: Path) -> np.ndarray:
        """The file's rows: label bytes, then red, green and blue planes."""
        content = np.frombuffer(read_bytes(path), np.uint8)
        length = self.label_bytes + 3 * 32 * 32
        if content.size == 0 or content.size % length:
            raise RuntimeError(
                f"{path} is damaged: {content.size} bytes are not a multiple of {length}; delete it and get it again"
            )
        return content.reshape(-1, length)

    def _needed(self, is_python: bool) -> list[str]:
        """The files of this part of the set, and last the one with the classes' names."""
        if is_python:
            return [*(self.python_train_files if self.train else self.python_test_files), self.python_names_file]
        return [*(self.train_files if self.train else self.test_files), self.names_file]

    def _folder(self, may_download: bool) -> tuple[Path, bool]:
        """The folder that holds all needed files, and whether they are of the Python version."""
        bases = [cache_folder()] if self.root is None else [self.root, cache_folder()]
        for base in bases:
            for place, is_python in ((self.folder, False), (self.python_folder, True), ("", False), ("", True)):
                if all((base / place / name).is_file() for name in self._needed(is_python)):
                    return base / place, is_python
        for base in bases:
            for archive, is_python in ((self.archive, False), (self.python_archive, True)):
                if (base / archive).is_file():
                    return self._unpack(base / archive, is_python), is_python
        if not may_download:
            looked = ", ".join(f"{base / place}" for base in bases for place in (self.folder, self.python_folder, ""))
            raise RuntimeError(
                f"{type(self).__name__}: neither {self.train_files[0] if self.train else self.test_files[0]} (binary "
                f"version) nor {self._needed(True)[0]} (Python version) is in {looked}; pass download=True"
            )
        return self._unpack(download(self.archive, self.sha256, self.mirrors, bases[0]), False), False

    def _unpack(self, archive: Path, is_python: bool) -> Path:
        """Write the data set's files, and nothing else that an archive may hold, beside the archive."""
        folder = self.python_folder if is_python else self.folder
        names = (
            [*self.python_train_files, *self.python_test_files, self.python_names_file]
            if is_python
            else [*self.train_files, *self.test_files, self.names_file]
        )
        target = archive.parent / folder
        make_folder(target)
        try:
            with tarfile.open(archive) as tar:
                for name in names:
                    content = tar.extractfile(f"{folder}/{name}")
                    if content is None or not tar.getmember(f"{folder}/{name}").isreg():
                        raise KeyError(f"{name} is not a file")
                    if tar.getmember(f"{folder}/{name}").size > MOST_BYTES:
                        raise KeyError(f"{name} has more than {MOST_BYTES:,} bytes")
                    with atomic_write(target / name) as file:
                        file.write(content.read())
        except (tarfile.TarError, EOFError, KeyError, zlib.error, lzma.LZMAError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not gzip's or bzip2's
                raise
            words = str(error).partition("\n")[0].removesuffix(":")  # tarfile tells of every compression that it tried
            raise RuntimeError(f"{archive} is damaged ({words}); delete it and get it again") from None
        return target

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        return self._transformed(Image.fromarray(self.data[index]), self.targets[index])

    def __getbatch__(self, indices: list[int]) -> Any:
        if type(self).__getitem__ is not CIFAR10.__getitem__:  # a subclass makes its own items
            return NotImplemented
        return self._batch(self.data[indices], np.array([self.targets[i] for i in indices]))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """Images of a hundred kinds of things; otherwise as CIFAR10.

    The folders are cifar-100-binary and cifar-100-python.

    Args:
        root, train, transform, target_transform, download: as for CIFAR10.

    Raises:
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Examples:
        >>> data = mg.vision.datasets.CIFAR100("data", download=True)  # doctest: +SKIP
        >>> len(data.classes)  # doctest: +SKIP
        100
    """

    archive = "cifar-100-binary.tar.gz"
    sha256 = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    folder = "cifar-100-binary"
    train_files = ["train.bin"]
    test_files = ["test.bin"]
    names_file = "fine_label_names.txt"
    label_bytes = 2  # the coarse class, then the fine one
    python_archive = "cifar-100-python.tar.gz"
    python_folder = "cifar-100-python"
    python_train_files = ["train"]
    python_test_files = ["test"]
    python_names_file = "meta"
    label_key, names_key = "fine_labels", "fine_label_names"
