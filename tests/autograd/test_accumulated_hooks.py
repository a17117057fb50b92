"""What is called when a leaf's gradient has been added to, and when a backward pass has ended."""

import pytest

import minigrad as mg
from minigrad.autograd import checkpoint
from minigrad.autograd.backward import queue_callback


def test_the_hook_sees_the_sum_once_a_pass():
    x, y = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda leaf: seen.append((leaf is x, leaf.grad.tolist())))
    (x * y + x).sum().backward()
    assert seen == [(True, [2.0] * 3)]
    (x * 3).sum().backward()
    assert seen[1:] == [(True, [5.0] * 3)]
    y.sum().backward()
    handle.remove()
    x.sum().backward()
    assert len(seen) == 2


def test_it_runs_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def run(library):
        events = []
        x = library.ones(2, requires_grad=True)
        x.register_hook(lambda grad: grad * 2)
        x.register_post_accumulate_grad_hook(lambda leaf: events.append(leaf.grad.tolist()))
        library.autograd.grad((x * 3).sum(), x)  # accumulates nothing
        (x * 3).sum().backward()
        library.autograd.backward((x * 5).sum(), inputs=[x])
        x.grad = None
        (x * 7).sum().backward(create_graph=True)
        return events, x.grad.tolist()

    assert run(mg) == run(torch)


def test_a_gradient_can_be_used_up_within_the_pass():
    layer = mg.nn.Linear(3, 2)
    for parameter in layer.parameters():
        parameter.register_post_accumulate_grad_hook(lambda leaf: setattr(leaf, "grad", None))
    layer(mg.ones(1, 3)).sum().backward()
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_a_callback_comes_when_the_outermost_pass_has_ended():
    """A checkpointed segment has a pass of its own within."""
    first, second = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    ended = []

    def arrived(leaf):
        queue_callback(lambda: ended.append((first.grad is not None, second.grad is not None)))

    second.register_post_accumulate_grad_hook(arrived)
    checkpoint(lambda x: (x * second).exp(), first * 2).sum().backward()
    assert ended == [(True, True)]
    with pytest.raises(RuntimeError, match="no backward pass is running"):
        queue_callback(print)


def test_a_pass_that_fails_calls_nothing_back():
    x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    called = []

    def fail(grad):
        raise ValueError("on purpose")

    y.register_post_accumulate_grad_hook(lambda leaf: queue_callback(lambda: called.append(True)))
    x.register_hook(fail)
    with pytest.raises(ValueError, match="on purpose"):
        ((x * 2) * y).sum().backward()
    y.sum().backward()
    assert called == [True]
