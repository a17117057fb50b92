"""`torch.random`: the default generator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minigrad.generator import default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from minigrad.torch.facade import face


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **_: Any) -> Iterator[None]:
    """Put the generator's state back afterwards."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)


__all__ = [
    "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state",
]  # fmt: skip
__getattr__, __dir__ = face(__name__)
