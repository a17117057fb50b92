"""Shapes: views, joining, splitting, padding. NumPy and PyTorch are the judges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.nn.functional import pad

X = np.arange(24.0).reshape(2, 3, 4)

# A call on a tensor of shape (2, 3, 4), and the same in NumPy.
VIEWS = {
    "reshape": (lambda t: t.reshape(4, -1), lambda a: a.reshape(4, 6)),
    "view": (lambda t: t.view((6, 4)), lambda a: a.reshape(6, 4)),
    "view_as": (lambda t: t.view_as(mg.ones(24)), lambda a: a.reshape(24)),
    "flatten": (lambda t: t.flatten(1), lambda a: a.reshape(2, 12)),
    "unflatten": (lambda t: t.unflatten(-1, (2, -1)), lambda a: a.reshape(2, 3, 2, 2)),
    "ravel": (lambda t: t.ravel(), lambda a: a.ravel()),
    "squeeze": (lambda t: t.unsqueeze(1).squeeze(), lambda a: a),
    "squeeze dims": (lambda t: t[None, :, None].squeeze((0, 1, 2)), lambda a: a),
    "unsqueeze": (lambda t: t.unsqueeze(-2), lambda a: a[:, :, None]),
    "transpose": (lambda t: t.transpose(0, -1), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda t: t.permute(1, 2, 0), lambda a: a.transpose(1, 2, 0)),
    "movedim": (lambda t: t.movedim((0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0))),
    "mT": (lambda t: t.mT, lambda a: a.swapaxes(1, 2)),
    "T": (lambda t: t.T, lambda a: a.T),
    "diagonal": (lambda t: t.diagonal(1, 1, 2), lambda a: a.diagonal(1, 1, 2)),
    "narrow": (lambda t: t.narrow(2, -3, 2), lambda a: a[:, :, 1:3]),
    "select": (lambda t: t.select(1, -1), lambda a: a[:, -1]),
    "split": (lambda t: t.split([1, 3], dim=2)[1], lambda a: a[:, :, 1:]),
    "chunk": (lambda t: t.chunk(2, 1)[1], lambda a: a[:, 2:]),
    "unbind": (lambda t: t.unbind(1)[2], lambda a: a[:, 2]),
}
COPIES = {
    "reshape of strides that allow no view": (
        lambda t: t.mT.reshape(2, 12),
        lambda a: a.swapaxes(1, 2).reshape(2, 12),
    ),
    "expand": (lambda t: t[:, :1].expand(5, -1, 3, 4), lambda a: np.broadcast_to(a[:, :1], (5, 2, 3, 4))),
    "broadcast_to": (lambda t: mg.broadcast_to(t, (2, 2, 3, 4)), lambda a: np.broadcast_to(a, (2, 2, 3, 4))),
    "repeat": (lambda t: t.repeat(2, 1, 3, 2), lambda a: np.tile(a, (2, 1, 3, 2))),
    "tile": (lambda t: t.tile(2, 3), lambda a: np.tile(a, (2, 3))),
    "flip": (lambda t: t.flip(dims=[0, -1]), lambda a: np.flip(a, (0, 2))),
    "roll": (lambda t: t.roll((1, -6), (0, 2)), lambda a: np.roll(a, (1, -6), (0, 2))),
    "roll all": (lambda t: t.roll(5), lambda a: np.roll(a, 5)),
    "cat": (lambda t: mg.cat([t, t[:, :1], mg.zeros(0)], 1), lambda a: np.concatenate([a, a[:, :1]], 1)),
    "stack": (lambda t: mg.stack([t, t * 2], -1), lambda a: np.stack([a, a * 2], -1)),
    "tril": (lambda t: t.tril(-1), lambda a: np.tril(a, -1)),
    "triu": (lambda t: t.triu(1), lambda a: np.triu(a, 1)),
    "diag": (lambda t: t[0, 0].diag(-1), lambda a: np.diag(a[0, 0], -1)),
    "sum_to_size": (lambda t: t.sum_to_size(3, 1), lambda a: a.sum((0, 2))[:, None]),
    "pad": (
        lambda t: pad(t, (1, 2, -1, 1), value=7),
        lambda a: np.pad(a[:, 1:], ((0, 0), (0, 1), (1, 2)), constant_values=7),
    ),
    "pad reflect": (
        lambda t: pad(t, (3, 2), "reflect"),
        lambda a: np.pad(a, ((0, 0), (0, 0), (3, 2)), "reflect"),
    ),
    "pad replicate": (
        lambda t: pad(t, (2, 5, 1, 0), "replicate"),
        lambda a: np.pad(a, ((0, 0), (1, 0), (2, 5)), "edge"),
    ),
    "pad circular": (
        lambda t: pad(t, (4, 1), "circular"),
        lambda a: np.pad(a, ((0, 0), (0, 0), (4, 1)), "wrap"),
    ),
}


@pytest.mark.parametrize("name", [*VIEWS, *COPIES])
def test_values_and_derivatives(name):
    call, judge = (VIEWS | COPIES)[name]
    # A transposed input: strides that are not those of a new array.
    for array in (X, np.asfortranarray(X)) if not name.startswith("view") else (X,):
        got = call(mg.tensor(array))
        assert got.shape == judge(X).shape
        assert np.array_equal(got.numpy(), judge(X))
    t = mg.tensor(X / 24, requires_grad=True)
    assert gradcheck(call, (t,))
    assert gradgradcheck(lambda t: call(t) ** 2, (t,))


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_both_ways(name):
    call, judge = VIEWS[name]
    base = mg.tensor(X)
    view = call(base)
    view.fill_(-1)
    assert (base.numpy() == -1).sum() == view.numel()
    base.zero_()
    assert not view.numpy().any()


@pytest.mark.parametrize("name", [name for name in COPIES if name not in ("expand", "broadcast_to")])
def test_copies_do_not(name):
    base = mg.tensor(X)
    COPIES[name][0](base).fill_(-1)
    assert np.array_equal(base.numpy(), X)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.repeat(1, 1, 1),
        lambda t: t.roll(0),
        lambda t: t.flip(()),
        lambda t: mg.cat([t]),
        lambda t: pad(t, (0, 0), "reflect"),
        lambda t: pad(t, ()),
    ],
)
def test_doing_nothing_is_a_copy_too(call):
    base = mg.tensor(X)
    call(base).fill_(-1)
    assert np.array_equal(base.numpy(), X)


def test_view_of_a_channels_last_result_is_a_copy_that_refuses_writes():
    images = mg.nn.functional.conv2d(mg.randn(2, 3, 5, 5), mg.randn(32, 3, 3, 3).requires_grad_())
    assert images.is_contiguous(memory_format=mg.channels_last)
    flat = images.view(2, -1)
    assert np.array_equal(flat.detach().numpy(), images.reshape(2, -1).detach().numpy())
    with pytest.raises(RuntimeError, match="write would be lost"):
        flat.mul_(2)
    images.contiguous().view(2, -1).mul_(2)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_view_is_refused_where_pytorch_refuses_it(data):
    torch = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    dims = data.draw(st.permutations(range(len(shape))))
    step = data.draw(st.integers(1, 2))
    size = int(np.prod([-(-shape[d] // (step if d == dims[-1] else 1)) for d in dims]))
    divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
    first = data.draw(st.sampled_from(divisors))
    target = (first, size // first, 1)
    ours = mg.zeros(shape).permute(dims)[..., ::step]
    theirs = torch.zeros(shape).permute(dims)[..., ::step]
    try:
        theirs.view(target)
    except RuntimeError:
        with pytest.raises(RuntimeError, match=r"Use \.reshape"):
            ours.view(target)
    else:
        assert ours.view(target).shape == target


@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (2, 3, 4, 5), (2, 3, 1, 1)])
def test_cat_of_channels_lies_in_memory_as_pytorchs(shape):
    torch = pytest.importorskip("torch")
    for library in (mg, torch):
        image = library.ones(shape)
        lays = image, image.contiguous(memory_format=library.channels_last)
        strides = [library.cat([lay] * 3, dim=1).stride() for lay in lays]
        if library is mg:
            ours = strides
    assert ours == strides


def test_cat_promotes_and_splits_evenly():
    assert mg.cat([mg.ones(2).long(), mg.ones(1)]).dtype == mg.float32
    assert [part.shape[0] for part in mg.arange(7).split(3)] == [3, 3, 1]
    assert [part.shape[0] for part in mg.arange(7).chunk(4)] == [2, 2, 2, 1]
    assert [part.shape for part in mg.zeros(0, 2).chunk(2)] == [(0, 2), (0, 2)]


def test_sizes_by_name():
    t = mg.tensor(X)
    assert mg.reshape(t, shape=(24,)).shape == mg.reshape(t, (24,)).shape == t.reshape(24).shape
    assert mg.permute(t, dims=(2, 0, 1)).shape == (4, 2, 3)


def test_scalars():
    t = mg.tensor(2.0, requires_grad=True)
    for result in (
        t.reshape(1),
        t.unsqueeze(0),
        t.flatten(),
        t.ravel(),
        t.expand(3),
        t.repeat(3),
        t.view(1, 1),
    ):
        assert result.ndim >= 1
    for result in (t.squeeze(), t.T, t.t(), t.permute(()), t.transpose(0, -1), t[...], t.squeeze(0)):
        assert result.ndim == 0
    t.expand(3).sum().backward()
    assert t.grad.item() == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.reshape(5, -1), RuntimeError, r"shape '\[5, -1\]' is invalid for input of size 24"),
        (lambda t: t.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda t: t.reshape(-2, 12), RuntimeError, "invalid shape dimension -2"),
        (lambda t: t[:0].reshape(0, -1), RuntimeError, "ambiguous"),
        (lambda t: t.reshape(2.0, 12), TypeError, "sizes must be integers"),
        (lambda t: t.mT.view(24), RuntimeError, "not compatible with input tensor's size and stride"),
        (lambda t: t.permute(0, 1), RuntimeError, "number of dimensions"),
        (lambda t: t.permute(0, 1, 1), RuntimeError, "multiple times"),
        (lambda t: t.transpose(0, 3), IndexError, "out of range"),
        (lambda t: t.t(), RuntimeError, "<= 2 dimensions"),
        (lambda t: t[0, 0].mT, RuntimeError, "matrices"),
        (lambda t: t.expand(2, 3, 5), RuntimeError, "must match the existing size"),
        (lambda t: t.expand(3, 4), RuntimeError, "greater or equal"),
        (lambda t: t.expand(-1, 2, 3, 4), RuntimeError, "isn't allowed"),
        (lambda t: t.flatten(2, 0), RuntimeError, "cannot come after"),
        (lambda t: t.unflatten(1, (2, 2)), RuntimeError, "invalid"),
        (lambda t: t.diagonal(0, 1, 1), RuntimeError, "identical"),
        (lambda t: t.movedim((0, 1), 2), RuntimeError, "same length"),
        (lambda t: t.sum_to_size(5), RuntimeError, "not expandable"),
        (lambda t: t.split([1, 2], 2), RuntimeError, "sum exactly to 4"),
        (lambda t: t.split(0), RuntimeError, "split_size"),
        (lambda t: t.chunk(0), RuntimeError, "greater than 0"),
        (lambda t: t.repeat(2), RuntimeError, "can not be smaller"),
        (lambda t: t.roll((1, 2), 0), RuntimeError, "must align"),
        (lambda t: t[0, 0].tril(), RuntimeError, "at least 2 dimensions"),
        (lambda t: mg.tensor(1.0).unbind(), IndexError, "no dimensions"),
        (lambda t: mg.cat([]), ValueError, "non-empty"),
        (lambda t: mg.cat([t, t[0]]), RuntimeError, "same number of dimensions"),
        (lambda t: mg.cat([t, t[:, :2]]), RuntimeError, "Sizes of tensors must match"),
        (lambda t: mg.cat([mg.tensor(1.0)]), RuntimeError, "zero-dimensional"),
        (lambda t: mg.cat(t), TypeError, "must be tuple of Tensors"),
        (lambda t: mg.stack([t, t[0]]), RuntimeError, "equal size"),
        (lambda t: mg.stack([]), RuntimeError, "non-empty"),
        (lambda t: pad(t, (1,)), RuntimeError, "even"),
        (lambda t: pad(t, (-3, -3)), RuntimeError, "takes more"),
        (lambda t: pad(t, (4, 0), "reflect"), RuntimeError, "at most 3"),
        (lambda t: pad(t, (5, 0), "circular"), RuntimeError, "at most 4"),
        (lambda t: pad(t, (1, 0), "mirror"), NotImplementedError, "mode"),
        (lambda t: pad(t, (1, 0), "reflect", 2), ValueError, "value"),
        (lambda t: pad(t[0, 0], (1, 0), "reflect"), NotImplementedError, "pads the last"),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call(mg.tensor(X))


@pytest.mark.parametrize("shape, dim", [((3,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3, 4, 5), 1), ((0, 3), 1), ((0,), 0)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_empty_vector_goes_with_everything_and_has_a_gradient(shape, dim, place):
    tensors = [mg.randn(shape).requires_grad_() for _ in range(2)]
    empty = mg.zeros(0, dtype=mg.float64, requires_grad=True)
    joined = mg.cat([*tensors[:place], empty, *tensors[place:]], dim)
    assert joined.dtype == mg.float64
    assert mg.equal(joined, mg.cat(tensors, dim).double())
    joined.sum().backward()
    assert empty.grad is not None and empty.grad.shape == (0,)
    assert all(mg.equal(tensor.grad, mg.ones(shape)) for tensor in tensors)


def test_an_empty_vector_leaves_the_layout():
    images = mg.randn(2, 3, 4, 4).contiguous(memory_format=mg.channels_last)
    joined = mg.cat([mg.zeros(0), images, images], 1)
    assert joined.is_contiguous(memory_format=mg.channels_last)
