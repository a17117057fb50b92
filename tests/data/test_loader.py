"""DataLoader in one process: batches, order, prefetching, going on in the middle."""

import gc
import itertools
import threading
import time

import numpy as np
import pytest
from needs import HANGS

from minigrad.data import DataLoader, Dataset, IterableDataset, RandomSampler, TensorDataset, get_worker_info
from minigrad.generator import Generator, get_rng_state, manual_seed, set_rng_state
from minigrad.ops.random import randint
from minigrad.tensor import Tensor, from_array


class Numbers(Dataset):
    """0, 1, 2, ..., counting how often a sample is made; the sample `broken` cannot be."""

    def __init__(self, size, broken=None):
        self.size, self.broken, self.made = size, broken, 0

    def __getitem__(self, index):
        if index == self.broken:
            raise FileNotFoundError(f"no picture {index}")
        self.made += 1
        return index

    def __len__(self):
        return self.size


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.size


def lists(loader):
    return [batch.tolist() for batch in loader]


def images(size=10):
    return TensorDataset(
        from_array(np.arange(size * 4, dtype=np.float32).reshape(size, 4)), from_array(np.arange(size))
    )


@pytest.mark.parametrize("dataset", [Numbers(7), Stream(7)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_in_order(dataset, drop_last):
    loader = DataLoader(dataset, batch_size=3, drop_last=drop_last)
    expected = [[0, 1, 2], [3, 4, 5], [6]]
    for _ in range(2):
        assert lists(loader) == (expected[:2] if drop_last else expected)
    assert len(loader) == (2 if drop_last else 3)


def test_without_batching():
    assert list(DataLoader(Numbers(3), batch_size=None)) == [0, 1, 2]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    assert len(DataLoader(Numbers(3), batch_size=None)) == len(DataLoader(Stream(3), batch_size=None)) == 3
    (converted,) = DataLoader([np.arange(3)], batch_size=None)
    assert isinstance(converted, Tensor)


def test_a_list_is_a_data_set():
    assert lists(DataLoader([4, 5, 6], batch_size=2)) == [[4, 5], [6]]


def test_samplers_and_batch_samplers():
    assert lists(DataLoader(Numbers(9), batch_size=2, sampler=[8, 1, 3])) == [[8, 1], [3]]
    loader = DataLoader(Numbers(9), batch_sampler=[[8], [1, 3, 5]])
    assert lists(loader) == [[8], [1, 3, 5]]
    assert len(loader) == 2
    assert loader.batch_size is None


def test_whole_batches_are_indexed_at_once():
    class Whole(TensorDataset):
        def __getitem__(self, index):
            raise AssertionError("asked for a single sample")

    dataset = Whole(*images().tensors)
    for pixels, labels in DataLoader(dataset, batch_size=4, shuffle=True):
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels.array[:, 0], 4 * labels.array)


def test_collate_fn_gets_samples():
    batches = list(
        DataLoader(images(), batch_size=4, collate_fn=lambda samples: [label.item() for _, label in samples])
    )
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_getitems_makes_many_samples():
    class Many(Numbers):
        def __getitems__(self, indices):
            return [-index for index in indices]

    assert lists(DataLoader(Many(4), batch_size=2)) == [[0, -1], [-2, -3]]


def test_shuffles_by_its_generator():
    loader = DataLoader(Numbers(30), batch_size=30, shuffle=True, generator=Generator().manual_seed(5))
    (first,), (second,) = lists(loader), lists(loader)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    loader.generator.manual_seed(5)
    randint(0, 9, (1,))  # the global generator has no say
    assert lists(loader) == [first]
    manual_seed(5)
    by_default = lists(DataLoader(Numbers(30), batch_size=30, shuffle=True))
    manual_seed(5)
    assert lists(DataLoader(Numbers(30), batch_size=30, shuffle=True)) == by_default


def test_prefetching_gives_the_same_batches():
    for size in (0, 1, 7):
        expected = lists(DataLoader(Numbers(size), batch_size=2))
        assert lists(DataLoader(Numbers(size), batch_size=2, prefetch_factor=3)) == expected
    assert lists(DataLoader(Stream(5), batch_size=2, prefetch_factor=1)) == [[0, 1], [2, 3], [4]]


def test_prefetching_runs_ahead_but_not_further():
    dataset = Numbers(100)
    batches = iter(DataLoader(dataset, prefetch_factor=4))
    next(batches)
    deadline = time.monotonic() + HANGS
    while dataset.made < 5 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert dataset.made == 5
    batches.close()


def test_prefetching_happens_in_a_thread_that_ends():
    names = []

    class Whereabouts(Numbers):
        def __getitem__(self, index):
            names.append(threading.current_thread().name)
            return index

    def prefetching():
        return [thread for thread in threading.enumerate() if thread.name == "minigrad-prefetch"]

    for stop in (2, 100):
        loader = DataLoader(Whereabouts(50), prefetch_factor=2)
        for i, _ in enumerate(loader):
            assert prefetching()
            if i == stop:
                break
        gc.collect()
        assert not prefetching()
    assert set(names) == {"minigrad-prefetch"}


@pytest.mark.parametrize("prefetch_factor", [None, 2])
def test_an_exception_comes_after_the_batches_before_it(prefetch_factor):
    seen = []
    with pytest.raises(FileNotFoundError, match="no picture 5"):
        for batch in DataLoader(Numbers(9, broken=5), batch_size=2, prefetch_factor=prefetch_factor):
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert not [thread for thread in threading.enumerate() if thread.name == "minigrad-prefetch"]


@pytest.mark.parametrize("own_generator", [True, False])
@pytest.mark.parametrize("replacement", [True, False])
def test_goes_on_in_the_middle_of_an_epoch(own_generator, replacement):
    def make():
        generator = Generator().manual_seed(3) if own_generator else None
        dataset = Numbers(20)
        sampler = RandomSampler(dataset, replacement=replacement, generator=generator)
        return DataLoader(dataset, batch_size=3, sampler=sampler, generator=generator)

    def epoch(loader, stop=None):
        # The training draws from the global generator, too.
        return [(batch.tolist(), randint(0, 10**9, (1,)).item()) for batch in itertools.islice(loader, stop)]

    for done in (0, 1, 4, 7):
        manual_seed(11)
        loader = make()
        epoch(loader)
        batches = iter(loader)
        epoch(batches, done)
        saved, global_state = loader.state_dict(), get_rng_state()
        rest, after = epoch(batches), epoch(loader)

        manual_seed(99)
        resumed = make()
        resumed.load_state_dict(saved)
        set_rng_state(global_state)
        assert resumed.state_dict()["batches"] == done
        assert epoch(resumed) == rest
        assert len(rest) == 7 - done
        assert resumed.dataset.made == max(0, 20 - 3 * done)
        assert epoch(resumed) == after


def test_goes_on_between_epochs():
    loader = DataLoader(Numbers(20), batch_size=20, shuffle=True, generator=Generator().manual_seed(3))
    lists(loader)
    saved = loader.state_dict()
    assert saved["batches"] == 0
    resumed = DataLoader(Numbers(20), batch_size=20, shuffle=True, generator=Generator())
    resumed.load_state_dict(saved)
    assert lists(resumed) == lists(loader)


def test_a_stream_goes_on_between_epochs_only():
    loader = DataLoader(Stream(3))
    before = loader.state_dict()
    next(iter(loader))
    DataLoader(Stream(3)).load_state_dict(before)
    with pytest.raises(TypeError, match="an IterableDataset cannot be taken up in the middle"):
        DataLoader(Stream(3)).load_state_dict(loader.state_dict())


def test_no_worker_here():
    assert get_worker_info() is None


REFUSED = [
    ({"num_workers": -1}, "num_workers option should be non-negative"),
    ({"timeout": -1}, "timeout option should be non-negative"),
    ({"timeout": 3}, "timeout option needs num_workers > 0"),
    ({"prefetch_factor": 0}, "prefetch_factor option should be positive, got 0"),
    ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ({"multiprocessing_context": "spawn"}, "multiprocessing_context option needs num_workers > 0"),
    ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
    ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive with batch_size"),
    ({"batch_sampler": [[1]], "shuffle": True}, "batch_sampler option is mutually exclusive with"),
    ({"batch_sampler": [[1]], "sampler": [1]}, "batch_sampler option is mutually exclusive with"),
    ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler option is mutually exclusive with"),
    ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
    ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
]


@pytest.mark.parametrize("settings, words", REFUSED)
def test_refuses(settings, words):
    with pytest.raises(ValueError, match=words):
        DataLoader(Numbers(3), **settings)


@pytest.mark.parametrize("settings", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_a_stream_has_an_order_of_its_own(settings):
    with pytest.raises(ValueError, match="expected unspecified .* option"):
        DataLoader(Stream(3), **settings)


def test_what_decides_the_batches_cannot_be_changed_later():
    loader = DataLoader(Numbers(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 2
