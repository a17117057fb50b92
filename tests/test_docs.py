"""Every public name says what it is, in the first line of its docstring; layers and functions give shapes."""

import inspect
import re

import pytest

import minigrad as mg
from minigrad.nn import functional, init
from minigrad.vision import datasets, models, transforms

MODULES = [
    mg,
    mg.autograd,
    mg.backends,
    mg.cuda,
    mg.data,
    mg.nn,
    functional,
    init,
    mg.nn.utils,
    mg.optim,
    mg.optim.lr_scheduler,
    datasets,
    models,
    transforms,
]


def public(module):
    """The functions and classes that a user finds in `module`."""
    for name, member in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(member) or inspect.isfunction(member)):
            continue
        if member.__module__.startswith(("minigrad", "kernels")):
            yield name, member


def members(cls):
    """The methods and properties that `cls` itself defines, without what the facade adds once it is imported."""
    for name, member in vars(cls).items():
        home = getattr(getattr(member, "fget", member), "__module__", "")
        if name.startswith("_") or str(home).startswith("minigrad.torch"):
            continue
        if isinstance(member, property | staticmethod | classmethod) or inspect.isfunction(member):
            yield name, getattr(cls, name)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_says_what_it_is(module):
    assert inspect.getdoc(module)
    bad = []
    for name, member in public(module):
        first = (member.__doc__ or "").strip().split("\n")[0]
        if not first.endswith("."):
            bad.append(f"{name}: {first!r}")
        if inspect.isclass(member):  # a method that replaces an inherited one may leave the words to it
            bad += [f"{name}.{part}" for part, value in members(member) if not inspect.getdoc(value)]
    assert not bad, bad


# A tuple of sizes, or words that say the shape.
SHAPE = re.compile(r"\([A-Z*.][\w.*]*, |shape|element|dimension|broadcast|over `dim`")
# Of every element, and so of any shape, as their formulas show.
ELEMENTWISE = set(mg.nn.activation.__all__) - {"Softmax", "LogSoftmax"}


def test_layers_give_shapes():
    containers = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Parameter", "Sequential"}
    layers = {name: layer for name, layer in public(mg.nn) if name not in containers | ELEMENTWISE}
    assert "Conv2d" in layers
    silent = [name for name, layer in layers.items() if not SHAPE.search(layer.__doc__)]
    assert not silent, silent


def test_functions_give_shapes():
    elementwise = {name.lower() for name in ELEMENTWISE}
    functions = {n: function for n, function in public(functional) if n.replace("_", "") not in elementwise}
    assert "conv2d" in functions
    silent = [name for name, function in functions.items() if not SHAPE.search(function.__doc__)]
    assert not silent, silent
