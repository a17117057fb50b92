"""The catalogue is complete: what is exported is checked."""

from __future__ import annotations

import pytest
from catalogue import CASES

import minigrad as mg
from minigrad.ops import (
    comparison,
    convert,
    einsum,
    elementwise,
    gathering,
    indexing,
    joining,
    linalg,
    reduction,
    shape,
    sorting,
)

# Not functions of tensors only, so not for the catalogue's checks: tested where the reason says.
ELSEWHERE = {
    "allclose": "returns a bool; tests/ops/test_comparison.py",
    "equal": "returns a bool; tests/ops/test_comparison.py",
    "channels_last": "a name, not an operation",
    "contiguous_format": "a name, not an operation",
    "preserve_format": "a name, not an operation",
}

MODULES = [
    comparison, convert, einsum, elementwise, gathering, indexing, joining, linalg, reduction, shape, sorting
]  # fmt: skip
EXPORTED = sorted({name for module in MODULES for name in module.__all__} - set(ELSEWHERE))
CHECKED = {case.name.split()[0] for case in CASES}


@pytest.mark.parametrize("name", EXPORTED)
def test_operation_has_an_entry(name):
    assert hasattr(mg, name)
    assert name in CHECKED or f"nn.functional.{name}" in CHECKED


@pytest.mark.parametrize("name", mg.nn.functional.__all__)
def test_function_of_nn_has_an_entry(name):
    assert f"nn.functional.{name}" in CHECKED or name in CHECKED


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
