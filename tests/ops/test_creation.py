"""Functions that make tensors: values, dtypes and devices, and that nothing is shared which should not be."""

from __future__ import annotations

import numpy as np
import pytest
from case import Case

import minigrad as mg
from minigrad.autograd import gradcheck

GRID = np.arange(6.0).reshape(2, 3)
LIKE = np.array([[1, 2, 3]], np.int32)


def made(name, inputs, value, function=None, **options):
    return Case(name, inputs, lambda *_: value, options, differentiable=False, function=function)


CREATION = [
    made("zeros", (2, 3), np.zeros((2, 3), "f4")),
    made("zeros of a dtype", ((2, 0),), np.zeros((2, 0), "i8"), dtype=mg.int64),
    made("ones", (3,), np.ones(3, "f4")),
    made("ones of no dimension", ((),), np.ones((), "f8"), dtype=mg.float64),
    made("empty", (2, 3), np.ones((2, 3), "f4"), lambda *size: mg.empty(*size).fill_(1)),
    made("full", ((2,), 1.5), np.full(2, 1.5, "f4")),
    made("full of integers", ((2, 1), 7), np.full((2, 1), 7, "i8")),
    made("eye", (2, 3), np.eye(2, 3, dtype="f4")),
    made("arange", (5,), np.arange(5)),
    made("arange with a step", (1.0, 0.0, -0.25), np.arange(1, 0, -0.25).astype("f4")),
    made("linspace", (0, 1, 5), np.linspace(0, 1, 5, dtype="f4")),
    made("linspace of integers", (0, -5, 4), np.array([0, -1, -3, -5]), dtype=mg.int64),
    made("tensor", ([[1, 2], [3, 4]],), np.array([[1, 2], [3, 4]]), mg.tensor),
    made("tensor of floats", (2.5,), np.array(2.5, "f4")),
    made("tensor of an array", (), GRID, lambda: mg.tensor(GRID)),
    made("as_tensor", (), GRID, lambda: mg.as_tensor(GRID)),
    made("from_numpy", (), LIKE, lambda: mg.from_numpy(LIKE)),
    made("from_dlpack", (), GRID, lambda: mg.from_dlpack(GRID.copy())),
    made("zeros_like", (LIKE,), np.zeros((1, 3), "i4")),
    made("ones_like", (LIKE,), np.ones((1, 3), "i4")),
    made("empty_like", (LIKE,), np.ones((1, 3), "i4"), lambda x: mg.empty_like(x).fill_(1)),
    made("full_like", (LIKE, 4), np.full((1, 3), 4, "i4")),
    made("full_like of a dtype", (LIKE, 0.5), np.full((1, 3), 0.5, "f8"), dtype=mg.float64),
    made("Tensor.new_zeros", (LIKE, 2, 2), np.zeros((2, 2), "i4")),
    made("Tensor.new_ones", (LIKE, (2, 2)), np.ones((2, 2), "i4")),
    made("Tensor.new_empty", (LIKE, 2), np.ones(2, "i4"), lambda x, n: x.new_empty(n).fill_(1)),
    made("Tensor.new_full", (LIKE, (2,), 3), np.full(2, 3, "i4")),
    made("Tensor.new_tensor", (LIKE, [[1], [2]]), np.array([[1], [2]], "i4"), lambda x, data: x.new_tensor(data)),
]  # fmt: skip


@pytest.mark.parametrize("case", CREATION, ids=lambda case: case.name)
def test_what_is_made(case):
    # A list among these arguments is data, not a list of tensors.
    arguments = [value if isinstance(value, list) else case._tensor(value, "float64", False, False)
                 for value in case.inputs]  # fmt: skip
    result, expected = case.call(*arguments), case.reference()
    assert result.is_leaf and not result.requires_grad and result.device == mg.device("cpu")
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6, strict=True)


@pytest.mark.parametrize("make", [mg.as_tensor, mg.from_numpy, mg.from_dlpack], ids=lambda f: f.__name__)
def test_memory_is_shared(make):
    array = np.zeros(3)
    x = make(array)
    x[1] = 5
    assert array.tolist() == [0, 5, 0]


def test_tensor_copies():
    array = np.zeros(3)
    x = mg.tensor(array)
    x[1] = 5
    assert array.tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "eye", "arange"])
def test_a_leaf_is_made_on_demand(name):
    assert getattr(mg, name)(3, requires_grad=True, dtype=mg.float64).requires_grad


def test_as_tensor_keeps_history():
    x = mg.tensor([1.0, 2.0], requires_grad=True, dtype=mg.float64)
    assert mg.as_tensor(x) is x
    assert gradcheck(lambda t: mg.as_tensor(t, dtype=mg.float64) * 2, (x,))
