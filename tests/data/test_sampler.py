"""Samplers: which indices, how often, in which order."""

from collections import Counter
from itertools import count

import numpy as np
import pytest

from minigrad.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from minigrad.generator import Generator, manual_seed


def test_sequential():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert len(SequentialSampler("abc")) == 3


def test_random_is_a_new_permutation_each_epoch():
    sampler = RandomSampler(range(50), generator=Generator().manual_seed(1))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    again = RandomSampler(range(50), generator=Generator().manual_seed(1))
    assert [list(again), list(again)] == [first, second]


def test_manual_seed_governs_the_default_generator():
    manual_seed(7)
    first = list(RandomSampler(range(50)))
    manual_seed(7)
    assert list(RandomSampler(range(50))) == first
    manual_seed(8)
    assert list(RandomSampler(range(50))) != first


def test_an_epoch_is_drawn_at_its_beginning():
    generator = Generator().manual_seed(1)
    samplers = [
        RandomSampler(range(50), num_samples=120, generator=generator),
        RandomSampler(range(50), replacement=True, generator=generator),
        SubsetRandomSampler(range(50), generator=generator),
        WeightedRandomSampler([1.0] * 50, 50, generator=generator),
    ]
    for sampler in samplers:
        indices = iter(sampler)
        next(indices)
        after = generator.get_state().tolist()
        list(indices)
        assert generator.get_state().tolist() == after


def test_random_with_num_samples():
    indices = list(RandomSampler(range(10), num_samples=25))
    assert len(indices) == 25
    for start in (0, 10):
        assert sorted(indices[start : start + 10]) == list(range(10))
    assert len(set(indices[20:])) == 5
    assert len(RandomSampler(range(10), num_samples=3)) == 3


def test_random_with_replacement():
    sampler = RandomSampler(range(10), replacement=True, num_samples=5000, generator=Generator().manual_seed(0))
    counts = Counter(sampler)
    assert set(counts) == set(range(10))
    assert min(counts.values()) > 400  # 500 expected, 21 the standard deviation


def test_subset_random():
    sampler = SubsetRandomSampler([5, 7, 9, 11], generator=Generator().manual_seed(0))
    epochs = {tuple(sampler) for _ in range(20)}
    assert all(sorted(epoch) == [5, 7, 9, 11] for epoch in epochs)
    assert len(epochs) > 5
    assert len(sampler) == 4


@pytest.mark.parametrize("replacement", [True, False])
def test_weighted_frequencies(replacement):
    weights = np.array([0.0, 1.0, 3.0, 0.0, 6.0, 0.0])
    generator = Generator().manual_seed(0)
    draws = 4000 if replacement else 1
    counts = np.zeros(6)
    for _ in range(1 if replacement else 4000):
        for index in WeightedRandomSampler(weights, draws, replacement, generator=generator):
            counts[index] += 1
    # Seven standard deviations of a binomial count at most.
    np.testing.assert_allclose(counts / 4000, weights / 10, atol=0.05)
    assert not counts[weights == 0].any()


def test_weighted_without_replacement_takes_each_once():
    for _ in range(20):
        indices = list(WeightedRandomSampler([0.5, 0.0, 5.0, 1.0], 3, replacement=False))
        assert sorted(indices) == [0, 2, 3]


@pytest.mark.parametrize("size, drop_last", [(10, False), (10, True), (9, True), (2, True), (0, False)])
def test_batches(size, drop_last):
    sampler = BatchSampler(range(size), 3, drop_last)
    batches = list(sampler)
    assert len(sampler) == len(batches) == (size // 3 if drop_last else -(-size // 3))
    assert [index for batch in batches for index in batch] == list(range(3 * len(batches) if drop_last else size))


def test_batches_of_an_endless_sampler():
    batches = iter(BatchSampler(count(), 2, False))
    assert [next(batches) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]


REFUSED = [
    (
        lambda: RandomSampler([]),
        ValueError,
        "num_samples should be a positive integer value, but got num_samples=0",
    ),
    (lambda: RandomSampler([1], num_samples=-1), ValueError, "num_samples=-1"),
    (lambda: RandomSampler([1], replacement=1), TypeError, "replacement should be a boolean value"),
    (lambda: WeightedRandomSampler([1.0], 0), ValueError, "num_samples=0"),
    (
        lambda: WeightedRandomSampler([[1.0]], 1),
        ValueError,
        r"1d sequence but given weights have shape \(1, 1\)",
    ),
    (lambda: WeightedRandomSampler([1.0, -1.0], 1), RuntimeError, "inf, nan or element < 0"),
    (lambda: WeightedRandomSampler([np.nan], 1), RuntimeError, "inf, nan or element < 0"),
    (lambda: WeightedRandomSampler([0.0], 1), RuntimeError, "sum of weights <= 0"),
    (lambda: WeightedRandomSampler([0.0, 1.0], 2, False), RuntimeError, "cannot draw 2 samples .* from 1"),
    (lambda: WeightedRandomSampler([1.0], 1, 1), ValueError, "replacement should be a boolean value"),
    (
        lambda: BatchSampler([1], 0, False),
        ValueError,
        "batch_size should be a positive integer .* batch_size=0",
    ),
    (lambda: BatchSampler([1], True, False), ValueError, "batch_size=True"),
    (lambda: BatchSampler([1], 2, 1), ValueError, "drop_last should be a boolean value, but got drop_last=1"),
    (lambda: iter(Sampler()), NotImplementedError, "must define __iter__"),
]


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call()
