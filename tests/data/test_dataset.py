"""Data sets, subsets and splits."""

import numpy as np
import pytest

from minigrad.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from minigrad.generator import Generator
from minigrad.tensor import from_array


class Squares(Dataset):
    def __init__(self, size):
        self.size = size

    def __getitem__(self, index):
        return index * index

    def __len__(self):
        return self.size


def tensor_dataset(size=10):
    images = from_array(np.arange(size * 6, dtype=np.float32).reshape(size, 2, 3))
    return TensorDataset(images, from_array(np.arange(size)))


def test_tensor_dataset():
    dataset = tensor_dataset()
    image, label = dataset[3]
    assert len(dataset) == 10
    assert image.shape == (2, 3)
    assert label.item() == 3
    with pytest.raises(ValueError, match=r"Size mismatch between tensors: they have \[3, 4\] rows"):
        TensorDataset(from_array(np.zeros(3)), from_array(np.zeros(4)))


def test_a_whole_batch_equals_the_collated_samples():
    dataset = tensor_dataset()
    subset = Subset(Subset(dataset, [9, 8, 7, 1, 0]), [4, 0, 2])
    for source, indices in ((dataset, [3, 3, 0]), (subset, [2, 0])):
        images, labels = source.__getbatch__(indices)
        samples = [source[index] for index in indices]
        np.testing.assert_array_equal(images.array, [image.array for image, _ in samples])
        np.testing.assert_array_equal(labels.array, [label.array for _, label in samples])
        assert not np.shares_memory(images.array, dataset.tensors[0].array)


def test_subset():
    subset = Subset(Squares(10), [9, 3, 4])
    assert [subset[i] for i in range(len(subset))] == [81, 9, 16]
    assert subset.__getitems__([2, 0]) == [16, 81]
    assert subset.__getbatch__([2, 0]) is NotImplemented
    (batch,) = DataLoader(subset, batch_size=3)
    np.testing.assert_array_equal(batch.array, [81, 9, 16])


def test_concat_dataset():
    both = Squares(3) + Subset(Squares(10), [5, 6])
    assert isinstance(both, ConcatDataset)
    assert len(both) == 5
    assert both.cumulative_sizes == [3, 5]
    assert [both[i] for i in range(5)] == [0, 1, 4, 25, 36]
    assert both[-1] == 36
    assert both[-5] == 0
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 5 samples"):
            both[index]
    with pytest.raises(ValueError, match="should not be an empty iterable"):
        ConcatDataset([])
    with pytest.raises(ValueError, match=r"datasets\[1\] is one"):
        ConcatDataset([Squares(3), IterableDataset()])


@pytest.mark.parametrize(
    "lengths, expected",
    [([7, 3], [7, 3]), ([0.8, 0.2], [8, 2]), ([0.35, 0.35, 0.3], [4, 3, 3]), ([1 / 3] * 3, [4, 3, 3])],
)
def test_random_split(lengths, expected):
    splits = random_split(Squares(10), lengths, generator=Generator().manual_seed(3))
    assert [len(split) for split in splits] == expected
    assert sorted(index for split in splits for index in split.indices) == list(range(10))
    again = random_split(Squares(10), lengths, generator=Generator().manual_seed(3))
    assert [split.indices for split in splits] == [split.indices for split in again]
    other = random_split(Squares(10), lengths, generator=Generator().manual_seed(4))
    assert [split.indices for split in splits] != [split.indices for split in other]


def test_random_split_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"does not equal .*: \[7, 4\] for 10 samples"):
        random_split(Squares(10), [7, 4])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1, but 1.2"):
        random_split(Squares(10), [1.2, -0.2])
    with pytest.warns(UserWarning, match="subset at index 1 is empty"):
        random_split(Squares(3), [1.0, 0.0])


def test_base_classes_say_what_to_define():
    with pytest.raises(NotImplementedError, match="must define __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="must define __iter__"):
        iter(IterableDataset())
