"""A lock on a run's folder, held by the process that trains in it and gone with it, however it ends."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class RunLock:
    """Only one process at a time may write into a run's folder.

    It is a POSIX record lock on the file `.lock`, which the system gives up when the process dies, on network file
    systems (NFS) too, and which forked workers do not inherit. The file stays and says who holds the lock. In a folder
    that cannot be written, or on a file system without locks, nothing is held.
    """

    def __init__(self, folder: Path):
        self.path = folder / ".lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Hold the lock until `release`; RuntimeError where another process does."""
        if self._file is not None:
            return
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: held by another
            holder = os.read(file, 200).decode(errors="replace").strip() or "another process"
            os.close(file)
            raise RuntimeError(
                f"{self.path.parent} is in use: {holder} trains there; wait for it, stop it, or take another folder"
            ) from None
        except OSError:
            os.close(file)
            return
        self._file = file
        with suppress(OSError):  # a full disk: the lock holds without a name
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Let others train."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.close(file)

    def __del__(self) -> None:
        self.release()


def _lock(file: int) -> None:
    if fcntl is not None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(file, 1 << 20, os.SEEK_SET)  # far behind the text, which others are to read
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)
