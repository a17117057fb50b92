"""The errors of GPU code; and where the log of a failed compilation is kept."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path


class KernelError(RuntimeError):
    """A kernel was launched with wrong arguments, or failed."""


class KernelCompileError(KernelError):
    """A kernel file does not compile; the message names it and the log."""


class OutOfMemoryError(RuntimeError):
    """The device has no memory for a tensor."""


class DeviceLostError(RuntimeError):
    """The GPU failed: nothing in its memory can be read any more."""


class CaptureError(RuntimeError):
    """A step that is captured did something that a CUDA graph cannot hold."""


def cannot_hold(what: str) -> CaptureError:
    """The CaptureError for `what`, such as "a wait for a value"."""
    return CaptureError(f"a CUDA graph cannot hold {what}")


def keep_log(what: str, text: str) -> Path:
    """Writes a compiler's log where it can be found again, and says where."""
    folder = Path(tempfile.gettempdir()) / f"minigrad-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9]+', '-', what).strip('-')}.log"
    path.write_text(text)
    return path


def out_of_memory(wanted: int, used: int, cached: int, free: int, total: int) -> str:
    """One line: the tensor's size, what is in use, and what frees it."""
    sizes = [f"{size / 2**20:,.1f} MiB" for size in (wanted, used, cached, free, total)]
    return (
        "CUDA out of memory: a tensor needs {}; tensors use {}, {} are kept for reuse, {} of the GPU's {} are free. "
        "What frees it: a smaller batch, `del` of tensors no longer needed, mg.no_grad() where no gradient is, "
        "mg.cuda.empty_cache() for other programs' sake".format(*sizes)
    )
