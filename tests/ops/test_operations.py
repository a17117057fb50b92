"""Every operation, every check: the catalogue's entries times the tests below."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from case import Case, leaves, outputs
from catalogue import CASES

import minigrad as mg
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.ops import reshape_in_place

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
differentiable = pytest.mark.parametrize("case", [c for c in CASES if c.differentiable], ids=lambda case: case.name)


def expected_values(case: Case) -> list[np.ndarray]:
    value = case.reference(*case.inputs)
    return [np.asarray(v) for v in (value if isinstance(value, tuple | list) else [value])]


def backward_with_random_weights(result) -> list[mg.Tensor]:
    """Run backward from every differentiable output; the gradients that went in."""
    random = np.random.default_rng(0)
    roots = [r for r in outputs(result) if r.requires_grad]
    weights = [mg.from_numpy(random.standard_normal(r.shape).astype(r.dtype)) for r in roots]
    mg.autograd.backward(roots, weights)
    return weights


@every_case
def test_value_and_dtype(case):
    results = outputs(case.call(*case.tensors()))
    expected = expected_values(case)
    assert len(results) == len(expected)
    for result, value in zip(results, expected, strict=True):
        assert result.shape == value.shape
        assert result.dtype == value.dtype or value.dtype.kind == "f" == result.dtype.kind
        rtol = 1e-6 if value.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(result.detach().numpy(), value, rtol=rtol, atol=case.atol)


@every_case
def test_float32_stays_float32(case):
    tensors = case.tensors("float32", requires_grad=True)
    result = case.call(*tensors)
    for r, value in zip(outputs(result), expected_values(case), strict=True):
        if r.dtype.kind == "f" and any(t.dtype == np.float32 for t in leaves(tensors)):
            assert r.dtype == np.float32
            scale = np.abs(value[np.isfinite(value)]).max(initial=1.0)
            np.testing.assert_allclose(r.detach().numpy(), value, rtol=1e-4, atol=1e-4 * scale)
    if any(r.requires_grad for r in outputs(result)):
        backward_with_random_weights(result)
        assert all(t.grad.dtype == np.float32 for t in leaves(tensors) if t.grad is not None)


@every_case
def test_memory_layout_does_not_matter(case):
    straight, spread = case.tensors(requires_grad=True), case.tensors(requires_grad=True, view=True)
    results = [case.call(*tensors) for tensors in (straight, spread)]
    for a, b in zip(outputs(results[0]), outputs(results[1]), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    if any(r.requires_grad for r in outputs(results[0])):
        for result in results:
            backward_with_random_weights(result)
        for a, b in zip(leaves(straight), leaves(spread), strict=True):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)


@differentiable
def test_gradient_by_finite_differences(case):
    tensors = case.tensors(requires_grad=True)
    assert gradcheck(lambda *_: case.call(*tensors), leaves(tensors))


@differentiable
def test_second_derivative_by_finite_differences(case):
    tensors = case.tensors(requires_grad=True)
    assert gradgradcheck(lambda *_: case.call(*tensors), leaves(tensors), fast_mode=True, atol=1e-4)


@every_case
def test_nothing_given_is_changed(case):
    tensors = case.tensors(requires_grad=True)
    before = [t.detach().numpy().copy() for t in leaves(tensors)]
    result = case.call(*tensors)
    if any(r.requires_grad for r in outputs(result)):
        roots = [r for r in outputs(result) if r.requires_grad]
        weights = [np.random.default_rng(0).standard_normal(r.shape) for r in roots]
        given = [mg.tensor(w, dtype=r.dtype) for w, r in zip(weights, roots, strict=True)]
        mg.autograd.backward(roots, given)
        for weight, kept in zip(given, weights, strict=True):
            np.testing.assert_array_equal(weight.numpy(), kept)
    for tensor, array in zip(leaves(tensors), before, strict=True):
        np.testing.assert_array_equal(tensor.detach().numpy(), array)


@differentiable
def test_gradients_share_no_memory(case):
    tensors = case.tensors(requires_grad=True)
    result = case.call(*tensors)
    weights = backward_with_random_weights(result)
    gradients = [t.grad for t in leaves(tensors) if t.grad is not None]
    others = [*leaves(tensors), *weights, *outputs(result)]
    for i, gradient in enumerate(gradients):
        assert gradient.shape == [t for t in leaves(tensors) if t.grad is not None][i].shape
        for other in [*others, *gradients[:i]]:
            assert not np.may_share_memory(gradient.numpy(), other.detach().numpy())


@differentiable
def test_dropped_graph_leaves_nothing(case):
    tensors = case.tensors(requires_grad=True)
    gc.collect()
    gc.disable()
    try:
        result = case.call(*tensors)
        nodes = [weakref.ref(r.grad_fn) for r in outputs(result) if r.requires_grad]
        assert nodes
        del result
        assert [node() for node in nodes] == [None] * len(nodes)
    finally:
        gc.enable()


@every_case
def test_reference_kernels_agree(case):
    results = []
    for kernels in ("reference", "cpu"):
        with mg.use_kernels(kernels):
            tensors = case.tensors(requires_grad=True)
            result = case.call(*tensors)
            if any(r.requires_grad for r in outputs(result)):
                backward_with_random_weights(result)
            results.append([r.detach().numpy() for r in outputs(result)])
            results[-1] += [t.grad.numpy() for t in leaves(tensors) if t.grad is not None]
    for reference, fast in zip(*results, strict=True):
        np.testing.assert_allclose(fast, reference, rtol=1e-9, atol=1e-10)


def in_place_form(case: Case):
    """The method that does in place what a catalogue's entry does; None if there is none."""
    method = getattr(mg.Tensor, case.name.split()[0] + "_", None)
    if method is not None and method.__module__ == reshape_in_place.__name__:
        return None  # they have a file of their own
    return method if case.function is None and isinstance(case.inputs[0], np.ndarray) else None


@pytest.mark.parametrize("case", [case for case in CASES if in_place_form(case)], ids=lambda case: case.name)
def test_in_place_form(case):
    plain, written = case.tensors(requires_grad=True), case.tensors(requires_grad=True)
    expected, x = case.call(*plain), written[0].clone()
    if expected.shape != x.shape or expected.dtype.kind not in ("b", x.dtype.kind):
        before = x.tolist()
        with pytest.raises(RuntimeError, match="shape|can't be cast"):
            in_place_form(case)(x, *written[1:], **case.options)
        assert x.tolist() == before
        return
    assert in_place_form(case)(x, *written[1:], **case.options) is x
    np.testing.assert_array_equal(x.detach().numpy(), expected.detach().numpy())
    if expected.requires_grad:
        for result in (expected, x):
            backward_with_random_weights(result)
        for a, b in zip(leaves(plain), leaves(written), strict=True):
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None:
                np.testing.assert_allclose(b.grad.numpy(), a.grad.numpy(), rtol=1e-12, atol=1e-14)


@differentiable
def test_second_backward_is_allowed_where_pytorch_allows_it(case):
    """Through a graph that was not retained: a node that kept nothing may run again, and gives the same."""
    torch = pytest.importorskip("torch")
    ours = case.tensors(requires_grad=True)
    first, second = _twice(mg.autograd.grad, outputs(case.call(*ours)), leaves(ours))
    for a, b in zip(first, second or first, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    function = torch
    for part in case.name.split()[0].split("."):
        function = getattr(function, part, None)
    if function is None or case.function is not None:
        return
    theirs = [_as_torch(torch, t) for t in case.tensors(requires_grad=True)]
    try:
        results = function(*theirs, **{name: _as_torch(torch, value) for name, value in case.options.items()})
    except TypeError:  # the arguments have other names there
        return
    results = [r for r in (results if isinstance(results, tuple | list) else [results]) if r.requires_grad]
    flat = [t for item in theirs for t in (item if isinstance(item, list) else [item])]
    wanted = [t for t in flat if isinstance(t, torch.Tensor) and t.requires_grad]
    keeps_a_mask = case.name.split()[0] in ("tril", "triu")  # for they are masked_fill
    assert second is not None or keeps_a_mask or _twice(torch.autograd.grad, results, wanted)[1] is None


def _twice(grad, results, inputs):
    """The gradients, and those of a second pass, or None if it is refused."""
    results = [r for r in results if r.requires_grad]
    inputs = [t for t in inputs if t.requires_grad]
    seeds = [r.detach() * 0 + 1 for r in results]
    first = grad(results, inputs, seeds, allow_unused=True)
    try:
        return first, grad(results, inputs, seeds, allow_unused=True)
    except RuntimeError as error:
        assert "through the graph a second time" in str(error)
        return first, None


def _as_torch(torch, value):
    if isinstance(value, list):
        return [_as_torch(torch, v) for v in value]
    if not isinstance(value, mg.Tensor):
        return value
    return torch.tensor(value.detach().numpy()).requires_grad_(value.requires_grad)
