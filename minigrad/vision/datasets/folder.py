"""Files in folders, one folder per class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize.files import explained
from minigrad.vision.datasets.vision import VisionDataset
from minigrad.vision.pixels import check_pixels

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SHOWN = 5  # damaged files that a warning names


def pil_loader(path: str) -> Any:
    """The picture in a file, as an RGB Pillow image; of 16 bits the upper 8, where Pillow would make them white."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            check_pixels(image)
            # Pillow before 11 calls a PNG of 16 bits an "I".
            if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
                return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
            return image.convert("RGB")
    except OSError as error:
        if os.fspath(path) in str(error):
            raise
        raise explained(error, f"cannot read the picture {os.fspath(path)!r}", False) from None


default_loader = pil_loader


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """List the folders in `directory` in sorted order, and number them.

    Args:
        directory: the folder.

    Raises:
        FileNotFoundError: there is none.

    Examples:
        >>> import os
        >>> os.makedirs("animals/cat"), os.makedirs("animals/dog")
        (None, None)
        >>> mg.vision.datasets.folder.find_classes("animals")
        (['cat', 'dog'], {'cat': 0, 'dog': 1})
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"find_classes: {os.fspath(directory)!r} holds no class folders")
    return classes, {name: index for index, name in enumerate(classes)}


class DatasetFolder(VisionDataset):
    """Files in folders, read by a function of one's own. Each folder in `root` is a class.

    `find_classes` and `make_dataset` are methods that a subclass may replace.

    Args:
        root: the folder.
        loader: reads a path.
        extensions: how the files' names end, in small letters; or give `is_valid_file`.
        transform, target_transform: functions of what was read and of the class.
        is_valid_file: tells whether a path counts.
        allow_empty: accept classes without files.

    Attributes:
        samples: a list of (path, class).
        targets: the classes.

    Raises:
        FileNotFoundError: `root` or its class folders are missing, or a class has no file.
        ValueError: both of `extensions` and `is_valid_file` are given, or neither.

    Examples:
        >>> import numpy as np, os
        >>> os.makedirs("signals/one")
        >>> np.save("signals/one/a.npy", np.arange(3))
        >>> data = mg.vision.datasets.DatasetFolder("signals", np.load, extensions=(".npy",))
        >>> data[0]
        (array([0, 1, 2]), 0)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ):
        super().__init__(root, transform, target_transform)
        folder = Path(root).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"{type(self).__name__}: root {str(folder)!r} is not a folder")
        self.loader = loader
        self.extensions = extensions
        self.classes, self.class_to_idx = self.find_classes(str(folder))
        self.samples = self.make_dataset(str(folder), self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [index for _, index in self.samples]

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and their numbers.

        Args:
            directory: the root.

        Raises:
            FileNotFoundError: there is none.
        """
        try:
            return find_classes(directory)
        except FileNotFoundError as error:
            raise FileNotFoundError(str(error).replace("find_classes", type(self).__name__, 1)) from None

    @staticmethod
    def make_dataset(
        directory: str,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """The list of (path, class).

        Args:
            directory: the root.
            class_to_idx: the numbers of the classes.
            extensions, is_valid_file, allow_empty: as for the class.

        Raises:
            FileNotFoundError: a class has no file.
            ValueError: both of `extensions` and `is_valid_file` are given, or neither.
        """
        if (extensions is None) == (is_valid_file is None):
            raise ValueError("DatasetFolder: expected either extensions or is_valid_file")
        endings = extensions or ()
        is_valid = is_valid_file or (lambda path: path.lower().endswith(endings))
        samples = [
            (path, index)
            for name, index in sorted(class_to_idx.items())
            for path in _files(Path(directory) / name)
            if is_valid(path)
        ]
        if not allow_empty:
            expected = "" if is_valid_file else f"; expected one of {', '.join(endings)}"
            _check_not_empty(directory, class_to_idx, samples, expected)
        return samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)


def _check_not_empty(
    directory: str, class_to_idx: dict[str, int], samples: list[tuple[str, int]], expected: str
) -> None:
    found = {index for _, index in samples}
    if empty := sorted(name for name, index in class_to_idx.items() if index not in found):
        raise FileNotFoundError(f"no file of class {', '.join(empty)} in {directory!r}{expected}")


class ImageFolder(DatasetFolder):
    """Images in folders: root/dog/xxx.png, root/dog/sub/yyy.jpg, root/cat/zzz.png. Each folder in `root` is a class.

    Classes are numbered in sorted order.

    Args:
        root: the folder.
        transform, target_transform: functions of the image and of the class.
        loader: reads a path; Pillow, in RGB, by default.
        is_valid_file: tells whether a path counts; by default its extension must be an image's.
        allow_empty: accept classes without images.
        strict: whether damaged files matter. None reads no file before it is asked for; reading a damaged one then
            raises what `loader` raises. Otherwise all are read once at the start (some milliseconds each, on all
            cores), so that length and order are fixed before the first epoch: False leaves damaged ones out, with a
            warning that counts them; True refuses them.

    Attributes:
        samples, imgs: a list of (path, class).
        targets: the classes.

    Raises:
        FileNotFoundError: `root` or its class folders are missing, or a class has no image.
        RuntimeError: files are damaged and `strict` is True; the message names the first.

    Examples:
        >>> from pathlib import Path
        >>> for name in ("cat", "dog"):
        ...     Path("pets", name).mkdir(parents=True)
        ...     mg.vision.datasets.FakeData(1, (3, 8, 8))[0][0].save(f"pets/{name}/1.png")
        >>> data = mg.vision.datasets.ImageFolder("pets")
        >>> data.classes, data.targets
        (['cat', 'dog'], [0, 1])
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = pil_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        strict: bool | None = None,
    ):
        extensions = None if is_valid_file else IMG_EXTENSIONS
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        if strict is not None:
            self.samples = self._readable(strict)
            self.targets = [index for _, index in self.samples]
            if not allow_empty:
                _check_not_empty(str(self.root), self.class_to_idx, self.samples, "")
        self.imgs = self.samples

    def _readable(self, strict: bool) -> list[tuple[str, int]]:
        """The samples whose file the loader can read."""
        with ThreadPoolExecutor() as pool:  # Pillow decodes without the interpreter's lock
            errors = list(pool.map(self._error, [path for path, _ in self.samples]))
        damaged = [
            f"{os.path.relpath(path, self.root)} ({error})"
            for (path, _), error in zip(self.samples, errors, strict=True)
            if error is not None
        ]
        if damaged:
            files = f"{len(damaged)} of {len(errors)} files cannot be read as pictures"
            if strict:
                raise RuntimeError(f"ImageFolder: in {str(self.root)!r} {files}; the first is {damaged[0]}")
            shown = ", ".join(damaged[:SHOWN]) + (", ..." if len(damaged) > SHOWN else "")
            warnings.warn(f"ImageFolder: in {str(self.root)!r} {files} and are left out: {shown}", stacklevel=3)
        return [sample for sample, error in zip(self.samples, errors, strict=True) if error is None]

    def _error(self, path: str) -> str | None:
        try:
            self.loader(path)
        except Exception as error:  # a decoder raises anything on damaged bytes: OSError, SyntaxError, struct.error
            words = str(error).removeprefix(f"cannot read the picture {path!r}: ")
            return words.partition(path)[0].removesuffix(" '") or type(error).__name__
        return None


def _files(folder: Path) -> list[str]:
    """All files below a folder, in an order that is the same everywhere; a link to a folder above is not followed."""
    walk = []
    for place, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(place)
        folders[:] = [name for name in folders if not _is_above(os.path.join(place, name), here)]
        walk.append((place, sorted(names)))
    return [os.path.join(place, name) for place, names in sorted(walk) for name in names]


def _is_above(path: str, here: str) -> bool:
    """Whether a path is a link to the folder `here`, or to one that holds it: a walk would never end."""
    return os.path.islink(path) and os.path.commonpath([target := os.path.realpath(path), here]) == target
