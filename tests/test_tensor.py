"""What a tensor says about itself and its memory, as PyTorch says it; leaves and detaching."""

import numpy as np
import pytest

import minigrad as mg


def described(torch):
    x = torch.zeros(3, 4, 5, dtype=torch.float64)[:, 1:]
    return {
        "size": tuple(x.size()),
        "length": x.size(-2),
        "dim": x.dim(),
        "numel": x.numel(),
        "element_size": x.element_size(),
        "itemsize": x.itemsize,
        "nbytes": x.nbytes,
        "stride": x.stride(),
        "step": x.stride(-3),
        "offset": x.data_ptr() - x[0, 0].data_ptr(),
        "next": x[1].data_ptr() - x.data_ptr(),
        "floating": [x.is_floating_point(), x.long().is_floating_point()],
        "is_cuda": x.is_cuda,
        "device": str(x.device),
        "len": len(x),
    }


def test_a_tensor_describes_itself_as_pytorchs_does():
    torch = pytest.importorskip("torch")
    assert described(mg) == described(torch)


@pytest.mark.parametrize("name", ["size", "stride"])
@pytest.mark.parametrize("dim", [2, -3])
def test_dimensions_that_are_not_there(name, dim):
    with pytest.raises(IndexError, match=rf"{name}: dimension out of range \(expected .* \[-2, 1\], but got {dim}\)"):
        getattr(mg.zeros(2, 3), name)(dim)


def test_detach_in_place_makes_a_leaf():
    x = mg.ones(3, requires_grad=True)
    y = (x * 2).detach_()
    assert y.is_leaf and not y.requires_grad and y.tolist() == [2, 2, 2]
    (x * y).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="can't detach views in-place"):
        (x * 2)[:2].detach_()


def test_gradients_that_are_not_materialised_are_none():
    seen = []

    class Two(mg.autograd.Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            seen.append(second)
            return first * 2, None

    for materialize in (True, False):
        x = mg.ones(2, requires_grad=True)
        outputs = Two.apply(x, materialize)
        assert [output.output_nr for output in outputs] == [0, 1]
        outputs[0].sum().backward()
        assert x.grad.tolist() == [2, 2]
    np.testing.assert_array_equal(seen[0], [0, 0])
    assert seen[1] is None


def test_gpus_are_counted():
    assert (mg.cuda.device_count() > 0) == mg.cuda.is_available()


def test_default_dtype_is_what_python_floats_become():
    assert mg.get_default_dtype() == mg.float32
    mg.set_default_dtype(mg.float64)
    try:
        assert mg.tensor(1.5).dtype == mg.zeros(2).dtype == (mg.arange(3) * 0.5).dtype == mg.float64
        assert mg.nn.Linear(2, 3).weight.dtype == mg.float64
    finally:
        mg.set_default_dtype(mg.float32)
    assert mg.tensor(1.5).dtype == mg.float32
    with pytest.raises(TypeError, match="set_default_dtype: only float32 and float64"):
        mg.set_default_dtype(mg.int64)


def test_shapes_and_types_after_another_tensor():
    x, like = mg.arange(6), mg.zeros(2, 3, dtype=mg.float64)
    assert x.reshape_as(like).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x[:3].expand_as(like).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert x.type_as(like).dtype == mg.float64


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_element_becomes_a_number(shape):
    assert mg.full(shape, 2.5).item() == 2.5 and type(mg.full(shape, 2).item()) is int
    assert type(mg.full(shape, True).item()) is bool
    with pytest.raises(RuntimeError, match="a Tensor with 2 elements cannot be converted to Scalar"):
        mg.ones(2).item()


def test_questions():
    x = mg.zeros(2, 3)
    assert mg.is_tensor(x) and not mg.is_tensor(x.numpy())
    assert mg.numel(x) == x.nelement() == 6
    assert x.get_device() == -1
    assert mg.is_floating_point(x) and not mg.is_floating_point(mg.tensor([1]))
