"""DistributedSampler: each process takes its part of every batch."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from minigrad.data.sampler import Sampler
from minigrad.distributed import get_rank, get_world_size
from minigrad.generator import Generator
from minigrad.ops.random import randperm

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Yield every `num_replicas`-th index, beginning with the `rank`-th, of an order that all processes share.

    So the k-th batches of b samples of all processes are together the k-th batch of ``num_replicas * b`` of one. Unlike
    PyTorch's, it has a new order in each epoch without `set_epoch` too.

    Args:
        dataset: the data set, or anything else with a length.
        num_replicas: how many processes share it; None means those of the process group.
        rank: which of them this is; None means this process's rank.
        shuffle: in random order, or as they come.
        seed: of the order; the same in all processes.
        drop_last: leave out the samples that do not make a full round; else the first ones are taken again.

    Raises:
        RuntimeError: `num_replicas` or `rank` is None, and there is no process group.
        ValueError: `rank` is no number of a process.

    Examples:
        >>> [list(mg.data.DistributedSampler(range(7), 2, rank, shuffle=False)) for rank in range(2)]
        [[0, 2, 4, 6], [1, 3, 5, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.num_replicas = get_world_size() if num_replicas is None else num_replicas
        self.rank = get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"DistributedSampler: rank must lie in [0, {self.num_replicas - 1}], got {self.rank}")
        self.generator = Generator().manual_seed(seed)  # where DataLoader looks for the epoch's state

    def set_epoch(self, epoch: int) -> None:
        """Begin the order of an epoch, whatever came before.

        Args:
            epoch: its number.
        """
        self.generator.manual_seed(self.seed + epoch)

    def __iter__(self) -> Iterator[int]:
        size = len(self.dataset)
        order = randperm(size, generator=self.generator).tolist() if self.shuffle else list(range(size))
        if self.drop_last:
            order = order[: size - size % self.num_replicas]
        elif size:
            order = [order[i % size] for i in range(-(-size // self.num_replicas) * self.num_replicas)]
        return iter(order[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        size = len(self.dataset)
        return size // self.num_replicas if self.drop_last else -(-size // self.num_replicas)
