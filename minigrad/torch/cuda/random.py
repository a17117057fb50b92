"""`torch.cuda.random`: one generator serves all devices, and `torch.manual_seed` sets it."""

from typing import Any

from minigrad.generator import get_rng_state as _get_state
from minigrad.generator import set_rng_state as _set_state
from minigrad.torch.facade import face


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


__all__ = ["get_rng_state", "manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state"]
__getattr__, __dir__ = face(__name__)
