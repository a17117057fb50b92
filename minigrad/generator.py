"""Random number generators: a seed and a position in Philox's stream, the same numbers on every device.

Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") computes the block at any position of
its stream directly from the position. So a draw is three numbers (seed, offset, length): it can be
made again for the backward pass, or by any number of threads, without storing it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from minigrad.device import device as as_device
from minigrad.kernels import capturing
from minigrad.tensor import Tensor, from_array

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


class Generator:
    """A stream of random numbers, determined by a seed.

    Args:
        device: accepted for PyTorch's sake; a stream is the same on every device.

    Examples:
        >>> generator = mg.Generator().manual_seed(1)
        >>> first = mg.rand(2, generator=generator)
        >>> state = generator.get_state()
        >>> second = mg.rand(2, generator=generator)
        >>> _ = generator.set_state(state)
        >>> mg.equal(second, mg.rand(2, generator=generator)), mg.equal(first, second)
        (True, False)
    """

    def __init__(self, device: as_device | str = "cpu"):
        self.device = as_device(device)
        self._lock = threading.Lock()
        self.manual_seed(67280421310721)  # PyTorch's default seed

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream at `seed`, an integer of at most 64 bits.

        Raises:
            TypeError: the seed is not an int.
            ValueError: it does not fit into 64 bits.
        """
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise TypeError(f"manual_seed: expected an int, got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: the seed must fit into 64 bits, got {seed}")
        self._seed, self._offset = int(seed) % 2**64, 0
        return self

    def initial_seed(self) -> int:
        """Return the seed that the stream was started with."""
        return self._seed

    def seed(self) -> int:
        """Restart the stream at an unpredictable seed, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def get_state(self) -> Tensor:
        """Return seed and position, as a uint8 tensor that can be stored."""
        return from_array(np.array([self._seed, self._offset], np.uint64).view(np.uint8))

    def set_state(self, state: Tensor) -> Generator:
        """Return to where `state`, from `get_state`, was taken.

        Raises:
            TypeError: it is no such tensor.
        """
        if not isinstance(state, Tensor) or state.dtype != np.uint8 or state.numel() != 16:
            raise TypeError("set_state: expected the uint8 tensor of 16 bytes that get_state returned")
        seed, offset = np.ascontiguousarray(state.array).view(np.uint64).tolist()
        self._seed, self._offset = seed, offset
        return self

    def reserve(self, blocks: int, on: Tensor | as_device | str | None = None) -> tuple[Any, int]:
        """Take the next blocks of four 32-bit words from the stream.

        While a CUDA graph is captured, seed and offset are addresses in the GPU's memory, so that each replay draws
        other numbers.

        Args:
            blocks: how many.
            on: the device that draws them (None: the CPU), or a tensor there.

        Returns:
            (seed, offset of the first block).
        """
        with self._lock:
            offset = self._offset
            self._offset = (offset + blocks) % 2**64
        capture = capturing()
        if capture is None:
            return self._seed, offset
        where = on.device if isinstance(on, Tensor) else on
        if where is None or as_device(where).type == "cpu":
            capture.refuse("random numbers that the host draws: all replays would have the same")
        return capture.stream(self, offset)

    def position(self) -> tuple[int, int]:
        """The seed, and the offset of the block that is drawn next."""
        return self._seed, self._offset

    def skip(self, blocks: int) -> None:
        """Move forward (or back) by a number of `blocks`."""
        with self._lock:
            self._offset = (self._offset + blocks) % 2**64


default_generator = Generator()

if hasattr(os, "register_at_fork"):  # another thread may be drawing, and hold the lock, while the process is forked
    os.register_at_fork(after_in_child=lambda: setattr(default_generator, "_lock", threading.Lock()))


def manual_seed(seed: int) -> Generator:
    """Restart the default generator at `seed`: initial weights, dropout masks and shuffles follow from it.

    Examples:
        >>> _ = mg.manual_seed(0)
        >>> x = mg.rand(3)
        >>> _ = mg.manual_seed(0)
        >>> mg.equal(x, mg.rand(3))
        True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart the default generator at an unpredictable seed, and return it.

    Examples:
        >>> isinstance(mg.seed(), int)
        True
    """
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed of the default generator.

    Examples:
        >>> _ = mg.manual_seed(42)
        >>> mg.initial_seed()
        42
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Return the state of the default generator, as a uint8 tensor that can be stored.

    Examples:
        >>> state = mg.get_rng_state()
        >>> x = mg.rand(3)
        >>> mg.set_rng_state(state)
        >>> mg.equal(x, mg.rand(3))
        True
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator.

    Args:
        new_state: what `get_rng_state` returned.

    Examples:
        >>> state = mg.get_rng_state()
        >>> mg.set_rng_state(state)
    """
    default_generator.set_state(new_state)
