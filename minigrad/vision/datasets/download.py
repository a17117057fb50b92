"""Getting a file from one of several mirrors, whole and with the right checksum."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from minigrad.serialize.files import atomic_write, make_folder

TIMEOUT = 30  # seconds without a byte before a connection is given up
PATIENCE, SLOWEST = 60, 1000  # seconds, after which the bytes a second must have been at least so many
TRIES = 5  # of a mirror whose connection breaks off; each goes on where the last one ended
CHUNK = 1 << 16
MOST_BYTES = 4 << 30  # of a mirror that does not end


class Broken(Exception):
    """A mirror did not give the file; the message says why."""


class _Arriving:
    """The part of a file that has come: it grows from mirror to mirror."""

    def __init__(self, file: BinaryIO, checksum: str):
        self.file = file
        self.kind, self.expected = ("MD5", checksum[4:]) if checksum.startswith("md5:") else ("SHA-256", checksum)
        self.restart()

    def restart(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.size = 0
        self.digest = hashlib.new(self.kind.replace("-", "").lower(), usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self.digest.update(chunk)
        self.size += len(chunk)

    def check(self) -> None:
        found = self.digest.hexdigest()
        if not found.startswith(self.expected):
            self.restart()
            raise Broken(f"wrong checksum ({self.kind} {found[:12]}..., expected {self.expected[:12]}...)")


def download(name: str, checksum: str, mirrors: Sequence[str], folder: Path, progress: bool = True) -> Path:
    """Get `name` from the mirrors, with the right checksum; it appears whole or not at all.

    A connection that breaks off is taken up where it ended, by the same mirror or the next; one that is slower than
    SLOWEST is given up. `checksum` is SHA-256, or its first digits, or MD5 behind "md5:". The bar of `progress`, and
    why a mirror was given up, go to standard error.
    Errors: RuntimeError when every mirror failed; OSError when the file cannot be written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    make_folder(folder)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=Console(stderr=True), disable=not progress) as bar,
        atomic_write(folder / name) as file,
    ):
        task = bar.add_task(name, total=None)
        arriving = _Arriving(file, checksum)
        for mirror in mirrors:
            url = mirror.rstrip("/") + "/" + name
            for _ in range(TRIES):
                before = arriving.size
                try:
                    for total in _receive(url, arriving):
                        bar.update(task, total=total, completed=arriving.size)
                    arriving.check()
                    return folder / name
                except Broken as error:
                    words = f"{url}: {error}"
                    again = arriving.size > before or (before and not arriving.size)  # the beginning may be another's
                    if not again:
                        break
            bar.console.print(f"{words}; trying the next mirror", markup=False, soft_wrap=True)
        raise RuntimeError(f"{name} could not be downloaded from any of: {', '.join(mirrors)}")


def _receive(url: str, arriving: _Arriving) -> Iterator[int | None]:
    """Add to what has come; gives the size of the whole, as far as it is known, after each part. Broken if it ends."""
    response, total = _ask(url, arriving.size)
    with response:
        if response.status != 206:
            arriving.restart()
        begun, here = time.monotonic(), 0
        while chunk := _read(response):
            arriving.add(chunk)
            here += len(chunk)
            yield total
            taken = time.monotonic() - begun
            if taken > PATIENCE and here < SLOWEST * taken:
                raise Broken(f"slower than {SLOWEST} bytes a second")
            if arriving.size > MOST_BYTES:
                arriving.restart()
                raise Broken(f"more than {MOST_BYTES:,} bytes")
    if total is not None and arriving.size != total:
        raise Broken(f"the connection broke off after {arriving.size} of {total} bytes")


def _ask(url: str, start: int) -> tuple[Any, int | None]:
    """The response to a request for the bytes from `start` on, and the size of the whole file."""
    import http.client
    import urllib.request

    headers = {"User-Agent": "minigrad"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
        length = response.headers.get("Content-Length")
        partial = response.status == 206
        if partial and not (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-"):
            raise ValueError("it answers with another part of the file")
        return response, int(length) + (start if partial else 0) if length else None
    # OSError: the network's errors, urllib's among them; ValueError: an address that is none
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Broken(str(error).partition("\n")[0]) from None


def _read(response: Any) -> bytes:
    import http.client

    try:
        chunk: bytes = response.read1(CHUNK)  # what has come, however little
        return chunk
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Broken(str(error) or type(error).__name__) from None
