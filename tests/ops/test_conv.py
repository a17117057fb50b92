"""Convolution: its definition, its geometry against PyTorch, its derivatives, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import agrees

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.ops.conv import Conv2d

rng = np.random.default_rng(7)


def normal(*shape, dtype="float64"):
    return rng.standard_normal(shape).astype(dtype)


@st.composite
def geometries(draw):
    """(input shape, weight shape, options) of a convolution that fits."""
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    groups = draw(st.integers(1, 3))
    channels, out_channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    smallest = [max(1, dilation[d] * (kernel[d] - 1) + 1 - 2 * padding[d]) for d in (0, 1)]
    size = [smallest[d] + draw(st.integers(0, 4)) for d in (0, 1)]
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    batch = draw(st.integers(1, 3))
    return (batch, channels, *size), (out_channels, channels // groups, *kernel), options


@settings(max_examples=30, deadline=None)
@given(geometries())
def test_any_geometry_as_pytorch(geometry):
    x, weight, options = geometry
    agrees("conv2d", normal(*x), normal(*weight), normal(weight[0]), **options)


@settings(max_examples=20, deadline=None)
@given(geometries())
def test_kernel_equals_definition(geometry):
    x_shape, weight_shape, options = geometry
    x, weight, bias = (
        mg.tensor(normal(*x_shape)),
        mg.tensor(normal(*weight_shape)),
        mg.tensor(normal(weight_shape[0])),
    )
    kernel = F.conv2d(x, weight, bias, **options)
    definition = Conv2d.definition(x, weight, bias, *options.values())
    np.testing.assert_allclose(kernel.numpy(), definition.numpy(), rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(geometries(), st.integers(0, 2), st.integers(0, 2))
def test_transposed_convolution_as_pytorch(geometry, extra_rows, extra_columns):
    # The convolution's output is the transposed one's input, its weight serves both.
    x, weight, options = geometry
    limits = [max(s, d) - 1 for s, d in zip(options["stride"], options["dilation"], strict=True)]
    output_padding = min(extra_rows, limits[0]), min(extra_columns, limits[1])
    y = F.conv2d(mg.tensor(normal(*x)), mg.tensor(normal(*weight)), **options)
    size = [
        (y.shape[2 + d] - 1) * options["stride"][d]
        - 2 * options["padding"][d]
        + options["dilation"][d] * (weight[2 + d] - 1)
        + output_padding[d]
        + 1
        for d in (0, 1)
    ]
    if min(size) >= 1:
        bias = normal(weight[1] * options["groups"])
        agrees(
            "conv_transpose2d",
            normal(*y.shape),
            normal(*weight),
            bias,
            output_padding=output_padding,
            **options,
        )


@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (1, 4), (5, 2)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_named_padding(kernel, dilation):
    x, weight = normal(2, 2, 6, 7), normal(3, 2, *kernel)
    same = F.conv2d(mg.tensor(x), mg.tensor(weight), padding="same", dilation=dilation)
    assert same.shape == (2, 3, 6, 7)
    agrees("conv2d", x, weight, padding="same", dilation=dilation)
    if dilation == 1:
        agrees("conv2d", x, weight, padding="valid")


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_without_batch_and_with_an_empty_one(name):
    function = getattr(F, name)
    x, weight = mg.tensor(normal(3, 5, 6)), mg.tensor(normal(3, 3, 3, 3))
    np.testing.assert_array_equal(function(x, weight).numpy(), function(x.unsqueeze(0), weight).numpy()[0])
    empty = mg.zeros(0, 3, 5, 6, dtype=mg.float64, requires_grad=True)
    weight.requires_grad_()
    y = function(empty, weight)
    assert y.shape[0] == 0
    y.sum().backward()
    assert empty.grad.shape == (0, 3, 5, 6)
    assert not weight.grad.numpy().any()


def test_float32_stays_float32():
    agrees("conv2d", normal(2, 3, 6, 6, dtype="float32"), normal(4, 3, 3, 3, dtype="float32"), padding=1)


def test_channels_last_input_and_gradient():
    x = mg.tensor(normal(2, 4, 6, 5))
    weight = mg.tensor(normal(3, 4, 3, 3))
    y = F.conv2d(x, weight, padding=1)
    lying = x.contiguous(memory_format=mg.channels_last).requires_grad_()
    y2 = F.conv2d(lying, weight.contiguous(memory_format=mg.channels_last), padding=1)
    np.testing.assert_allclose(y2.detach().numpy(), y.numpy(), rtol=1e-12, atol=1e-12)
    y2.sum().backward()
    assert lying.grad.shape == x.shape


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_derivatives_of_first_and_second_order(name):
    def function(x, weight, bias):
        return getattr(F, name)(x, weight, bias, stride=2, padding=1, groups=2)

    shapes = [(2, 4, 4, 5), (4, 1 if name == "conv_transpose2d" else 2, 3, 2)]
    shapes.append((2 if name == "conv_transpose2d" else 4,))
    inputs = [mg.tensor(normal(*shape)).requires_grad_() for shape in shapes]
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_third_derivative():
    # d/dx of |conv(x, w)|^2 along itself, twice more: compared with the same by im2col's definition.
    x, weight = mg.tensor(normal(1, 2, 4, 4)).requires_grad_(), mg.tensor(normal(2, 2, 3, 3)).requires_grad_()

    def third(convolve):
        y = (convolve(x, weight, None, (1, 1), (1, 1), (1, 1), 1) ** 3).sum()
        (first,) = mg.autograd.grad(y, x, create_graph=True)
        (second,) = mg.autograd.grad((first**2).sum(), weight, create_graph=True)
        return [g.numpy(force=True) for g in mg.autograd.grad((second**2).sum(), (x, weight))]

    for kernel, definition in zip(third(Conv2d.apply), third(Conv2d.definition), strict=True):
        np.testing.assert_allclose(kernel, definition, rtol=1e-9)


def test_only_the_wanted_gradients_are_computed(monkeypatch):
    from minigrad.ops import conv

    def refuse(*args):
        raise AssertionError("nobody asked for the input's gradient")

    monkeypatch.setattr(conv.Conv2dInput, "apply", refuse)
    weight = mg.tensor(normal(2, 1, 3, 3)).requires_grad_()
    F.conv2d(mg.tensor(normal(1, 1, 5, 5)), weight).sum().backward()
    assert weight.grad is not None


@settings(max_examples=20, deadline=None)
@given(geometries())
def test_unfold_and_fold_as_pytorch(geometry):
    x, weight, options = geometry
    options = {key: options[key] for key in ("dilation", "padding", "stride")} | {"kernel_size": weight[2:]}
    agrees("unfold", normal(*x), second=False, **options)
    columns = F.unfold(mg.tensor(normal(*x)), **options)
    agrees("fold", normal(*columns.shape), second=False, output_size=x[2:], **options)


def test_fold_of_unfold_counts_the_windows():
    ones = mg.ones(1, 1, 3, 3)
    counts = F.fold(F.unfold(ones, 2), (3, 3), 2)
    assert counts.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: F.conv2d(x[:, :2], w), r"groups=1.*to have 3 channels, but got 2 channels"),
        (lambda x, w: F.conv2d(x, w, groups=3), "divisible by 3 at dimension 0"),
        (lambda x, w: F.conv2d(x, w[0]), "4-dimensional weight"),
        (lambda x, w: F.conv2d(x[0, 0], w), "3D .unbatched. or 4D .batched. input to conv2d"),
        (lambda x, w: F.conv2d(x[..., :2], w), r"input size per channel: \(5 x 2\). Kernel size: \(3 x 3\)"),
        (
            lambda x, w: F.conv2d(x, w, mg.zeros(3).double()),
            "expected bias to be 1-dimensional with 4 elements",
        ),
        (
            lambda x, w: F.conv2d(x, w, mg.zeros(4)),
            r"Input type \(double\) and bias type \(float\) should be the same",
        ),
        (
            lambda x, w: F.conv2d(x, w.float()),
            r"Input type \(double\) and weight type \(float\) should be the same",
        ),
        (lambda x, w: F.conv2d(x.long(), w), "floating point"),
        (lambda x, w: F.conv2d(x.half(), w.half()), "float16 is for storage"),
        (lambda x, w: F.conv2d(x, w, stride=0), "stride must be at least 1"),
        (lambda x, w: F.conv2d(x, w, padding=-1), "padding must be at least 0"),
        (lambda x, w: F.conv2d(x, w, padding="full"), "Invalid padding string"),
        (lambda x, w: F.conv2d(x, w, padding="same", stride=2), "not supported for strided"),
        (lambda x, w: F.conv2d(x, w, groups=0), "non-positive groups"),
        (lambda x, w: F.conv_transpose2d(x, w), "transposed=1.*to have 4 channels, but got 3 channels"),
        (
            lambda x, w: F.conv_transpose2d(x, w[:3], output_padding=1),
            "smaller than either stride or dilation",
        ),
        (lambda x, w: F.conv_transpose2d(x[..., :1], w[:3], padding=2), "Output size is too small"),
        (lambda x, w: F.unfold(x[..., :2], 3), "components must be at least one"),
        (lambda x, w: F.fold(x[0], 4, 3), "divisible by the product of kernel_size"),
        (lambda x, w: F.fold(mg.zeros(9, 5), 4, 3), "sliding blocks 2 . 2 = 4, but got 5"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(RuntimeError, match=words):
        call(mg.tensor(normal(2, 3, 5, 5)), mg.tensor(normal(4, 3, 3, 3)))


@pytest.mark.parametrize("stride", [1.5, (1, 2, 3), None])
def test_wrong_kind_of_argument(stride):
    with pytest.raises(TypeError, match="conv2d: stride must be an int or a pair of ints"):
        F.conv2d(mg.zeros(1, 1, 5, 5), mg.zeros(1, 1, 3, 3), stride=stride)
