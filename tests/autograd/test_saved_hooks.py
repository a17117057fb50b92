"""Hooks on what operations save for backward, and batches of gradients: as PyTorch has them."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks


def program(t, x, w, image, hooks):
    """A program's result and its gradients to second order, with all within hooks."""
    x, w, image = (t.tensor(a, requires_grad=True) for a in (x, w, image))
    with hooks:
        y = (x @ w).exp().tanh() * x.sum(1, keepdim=True) / (w * w).sum()
        features = t.nn.functional.max_pool2d(t.nn.functional.conv2d(image, image[:1, :, :3, :3]).relu(), 2)
        total = (y**3).sum() + t.sigmoid(features).sum() + t.softmax(x, 1)[:, 0].prod()
        first = t.autograd.grad(total, (x, w, image), create_graph=True)
        second = t.autograd.grad(sum((g**2).sum() for g in first), (x, w, image))
    return [total, *first, *second]


def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=(2, 2, 8, 8))


def copies():
    return saved_tensors_hooks(lambda t: t.numpy().copy(), mg.from_numpy)


@pytest.mark.parametrize("make", [copies, save_on_cpu])
def test_values_and_gradients_of_both_orders_are_the_same(make):
    torch = pytest.importorskip("torch")
    ours = program(mg, *arrays(), make())
    wanted = program(torch, *arrays(), torch.autograd.graph.save_on_cpu())
    for a, b in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_hooks_are_called_as_pytorchs():
    torch = pytest.importorskip("torch")

    def calls(t):
        log = []

        def pack(saved):
            log.append(("pack", round(saved.item(), 2)))
            return saved

        def unpack(saved):
            log.append(("unpack", round(saved.item(), 2)))
            return saved

        a = t.tensor(3.0, requires_grad=True)
        b = t.tensor(2.0, requires_grad=True)
        with t.autograd.graph.saved_tensors_hooks(pack, unpack):
            y = (a * b).exp()
            unrecorded = a.detach() * 2
        packed = sorted(log)  # a product keeps its operands in either order
        log.clear()
        y.backward()
        return packed, sorted(log), round(a.grad.item(), 2), round(b.grad.item(), 2), unrecorded.item()

    assert calls(mg) == calls(torch)


def test_the_innermost_block_counts_and_ends():
    x = mg.tensor(2.0, requires_grad=True)
    seen = []
    with saved_tensors_hooks(lambda t: seen.append("outer") or t, lambda t: t):
        with saved_tensors_hooks(lambda t: seen.append("inner") or t, lambda t: t):
            x * x  # noqa: B018
        x.exp()
    x.exp()
    assert seen == ["inner", "inner", "outer"]


def test_what_was_packed_is_not_kept_besides():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with copies():
        middle = x * 2
        alive = weakref.ref(middle)
        y = middle * middle
    del middle
    gc.collect()
    assert alive() is None
    y.sum().backward()
    assert x.grad.tolist() == [8, 16]


def test_packed_outputs_leave_no_cycle():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        with saved_tensors_hooks(lambda t: t, lambda t: t):
            y = x.exp()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_an_operation_in_place_packs_what_it_overwrites():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x * 1
        y.pow_(3)
    y.sum().backward()
    assert x.grad.tolist() == [3, 12]


def test_errors():
    x = mg.tensor(2.0, requires_grad=True)
    with saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x * x
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.backward()
    with disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"), save_on_cpu():
        pass
    with save_on_cpu(), pytest.raises(RuntimeError, match="nor here"), disable_saved_tensors_hooks("nor here"):
        pass
    with save_on_cpu():
        y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_a_batch_of_gradients_is_pytorchs():
    torch = pytest.importorskip("torch")

    def results(t):
        x, w, _ = (t.tensor(a, requires_grad=True) for a in arrays())
        y, unused = (x @ w).exp(), t.zeros(2, requires_grad=True, dtype=t.float64)
        batch = t.tensor(np.random.default_rng(1).normal(size=(5, 3, 4)))
        one, two, none = t.autograd.grad(
            y, (x, w, unused), batch, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
        assert none is None
        (recorded,) = t.autograd.grad(y, x, (batch,), create_graph=True, is_grads_batched=True)
        return one, two, recorded, *t.autograd.grad(recorded.sin().sum(), (x, w))

    for a, b in zip(results(mg), results(torch), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="batches of one size"):
        mg.autograd.grad(x * 2, x, is_grads_batched=True)
