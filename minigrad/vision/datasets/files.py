"""Finding, downloading and reading the files of data sets; the IDX format of the MNIST family."""

from __future__ import annotations

import gzip
import io
import lzma
import math
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.serialize.files import read_bytes

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
