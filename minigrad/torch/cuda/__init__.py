"""`torch.cuda`: minigrad.cuda, the old tensor types, and seeds and devices as PyTorch's programs set them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad import cuda as _engine
from minigrad.torch.cuda import amp, random
from minigrad.torch.cuda.random import get_rng_state, manual_seed, manual_seed_all, seed, seed_all, set_rng_state
from minigrad.torch.facade import face
from minigrad.torch.old import CUDA_TYPES

globals().update(CUDA_TYPES)


def set_device(device: Any) -> None:
    """Taken for the first GPU, on which all work is done unless a device is named.

    Raises:
        RuntimeError: another GPU is asked for.
    """
    index = str(device).rpartition(":")[2]
    if index not in ("0", "cuda", "-1"):
        raise RuntimeError(f"torch.cuda.set_device: work is done on GPU 0; say device='cuda:{index}' where it is not")


@contextmanager
def device(device: Any) -> Iterator[None]:
    """Taken, as `set_device`."""
    set_device(device)
    yield


def is_initialized() -> bool:
    """True if there is a GPU."""
    return _engine.is_available()


def init() -> None:
    """Taken: a GPU is initialised when it is first used."""


def ipc_collect() -> None:
    """Taken: no memory is shared with other processes."""


__getattr__, __dir__ = face(__name__, _engine)
