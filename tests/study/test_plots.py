"""Figures about a model: what they show is right, and the model comes back bit for bit as it was."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import nn, study
from minigrad.nn import functional as F
from minigrad.study.plots.attribution import cam_maps, saliency_maps
from minigrad.vision import models


class Net(nn.Module):
    """Batch norm, dropout and an in-place ReLU: all that a careless tool would disturb."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, bias=False)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(5 * 4, 3)

    def forward(self, x):
        x = F.relu(self.norm(self.conv1(x)), inplace=True)
        x = F.relu(self.conv2(x), inplace=True)
        return self.head(self.drop(F.adaptive_avg_pool2d(x, 2).flatten(1)))


@pytest.fixture
def net():
    mg.manual_seed(0)
    model = Net()
    F.cross_entropy(model(mg.randn(4, 3, 8, 8)), mg.tensor([0, 1, 2, 0])).backward()
    model.conv2.weight.grad = None
    model.norm.eval()  # a mode of its own
    return model


def state(model):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    tensors |= {f"{name}.grad": p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {
        "values": {name: (id(t), id(t.array), t._version.value, t.array.tobytes()) for name, t in tensors.items()},
        "needs": [p.requires_grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "hooks": [len(module._forward_hooks) for module in model.modules()],
        "random": mg.get_rng_state().tolist(),
        "recording": mg.is_grad_enabled(),
    }


TOOLS = {
    "filters": lambda model, x: study.plot_filters(model),
    "feature maps": lambda model, x: study.plot_feature_maps(model, x[0]),
    "activations": study.plot_activations,
    "gradient flow": lambda model, x: study.plot_gradient_flow(model),
    "saliency": lambda model, x: study.saliency(model, x, 1),
    "Grad-CAM": lambda model, x: study.grad_cam(model, x, 1),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_figure_and_an_untouched_model(net, tool):
    x = mg.randn(2, 3, 8, 8, requires_grad=True)
    before, picture = state(net), x.array.copy()
    with mg.no_grad():
        figure = TOOLS[tool](net, x)
    assert state(net) == before
    assert x.grad is None and (x.array == picture).all()
    assert isinstance(figure, Figure) and figure.get_suptitle()
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("tool", ["feature maps", "activations", "saliency", "Grad-CAM"])
def test_untouched_after_an_error(net, tool):
    def fail(module, args):
        assert mg.rand(1) is not None
        module.train()
        raise KeyError("on the way")

    handle = net.head.register_forward_pre_hook(fail)
    before = state(net)
    with pytest.raises(KeyError):
        TOOLS[tool](net, mg.randn(2, 3, 8, 8))
    handle.remove()
    before["random"] = state(net)["random"]  # x was drawn here
    assert state(net) == before


def test_saliency_is_the_gradient(net):
    x = mg.randn(3, 3, 8, 8)
    maps, _, classes = saliency_maps(net, x, [2, 0, 1])
    assert classes == [2, 0, 1]
    net.eval()
    leaf = x.clone().requires_grad_()
    logits = net(leaf)
    (logits[0, 2] + logits[1, 0] + logits[2, 1]).backward()
    np.testing.assert_array_equal(maps, np.abs(leaf.grad.array).max(1))


def test_grad_cam_is_the_weighted_sum_of_maps():
    """Where pooling and one linear layer follow, Grad-CAM is CAM: the head's weights are the maps' (section 3)."""
    mg.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    x = mg.randn(2, 1, 8, 8)
    maps, _, classes, name = cam_maps(model, x, None, None)
    assert name == "0" and classes == model(x).argmax(1).tolist()
    features = model[0](x).detach().array
    weights = model[3].weight.detach().array[classes] / features[0, 0].size
    np.testing.assert_allclose(maps, np.maximum(np.einsum("nc,nchw->nhw", weights, features), 0), atol=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_pictures_and_their_maps_line_up(net, count):
    figure = study.grad_cam(net, mg.randn(count, 3, 8, 8))
    figure.canvas.draw()
    places = [axis.get_position() for axis in figure.axes]
    for above, below in zip(places[:count], places[count:], strict=True):
        assert above.x0 == pytest.approx(below.x0) and above.width == pytest.approx(below.width)


def test_grad_cam_sees_the_layer_before_it_is_overwritten(net):
    """The in-place ReLU after conv2 must not change which map is meant."""
    x = mg.randn(1, 3, 8, 8)
    maps, *_ = cam_maps(net, x, 0, "conv2")
    net.eval()
    features = net.conv2(F.relu(net.norm(net.conv1(x)))).detach().requires_grad_()
    net.head(F.adaptive_avg_pool2d(F.relu(features), 2).flatten(1))[0, 0].backward()
    weights = features.grad.array.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(maps, np.maximum((weights * features.array.copy()).sum(1), 0), atol=1e-6)


def test_feature_maps_of_each_size():
    model = models.lenet5()
    figure = study.plot_feature_maps(model, mg.randn(1, 28, 28))
    labels = [axis.get_ylabel().split("\n")[0] for axis in figure.axes if axis.get_ylabel()]
    assert labels == ["features.1", "features.2", "features.4", "features.5"]
    figure = study.plot_feature_maps(model, mg.randn(1, 28, 28), layers=[model.features[3], "features.0"])
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == [
        "features.0\n6 × 28 × 28",
        "features.3\n16 × 10 × 10",
    ]


def test_gradient_flow_has_a_line_for_each_parameter(net):
    net.head.bias.grad.zero_()
    figure = study.plot_gradient_flow(net)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [name for name, _ in net.named_parameters()]
    words = [text.get_text() for text in axis.texts]
    assert words.count("no gradient") == 1 and words.count("all zero") == 1


def test_activations_tell_the_scale():
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    x = mg.randn(1000, 10)
    figure = study.plot_activations(model, x, layers=["0", "1"])
    shapes, scales = figure.axes
    expected = [x.array.std(), np.maximum(x.array, 0).std()]
    np.testing.assert_allclose(scales.lines[0].get_xdata(), expected, rtol=1e-5)
    assert [text.get_text() for text in shapes.texts] == [f"{np.mean(x.array <= 0):.0%} zeros"]


@pytest.mark.parametrize("shape", [(6, 1, 5, 5), (100, 3, 7, 7), (20, 30, 3, 3), (1, 1, 1, 1)])
def test_filters_of_every_kind(shape):
    figure = study.plot_filters(mg.randn(*shape))
    assert " × ".join(map(str, shape)) in figure.get_suptitle()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, x: study.plot_filters(mg.zeros(3, 4)), "got shape [3, 4]"),
        (lambda net, x: study.plot_filters(nn.Linear(2, 2)), "no Conv2d"),
        (lambda net, x: study.plot_feature_maps(net, x), "one picture"),
        (lambda net, x: study.plot_feature_maps(net, x[0], ["conv3"]), "did you mean conv"),
        (lambda net, x: study.plot_feature_maps(net, x[0], ["head"]), "puts out no maps"),
        (lambda net, x: study.plot_feature_maps(net, x[0], [nn.ReLU()]), "not a part of the model"),
        (lambda net, x: study.plot_gradient_flow(Net()), "call loss.backward() first"),
        (lambda net, x: study.plot_gradient_flow(nn.ReLU()), "no parameters"),
        (lambda net, x: study.saliency(net, x, 3), "a class from 0 to 2"),
        (lambda net, x: study.saliency(net, x, [0, 1, 2]), "a class from 0 to 2"),
        (lambda net, x: study.saliency(net.conv1, x, 0), "must return logits"),
        (lambda net, x: study.grad_cam(net, x, 0, "head"), "must put out maps"),
        (lambda net, x: study.grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), x), "no Conv2d"),
    ],
)
def test_bad_calls(net, call, words):
    before = state(net)["values"]
    with pytest.raises(ValueError) as caught:
        call(net, mg.randn(2, 3, 8, 8))
    assert words in str(caught.value)
    assert state(net)["values"] == before


def test_integer_pictures_are_refused(net):
    with pytest.raises(TypeError, match="floating-point"):
        study.saliency(net, mg.zeros(3, 8, 8, dtype=mg.uint8), 0)
