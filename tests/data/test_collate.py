"""Collating samples, by hand and beside PyTorch."""

from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import default_collate, default_convert
from minigrad.data.collate import pin
from minigrad.tensor import Tensor, from_array

Point = namedtuple("Point", "x y")


class Sample(NamedTuple):
    image: np.ndarray
    label: int


class Labelled(dict):
    """A dictionary with an attribute, and without a constructor from a dictionary alone."""

    def __init__(self, entries, label="kept"):
        super().__init__(entries)
        self.label = label


class Frozen(Mapping):
    def __init__(self, entries):
        self.entries = entries

    def __getitem__(self, key):
        return self.entries[key]

    def __iter__(self):
        return iter(self.entries)

    def __len__(self):
        return len(self.entries)


class Row(list):
    pass


class Sizes(tuple):
    pass


class Pair(Sequence):
    """A sequence that is not made of a sequence."""

    def __init__(self, left, right):
        self.items = (left, right)

    def __getitem__(self, index):
        return self.items[index]

    def __len__(self):
        return 2


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
    "more keys later": [{"x": 1}, {"x": 2, "y": 3}],
    "keys that do not sort": [{"x": 1, 2: 3.0}, {2: 5.0, "x": 6}],
    "default dictionaries": [defaultdict(list, x=1), defaultdict(list, x=2)],
    "counters": [Counter(x=1, y=2), Counter(x=3, y=4)],
    "own dictionaries": [Labelled({"x": 1}), Labelled({"x": 2})],
    "user dictionaries": [UserDict(x=1), UserDict(x=2)],
    "read-only mappings": [MappingProxyType({"x": 1}), MappingProxyType({"x": 2})],
    "own mappings": [Frozen({"x": 1}), Frozen({"x": 2})],
    "own lists": [Row([1, 2]), Row([3, 4])],
    "user lists": [UserList([1, 2]), UserList([3, 4])],
    "queues": [deque([1, 2]), deque([3, 4])],
    "ranges": [range(2), range(2)],
    "own sequences": [Pair(1, 2), Pair(3, 4)],
    "own tuples": [Sizes((1, 2)), Sizes((3, 4))],
    "typed named tuples": [Sample(np.zeros(2), 1), Sample(np.ones(2), 2)],
    "named tuples of named tuples": [Point(Point(1, 2), [3]), Point(Point(4, 5), [6])],
    "empty lists": [[], []],
    "numbers of two kinds": [1, 2.5],
    "booleans and numbers": [True, 3],
    "NumPy strings": [np.str_("a"), np.str_("b")],
    "NumPy booleans": [np.True_, np.False_],
    "memory maps": [np.zeros(2).view(np.memmap), np.ones(2).view(np.memmap)],
    "nested": [{"image": (np.zeros(2, np.uint8), [1])}, {"image": (np.ones(2, np.uint8), [2])}],
}


def plain(value):
    """Containers with their types, tensors as (dtype, values)."""
    if isinstance(value, Mapping):
        return type(value).__name__, {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
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


def test_attributes_of_containers_stay():
    got = default_collate([Labelled({"x": 1}, "first"), Labelled({"x": 2}, "second")])
    assert got.label == "first" and default_convert(Labelled({"x": 1}, "own")).label == "own"


def test_stacking_keeps_gradients_and_promotes_as_torch():
    weight = mg.ones(2, requires_grad=True)
    default_collate([weight, weight * 2]).sum().backward()
    assert weight.grad.tolist() == [3, 3]
    mixed = default_collate([mg.ones(2, dtype=mg.int64), mg.ones(2)])
    assert mixed.dtype == mg.float32


def test_pinning_keeps_containers(monkeypatch):
    monkeypatch.setattr("minigrad.data.collate.pin_memory", lambda x: x)
    batch = (mg.ones(2), Point(mg.ones(1), [mg.ones(1)]), Labelled({"x": mg.ones(1)}, "kept"))
    pinned = pin(batch)
    assert type(pinned) is tuple and type(pinned[1]) is Point and pinned[2].label == "kept"


REFUSED = [
    ([{"x": 1, "y": 2}, {"x": 3}], KeyError, "a sample lacks the key 'y', which the first sample has"),
    ([from_array(np.zeros(3)), from_array(np.zeros(4))], RuntimeError, r"got \[3\] at entry 0 and \[4\] at entry 1"),
    ([(1, 2), (1,)], RuntimeError, "each element in list of batch should be of equal size"),
    (
        [object(), object()],
        TypeError,
        "must contain tensors, numpy arrays, numbers, dicts or lists; found object",
    ),
    ([np.array(["a"]), np.array(["b"])], TypeError, "found ndarray of <U1"),
    ([np.ones(2, ">f4"), np.ones(2, ">f4")], TypeError, "found ndarray of >f4"),
]


@pytest.mark.parametrize("batch, error, words", REFUSED)
def test_refuses(batch, error, words):
    with pytest.raises(error, match=words):
        default_collate(batch)
