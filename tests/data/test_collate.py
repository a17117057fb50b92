"""Collating samples, by hand and beside PyTorch."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from minigrad.data import default_collate, default_convert
from minigrad.tensor import Tensor, from_array

Point = namedtuple("Point", "x y")

BATCHES = {
    "floats": [1.0, 2.0],
    "integers": [1, 2],
    "booleans": [True, False],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "arrays": [np.zeros((2, 3), dtype=np.float32), np.ones((2, 3), dtype=np.float32)],
    "array scalars": [np.float32(1), np.float32(2)],
    "0-d arrays": [np.array(1), np.array(2)],
    "tuples": [(1, 2.0, "a"), (3, 4.0, "b")],
    "lists": [[1, 2], [3, 4]],
    "dictionaries": [{"x": 1, "y": np.zeros(2)}, {"x": 2, "y": np.ones(2)}],
    "ordered dictionaries": [OrderedDict(a=1, b=2), OrderedDict(a=3, b=4)],
    "named tuples": [Point(1, 2), Point(3, 4)],
    "nested": [{"image": (np.zeros(2, np.uint8), [1])}, {"image": (np.ones(2, np.uint8), [2])}],
}


def plain(value):
    """Containers with their types, tensors as (dtype, values)."""
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [plain(entry) for entry in value]
    if hasattr(value, "tolist"):
        return str(value.dtype).removeprefix("torch."), value.tolist()
    return value


@pytest.mark.parametrize("name", BATCHES)
def test_collates_as_torch(name):
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data.default_collate(BATCHES[name])
    assert plain(default_collate(BATCHES[name])) == plain(theirs)


@pytest.mark.parametrize("name", BATCHES)
def test_converts_as_torch(name):
    torch = pytest.importorskip("torch")
    theirs = torch.utils.data.default_convert(BATCHES[name][0])
    assert plain(default_convert(BATCHES[name][0])) == plain(theirs)


def test_tensors_are_stacked():
    samples = [(from_array(np.full((2, 2), i, dtype=np.float32)), i) for i in range(3)]
    images, labels = default_collate(samples)
    assert isinstance(images, Tensor)
    assert images.shape == (3, 2, 2)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 1, 2]
    assert default_collate([1.0, 2.0]).dtype == np.float64


REFUSED = [
    ([from_array(np.zeros(3)), from_array(np.zeros(4))], RuntimeError, r"got \[3\] at entry 0 and \[4\] at entry 1"),
    ([(1, 2), (1,)], RuntimeError, "each element in list of batch should be of equal size"),
    (
        [object(), object()],
        TypeError,
        "must contain tensors, numpy arrays, numbers, dicts or lists; found object",
    ),
    ([np.array(["a"]), np.array(["b"])], TypeError, "found ndarray"),
]


@pytest.mark.parametrize("batch, error, words", REFUSED)
def test_refuses(batch, error, words):
    with pytest.raises(error, match=words):
        default_collate(batch)
