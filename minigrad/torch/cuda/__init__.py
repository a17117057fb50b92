"""`torch.cuda`: minigrad.cuda, the old tensor types, and seeds and devices as PyTorch's programs set them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad import cuda as _engine
from minigrad.generator import get_rng_state as _get_state
from minigrad.generator import set_rng_state as _set_state
from minigrad.torch.cuda import amp
from minigrad.torch.facade import face
from minigrad.torch.old import CUDA_TYPES

globals().update(CUDA_TYPES)


def manual_seed(seed: int) -> None:
    """Taken: a stream of random numbers is the same on every device, and `torch.manual_seed` starts it."""


manual_seed_all = manual_seed


def seed() -> None:
    """Taken, as `manual_seed`."""


seed_all = seed


def get_rng_state(device: Any = "cuda") -> Any:
    """The state of the one generator."""
    return _get_state()


def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Set the state of the one generator."""
    _set_state(new_state)


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
