"""Matrix products, linear and einsum: every arrangement of dimensions, layouts, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.nn.functional import linear

MATMUL_SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((2, 1, 2, 3), (5, 3, 1)),
    ((1, 2, 3), (4, 3, 2)),
    ((1, 1), (1, 1)),
    ((2, 0), (0, 3)),
    ((0, 3), (3, 2)),
    ((0, 2, 3), (3, 4)),
    ((2, 3, 0), (0, 2)),
]


def random(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape)


@pytest.mark.parametrize("first, second", MATMUL_SHAPES)
def test_matmul(first, second):
    x, y = random(*first), random(*second)
    result = mg.from_numpy(x) @ mg.from_numpy(y)
    expected = np.asarray(x @ y)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.numpy(), expected)
    tensors = [mg.tensor(a, requires_grad=True) for a in (x, y)]
    if x.size and y.size:
        assert gradcheck(mg.matmul, tensors)
        assert gradgradcheck(mg.matmul, tensors)
    else:
        mg.matmul(*tensors).sum().backward()
        assert [t.grad.shape for t in tensors] == [first, second]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(MATMUL_SHAPES), st.booleans(), st.booleans(), st.booleans())
def test_matmul_of_any_layout(shapes, flip, transpose_x, transpose_y):
    arrays = []
    for shape, transposed in zip(shapes, (transpose_x, transpose_y), strict=True):
        a = random(*shape)
        if transposed and a.ndim > 1:
            a = np.swapaxes(np.swapaxes(a, -1, -2).copy(), -1, -2)
        arrays.append(a[..., ::-1] if flip else a)
    straight = [mg.tensor(a.copy(), requires_grad=True) for a in arrays]
    strided = [mg.from_numpy(a).requires_grad_() for a in arrays]
    for x, y in (straight, strided):
        (x @ y).sum().backward()
    for a, b in zip(straight, strided, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)


def test_the_gradient_of_a_weight_lies_in_memory_as_the_weight_does():
    x, weight = mg.randn(4, 5, 3), mg.randn(6, 3).requires_grad_()
    (gradient,) = mg.autograd.grad((x @ weight.T).sum(), weight)
    assert gradient.is_contiguous()
    (gradient,) = mg.autograd.grad(linear(x, weight).sum(), weight)
    assert gradient.is_contiguous()


def test_products_of_given_dimensions():
    a, b, v = random(2, 3), random(3, 4), random(3)
    tensor = mg.from_numpy
    np.testing.assert_allclose(mg.mm(tensor(a), tensor(b)).numpy(), a @ b)
    np.testing.assert_allclose(mg.mv(tensor(a), tensor(v)).numpy(), a @ v)
    np.testing.assert_allclose(mg.dot(tensor(v), tensor(v)).item(), v @ v)
    np.testing.assert_allclose(mg.outer(tensor(v), tensor(a[0])).numpy(), np.outer(v, a[0]))
    batch = random(5, 2, 3), random(5, 3, 4)
    np.testing.assert_allclose(mg.bmm(tensor(batch[0]), tensor(batch[1])).numpy(), batch[0] @ batch[1])
    assert (tensor(a).long() @ tensor(b).long()).dtype == mg.int64


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: mg.ones(2, 3) @ mg.ones(4, 5), r"mat1 and mat2 shapes cannot be multiplied \(2x3 and 4x5\)"),
        (lambda: mg.ones(3) @ mg.ones(4, 5), r"\(1x3 and 4x5\)"),
        (lambda: mg.ones(2, 2, 3) @ mg.ones(3, 3, 4), "broadcast"),
        (lambda: mg.ones(2, 3) @ mg.tensor(1.0), "at least 1D"),
        (
            lambda: mg.ones(2, 3) @ mg.ones(3, 4).double(),
            "expected m1 and m2 to have the same dtype, .* float != double",
        ),
        (lambda: mg.ones(2, 2).bool() @ mg.ones(2, 2).bool(), "bool"),
        (lambda: mg.mm(mg.ones(2, 3), mg.ones(3)), "mat2 must be a 2-D tensor"),
        (lambda: mg.bmm(mg.ones(2, 3, 4), mg.ones(3, 4, 5)), "batches of the same size"),
        (lambda: mg.dot(mg.ones(3), mg.ones(4)), "same number of elements"),
        (lambda: mg.dot(mg.ones(3, 1), mg.ones(3)), "1-D"),
        (lambda: mg.mv(mg.ones(2, 3), mg.ones(4)), r"\(2x3 and 4x1\)"),
        (lambda: linear(mg.ones(2, 3), mg.ones(4, 5)), r"linear: .*\(2x3 and 5x4\)"),
        (lambda: linear(mg.ones(2, 3), mg.ones(4, 3), mg.ones(5)), "bias of shape"),
        (lambda: linear(mg.ones(2, 3).double(), mg.ones(4, 3)), "double != float"),
        (lambda: linear(mg.tensor(1.0), mg.ones(4, 3)), "linear"),
    ],
)
def test_wrong_factors_are_refused_in_one_line(call, words):
    with pytest.raises(RuntimeError, match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_linear(leading, with_bias):
    arrays = [random(*leading, 3), random(2, 3)] + [random(2)] * with_bias
    tensors = [mg.tensor(a, requires_grad=True) for a in arrays]
    result = linear(*tensors)
    expected = arrays[0] @ arrays[1].T + (arrays[2] if with_bias else 0)
    np.testing.assert_allclose(result.detach().numpy(), expected)
    if result.numel():
        assert gradcheck(linear, tensors)
        assert gradgradcheck(linear, tensors)
    else:
        result.sum().backward()
        assert not tensors[1].grad.any()


def test_linear_computes_only_what_is_asked_for():
    x, weight = mg.randn(4, 3), mg.randn(2, 3).requires_grad_()
    node = linear(x, weight).grad_fn
    assert [saved is None for saved in node.saved_tensors] == [False, True]
    assert [g is None for g in node.run([mg.ones(4, 2)])] == [True, False, True]


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ij->ji", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("iii->", (2, 2, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("ij,k->k", (2, 3), (4,)),
    ("bi,bj->bij", (2, 3), (2, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
    ("...i,...i", (2, 3), (3,)),
    ("i...->...", (3, 2, 2)),
    ("...ij->ij", (2, 2, 3)),
    ("ij,ij->ij", (2, 3), (1, 3)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)),
    ("ik,jkl,il->ij", (2, 3), (4, 3, 2), (2, 2)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("aB,Bc->ac", (2, 3), (3, 2)),
    ("->", ()),
    (",i->i", (), (3,)),
    (" i j , j -> i ", (2, 3), (3,)),
]


@pytest.mark.parametrize("equation, shapes", [(e, s) for e, *s in EQUATIONS], ids=[e for e, *_ in EQUATIONS])
def test_einsum(equation, shapes):
    arrays = [random(*shape) for shape in shapes]
    tensors = [mg.tensor(a, requires_grad=True) for a in arrays]
    result = mg.einsum(equation, *tensors)
    # NumPy has no implicit sum over an ellipsis that the result leaves out.
    expected = arrays[0].sum(0) if equation == "...ij->ij" else np.einsum(equation, *arrays)
    assert result.shape == np.shape(expected)
    np.testing.assert_allclose(result.detach().numpy(), expected, atol=1e-12)
    assert not any(np.may_share_memory(result.array, t.array) for t in tensors)
    assert gradcheck(lambda *operands: mg.einsum(equation, *operands), tensors)
    assert gradgradcheck(lambda *operands: mg.einsum(equation, *operands), tensors)


def test_einsum_of_a_tensor_with_itself():
    x = mg.tensor(random(2, 3), requires_grad=True)
    mg.einsum("ij,ij->", x, x).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())
    assert mg.einsum("ij,ij->i", [x, x]).shape == (2,)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: mg.einsum("ij,jk", x, mg.ones(4, 5)), "subscript j has size 4 for operand 1"),
        (lambda x: mg.einsum("ij->ik", x), "output subscript k does not appear"),
        (lambda x: mg.einsum("ij->ii", x), "output subscript i appears more than once"),
        (lambda x: mg.einsum("ii->i", x), "subscript i is repeated for operand 0 but the sizes don't match"),
        (lambda x: mg.einsum("ijk->i", x), "number of subscripts"),
        (lambda x: mg.einsum("i->i", x), "number of subscripts"),
        (lambda x: mg.einsum("i1->i", x), "invalid subscript '1'"),
        (lambda x: mg.einsum("ij,jk->ik", x), "2 operands, but 1"),
        (lambda x: mg.einsum("ij->i"), "at least one operand"),
        (lambda x: mg.einsum(x, x), "must be a string"),
        (lambda x: mg.einsum("ij->i", [[1.0]]), "Tensor"),
    ],
)
def test_wrong_equations_are_named(call, words):
    with pytest.raises((ValueError, RuntimeError, TypeError), match=words):
        call(mg.ones(2, 3))
