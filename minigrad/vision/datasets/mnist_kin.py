"""Data sets in MNIST's format: Kuzushiji-MNIST, Extended MNIST and QMNIST."""

from __future__ import annotations

import os
import string
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize.files import atomic_write
from minigrad.vision.datasets.download import download
from minigrad.vision.datasets.files import MOST_BYTES, read_idx
from minigrad.vision.datasets.mnist import MNIST


class KMNIST(MNIST):
    """Cursive Japanese characters of ten classes: 60,000 for training, 10,000 for testing.

    Searched for and downloaded as MNIST is, with KMNIST for MNIST in the folders' names.

    Args:
        root, train, transform, target_transform, download: as for MNIST.

    Raises:
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: Clanuwat et al., "Deep learning for classical Japanese literature" (2018), arXiv:1812.01718.

    Examples:
        >>> data = mg.vision.datasets.KMNIST("data", download=True)  # doctest: +SKIP
        >>> mg.vision.datasets.KMNIST.classes[:3]
        ['o', 'ki', 'su']
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "md5:bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "md5:e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "md5:5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "md5:7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Handwritten letters and digits. As in the files, rows and columns are exchanged.

    Searched for as MNIST is, with EMNIST for MNIST in the folders' names. All parts are downloaded in one archive of
    560 MB, gzip.zip, of which the files that are asked for are unpacked.

    Args:
        root: the folder; None means the user's cache only.
        split: "byclass" (62 classes), "bymerge" and "balanced" (47: some small letters are their capitals), "letters"
            (the classes 1 to 26), "digits" or "mnist".
        train, transform, target_transform, download: as for MNIST.
        kwargs: these.

    Raises:
        ValueError: the split is unknown.
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: Cohen et al., "EMNIST: an extension of MNIST to handwritten letters" (2017), arXiv:1702.05373.

    Examples:
        >>> data = mg.vision.datasets.EMNIST("data", split="letters", download=True)  # doctest: +SKIP
        >>> len(mg.vision.datasets.EMNIST.classes_split_dict["balanced"])
        47
    """

    mirrors = ["https://biometrics.nist.gov/cs_links/EMNIST/"]
    archive, checksum = "gzip.zip", "md5:58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    _all = sorted(string.digits + string.ascii_letters)
    _merged = sorted(set(_all) - set("cijklmopsuvwxyz"))
    classes_split_dict = {
        "byclass": _all,
        "bymerge": _merged,
        "balanced": _merged,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str] | None = None, split: str = "balanced", **kwargs: Any):
        if split not in self.splits:
            raise ValueError(f"EMNIST: split must be one of {', '.join(self.splits)}, got {split!r}")
        self.split = split
        self.classes = self.classes_split_dict[split]
        super().__init__(root, **kwargs)

    def _archives(self) -> list[tuple[str, str]]:
        start = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return [(f"{start}-{part}-ubyte.gz", self.checksum) for part in ("images-idx3", "labels-idx1")]

    def _download(self, archive: str, checksum: str, folder: Path) -> Path:
        whole = folder / self.archive
        if not whole.is_file():
            download(self.archive, checksum, self.mirrors, folder)
        try:
            with zipfile.ZipFile(whole) as files, atomic_write(folder / archive) as file:
                if files.getinfo(f"gzip/{archive}").file_size > MOST_BYTES:
                    raise KeyError(f"{archive} has more than {MOST_BYTES:,} bytes")
                file.write(files.read(f"gzip/{archive}"))
        except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, NotImplementedError) as error:
            raise RuntimeError(f"{whole} is damaged ({error}); delete it and get it again") from None
        return folder / archive


class QMNIST(MNIST):
    """MNIST with all 60,000 test images, and where each image comes from.

    Searched for as MNIST is, with QMNIST for MNIST in the folders' names.

    Args:
        root: the folder; None means the user's cache only.
        what: "train", "test", "test10k" (MNIST's own), "test50k" (the others) or "nist" (all 402,953 of the source);
            None takes "train" or "test".
        compat: the target is the class; else it is all eight numbers: class, series, writer, and so on.
        train: which one, without `what`.
        kwargs: transform, target_transform, download, as for MNIST.

    Raises:
        ValueError: `what` is unknown.
        RuntimeError: the files are not found, damaged, or cannot be downloaded; the message says where was searched.

    Source: Yadav and Bottou, "Cold case: the lost MNIST digits" (2019), arXiv:1905.10498.

    Examples:
        >>> data = mg.vision.datasets.QMNIST("data", what="test50k", download=True)  # doctest: +SKIP
        >>> sorted(mg.vision.datasets.QMNIST.subsets)
        ['nist', 'test', 'test10k', 'test50k', 'train']
    """

    mirrors = ["https://raw.githubusercontent.com/facebookresearch/qmnist/master/"]
    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    files = {
        "train": [
            ("qmnist-train-images-idx3-ubyte.gz", "md5:ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "md5:0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            ("qmnist-test-images-idx3-ubyte.gz", "md5:1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "md5:5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            ("xnist-images-idx3-ubyte.xz", "md5:7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "md5:5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }
    label_dimensions = 2

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ):
        self.what = what or ("train" if train else "test")
        if self.what not in self.subsets:
            raise ValueError(f"QMNIST: what must be one of {', '.join(self.subsets)}, got {what!r}")
        self.compat = compat
        super().__init__(root, train, **kwargs)
        if self.what in ("test10k", "test50k"):
            part = slice(10000) if self.what == "test10k" else slice(10000, None)
            self.data, self.targets = self.data[part], self.targets[part]

    def _archives(self) -> list[tuple[str, str]]:
        return self.files[self.subsets[self.what]]

    def _labels(self, path: Path) -> np.ndarray:
        return read_idx(path, kind=12)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image

        target = self.targets[index]
        return self._transformed(Image.fromarray(self.data.array[index]), int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
