"""`Tensor(...)` called as PyTorch's oldest constructor, and never by the engine."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

DATA = {
    "nothing": [],
    "a list": [[1, 2, 3]],
    "nested lists": [[[1, 2], [3, 4.5]]],
    "a tuple": [(2, 3)],
    "booleans": [[True, False]],
    "a range": [range(3)],
    "an empty list": [[]],
    "an empty row": [[[]]],
    "float64": [np.arange(3.0)],
    "float32": [np.ones((2, 2), np.float32)],
    "int64": [np.arange(6).reshape(2, 3)],
    "uint8, strided": [np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::2]],
    "a 0-d array": [np.array(2.5)],
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA.keys())
def test_data_become_the_default_dtype_as_in_pytorch(data):
    torch = pytest.importorskip("torch")
    ours, theirs = mg.Tensor(*data), torch.Tensor(*data)
    assert ours.dtype == mg.float32
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert (ours + 1).sum().item() == (theirs + 1).sum().item()
    assert type(ours) is mg.Tensor


@pytest.mark.parametrize("sizes", [(5,), (2, 3), (0,), (np.int64(2), 1), (mg.tensor(2), 4)])
def test_integers_are_sizes(sizes):
    made = mg.Tensor(*sizes)
    assert made.shape == tuple([int(size) for size in sizes])
    assert made.dtype == mg.float32


def test_default_dtype_is_taken():
    mg.set_default_dtype(mg.float64)
    try:
        assert mg.Tensor([1, 2]).dtype == mg.Tensor(2, 2).dtype == mg.float64
    finally:
        mg.set_default_dtype(mg.float32)


def test_memory_is_shared_where_the_dtype_fits():
    array = np.zeros(3, np.float32)
    mg.Tensor(array)[0] = 5
    assert array.tolist() == [5, 0, 0]
    tensor = mg.zeros(3)
    mg.Tensor(tensor)[1] = 7
    assert tensor.tolist() == [0, 7, 0]


def test_a_tensor_keeps_dtype_and_history():
    assert mg.Tensor(mg.tensor([1, 2])).dtype == mg.int64
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    mg.Tensor(x * 3).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3, 3]


def test_of_a_subclass():
    class Named(mg.Tensor):
        pass

    assert type(Named([1, 2])) is Named
    assert Named(2, 2).shape == (2, 2)


@pytest.mark.parametrize("wrong", [(3.5,), (True,), (np.float32(2),), ("a",), (None,), ([1], [2]), (2, 2.5), (2, (3,))])
def test_what_it_does_not_take(wrong):
    with pytest.raises(TypeError, match=r"^Tensor: expected sizes \(integers\), one sequence, one array or one tensor"):
        mg.Tensor(*wrong)


def test_wrong_shapes():
    with pytest.raises(RuntimeError, match=r"Tensor: negative dimensions are not allowed, got \[-1\]"):
        mg.Tensor(-1)
    with pytest.raises(ValueError, match="Tensor: expected nested sequences of equal length"):
        mg.Tensor([[1], [1, 2]])


def test_the_engine_wraps_arrays_with_from_array():
    """``Tensor(array)`` makes numbers of the default dtype; an operation must keep the array as it is."""
    package = Path(mg.__file__).parent
    calls = [
        f"{file.relative_to(package)}:{node.lineno}"
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Tensor"
    ]
    assert not calls, "write minigrad.tensor.from_array(array) instead"
