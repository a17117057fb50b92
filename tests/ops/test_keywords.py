"""Keywords that PyTorch understands besides its own: NumPy's names, sizes by name, and `out`."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.methods import FAMILIES

X = np.arange(12.0, dtype=np.float32).reshape(3, 4)
WITH_DIM = sorted(
    {
        name
        for family in FAMILIES
        for name in family.__all__
        if "dim" in signature(getattr(family, name)).parameters
        and next(iter(signature(getattr(family, name)).parameters)) == "input"
    }
)
MORE = {
    "gather": (mg.zeros(1, 4, dtype=mg.int64),),
    "index_add": (mg.tensor([0]), mg.ones(1, 4)),
    "index_select": (mg.tensor([2, 0]),),
    "cross": (mg.ones(3, 4),),
    "index_copy": (mg.tensor([0]), mg.ones(1, 4)),
    "index_fill": (mg.tensor([0]), 5.0),
    "kthvalue": (2,),
    "quantile": (0.3,),
    "scatter_reduce": (mg.zeros(1, 4, dtype=mg.int64), mg.ones(1, 4), "amax"),
    "narrow": (1, 2),
    "scatter": (mg.zeros(1, 4, dtype=mg.int64), mg.ones(1, 4)),
    "scatter_add": (mg.zeros(1, 4, dtype=mg.int64), mg.ones(1, 4)),
    "select": (1,),
    "take_along_dim": (mg.zeros(1, 4, dtype=mg.int64),),
    "topk": (2,),
    "unflatten": ((3, 1),),
    "repeat_interleave": (2,),
    "chunk": (2,),
}


def call(function, name: str, keyword: str, *first):
    """The function over dimension 0, which is given by keyword; other arguments that it needs are named too."""
    names = [p for p in signature(function).parameters if p not in ("dim", "input", "self")]
    return function(*first, **{keyword: 0}, **dict(zip(names, MORE.get(name, ()), strict=False)))


def leaves(result):
    return [result] if isinstance(result, mg.Tensor) else [part for part in result if isinstance(part, mg.Tensor)]


@pytest.mark.parametrize("name", WITH_DIM)
def test_axis_is_dim(name):
    function, x = getattr(mg, name), mg.from_numpy(X)
    expected = leaves(call(function, name, "dim", x))
    for result in (call(function, name, "axis", x), call(getattr(x, name), name, "axis")):
        for part, wanted in zip(leaves(result), expected, strict=True):
            assert mg.equal(part, wanted)
    with pytest.raises(TypeError, match=f"{name}: axis and dim are the same"):
        function(x, *MORE.get(name, ()), dim=0, axis=0)


def test_tensors_are_joined_over_an_axis():
    x = mg.from_numpy(X)
    assert mg.cat([x, x], axis=1).shape == (3, 8)
    assert mg.stack([x, x], axis=2).shape == (3, 4, 2)
    assert mg.softmax(x, axis=1).shape == x.softmax(axis=1).shape == (3, 4)


@pytest.mark.parametrize("name", ["sum", "mean", "std", "var", "amax", "amin", "prod", "logsumexp", "any", "all"])
def test_keepdims_is_keepdim(name):
    x = mg.from_numpy(X)
    assert getattr(mg, name)(x, axis=1, keepdims=True).shape == (3, 1)
    assert getattr(mg, name)(x=x, axis=1).shape == (3,)
    assert getattr(x, name)(axis=1, keepdims=True).shape == (3, 1)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "rand", "randn"])
def test_sizes_by_name(name):
    assert getattr(mg, name)(size=(2, 3)).shape == (2, 3)
    assert getattr(mg, name)(size=(2,), dtype=mg.float64).dtype == mg.float64


CALLS = {
    "add": lambda lib, x, **k: lib.add(x, 1, **k),
    "mul": lambda lib, x, **k: lib.mul(x, x, **k),
    "matmul": lambda lib, x, **k: lib.matmul(x, x.T, **k),
    "cat": lambda lib, x, **k: lib.cat([x, x], 1, **k),
    "mean": lambda lib, x, **k: lib.mean(x, 0, **k),
    "exp": lambda lib, x, **k: lib.exp(x, **k),
    "eq": lambda lib, x, **k: lib.eq(x, 3, **k),
    "zeros": lambda lib, x, **k: lib.zeros(2, 3, **k),
    "arange": lambda lib, x, **k: lib.arange(0.0, 5.0, **k),
}


@pytest.mark.parametrize("name", CALLS)
def test_out_is_written_as_in_pytorch(name):
    torch = pytest.importorskip("torch")
    expected = CALLS[name](torch, torch.from_numpy(X))
    for shape in ((0,), tuple(expected.shape)):
        out = mg.zeros(*shape, dtype=CALLS[name](mg, mg.from_numpy(X)).dtype)
        assert CALLS[name](mg, mg.from_numpy(X), out=out) is out
        np.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=1e-6)
    strided = mg.zeros(*[2 * size for size in expected.shape], dtype=out.dtype)
    inner = strided[tuple([slice(None, None, 2)] * expected.ndim)]
    CALLS[name](mg, mg.from_numpy(X), out=inner)
    np.testing.assert_allclose(inner.numpy(), expected.numpy(), rtol=1e-6)


def test_out_of_several_results():
    x, values, indices = mg.from_numpy(X), mg.zeros(3), mg.zeros(3, dtype=mg.int64)
    result = mg.max(x, 1, out=(values, indices))
    assert result.values is values and result.indices is indices
    assert values.tolist() == [3, 7, 11] and indices.tolist() == [3, 3, 3]


def test_out_is_refused_where_pytorch_refuses_it():
    x = mg.from_numpy(X)
    with pytest.raises(RuntimeError, match="add: functions with out=... arguments don't support automatic"):
        mg.add(mg.ones(2, requires_grad=True), 1, out=mg.zeros(2))
    with pytest.raises(RuntimeError, match="add: result type float32 can't be cast to the output type int64"):
        mg.add(x, 1, out=mg.zeros(3, 4, dtype=mg.int64))
    with pytest.raises(RuntimeError, match="add: result type int64 can't be cast to the output type bool"):
        mg.add(mg.tensor([1]), 1, out=mg.zeros(1, dtype=mg.bool))
    with pytest.raises(TypeError, match="add: argument 'out' must be Tensor"):
        mg.add(x, 1, out=X)
    with mg.no_grad():
        assert mg.add(mg.ones(2, requires_grad=True), 1, out=mg.zeros(2)).tolist() == [2, 2]


def test_out_may_be_an_input_only_element_by_element():
    x = mg.from_numpy(X.copy())
    assert mg.add(x, 1, out=x) is x and x[0, 1].item() == 2
    for call in (
        lambda: mg.add(x[:, :2], 1, out=x[:, 1:3]),
        lambda: mg.cat([x, x], out=x),
        lambda: mg.mean(x, 0, keepdim=True, out=x),
        lambda: mg.matmul(x[:3, :3], x[:3, :3], out=x[:3, :3]),
    ):
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            call()
