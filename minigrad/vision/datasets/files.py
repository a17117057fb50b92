"""Finding, downloading and reading the files of data sets; the IDX format of the MNIST family."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize.files import atomic_write, make_folder, read_bytes

TIMEOUT = 30  # seconds without a byte before the next mirror is tried
CHUNK = 1 << 16
MOST_BYTES = 1 << 30  # in an unpacked file; EMNIST's largest has 547 million


def cache_folder() -> Path:
    """The user's cache of minigrad, where the XDG convention puts it: ~/.cache/minigrad by default."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigrad"


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """The first of the folders' files of that name, unpacked or with .gz or .xz; None where there is none."""
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz", folder / f"{name}.xz"):
            if path.is_file():
                return path
    return None


# the numbers in an IDX file, by its third byte
IDX_TYPES: dict[int, tuple[str, np.dtype]] = {
    8: ("unsigned bytes", np.dtype(np.uint8)),
    12: ("32-bit integers", np.dtype(">i4")),
}


def read_idx(path: Path, kind: int = 8) -> np.ndarray:
    """The numbers in an IDX file, of the type `kind`: 0, 0, the type (8: unsigned byte, 12: int32), the number of
    dimensions; the dimensions as big-endian int32; the numbers (http://yann.lecun.com/exdb/mnist)."""
    name, dtype = IDX_TYPES[kind]
    content = read_bytes(path)
    try:
        file = _unpacked(content)
        header = file.read(4)
        sizes = file.read(4 * header[3]) if header[:3] == bytes([0, 0, kind]) and len(header) == 4 else b""
        if len(header) < 4 or not header[:3] == bytes([0, 0, kind]) or len(sizes) < 4 * header[3]:
            raise RuntimeError(f"{path} is not an IDX file of {name}; delete it and get it again")
        shape = tuple(np.frombuffer(sizes, ">i4").tolist())
        wanted = math.prod(shape) * dtype.itemsize
        if min(shape, default=1) < 0 or wanted > MOST_BYTES:
            raise RuntimeError(f"{path} is damaged: no data set has the shape {shape}; delete it and get it again")
        numbers = file.read(wanted)
        more = file.read(CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise RuntimeError(f"{path} is damaged ({error}); delete it and get it again") from None
    if len(numbers) != wanted or more:
        found = f"more than {wanted}" if more else len(numbers)
        raise RuntimeError(
            f"{path} is damaged: shape {shape} does not fit its {found} bytes; delete it and get it again"
        )
    array = np.frombuffer(bytearray(numbers), dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _unpacked(content: bytes) -> Any:
    """The file, unpacked as far as it is read: a few bytes may hold a terabyte."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=io.BytesIO(content))
    return lzma.LZMAFile(io.BytesIO(content)) if content.startswith(b"\xfd7zXZ") else io.BytesIO(content)


def download(name: str, checksum: str, mirrors: Sequence[str], folder: Path, progress: bool = True) -> Path:
    """Get `name` from the first mirror that has it with the right checksum; it appears whole or not at all.

    `checksum` is SHA-256, or its first digits, or MD5 behind "md5:". The bar of `progress`, and why a mirror was given
    up, go to standard error.
    Errors: RuntimeError when every mirror failed.
    """
    import http.client

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    make_folder(folder)
    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        for mirror in mirrors:
            url = mirror.rstrip("/") + "/" + name
            task = bar.add_task(name, total=None)
            try:
                _fetch(url, checksum, folder / name, bar, task)
                return folder / name
            # OSError: the network's errors, urllib's among them; ValueError: an address that is none
            except (OSError, http.client.HTTPException, ValueError) as error:
                bar.remove_task(task)
                bar.console.print(f"{url}: {error}; trying the next mirror", markup=False, soft_wrap=True)
    raise RuntimeError(f"{name} could not be downloaded from any of: {', '.join(mirrors)}")


def _fetch(url: str, checksum: str, path: Path, progress: Any, task: Any) -> None:
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "minigrad"})
    kind, expected_digits = ("MD5", checksum[4:]) if checksum.startswith("md5:") else ("SHA-256", checksum)
    digest = hashlib.new(kind.replace("-", "").lower(), usedforsecurity=False)
    received = 0
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, atomic_write(path) as file:
        expected = response.headers.get("Content-Length")
        progress.update(task, total=int(expected) if expected else None)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            progress.update(task, completed=received)
        if expected and received != int(expected):
            raise ValueError(f"the connection broke off after {received} of {expected} bytes")
        if not digest.hexdigest().startswith(expected_digits):
            raise ValueError(
                f"wrong checksum ({kind} {digest.hexdigest()[:12]}..., expected {expected_digits[:12]}...)"
            )
