"""Another shape for the same tensor: values, memory, history, and stale saved values. PyTorch is the judge."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg

CALLS = {
    "unsqueeze_": (0,),
    "squeeze_": (),
    "t_": (),
    "transpose_": (0, 1),
    "swapaxes_": (1, 0),
    "swapdims_": (-1, -2),
}


@pytest.mark.parametrize("name", CALLS)
def test_shape_memory_and_gradient(name):
    torch = pytest.importorskip("torch")
    values = np.arange(3.0).reshape(1, 3)
    for start in ("computed", "view"):
        results = []
        for lib in (mg, torch):
            x = lib.tensor(values).requires_grad_()
            y = x * 2
            y = y[:, 1:] if start == "view" else y
            assert getattr(y, name)(*CALLS[name]) is y
            y.mul_(3)
            loss = (y * lib.arange(y.numel()).reshape(y.shape)).sum()
            loss.backward()
            strides = [step for step, size in zip(y.stride(), y.shape, strict=True) if size > 1]
            results.append((tuple(y.shape), strides, y.detach().numpy(), x.grad.numpy()))
        for ours, theirs in zip(*results, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", CALLS)
def test_a_plain_tensor_keeps_its_memory(name):
    array = np.arange(3.0).reshape(1, 3)
    tensor = mg.from_numpy(array)
    getattr(tensor, name)(*CALLS[name]).mul_(2)
    assert array.tolist() == [[0, 2, 4]]
    assert tensor.is_leaf


@pytest.mark.parametrize("name", CALLS)
def test_a_leaf_that_requires_grad_is_refused(name):
    x = mg.ones(1, 3, requires_grad=True)
    for tensor in (x, x[:, 1:]):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            getattr(tensor, name)(*CALLS[name])
    assert x.shape == (1, 3)
    with mg.no_grad():
        assert getattr(x, name)(*CALLS[name]) is x


def test_a_saved_tensor_is_noticed():
    x = mg.ones(2, 3, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


@pytest.mark.parametrize("size", [(2, 2), (6,), (0,), (3, 4), ()])
def test_resize(size):
    torch = pytest.importorskip("torch")
    ours, theirs = mg.arange(6).reshape(2, 3).clone(), torch.arange(6).reshape(2, 3)
    assert ours.resize_(*size) is ours or not size
    theirs.resize_(*size) if size else theirs.resize_(())
    ours = ours if size else ours.resize_(())
    assert ours.shape == tuple(theirs.shape)
    kept = min(6, ours.numel())
    assert ours.reshape(-1)[:kept].tolist() == theirs.reshape(-1)[:kept].tolist()
    assert ours.resize_as_(mg.zeros(1, 2)).shape == (1, 2)


def test_resize_refuses():
    with pytest.raises(RuntimeError, match="resize_: cannot resize variables that require grad"):
        mg.ones(2, requires_grad=True).resize_(3)
    with pytest.raises(RuntimeError, match=r"resize_: negative dimensions are not allowed, got \[-1\]"):
        mg.ones(2).resize_(-1)
    with pytest.raises(TypeError, match="resize_as_: argument 'other' must be Tensor"):
        mg.ones(2).resize_as_((2,))
