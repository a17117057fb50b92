"""Functions around an optimizer's steps; what is expected here is what PyTorch does."""

import copy
from importlib import import_module

import pytest

import minigrad as mg


@pytest.fixture(params=["minigrad", "torch"])
def engine(request):
    return mg if request.param == "minigrad" else pytest.importorskip("torch")


def problem(engine, kind="SGD"):
    weight = engine.ones(2, requires_grad=True)
    weight.sum().backward()
    return weight, getattr(engine.optim, kind)([weight], lr=0.5)


def hooks_of_all(engine):
    name = "torch.optim.optimizer" if engine is not mg else "minigrad.optim.hooks"
    module = import_module(name)
    return module.register_optimizer_step_pre_hook, module.register_optimizer_step_post_hook


@pytest.mark.parametrize("kind", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_hooks_of_one_and_of_all_run_around_each_step(engine, kind):
    before_all, after_all = hooks_of_all(engine)
    weight, optimizer = problem(engine, kind)
    _, other = problem(engine, kind)
    calls = []

    def note(name):
        def hook(self, args, kwargs):
            assert args[0] is self and kwargs == {}
            calls.append((name, self is optimizer, weight.tolist() == [1, 1]))

        return hook

    optimizer.register_step_post_hook(note("after this one"))
    optimizer.register_step_pre_hook(note("before this one"))
    with after_all(note("after all")), before_all(note("before all")):
        optimizer.step()
        expected = ["before all", "before this one", "after this one", "after all"]
        assert calls == [(name, True, name.startswith("before")) for name in expected]
        calls.clear()
        other.step()
        assert [call[:2] for call in calls] == [("before all", False), ("after all", False)]
    calls.clear()
    optimizer.step()
    assert [call[0] for call in calls] == ["before this one", "after this one"]


def test_a_pre_hook_may_replace_the_arguments_and_be_removed(engine):
    weight, optimizer = problem(engine)
    handle = optimizer.register_step_pre_hook(lambda self, args, kwargs: (args, {"closure": lambda: "the loss"}))
    assert optimizer.step() == "the loss"
    handle.remove()
    assert optimizer.step() is None
    optimizer.register_step_pre_hook(lambda self, args, kwargs: args)
    with pytest.raises(RuntimeError, match="must return None or a tuple of \\(new_args, new_kwargs\\), but got"):
        optimizer.step()


def test_a_step_that_a_subclass_writes_has_hooks_too(engine):
    class Own(engine.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {})

        def step(self, closure=None):
            """Doc."""
            return "stepped"

    calls = []
    optimizer = Own([engine.ones(1, requires_grad=True)])
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    assert optimizer.step() == "stepped" and calls == ["after"]
    assert optimizer.step.__doc__ == "Doc."


def test_an_optimizer_can_be_copied(engine):
    weight, optimizer = problem(engine)
    twin = copy.deepcopy(optimizer)
    twin.step()
    assert optimizer.param_groups[0]["params"][0] is weight and weight.tolist() == [1, 1]
