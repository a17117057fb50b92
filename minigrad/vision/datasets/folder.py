"""Images in folders, one folder per class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.vision.datasets.vision import VisionDataset

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SHOWN = 5  # damaged files that a warning names


def pil_loader(path: str) -> Any:
    """The picture in a file, as an RGB Pillow image; of 16 bits the upper 8, where Pillow would make them white."""
    from PIL import Image

    with Image.open(path) as image:
        # Pillow before 11 calls a PNG of 16 bits an "I".
        if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
        return image.convert("RGB")


class ImageFolder(VisionDataset):
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
        super().__init__(root, transform, target_transform)
        self.loader = loader
        folder = Path(root).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"ImageFolder: root {str(folder)!r} is not a folder")
        self.classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"ImageFolder: {str(folder)!r} holds no class folders")
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        is_valid = is_valid_file or (lambda path: path.lower().endswith(EXTENSIONS))
        self.samples = [
            (path, index)
            for name, index in self.class_to_idx.items()
            for path in _files(folder / name)
            if is_valid(path)
        ]
        if strict is not None:
            self.samples = self._readable(strict)
        empty = sorted(set(self.classes) - {self.classes[index] for _, index in self.samples})
        if empty and not allow_empty:
            expected = "" if is_valid_file else f"; expected one of {', '.join(EXTENSIONS)}"
            raise FileNotFoundError(f"ImageFolder: no picture of class {', '.join(empty)} in {str(folder)!r}{expected}")
        self.imgs = self.samples
        self.targets = [index for _, index in self.samples]

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
            return str(error).partition(path)[0].removesuffix(" '") or type(error).__name__
        return None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)


def _files(folder: Path) -> list[str]:
    """All files below a folder, in an order that is the same everywhere."""
    walk = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(place, name) for place, _, names in walk for name in sorted(names)]
