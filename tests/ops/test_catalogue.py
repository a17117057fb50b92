"""The catalogue is complete: whatever a user can call on tensors is checked, or tested where this file says."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from catalogue import CASES
from test_creation import CREATION

import minigrad as mg
from minigrad import ops

TESTS = Path(__file__).parents[1]

# What the catalogue's checks do not fit, by the file that tests it instead.
ELSEWHERE = {
    "ops/test_random.py": """bernoulli bernoulli_ multinomial normal normal_ rand rand_like randint randn randn_like
        randperm uniform_""",
    "ops/test_shape.py": "is_contiguous",
    "cuda/test_engine_tensors.py": "cuda pin_memory is_pinned",
    "autograd/test_accumulated_hooks.py": "register_post_accumulate_grad_hook",
    "autograd/test_tape.py": "backward requires_grad_ register_hook retain_grad",
    "autograd/test_inplace.py": "copy_ fill_ zero_",
    "autograd/test_reshape_in_place.py": """resize_ resize_as_ squeeze_ swapaxes_ swapdims_ t_ transpose_
        unsqueeze_""",
    "test_tensor.py": """detach detach_ data_ptr dim element_size get_device is_floating_point is_tensor item
        nelement numel numpy size stride tolist""",
}
TESTED_IN = {name: TESTS / file for file, names in ELSEWHERE.items() for name in names.split()}

MODULES = [importlib.import_module(f"{ops.__name__}.{module.name}") for module in pkgutil.iter_modules(ops.__path__)]
FUNCTIONS = {
    name
    for module in MODULES
    for name in getattr(module, "__all__", ())
    if inspect.isfunction(getattr(module, name))
}  # fmt: skip
METHODS = {
    name
    for name, member in vars(mg.Tensor).items()
    if inspect.isfunction(member) and name[0] != "_" and not member.__module__.startswith("minigrad.torch")
}  # the facade's old spellings are the facade's own business: tests/test_facades.py
EXPORTED = FUNCTIONS | {
    name
    for module in (mg, mg.nn.functional)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__.startswith("minigrad.ops")
}
CHECKED = {case.name.split()[0].split(".")[-1] for case in [*CASES, *CREATION]}


@pytest.mark.parametrize("name", sorted(EXPORTED | METHODS))
def test_has_an_entry(name):
    if name in TESTED_IN:
        assert re.search(rf"\b{name}\b", TESTED_IN[name].read_text()), f"{TESTED_IN[name]} does not mention {name}"
        assert name not in CHECKED
    else:
        # A form in place is checked wherever its operation is: test_operations.test_in_place_form.
        assert name in CHECKED or name.endswith("_") and name[:-1] in CHECKED


def test_what_is_excused_exists():
    assert set(TESTED_IN) <= EXPORTED | METHODS


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_is_exported(name):
    assert hasattr(mg, name) or hasattr(mg.nn.functional, name)


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
