"""DataLoader: batches of a data set, epoch after epoch."""

from __future__ import annotations

import weakref
from collections import abc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice, repeat
from typing import Any

from minigrad.data.collate import default_collate, default_convert, pin
from minigrad.data.dataset import Dataset, IterableDataset
from minigrad.data.fetch import END, fetcher
from minigrad.data.prefetch import prefetch
from minigrad.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler
from minigrad.data.worker import Task, WorkerPool
from minigrad.device import cuda_device_count
from minigrad.generator import Generator, default_generator
from minigrad.ops.random import randint


class DataLoader:
    """Iterate over a data set in batches: ``for images, labels in loader``.

    Where batches are made:

    - num_workers = 0: in this process, when they are asked for. With a `prefetch_factor` a thread makes that many
      in advance while the training computes (PyTorch refuses the argument here). Random transforms then draw from
      the global generators between the training's own draws, in an order that is not reproducible.
    - num_workers > 0: in processes, each `prefetch_factor` (2) batches in advance, for transforms that are slow in
      Python. The batches keep their order. The n-th batch of an epoch is made with the generators of minigrad, NumPy
      and Python seeded by n and a seed drawn for the epoch: random transforms are the same for any number of
      workers. On Linux the processes are forked: they have the data set and the functions as they are. Elsewhere they
      are spawned: data set and functions are pickled, and a script must start its work under
      `if __name__ == "__main__":`.

    A data set that has `__getbatch__` (`TensorDataset` has) makes a batch by one indexing of whole arrays. Leaving
    an epoch early ends its thread or processes. An exception in them is raised here, with its type.

    To resume in the middle of an epoch, save `state_dict()` and the state of the global generator
    (`get_rng_state`): after `load_state_dict` the next epoch begins with the batch that was due, without loading
    those before it.

    Args:
        dataset: the data set.
        batch_size: samples in a batch; None for single samples, not collated.
        shuffle: take the samples in a new random order each epoch.
        sampler: an iterable of indices, instead of `shuffle`.
        batch_sampler: an iterable of lists of indices, instead of `batch_size`, `shuffle` and `sampler`.
        num_workers: how many processes make batches.
        collate_fn: makes a batch of a list of samples, by default `default_collate`.
        pin_memory: where there is a GPU, put the batches into pinned memory, so that
            ``batch.to("cuda", non_blocking=True)`` returns at once; in a thread if batches are made in advance.
        drop_last: leave out a last batch that is smaller than the others.
        timeout: how many seconds to wait for a worker's batch; 0 waits without limit.
        worker_init_fn: called in each worker with its number, when it starts.
        multiprocessing_context: the start method of the workers, or a context; by default "fork" on Linux and "spawn"
            elsewhere. A forked worker cannot use the GPU.
        generator: where shuffling draws from; None means the default generator.
        prefetch_factor: how many batches to make in advance, see above.
        persistent_workers: keep the workers from one epoch to the next, unless an epoch is left early.

    Raises:
        ValueError: a number is out of its range, or options exclude one another.

    Examples:
        >>> data = mg.data.TensorDataset(mg.arange(5))
        >>> for (x,) in mg.data.DataLoader(data, batch_size=2):
        ...     print(x)
        tensor([0, 1])
        tensor([2, 3])
        tensor([4])
    """

    _initialized = False

    def __init__(
        self,
        dataset: Dataset[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ):
        if num_workers < 0:
            raise ValueError(
                f"DataLoader: num_workers option should be non-negative, got {num_workers}; "
                "use num_workers=0 to disable multiprocessing."
            )
        if timeout < 0:
            raise ValueError(f"DataLoader: timeout option should be non-negative, got {timeout}")
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError(f"DataLoader: prefetch_factor option should be positive, got {prefetch_factor}")
        if num_workers == 0:
            for name, value in (
                ("persistent_workers", persistent_workers),
                ("timeout", timeout),
                ("multiprocessing_context", multiprocessing_context),
            ):
                if value:
                    raise ValueError(f"DataLoader: {name} option needs num_workers > 0")
        if isinstance(dataset, IterableDataset):
            for name, value in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None and value is not False:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, "
                    "sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "DataLoader: batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
            )

        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        if sampler is None and not isinstance(dataset, IterableDataset):
            size: Any = dataset  # a data set that is not iterable has a length
            sampler = RandomSampler(size, generator=generator) if shuffle else SequentialSampler(size)
        self.sampler = sampler
        if batch_size is not None:
            # Of an iterable data set only the number of indices is looked at.
            source = repeat(0) if sampler is None else sampler
            batch_sampler = BatchSampler(source, batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self._batched = batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._pool: WorkerPool | None = None
        self._epoch: dict[str, Any] | None = None
        self._resume: dict[str, Any] | None = None
        self._initialized = True

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self._initialized and name in fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self.batch_sampler if self._batched else self.sampler)  # type: ignore[arg-type]
        size = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return size
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        source = self._random_source()
        resume, self._resume = self._resume, None
        indices = self._indices()
        if resume is None:
            # Drawn also without workers, so that their number does not change the order of the samples.
            seed = int(randint(0, 2**63 - 1, (1,), generator=self.generator).item())
            epoch: dict[str, Any] = {"generator": source.get_state(), "base_seed": seed, "batches": 0}
        else:
            epoch = dict(resume)
            now = source.get_state()
            source.set_state(epoch["generator"])
            # One index more than is skipped, so that the epoch's order has been drawn.
            begun = list(islice(indices, epoch["batches"] + 1))
            indices = chain(begun[epoch["batches"] :], indices)
            if source is default_generator:
                source.set_state(now)
        self._epoch = epoch
        with closing(self._batches(indices, epoch["base_seed"], epoch["batches"])) as batches:
            for batch in batches:
                epoch["batches"] += 1
                yield batch
        if self._epoch is epoch:
            self._epoch = None

    def _random_source(self) -> Generator:
        """The generator that the order of the samples is drawn from."""
        sampler = getattr(self.batch_sampler, "sampler", self.sampler)
        return getattr(sampler, "generator", None) or default_generator

    def _indices(self) -> Iterator[Any]:
        """The lists of indices of the epoch's batches, or single indices."""
        if self.batch_sampler is not None:
            return iter(self.batch_sampler)
        return repeat(0) if self.sampler is None else iter(self.sampler)

    def _batches(self, indices: Iterator[Any], seed: int, first: int) -> abc.Generator[Any, Any, Any]:
        pins = self.pin_memory and cuda_device_count() > 0
        if self.num_workers > 0:
            batches = self._made_by_workers(indices, seed, first)
            return prefetch(map(pin, batches), 1) if pins else batches
        batches = self._made_here(indices)
        if pins:
            batches = (pin(batch) for batch in batches)
        return batches if self.prefetch_factor is None else prefetch(batches, self.prefetch_factor)

    def _made_here(self, indices: Iterator[Any]) -> abc.Generator[Any, Any, Any]:
        fetch = fetcher(self.dataset, self.collate_fn, self._batched, self.drop_last)
        for request in indices:
            batch = fetch(request)
            if batch is END:
                return
            yield batch

    def _made_by_workers(self, indices: Iterator[Any], seed: int, first: int) -> abc.Generator[Any, Any, Any]:
        pool, self._pool = self._pool, None
        if pool is None:
            task = Task(self.dataset, self.collate_fn, self._batched, self.drop_last, self.worker_init_fn)
            pool = WorkerPool(task, self.num_workers, self.multiprocessing_context)
            if self.persistent_workers:
                weakref.finalize(self, pool.close)
        keep = False
        try:
            yield from pool.epoch(indices, seed, first, self.prefetch_factor or 1, self.timeout)
            keep = self.persistent_workers and self._pool is None
        finally:
            if keep:
                self._pool = pool
            else:
                pool.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the present epoch (or the one left early), or that the next one begins.

        It holds the state of the shuffling generator at the epoch's start, the epoch's seed and the batches returned.
        """
        if self._resume is not None:
            return dict(self._resume)
        if self._epoch is not None:
            return dict(self._epoch)
        return {"generator": self._random_source().get_state(), "base_seed": None, "batches": 0}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next epoch resume where `state_dict` was saved.

        Raises:
            TypeError: the data set is an IterableDataset, which cannot be resumed in the middle.
        """
        if state_dict["base_seed"] is not None:
            if isinstance(self.dataset, IterableDataset):
                raise TypeError("DataLoader: an IterableDataset cannot be taken up in the middle")
            self._resume = dict(state_dict)
        elif self._random_source() is not default_generator:
            self._random_source().set_state(state_dict["generator"])
