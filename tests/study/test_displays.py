"""What notebooks show: well-formed HTML that says what is there, of every kind of tensor, module and summary."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
import strategies
from hypothesis import given, settings

import minigrad as mg
from minigrad import nn
from minigrad.vision import models


def shown(value):
    """The display as a tree of elements; fails on tags that are not closed and on text that is not escaped."""
    return ElementTree.fromstring(value._repr_html_())


def text(value):
    return " ".join(" ".join(shown(value).itertext()).split())


def cells(value):
    return ["".join(cell.itertext()) for cell in shown(value).iter("td")]


@settings(max_examples=30, deadline=None)
@given(strategies.arrays())
def test_small_floats_are_all_there(array):
    tensor = mg.from_numpy(array)
    if array.ndim == 0:
        assert float(text(tensor).split()[-1]) == pytest.approx(array.item(), rel=1e-3, abs=1e-4)
    elif array.size == 0:
        assert "no elements" in text(tensor)
    else:
        np.testing.assert_allclose([float(cell) for cell in cells(tensor)], array.ravel(), rtol=1e-3, atol=1e-3)


def test_what_a_tensor_is():
    x = mg.ones(2, 3, dtype=mg.float64, requires_grad=True)
    assert text(x).startswith("Tensor 2 × 3 · float64 · cpu · requires grad")
    y = x * 2
    assert "grad_fn MulBackward0" in text(y)
    y.sum().backward()
    assert "norm of grad 4.899" in text(x)  # sqrt(6 * 2^2)
    assert text(nn.Parameter(mg.zeros(2))).startswith("Parameter 2 · float32")


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (mg.arange(3), ["0", "1", "2"]),
        (mg.tensor([[True], [False]]), ["True", "False"]),
        (mg.tensor([1.0, float("nan"), float("-inf")]), ["1.", "nan", "-inf"]),
        (mg.zeros(2, 1, 2, dtype=mg.uint8), ["0"] * 4),
    ],
)
def test_every_kind_of_value(tensor, expected):
    assert cells(tensor) == expected


def bars(tensor):
    """Counts of the histogram's bars, from their tooltips."""
    return [int(title.text.split(": ")[1].replace(",", "")) for title in shown(tensor).iter("title")]


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).standard_normal((50, 20)),
        np.linspace(-1, 1, 1000) * 1.7e308,  # the range overflows
        np.where(np.arange(1000) < 500, 1.0, np.nextafter(1.0, 2)),  # bins narrower than the numbers' spacing
        np.linspace(0, 1, 1000).astype(np.float16),
        np.arange(1000) % 7,
        np.array([np.iinfo(np.int64).min, 0, np.iinfo(np.int64).max] * 100),
    ],
)
def test_histogram_counts_every_value(array):
    assert sum(bars(mg.from_numpy(array))) == array.size


def test_histogram_of_integers_has_a_bar_for_each():
    labels = np.arange(1000) % 7
    assert bars(mg.from_numpy(labels)) == np.bincount(labels).tolist()


def test_what_is_not_finite_is_counted_and_zeros_do_not_hide_the_rest():
    values = np.random.default_rng(0).random(1000)
    values[:7], values[7:9], values[9:409] = np.nan, np.inf, 0
    tensor = mg.from_numpy(values)
    assert "7 NaN · 2 infinite" in text(tensor)
    assert "without the zeros" in text(tensor)
    assert sum(bars(tensor)) == 1000 - 409


@pytest.mark.parametrize(
    "array", [np.full(1000, np.nan), np.array([np.inf, -np.inf] * 200), np.array([0.0, np.nan] * 200)]
)
def test_nothing_to_draw(array):
    assert "NaN" in text(mg.from_numpy(array)) or "infinite" in text(mg.from_numpy(array))
    assert not bars(mg.from_numpy(array))


def test_constant():
    assert "every element is 2" in text(mg.full((100, 100), 2.0))


@pytest.mark.parametrize("shape", [(12, 10), (1, 12, 10), (3, 12, 10), (3, 700, 500)])
def test_bytes_are_a_picture(shape):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    (image,) = shown(mg.from_numpy(pixels)).iter("img")
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("src").split(",")[1]))))
    every = 3 if 700 in shape else 1  # no more pixels than are seen
    expected = pixels.reshape(-1, *shape[-2:])[:, ::every, ::every]
    np.testing.assert_array_equal(np.atleast_3d(drawn).transpose(2, 0, 1), expected)


def test_module_is_a_tree():
    model = models.lenet5()
    model.features[0].weight.requires_grad_(False)
    model.classifier[1].eval()
    tree, words = shown(model), text(model)
    assert "61,706 parameters, 150 of them frozen" in words
    assert words.count("evaluation mode") == 1
    assert "120 × 400 · float32 · cpu" in words
    opened = [details for details in tree.iter("details") if details.get("open") is not None]
    assert len(opened) == 3  # the model, features, classifier; a layer's parameters are folded
    assert len(list(shown(models.resnet18()).iter("details"))) > 50
    assert sum(details.get("open") is not None for details in shown(models.resnet18()).iter("details")) == 1


def test_names_are_escaped():
    class Odd(nn.Module):
        def extra_repr(self):
            return "<script>alert(1)</script>"

    model = nn.ModuleDict({"<b>": Odd()})
    assert "(<script>alert(1)</script>)" in text(model)
    assert not list(shown(model).iter("script"))


def test_summary_is_a_table():
    summary = mg.summary(models.lenet5(), (1, 28, 28))
    rows = list(shown(summary).iter("tr"))
    assert len(rows) == 2 + len(summary.layers)
    assert "61,706" in "".join(rows[-1].itertext())
