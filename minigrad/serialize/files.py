"""Atomic writing of files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends without an error, and is removed otherwise.

    The bytes are written to a temporary file in the same folder (so that the rename stays within one file system) and
    flushed to the disk (fsync); then `os.replace` swaps the names. A reader sees the old file or the new one, never a
    part, whenever the power fails or Ctrl-C comes.

    Raises:
        IsADirectoryError: the path is a folder.

    Examples:
        >>> from minigrad.serialize.files import atomic_write
        >>> with atomic_write("numbers.bin") as file:
        ...     _ = file.write(b"123")
        >>> open("numbers.bin", "rb").read()
        b'123'
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing where it did; its target is replaced
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {os.fspath(path)!r}: it is a folder")
    neighbour = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        # "x" rather than tempfile: the new file gets the user's usual permissions, not 0600
        with open(neighbour, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(neighbour, target)
    finally:
        neighbour.unlink(missing_ok=True)
