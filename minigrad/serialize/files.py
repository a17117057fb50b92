"""Files: written whole or not at all, and errors that name the file, what was being done and what helps."""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

ADVICE = {
    errno.ENOSPC: "free space on that disk",
    errno.EACCES: "give it write permission, or write elsewhere",
    errno.EPERM: "give it write permission, or write elsewhere",
    errno.EROFS: "write elsewhere",
    errno.EIO: "the disk or the network fails",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
if hasattr(errno, "EDQUOT"):
    ADVICE[errno.EDQUOT] = "free space on that disk"


def explained(error: OSError, doing: str, advise: bool = True) -> OSError:
    """The error again, of the same class and number, in one line: what was being done, why not, what helps.

    Examples:
        >>> from minigrad.serialize.files import explained
        >>> print(explained(OSError(28, "No space left on device"), "cannot write 'a.pt'").strerror)
        cannot write 'a.pt': No space left on device; free space on that disk
    """
    if error.errno is None:
        return OSError(f"{doing}: {error}")
    advice = ADVICE.get(error.errno) if advise else None
    return OSError(error.errno, f"{doing}: {os.strerror(error.errno)}{f'; {advice}' if advice else ''}")


def read_bytes(path: str | os.PathLike[str], owner: str = "") -> bytes:
    """The content of a file; an OSError names it, and the function `owner`."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise explained(error, f"{owner}{': ' if owner else ''}cannot read {os.fspath(path)!r}", False) from None


class _Writer(io.FileIO):
    """A file to be written, whose errors name the file that it is to become."""

    def __init__(self, path: Path, doing: str):
        self.doing = doing
        try:
            super().__init__(path, "xb")  # rather than tempfile: with the user's usual permissions, not 0600
        except OSError as error:
            raise explained(error, doing) from None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise explained(error, self.doing) from None


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends without an error, and is removed otherwise.

    The bytes are written to a temporary file in the same folder (so that the rename stays within one file system) and
    flushed to the disk (fsync); then `os.replace` swaps the names, and the folder is flushed too. A reader sees the old
    file or the new one, never a part, whenever the power fails or Ctrl-C comes; after the block it is the new one.

    Raises:
        IsADirectoryError: the path is a folder.
        OSError: it cannot be written; the message names `path`, and what was there stays.

    Examples:
        >>> from minigrad.serialize.files import atomic_write
        >>> with atomic_write("numbers.bin") as file:
        ...     _ = file.write(b"123")
        >>> open("numbers.bin", "rb").read()
        b'123'
    """
    doing = f"cannot write {os.fspath(path)!r}"
    target = Path(os.path.realpath(path))  # a link keeps pointing where it did; its target is replaced
    if target.is_dir():
        raise IsADirectoryError(f"{doing}: it is a folder")
    neighbour = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    raw = _Writer(neighbour, doing)
    try:
        with io.BufferedWriter(raw) as file:
            yield file
            file.flush()
            _on_disk(file.fileno(), doing)
        try:
            os.replace(neighbour, target)
        except OSError as error:
            raise explained(error, doing) from None
    except BaseException:
        with suppress(OSError):
            neighbour.unlink(missing_ok=True)
        raise
    flush_folder(target.parent, doing)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text as UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, that a power cut does not take back."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(error, f"cannot make the folder {str(path)!r}") from None
    for folder in missing:
        flush_folder(folder.parent, f"cannot make the folder {str(folder)!r}")


def flush_folder(folder: Path, doing: str) -> None:
    """Have the names in a folder on the disk: until then a power cut may undo a rename."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # a folder that may be written but not read
        return
    try:
        _on_disk(descriptor, doing)
    finally:
        os.close(descriptor)


def _on_disk(descriptor: int, doing: str) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a pipe, a device, a file system that cannot
            raise explained(error, doing) from None
