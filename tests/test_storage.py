"""Tensors that share memory, or are one, still do in a deep copy and in PyTorch's files."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.storage import owner

VIEWS = {
    "itself": lambda x: x,
    "a second tensor of the array": lambda x: x.detach(),
    "the rest": lambda x: x[1:],
    "every other": lambda x: x[:, ::2],
    "a row": lambda x: x[1],
    "transposed": lambda x: x.T,
    "flat": lambda x: x.reshape(-1),
    "a view of a view": lambda x: x[1:][:, 1:].T,
    "one element": lambda x: x[2, 1],
    "expanded": lambda x: x[0, 1].expand(3, 4),
    "a parameter": lambda x: nn.Parameter(x),
    "one that lies anyhow": lambda x: mg.from_numpy(np.lib.stride_tricks.as_strided(x.numpy()[0:], (2, 2), (4, 8))),
}
ORDERS = {
    "row-major": lambda: mg.arange(12.0).reshape(3, 4).clone(),
    "column-major": lambda: mg.from_numpy(np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4))),
}


def number_all(tensor, start=100):
    """Write another number into every element."""
    tensor.copy_(mg.arange(float(start), start + tensor.numel()).reshape(tensor.shape))


def saved_and_loaded(value, location=None):
    file = io.BytesIO()
    mg.save(value, file)
    file.seek(0)
    return mg.load(file, map_location=location)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("view", VIEWS)
def test_views_stay_views_in_a_deep_copy(view, order):
    x = ORDERS[order]()
    for name, values in (("the view after", [x, VIEWS[view](x)]), ("the view first", [VIEWS[view](x), x])):
        before = [v.numpy(force=True).copy() for v in values]
        copied = copy.deepcopy(values)
        assert [type(v) for v in copied] == [type(v) for v in values]
        assert [v.stride() for v in copied] == [v.stride() for v in values]
        whole, part = copied if name == "the view after" else copied[::-1]
        if not np.shares_memory(values[0].numpy(force=True), values[1].numpy(force=True)):
            continue  # reshape had to copy
        np.testing.assert_array_equal(whole.numpy(force=True), x.numpy())
        np.testing.assert_array_equal(part.numpy(force=True), VIEWS[view](x).numpy(force=True))
        with mg.no_grad():
            number_all(whole)
        again = mg.zeros(3, 4).T.T if order == "row-major" else ORDERS[order]()
        number_all(again)
        np.testing.assert_array_equal(part.numpy(force=True), VIEWS[view](again).numpy(force=True), err_msg=name)
        for v, old in zip(values, before, strict=True):
            np.testing.assert_array_equal(v.numpy(force=True), old)  # the original is another memory


def test_what_shares_nothing_shares_nothing_in_a_deep_copy():
    x = mg.arange(6.0)
    first, second = copy.deepcopy([x, x.clone()])
    first.zero_()
    assert second.tolist() == [0, 1, 2, 3, 4, 5]
    assert copy.deepcopy(x) is not x and owner(copy.deepcopy(x).array) is not owner(x.array)


def test_a_write_into_the_copy_of_a_view_is_noticed():
    whole, part = copy.deepcopy([x := mg.ones(4), x[:2]])
    w = mg.ones(4, requires_grad=True)
    y = (w * whole).sum()
    part.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_weights_that_are_tied_or_views_stay_so_in_a_deep_copy():
    model = nn.Linear(3, 3)
    model.tied = model.weight
    model.row = model.weight.detach()[0]
    copied = copy.deepcopy(model)
    assert copied.tied is copied.weight and copied.weight is not model.weight
    copied.row.fill_(5)
    assert copied.weight[0].tolist() == [5, 5, 5]
    assert model.weight[0].tolist() != [5, 5, 5]


def test_a_deep_copy_of_memory_with_gaps():
    room = np.zeros((4, 4), np.float32)
    room.flags.writeable = False
    x = mg.from_numpy(np.frombuffer(room.tobytes(), np.float32).reshape(4, 4)[:, ::2])
    copied = copy.deepcopy([x, x[1:]])
    np.testing.assert_array_equal(copied[0].numpy(), x.numpy())
    np.testing.assert_array_equal(copied[1].numpy(), x.numpy()[1:])


@pytest.mark.parametrize("location", [None, "cpu"])
@pytest.mark.parametrize("view", VIEWS)
def test_views_and_names_are_kept_by_files(view, location):
    x = mg.arange(12.0).reshape(3, 4).clone()
    value = {"x": x, "again": x, "view": VIEWS[view](x), "nested": [x, {"view": VIEWS[view](x)}]}
    loaded = saved_and_loaded(value, location)
    assert loaded["x"] is loaded["again"] is loaded["nested"][0]
    with mg.no_grad():
        number_all(loaded["x"])
    number_all(x)
    for part in (loaded["view"], loaded["nested"][1]["view"]):
        np.testing.assert_array_equal(part.numpy(force=True), VIEWS[view](x).numpy(force=True))
    # what was loaded is copied as it is
    whole, part = copy.deepcopy([loaded["x"], loaded["view"]])
    with mg.no_grad():
        number_all(whole, 500)
    number_all(x, 500)
    np.testing.assert_array_equal(part.numpy(force=True), VIEWS[view](x).numpy(force=True))


def test_pytorch_finds_the_same_sharing(tmp_path):
    torch = pytest.importorskip("torch")
    x = mg.arange(6.0)
    mg.save({"a": x, "b": x, "tail": x[3:]}, tmp_path / "ours.pt")
    theirs = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert theirs["a"] is theirs["b"]
    theirs["a"][4] = 9
    assert theirs["tail"].tolist() == [3, 9, 5]
    y = torch.arange(6.0)
    torch.save({"a": y, "b": y, "tail": y[3:]}, tmp_path / "theirs.pt")
    ours = mg.load(tmp_path / "theirs.pt")
    assert ours["a"] is ours["b"]
    ours["a"][4] = 9
    assert ours["tail"].tolist() == [3, 9, 5]


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", mg.tensor(0))
        self.scale = nn.Parameter(mg.tensor(1.0))
        self.inner = nn.BatchNorm1d(2)


@pytest.mark.parametrize("assign", [False, True])
def test_numbers_of_old_files_are_vectors_of_one(assign):
    old = {name: value.reshape(1) if value.ndim == 0 else value for name, value in Counted().state_dict().items()}
    old["count"], old["inner.num_batches_tracked"] = mg.tensor([7]), mg.tensor([9])
    model = Counted()
    model.load_state_dict(old, assign=assign)
    assert model.count.shape == model.scale.shape == ()
    assert model.count.item() == 7 and model.inner.num_batches_tracked.item() == 9
    assert isinstance(model.scale, nn.Parameter) and model.scale.is_leaf


@pytest.mark.parametrize("wrong", [(2,), (1, 1), (0,)])
def test_other_shapes_do_not_load_into_numbers(wrong):
    state = Counted().state_dict()
    state["count"] = mg.zeros(*wrong)
    with pytest.raises(RuntimeError, match="size mismatch for count"):
        Counted().load_state_dict(state)
