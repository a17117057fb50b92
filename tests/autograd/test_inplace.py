"""Views and writes into tensors while the tape runs: right gradients or an error, never wrong ones."""

from __future__ import annotations

import random

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import gradcheck, gradgradcheck


def _leaf(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return mg.tensor(values, requires_grad=True)


VIEWS = {
    "reshape": lambda t: t.reshape(-1),
    "transpose": lambda t: t.transpose(0, -1),
    "slice": lambda t: t[1:],
    "step": lambda t: t[..., ::2],
    "unsqueeze": lambda t: t.unsqueeze(0),
    "select": lambda t: t[-1],
    "expand": lambda t: t.unsqueeze(-1).expand(*t.shape, 2),
    "diagonal": lambda t: t.diagonal() if t.ndim >= 2 else t.squeeze(),
    "narrow": lambda t: t.narrow(0, 1, 1) if t.ndim and t.shape[0] > 1 else t.clone(),
    "flatten": lambda t: t.flatten(),
}
OPERATIONS = {
    "square": lambda t: t * t,
    "cube": lambda t: t**3,
    "scale": lambda t: t * 1.5,
    "clone": lambda t: t.clone(),
    "sum": lambda t: t.sum() * t,
}


def _set_first(t, other):
    t[0] = other.sum()


def _set_positions(t, other):
    t[[0, -1]] = other.sum()


def _set_mask(t, other):
    t[t > 0] = 0.5


def _set_all(t, other):
    t[...] = 3.0


WRITES = {
    "mul_ number": lambda t, other: t.mul_(2.0),
    "add_ number": lambda t, other: t.add_(1.0),
    "neg_": lambda t, other: t.neg_(),
    "mul_ tensor": lambda t, other: t.mul_(other.sum()),
    "add_ itself": lambda t, other: t.add_(t),
    "zero_": lambda t, other: t.zero_(),
    "first": _set_first,
    "positions": _set_positions,
    "mask": _set_mask,
    "all": _set_all,
}
FILLS = ("zero_", "first", "positions", "mask", "all")


def _program(lib, seed: int):
    """How a random program of views, operations and writes ends, which writes it was refused, and all values."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    leaves = [lib.tensor(numbers.standard_normal((3, 4)), dtype=lib.float64, requires_grad=True) for _ in range(2)]
    pool = [*leaves, leaves[0] * 2, leaves[1].clone().detach()]
    refused = []
    for _ in range(rng.randrange(3, 14)):
        recent = rng.random() < 0.6
        t = pool[-1 - rng.randrange(3)] if recent else rng.choice(pool)
        kind = rng.choice(["view"] * 4 + ["operation"] * 3 + ["write"] * 4 + ["detach"])
        view, operation, write = (rng.choice(list(table)) for table in (VIEWS, OPERATIONS, WRITES))
        other, recording = rng.choice(pool), rng.random() < 0.9
        if kind == "view" and t.ndim and (t.shape[0] or view != "select"):
            pool.append(VIEWS[view](t))
        elif kind == "operation":
            pool.append(OPERATIONS[operation](t))
        elif kind == "detach":
            pool.append(t.detach())
        elif kind == "write" and t.ndim and t.shape[0]:
            # PyTorch lets some fills write into shared memory, and refuses views of a tensor that came to
            # require grad by a write.
            shared = 0 in [step for step, size in zip(t.stride(), t.shape, strict=True) if size > 1]
            if (shared and write in FILLS) or (other.requires_grad and not t.requires_grad):
                continue
            try:
                with lib.enable_grad() if recording else lib.no_grad():
                    WRITES[write](t, other)
            except RuntimeError:
                refused.append((len(pool), write))
    loss = 0
    for t in pool:
        weights = lib.tensor(numbers.standard_normal(tuple(t.shape)), dtype=lib.float64)
        if rng.random() < 0.5:
            loss = loss + (t * weights).sum()
    if isinstance(loss, int) or not loss.requires_grad:
        return "nothing to differentiate", refused, [t.detach().numpy() for t in pool]
    try:
        loss.backward()
    except RuntimeError:
        return "backward raises", refused, [t.detach().numpy() for t in pool]
    gradients = [np.zeros((3, 4)) if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]
    return "gradients", refused, [t.detach().numpy() for t in pool] + gradients


@pytest.mark.parametrize("start", range(0, 800, 200))
def test_random_programs_end_as_in_pytorch(start):
    torch = pytest.importorskip("torch")
    ends = []
    for seed in range(start, start + 200):
        end, refused, values = _program(mg, seed)
        expected_end, expected_refused, expected = _program(torch, seed)
        assert (end, refused) == (expected_end, expected_refused), f"seed {seed}"
        for got, want in zip(values, expected, strict=True):
            np.testing.assert_allclose(got, want, err_msg=f"seed {seed}", atol=1e-12)
        ends.append(end)
    assert ends.count("gradients") > 100
    assert ends.count("backward raises") > 2


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "expand"])
@pytest.mark.parametrize("written", ["base", "view"])
def test_gradients_through_a_write(view, written):
    def program(x, y):
        base = x * 1
        taken = VIEWS[view](base)
        if written == "base":
            base[1:, ::2] = y[1:, ::2] ** 2
            base.mul_(y)
        else:
            taken.mul_(2)
            taken[0] = y.sum() ** 2
        return base * taken.sum()

    leaves = _leaf(3, 4), _leaf(3, 4, seed=1)
    assert gradcheck(program, leaves)
    assert gradgradcheck(program, leaves)


def test_writing_into_a_leaf_that_requires_grad_is_refused():
    x = _leaf(3)
    before = x.tolist()
    for write in (
        lambda: x.add_(1),
        lambda: x[0:1].zero_(),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.copy_(x * 2),
    ):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            write()
    assert x.tolist() == before
    with mg.no_grad():
        x.add_(1)
        x[0] = 5
    assert x.is_leaf and x.requires_grad and x[0].item() == 5


def test_writing_into_shared_memory_is_refused():
    x = mg.zeros(3, 1)
    rows = x.expand(3, 4)
    for write in (lambda: rows.add_(1), lambda: rows[1:].mul_(2), lambda: rows.__setitem__(slice(1), 1)):
        with pytest.raises(RuntimeError, match="single memory location"):
            write()
    rows[:, 0].add_(1)  # elements apart from each other
    rows[2, 3] = 5
    assert x.tolist() == [[1], [1], [5]]
    base = mg.zeros(3).expand(2, 3).detach()  # a part of it may be written, but that writes the other rows too:
    base[0] = 1.0
    with pytest.raises(RuntimeError, match="single memory location"):
        base[0] = mg.ones(3, requires_grad=True)  # whose gradient would miss them
    assert base.tolist() == [[1, 1, 1]] * 2
    frozen = np.zeros(2)
    frozen.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        mg.from_numpy(frozen).zero_()


STALE = {
    "the tensor": lambda saved: saved.add_(1),
    "a view": lambda saved: saved[0].zero_(),
    "a view taken through another": lambda saved: saved.T[1:].mul_(2),
    "detach": lambda saved: saved.detach().mul_(2),
    "an index": lambda saved: saved.__setitem__(0, 1.0),
    "positions": lambda saved: saved.__setitem__([0, 1], 1.0),
    "no values": lambda saved: saved.mul_(1),
}


@pytest.mark.parametrize("way", STALE)
@pytest.mark.parametrize("recording", [True, False])
def test_a_stale_saved_value_is_an_error(way, recording):
    x = _leaf(3, 4)
    x.grad = mg.ones(3, 4, dtype=mg.float64)
    saved = x * 2
    loss = (saved * saved).sum() + x.sum()
    with mg.set_grad_enabled(recording):
        STALE[way](saved)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"MulBackward0: .*\[3, 4\] is at version 1; expected version 0"):
            loss.backward()
        assert x.grad.tolist() == np.ones((3, 4)).tolist()


def test_a_stale_output_is_an_error():
    x = _leaf(3)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="ExpBackward0"):
        y.sum().backward()
    assert x.grad is None


def test_a_stale_mask_is_an_error():
    x, mask = _leaf(3), mg.tensor([True, False, True])
    for result in (x.masked_fill(mask, 0), mg.where(mask, x, 0.0)):
        mask.fill_(True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            result.sum().backward()


def test_what_is_not_saved_may_be_written():
    x = _leaf(3)
    y = x * 2
    z = y + 1
    y.zero_()
    (z + y).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_data_is_written_unnoticed_and_detach_is_not():
    x = _leaf(3)
    saved = x * 2
    loss = (saved * saved).sum()
    saved.data.zero_()
    loss.backward()
    assert x.grad.tolist() == [0, 0, 0]
    assert saved.detach()._version is saved._version
    assert saved.data._version is not saved._version


def test_an_operation_may_write_over_what_it_saved_itself():
    x, y = _leaf(3), _leaf(3, seed=1)
    a = x.clone()
    a.mul_(y)
    a.clamp_(-10, 10)
    a.pow_(2)
    a.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), (2 * x * y**2).detach().numpy())
    np.testing.assert_allclose(y.grad.numpy(), (2 * y * x**2).detach().numpy())


def test_views_and_bases_follow_each_others_history():
    x = _leaf(2, 3)
    base = mg.zeros(2, 3, dtype=mg.float64)
    row, column = base[0], base[:, 1]
    assert not row.requires_grad
    base.copy_(x)
    assert row.requires_grad and not row.is_leaf
    row.mul_(2)
    assert "Slice" in column.grad_fn.name() and "Overwrite" in base.grad_fn.name()
    column.sum().backward()
    assert x.grad.tolist() == [[0, 2, 0], [0, 1, 0]]


def test_a_view_of_a_written_view_can_be_written():
    x = _leaf(2, 3)
    base = x * 1
    view = base.T
    base.mul_(2)
    view[0].mul_(5)
    view.add_(1)
    (base * mg.arange(6.0, dtype=mg.float64).reshape(2, 3)).sum().backward()
    assert x.grad.tolist() == [[0, 2, 4], [30, 8, 10]]


@pytest.mark.parametrize("shape", [(3,), (1,), ()])
def test_a_leaf_written_over_a_whole_tensor_gets_its_gradient(shape):
    x = _leaf(*shape)
    for write in (lambda t: t.copy_(x), lambda t: t.__setitem__(..., x)):
        x.grad = None
        t = mg.zeros(3, dtype=mg.float64)
        write(t)
        assert t.requires_grad and not t.is_leaf
        (t * mg.tensor([1.0, 2.0, 3.0])).sum().backward()
        assert x.grad.sum().item() == 6
        assert x.grad.shape == shape


def test_hooks_of_a_value_and_of_what_it_was_written_to_are_their_own():
    x = mg.ones(2, requires_grad=True)
    value, target = x * 2, mg.zeros(2)
    target.copy_(value)
    target.register_hook(lambda gradient: gradient * 10)
    value.retain_grad()
    target.retain_grad()
    (value.sum() + target.sum()).backward()
    assert x.grad.tolist() == [22, 22]
    assert value.grad.tolist() == [11, 11]


def test_values_are_cast_and_their_gradients_cast_back():
    x = mg.ones(2, requires_grad=True)
    t = mg.zeros(2, 2, dtype=mg.float64)
    t[0] = x
    t[1:] += x
    t.sum().backward()
    assert x.grad.dtype == mg.float32 and x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="int64 tensor cannot take a value that requires grad"):
        mg.zeros(2, dtype=mg.int64)[0] = x[0]


def test_results_that_do_not_fit_are_refused_before_writing():
    x = mg.zeros(2, 1)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        x.add_(mg.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        mg.zeros(2, dtype=mg.int64).add_(1.5)
    assert x.tolist() == [[0], [0]]


def test_a_write_from_overlapping_memory_reads_first():
    x = mg.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x[[1, 2, 3]] = x[[0, 1, 2]]
    x.add_(x.flip(0))
    y = mg.arange(4.0)
    y.copy_(y.flip(0))
    y[[0, 1]] = y[[1, 0]]
    assert y.tolist() == [2, 3, 1, 0]


def test_writes_keep_the_tape_short_of_cycles():
    import gc
    import weakref

    x = _leaf(3, 4)
    base = x * 1
    view = base[1:]
    view.mul_(2)
    base[0] = view.sum()
    gone = weakref.ref(base)
    gc.collect()
    gc.disable()
    try:
        del base, view
        assert gone() is None
    finally:
        gc.enable()
