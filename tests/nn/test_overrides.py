"""What a parent does to its tree goes through the methods of its children, so that an overridden one is obeyed."""

import pytest

import minigrad as mg
from minigrad import nn

torch = pytest.importorskip("torch")

# What is done to the parent; as far as PyTorch goes through a method of the children, so do we.
ACTIONS = {
    "train": lambda engine, parent: parent.train(),
    "eval": lambda engine, parent: parent.eval(),
    "apply": lambda engine, parent: parent.apply(lambda module: None),
    "to a dtype": lambda engine, parent: parent.to(engine.float64),
    "to a device": lambda engine, parent: parent.to("cpu"),
    "float": lambda engine, parent: parent.float(),
    "double": lambda engine, parent: parent.double(),
    "cpu": lambda engine, parent: parent.cpu(),
    "zero_grad": lambda engine, parent: parent.zero_grad(),
    "requires_grad_": lambda engine, parent: parent.requires_grad_(False),
    "parameters": lambda engine, parent: list(parent.parameters()),
    "buffers": lambda engine, parent: list(parent.buffers()),
    "modules": lambda engine, parent: list(parent.modules()),
    "state_dict": lambda engine, parent: parent.state_dict(),
    "load_state_dict": lambda engine, parent: parent.load_state_dict(parent.state_dict()),
    "repr": lambda engine, parent: repr(parent),
    "call": lambda engine, parent: parent(engine.zeros(2, 1, 4, 4)),
}
OVERRIDDEN = [
    "__call__",
    "__repr__",
    "_apply",
    "_get_name",
    "_load_from_state_dict",
    "_save_to_state_dict",
    "apply",
    "buffers",
    "cpu",
    "double",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "load_state_dict",
    "modules",
    "named_parameters",
    "parameters",
    "requires_grad_",
    "state_dict",
    "to",
    "train",
    "zero_grad",
]


def calls(engine, action):
    """The overridden methods of a child that `action` on its parent calls, in order."""
    log = []

    def recorded(name):
        def method(self, *args, **kwargs):
            log.append(name)
            return getattr(super(Child, self), name)(*args, **kwargs)

        return method

    class Child(engine.nn.BatchNorm2d):
        pass

    for name in OVERRIDDEN:
        setattr(Child, name, recorded(name))
    parent = engine.nn.Sequential(engine.nn.Conv2d(1, 2, 3), engine.nn.Sequential(Child(2)))
    log.clear()
    action(engine, parent)
    return log


@pytest.mark.parametrize("name", ACTIONS)
def test_a_parent_calls_what_pytorchs_calls(name):
    expected = calls(torch, ACTIONS[name])
    assert calls(mg, ACTIONS[name]) == expected
    if name in ("train", "eval", "to a dtype", "state_dict"):
        assert expected  # the comparison is not of nothing


def frozen_batch_norm(engine):
    class Frozen(engine.nn.BatchNorm2d):
        def train(self, mode=True):
            super().train(False)  # as many programs have it, without returning self

        def _apply(self, fn, *args, **kwargs):
            return self  # kept in the dtype that it has

    return Frozen


def test_a_frozen_batch_norm_stays_frozen():
    for engine in (mg, torch):
        norm = frozen_batch_norm(engine)(2)
        model = engine.nn.Sequential(engine.nn.Conv2d(1, 2, 3), norm, engine.nn.Dropout())
        model.train()
        assert [module.training for module in model.modules()] == [True, True, False, True]
        model(engine.ones(2, 1, 5, 5))
        assert norm.num_batches_tracked.item() == 0
        model.double()
        assert model[0].weight.dtype == engine.float64 and norm.weight.dtype == engine.float32


def test_a_child_of_two_parents_stays_one():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(nn.Sequential(shared), nn.Sequential(shared, nn.Tanh()))
    weight = shared.weight
    assert model.eval().double()[0][0].weight is weight
    assert weight.dtype == mg.float64 and not shared.training


def test_zero_grad_fills_the_gradient_that_is_there():
    for engine in (mg, torch):
        layer = engine.nn.Linear(2, 1)
        layer(engine.ones(3, 2)).sum().backward()
        gradient = layer.weight.grad
        layer.zero_grad(set_to_none=False)
        assert layer.weight.grad is gradient and gradient.abs().sum().item() == 0


def renaming(engine):
    class Renamed(engine.nn.BatchNorm2d):
        """Reads files in which the weight was called gamma, and writes what it counts."""

        def _load_from_state_dict(self, state_dict, prefix, *args):
            if prefix + "gamma" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "gamma")
            super()._load_from_state_dict(state_dict, prefix, *args)

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "gamma"] = destination.pop(prefix + "weight")

    return Renamed


def test_a_child_may_have_other_names_in_files():
    for engine in (mg, torch):
        model = engine.nn.Sequential(engine.nn.Conv2d(1, 2, 3), renaming(engine)(2))
        state = model.state_dict()
        assert [name for name in state if name.startswith("1.")] == [
            *["1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked", "1.gamma"]
        ]
        state["1.gamma"] = engine.full((2,), 3.0)
        kept = dict(state)
        assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
        assert model[1].weight.tolist() == [3, 3] and state.keys() == kept.keys()
        plain = engine.nn.Sequential(engine.nn.Conv2d(1, 2, 3), engine.nn.BatchNorm2d(2))
        with pytest.raises(RuntimeError, match=r"(?s)Missing key.*1.weight.*Unexpected key.*1.gamma"):
            plain.load_state_dict(state)
        found = plain.load_state_dict(state, strict=False)
        assert (list(found.missing_keys), list(found.unexpected_keys)) == (["1.weight"], ["1.gamma"])
