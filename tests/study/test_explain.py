"""Explanations: every operation has one that runs, and what they say is measured."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, study
from minigrad.autograd import Function, grad
from minigrad.generator import default_generator
from minigrad.record.formulas import FORMULAS
from minigrad.record.typeset import mathml, plain
from minigrad.study.draw.im2col import picture
from minigrad.study.draw.window import Geometry, record_geometry
from minigrad.study.explain.differences import measure
from minigrad.study.explain.examples import CALLS, LAYERS
from minigrad.study.explain.operation import functions
from minigrad.study.explain.sources import references

CONSTANT = set(
    [
        "all",
        "allclose",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "bincount",
        "bitwise_and",
        "bitwise_left_shift",
        "bitwise_not",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
        "bucketize",
        "count_nonzero",
        "eq",
        "equal",
        "ge",
        "gt",
        "isclose",
        "isfinite",
        "isinf",
        "isnan",
        "le",
        "logical_and",
        "logical_not",
        "logical_or",
        "lt",
        "ne",
        "nonzero",
        "one_hot",
        "searchsorted",
        "unique",
    ]
)
FLAT = {"ceil", "floor", "floor_divide", "round", "sign", "trunc"}  # their derivative is 0
PARTIAL = {"meshgrid"}  # its first result, which is checked, does not depend on all inputs


@pytest.mark.parametrize("name", [*functions(), *LAYERS])
def test_every_operation_is_explained_and_its_gradient_checked(name):
    made = study.explain(name)
    assert made.summary and made.signature.startswith(name) and made.shapes
    if name in CONSTANT:
        assert made.check is None and "no gradient" in made.no_check
    else:
        assert made.check.passed and made.check.error < 1e-6
        assert name in FLAT | PARTIAL or all(comparison.largest > 0 for comparison in made.check.comparisons)
        assert made.parts and all(part.forward for part in made.parts)
    assert all(words in str(made) for words in (name, "Shapes", "Finite differences"))


def test_examples_are_of_operations_that_exist():
    assert set(CALLS) <= {*functions(), *LAYERS}


def test_convolution():
    made = study.explain("conv2d")
    text = str(made)
    assert "y[n,o,i,j] = b[o] + sum[c,p,q] w[o,c,p,q] x[n,c,s i+p,s j+q]" in text
    assert "weight  3 x 2 x 3 x 3 float64" in text and "Conv2dInput.apply" in text
    assert 'Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016)' in made.papers
    assert "im2col" in made.kernels["kernels/conv2d/reference.py"]
    assert made.geometry.kernel == (3, 3) and made.geometry.padding == (1, 1)


def test_a_layer_is_explained_with_its_own_geometry_and_left_as_it_was():
    layer = nn.Conv2d(4, 6, (3, 2), stride=2, dilation=2, groups=2)
    before = {name: value.array.copy() for name, value in layer.state_dict().items()}
    made = study.explain(layer)
    assert made.check.passed and dict(made.shapes)["weight"] == "6 x 2 x 3 x 2 float64"
    assert (made.geometry.kernel, made.geometry.stride, made.geometry.groups) == ((3, 2), (2, 2), 2)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value.array, before[name])
    norm = nn.BatchNorm2d(3)
    study.explain(norm)
    assert norm.num_batches_tracked.item() == 0 and norm.weight.grad is None


def test_a_tensor_is_explained_by_the_operation_that_made_it():
    x = mg.randn(2, 3, 9, 9, requires_grad=True)
    y = nn.Conv2d(3, 4, 3, stride=2)(x)
    made = study.explain(y)
    assert made.title == "Conv2d, which made a tensor of shape [2, 4, 4, 4]"
    assert ("x", "2 x 3 x 9 x 9 float32") in made.shapes and ("saved: weight", "4 x 3 x 3 x 3 float32") in made.shapes
    assert made.geometry.output == (4, 4) and picture(made.geometry).startswith("<svg")
    y.sum().backward()
    assert study.explain(y).geometry == made.geometry  # backward frees values; the sizes stay
    with pytest.raises(ValueError, match="it is a leaf"):
        study.explain(x)


class Wrong(Function):
    """x^3"""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x**2 * grad_output


def test_an_operation_of_ones_own_and_a_wrong_gradient():
    made = study.explain(Wrong)
    assert "return x**3" in str(made) and "explain(Wrong, x, ...)" in made.no_check
    made = study.explain(Wrong, mg.tensor([1.0, 2.0], dtype=mg.float64, requires_grad=True))
    assert not made.check.passed and "DISAGREE" in str(made)
    assert made.check.error == pytest.approx(4 * abs(np.cos(1 + 2.4)), rel=1e-6)  # x^2 at 2, times its weight


def test_errors_are_measured():
    x = mg.tensor([0.3, -1.2], dtype=mg.float64, requires_grad=True)
    (comparison,) = measure(lambda: x.exp(), {"x": x}).comparisons
    weights = np.cos(np.arange(2) * 2.4 + 1)
    assert (comparison.name, comparison.entries) == ("x", 2)
    assert comparison.largest == pytest.approx(np.abs(weights * np.exp(x.array)).max())
    assert comparison.error < 1e-8
    np.testing.assert_array_equal(x.array, [0.3, -1.2])


def test_random_numbers_are_left_alone():
    mg.manual_seed(5)
    before = default_generator.get_state()
    assert study.explain("dropout").check.passed
    np.testing.assert_array_equal(default_generator.get_state().array, before.array)


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("sofmax", ValueError, "no operation or layer is called 'sofmax'; did you mean 'softmax'"),
        ("conv3d", ValueError, "did you mean 'conv2d'"),
        ("qqqq", ValueError, "called 'qqqq'$"),
        (3, TypeError, "expected a name, a function, a layer, a Function or a tensor, got int 3"),
        (nn.Sequential, ValueError, r"give a layer, explain\(Sequential\(...\)\)"),
    ],
)
def test_what_cannot_be_explained(what, error, words):
    with pytest.raises(error, match=words):
        study.explain(what)


def test_pages(tmp_path):
    made = study.explain("F.Max_Pool2d")
    made.save(tmp_path / "pool.html")
    page = (tmp_path / "pool.html").read_text()
    assert (
        page.startswith("<!doctype html>")
        and "<svg" in page
        and "<math" in page
        and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    )
    assert made._repr_html_() in page
    with pytest.raises(ValueError, match=r"written as .html, got 'a.png'"):
        made.save("a.png")


@pytest.mark.parametrize("formulas", FORMULAS.values(), ids=FORMULAS)
def test_formulas_are_whole(formulas):
    for formula in formulas:
        assert ElementTree.fromstring(mathml(formula).replace("&nbsp;", " ")).tag == "math"
        assert plain(formula).count("(") == plain(formula).count(")") and not set("\\{}") & set(plain(formula))


def test_typesetting():
    assert plain(r"\grad{x} = \frac{1}{2 \sqrt{x}}") == "dL/dx = 1 / (2 sqrt(x))"
    assert mathml("x_{i}^{2}") == (
        '<math display="block"><mrow><msubsup><mi>x</mi><mrow><mi>i</mi></mrow><mrow><mn>2</mn></mrow></msubsup></mrow>'
        "</math>"
    )


def test_the_picture_shows_the_numbers_that_are_computed():
    x = mg.tensor(np.arange(16.0).reshape(1, 1, 4, 4), requires_grad=True)
    with study.trace(keep_values=True) as t:
        y = nn.functional.conv2d(x, mg.ones(1, 1, 2, 2, dtype=mg.float64))
    geometry = record_geometry(t.of(y))
    assert geometry.output == (3, 3)
    assert f"their sum {y.array[0, 0, 1, 1]:.0f}" in picture(geometry)  # the middle window


@pytest.mark.parametrize("operation", ["Conv2d", "MaxPool2d", "AvgPool2d", "Unfold"])
@pytest.mark.parametrize("size", [5, 224])
def test_pictures_of_any_size_are_small(operation, size):
    x = np.zeros((1, 3, size, size))
    for known in (None, x):
        geometry = Geometry(operation, x.shape, (3, 3), (2, 2), (1, 1), x=known)
        drawn = picture(geometry)
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert len(drawn) < 300_000


def test_papers():
    def documented():
        """Words. He et al., "Delving deep into rectifiers" (ICCV 2015). Maas et al. (2013), and (2, 3)."""

    assert references(documented) == ['He et al., "Delving deep into rectifiers" (ICCV 2015)', "Maas et al. (2013)"]


def test_second_order_gradients_still_work_under_an_explanation():
    x = mg.tensor(2.0, requires_grad=True)
    (first,) = grad(x**3, x, create_graph=True)
    assert study.explain(first).title.startswith(type(first.grad_fn).__name__)
