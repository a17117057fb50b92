"""What can go wrong on a GPU, as classes; and where the long story of a failed compile is kept."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path


class KernelError(RuntimeError):
    """A kernel was launched wrongly, or did something wrong."""


class KernelCompileError(KernelError):
    """A kernel file does not compile; the message names it and the log."""


class OutOfMemoryError(RuntimeError):
    """The device has no memory for a tensor."""


class DeviceLostError(RuntimeError):
    """The GPU failed in mid-run: nothing that lies on it can be read again."""


def keep_log(what: str, text: str) -> Path:
    """Writes a compiler's log where it can be found again, and says where."""
    folder = Path(tempfile.gettempdir()) / f"minigrad-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', what).strip('-')}.log"
    path.write_text(text)
    return path
