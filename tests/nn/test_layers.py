"""Every layer against PyTorch's: constructor, repr, state_dict, output, gradients, buffers."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

LAYERS = {name: layer for name, layer in inspect.getmembers(nn, inspect.isclass)}


PADS = ("Reflection", "Replication", "Circular", "Zero")

# A constructor call, and the shape of an input.
CASES = [
    ("Identity(3, x=4)", (2, 3)),
    ("Linear(3, 5)", (2, 4, 3)),
    ("Linear(3, 5, bias=False)", (3,)),
    ("Flatten()", (2, 3, 4)),
    ("Flatten(0, 1)", (2, 3, 4)),
    ("Unflatten(1, (2, 3))", (2, 6)),
    ("Unflatten(-1, [3, -1])", (2, 6)),
    ("Conv2d(2, 3, 3)", (2, 2, 6, 5)),
    (
        "Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2, bias=False)",
        (2, 4, 9, 8),
    ),
    ("Conv2d(2, 3, (4, 3), padding='same')", (1, 2, 6, 5)),
    ("Conv2d(2, 3, 3, padding='valid')", (2, 6, 5)),
    ("Conv2d(2, 3, 3, padding=(2, 1), padding_mode='reflect')", (1, 2, 6, 5)),
    ("Conv2d(2, 3, 3, padding=1, padding_mode='replicate')", (1, 2, 6, 5)),
    ("Conv2d(2, 3, 3, padding=1, stride=2, padding_mode='circular')", (2, 2, 6, 5)),
    ("Conv2d(2, 3, (4, 3), padding='same', padding_mode='circular', dilation=(1, 2))", (1, 2, 6, 5)),
    ("Conv2d(2, 3, 3, padding='valid', padding_mode='reflect')", (1, 2, 6, 5)),
    ("ConvTranspose2d(2, 3, 3)", (2, 2, 4, 5)),
    (
        "ConvTranspose2d(4, 6, (3, 2), (2, 3), padding=1, output_padding=(1, 0), groups=2, dilation=(2, 1))",
        (2, 4, 4, 3),
    ),
    ("Unfold((2, 3), dilation=1, padding=1, stride=2)", (2, 3, 5, 6)),
    ("Fold((4, 5), (2, 2))", (2, 8, 12)),
    ("MaxPool2d(2)", (2, 3, 5, 6)),
    ("MaxPool2d((3, 2), stride=(2, 1), padding=1, ceil_mode=True)", (2, 3, 6, 7)),
    ("MaxPool2d(2, dilation=2)", (3, 6, 7)),
    ("AvgPool2d(2)", (2, 3, 5, 6)),
    ("AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)", (2, 3, 6, 7)),
    ("AvgPool2d((2, 3), 1, divisor_override=5)", (2, 3, 6, 7)),
    ("AdaptiveAvgPool2d(1)", (2, 3, 5, 6)),
    ("AdaptiveAvgPool2d((None, 4))", (2, 3, 5, 6)),
    ("AdaptiveMaxPool2d((2, 3))", (2, 3, 5, 7)),
    *[(f"{name}()", (3, 4)) for name in nn.activation.__all__ if name not in ("Softmax", "LogSoftmax")],
    *[(f"{kind}Pad1d({padding})", (2, 3, 4)) for kind in PADS for padding in ("2", "(1, 2)")],
    *[(f"{kind}Pad2d({padding})", (2, 4, 5)) for kind in PADS for padding in ("1", "(1, 2, 0, 3)")],
    ("ConstantPad1d(2, 3.5)", (2, 3, 4)),
    ("ConstantPad2d((1, -1, 2, 0), 3.5)", (2, 3, 4, 5)),
    ("PixelShuffle(2)", (2, 8, 3, 4)),
    ("PixelUnshuffle(2)", (8, 4, 6)),
    ("ChannelShuffle(2)", (2, 6, 3)),
    ("LeakyReLU(0.2)", (3, 4)),
    *[(f"{name}()", (2, 4, 3, 4)) for name in nn.rare_activation.__all__ if name not in ("Softmin", "Threshold")],
    ("CELU(1.5)", (3, 4)),
    ("Hardshrink(0.7)", (3, 4)),
    ("Softshrink(0.7)", (3, 4)),
    ("Hardtanh(-0.5, 0.7)", (3, 4)),
    ("Threshold(0.2, 9.0)", (3, 4)),
    ("Softmin(dim=1)", (3, 4)),
    ("Softmax2d()", (2, 3, 4)),
    ("GLU(1)", (3, 4)),
    ("PReLU(4, init=0.1)", (3, 4, 2)),
    ("PReLU()", (5,)),
    ("ELU(1.5)", (3, 4)),
    ("GELU(approximate='tanh')", (3, 4)),
    ("Softplus(2.0, threshold=1.5)", (3, 4)),
    ("Softmax(dim=1)", (3, 4)),
    ("LogSoftmax(dim=-1)", (3, 4)),
    ("Dropout(0.0)", (3, 4)),
    ("Dropout(0.3).eval()", (3, 4)),
    ("Dropout2d(0.3).eval()", (2, 3, 4, 4)),
    ("BatchNorm1d(4)", (3, 4)),
    ("BatchNorm1d(4, momentum=None)", (3, 4, 5)),
    ("BatchNorm2d(3, eps=0.01, momentum=0.3)", (2, 3, 4, 5)),
    ("BatchNorm2d(3).eval()", (2, 3, 4, 5)),
    ("BatchNorm2d(3, affine=False, track_running_stats=False)", (2, 3, 4, 5)),
    ("BatchNorm2d(3, track_running_stats=False).eval()", (2, 3, 4, 5)),
    ("BatchNorm2d(3, bias=False)", (2, 3, 4, 5)),
    ("LayerNorm(5)", (2, 3, 5)),
    ("LayerNorm([3, 5], bias=False)", (2, 3, 5)),
    ("LayerNorm((5,), elementwise_affine=False)", (2, 3, 5)),
    ("GroupNorm(2, 4)", (2, 4, 3, 3)),
    ("GroupNorm(4, 4, affine=False)", (2, 4, 3)),
    ("LocalResponseNorm(3, alpha=0.5, k=2.0)", (2, 5, 3, 4)),
    (
        "Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(True), nn.Flatten(), nn.Linear(8, 3))",
        (2, 1, 4, 4),
    ),
]


def build(library, code):
    """The layer that `code` makes in `nn` of minigrad or of PyTorch."""
    return eval(f"nn.{code}", {"nn": library.nn})


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("code", "shape"), CASES, ids=[code for code, _ in CASES])
def test_layer_equals_pytorchs(code, shape):
    torch = pytest.importorskip("torch")
    theirs, ours = build(torch, code).double(), build(mg, code).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    random = np.random.default_rng(0)
    with torch.no_grad():
        for value in theirs.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.from_numpy(random.uniform(0.5, 1.5, tuple(value.shape))))
    ours.load_state_dict({name: mg.from_numpy(v.numpy().copy()) for name, v in theirs.state_dict().items()})

    x = random.standard_normal(shape)
    our_x, their_x = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    our_y, their_y = ours(our_x * 1), theirs(their_x * 1)
    np.testing.assert_allclose(our_y.detach().numpy(), their_y.detach().numpy(), rtol=1e-9, atol=1e-11)
    grad = random.standard_normal(our_y.shape)
    our_y.backward(mg.tensor(grad))
    their_y.backward(torch.tensor(grad))
    # Not closer than float32: PyTorch's hardsigmoid multiplies by a 1/6 of single precision.
    np.testing.assert_allclose(our_x.grad.numpy(), their_x.grad.numpy(), rtol=1e-7, atol=1e-10)
    for (name, our_p), their_p in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(our_p.grad.numpy(), their_p.grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
    for (name, our_b), their_b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(our_b.numpy(), their_b.numpy(), rtol=1e-9, err_msg=name)


CLASSES = np.array([1, 0, -100, 2])
SIGNS = np.array([[1, -1, 1], [-1, 1, 1], [-1, -1, 1], [1, 1, -1]])
LOSSES = [
    ("CrossEntropyLoss()", (4, 3), CLASSES),
    ("CrossEntropyLoss(weight=W, label_smoothing=0.1, reduction='sum')", (4, 3), CLASSES),
    ("CrossEntropyLoss(W, None, 0, None, 'none')", (4, 3), CLASSES % 3),
    ("CrossEntropyLoss()", (4, 3), np.full((4, 3), 1 / 3)),
    ("NLLLoss(W)", (4, 3), CLASSES),
    ("NLLLoss(size_average=False)", (4, 3), CLASSES),
    ("BCELoss()", (4, 3), None),
    ("BCELoss(W, reduction='sum')", (4, 3), None),
    ("BCEWithLogitsLoss(reduce=False)", (4, 3), None),
    ("BCEWithLogitsLoss(W, pos_weight=W)", (4, 3), None),
    ("MSELoss()", (4, 3), None),
    ("L1Loss(reduction='sum')", (4, 3), None),
    ("SmoothL1Loss(beta=0.3)", (4, 3), None),
    ("SmoothL1Loss(reduction='none')", (4, 3), None),
    ("HuberLoss('sum', delta=0.3)", (4, 3), None),
    ("SoftMarginLoss()", (4, 3), SIGNS),
    ("PoissonNLLLoss()", (4, 3), None),
    ("PoissonNLLLoss(log_input=False, full=True, reduction='none')", (4, 3), SIGNS + 2.5),
    ("HingeEmbeddingLoss(0.5)", (4, 3), SIGNS),
]


PAIRS = [
    ("MarginRankingLoss(0.2)", ((4, 3), (4, 3)), SIGNS),
    ("CosineEmbeddingLoss(0.1, reduction='sum')", ((4, 3), (4, 3)), SIGNS[:, 0]),
    ("TripletMarginLoss(0.7)", ((4, 3), (4, 3), (4, 3)), None),
    ("TripletMarginLoss(0.7, p=1, swap=True, reduction='none')", ((4, 3), (4, 3), (4, 3)), None),
    ("CosineSimilarity()", ((4, 3), (4, 3)), None),
    ("CosineSimilarity(0, 1e-3)", ((4, 3), (1, 3)), None),
    ("PairwiseDistance(1.0, keepdim=True)", ((4, 3), (4, 3)), None),
]


@pytest.mark.parametrize(("code", "shapes", "target"), PAIRS, ids=[code for code, _, _ in PAIRS])
def test_what_compares_inputs_equals_pytorchs(code, shapes, target):
    torch = pytest.importorskip("torch")
    theirs, ours = build(torch, code), build(mg, code)
    assert repr(ours) == repr(theirs)
    random = np.random.default_rng(0)
    values = [random.standard_normal(shape) for shape in shapes]
    our_x, their_x = ([make(v, requires_grad=True) for v in values] for make in (mg.tensor, torch.tensor))
    more = () if target is None else (target,)
    our_y, their_y = ours(*our_x, *map(mg.tensor, more)), theirs(*their_x, *map(torch.tensor, more))
    np.testing.assert_allclose(our_y.detach().numpy(), their_y.detach().numpy(), rtol=1e-9, atol=1e-12)
    our_y.sum().backward()
    their_y.sum().backward()
    for one, other in zip(our_x, their_x, strict=True):
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("code", "shape", "target"), LOSSES, ids=[code for code, _, _ in LOSSES])
@pytest.mark.filterwarnings("ignore:size_average and reduce")
def test_loss_equals_pytorchs(code, shape, target):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(1)
    weight = np.array([0.5, 1.0, 2.0])
    ours = eval(f"nn.{code}", {"nn": nn, "W": mg.tensor(weight)})
    theirs = eval(f"nn.{code}", {"nn": torch.nn, "W": torch.tensor(weight)})
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = random.uniform(0.05, 0.95, shape)
    target = random.uniform(0, 1, shape) if target is None else target
    our_x, their_x = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    our_loss, their_loss = ours(our_x, mg.tensor(target)), theirs(their_x, torch.tensor(target))
    np.testing.assert_allclose(our_loss.detach().numpy(), their_loss.detach().numpy(), rtol=1e-10)
    our_loss.sum().backward()
    their_loss.sum().backward()
    np.testing.assert_allclose(our_x.grad.numpy(), their_x.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "code",
    [
        *[
            f"{name}({'0.1, 20, ' if name == 'Threshold' else ''}inplace=True)"
            for name, layer in LAYERS.items()
            if "inplace" in inspect.signature(layer).parameters
        ],
        "LeakyReLU(0.1, True)",
        "Dropout(0.2, True)",
        "AdaptiveMaxPool2d(2, return_indices=True)",
        "CrossEntropyLoss(label_smoothing=0.1)",
    ],
)
def test_repr_equals_pytorchs(code):
    torch = pytest.importorskip("torch")
    assert repr(build(mg, code)) == repr(build(torch, code))


# PyTorch gives these Module's own constructor, which takes anything.
WITHOUT_ARGUMENTS = {"LogSigmoid", "Sigmoid", "Softmax2d", "Softsign", "Tanh", "Tanhshrink"}


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"Module", "Parameter"} - WITHOUT_ARGUMENTS))
def test_constructor_takes_pytorchs_arguments(name):
    torch = pytest.importorskip("torch")

    def arguments(cls):
        parameters = list(inspect.signature(cls.__init__).parameters.values())
        return [(p.name, p.kind, p.default) for p in parameters]

    assert arguments(getattr(nn, name)) == arguments(getattr(torch.nn, name))


@pytest.mark.parametrize("code", ["MaxPool2d(2, return_indices=True)", "AdaptiveMaxPool2d((2, 3), True)"])
def test_indices_of_max_pooling_equal_pytorchs(code):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).standard_normal((2, 3, 5, 6))
    (our_y, our_index), (their_y, their_index) = (
        build(mg, code)(mg.tensor(x)),
        build(torch, code)(torch.tensor(x)),
    )
    assert np.array_equal(our_y.numpy(), their_y.numpy())
    assert np.array_equal(our_index.numpy(), their_index.numpy())


@pytest.mark.parametrize("output_size", [(7, 8), (8, 9), (2, 3, 8, 9)])
def test_conv_transpose_returns_to_the_size_asked_for(output_size):
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(2, 3, 3, 2, 1)
    ours.load_state_dict({name: mg.from_numpy(v.numpy()) for name, v in theirs.state_dict().items()})
    x = np.random.default_rng(3).standard_normal((2, 2, 4, 5)).astype("float32")
    try:
        wanted = theirs(torch.tensor(x), output_size=output_size).detach().numpy()
    except ValueError:
        with pytest.raises(ValueError, match="valid sizes range from"):
            ours(mg.tensor(x), output_size=output_size)
    else:
        y = ours(mg.tensor(x), output_size=output_size).detach().numpy()
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_conv_transpose_names_the_sizes_it_can_give():
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2)
    with pytest.raises(ValueError, match=r"valid sizes range from \[9, 9\] to \[10, 10\]"):
        layer(mg.zeros(1, 1, 4, 4), output_size=(12, 9))
    with pytest.raises(ValueError, match="must have 2 or 4 elements"):
        layer(mg.zeros(1, 1, 4, 4), output_size=(12,))


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (lambda: nn.Linear(16, 300), 1 / 4),
        (lambda: nn.Conv2d(8, 64, 3, groups=2), 1 / 6),
        (lambda: nn.ConvTranspose2d(32, 64, 2, groups=4), 1 / 8),
    ],
    ids=["linear", "conv", "conv_transpose"],
)
def test_default_initialisation_is_pytorchs(layer, bound):
    mg.manual_seed(0)
    layer = layer()
    for values in (layer.weight.detach().numpy(), layer.bias.detach().numpy()):
        assert 0.9 * bound < np.abs(values).max() <= bound
    weight = layer.weight.detach().numpy()
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)  # of the uniform distribution
    assert abs(weight.mean()) < 0.1 * bound


def test_same_seed_same_weights():
    mg.manual_seed(7)
    first = nn.Conv2d(3, 4, 3)
    mg.manual_seed(7)
    second = nn.Conv2d(3, 4, 3)
    third = nn.Conv2d(3, 4, 3)
    assert np.array_equal(first.weight.detach().numpy(), second.weight.detach().numpy())
    assert not np.array_equal(first.weight.detach().numpy(), third.weight.detach().numpy())


def test_dtype_argument_reaches_parameters_and_buffers():
    assert nn.Linear(2, 3, dtype=mg.float64).weight.dtype == mg.float64
    norm = nn.BatchNorm2d(2, dtype=mg.float64, device="cpu")
    assert [t.dtype for t in (norm.weight, norm.running_var, norm.num_batches_tracked)] == [
        mg.float64,
        mg.float64,
        mg.int64,
    ]


def test_dropout_acts_in_training_only():
    mg.manual_seed(0)
    layer, x = nn.Dropout(0.25), mg.ones(100, 100)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert np.array_equal(layer.eval()(x).numpy(), x.numpy())


def test_dropout2d_drops_whole_channels():
    mg.manual_seed(0)
    y = nn.Dropout2d(0.5)(mg.ones(10, 20, 3, 3)).numpy().reshape(200, 9)
    assert (y == y[:, :1]).all()
    assert 60 < (y[:, 0] == 0).sum() < 140


BAD = [
    (lambda: nn.Linear(0, 3), ValueError, "Linear: in_features must be at least 1, got 0"),
    (lambda: nn.Linear(3, -1), ValueError, "out_features must be at least 1"),
    (lambda: nn.Linear(2.0, 1), TypeError, "in_features must be an int"),
    (lambda: nn.Conv2d(0, 3, 3), ValueError, "Conv2d: in_channels must be at least 1"),
    (lambda: nn.Conv2d(3, 0, 3), ValueError, "out_channels must be at least 1"),
    (lambda: nn.Conv2d(3, 4, 3, groups=0), ValueError, "groups must be a positive integer"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
    (lambda: nn.Conv2d(3, 4, 0), RuntimeError, "kernel_size must be at least 1, got 0"),
    (lambda: nn.Conv2d(3, 4, (1, 2, 3)), TypeError, "kernel_size must be an int or a pair of ints"),
    (lambda: nn.Conv2d(3, 4, 3, stride=0), RuntimeError, "stride must be at least 1"),
    (lambda: nn.Conv2d(3, 4, 3, padding=-1), RuntimeError, "padding must be at least 0"),
    (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, "Invalid padding string 'full'"),
    (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), ValueError, "not supported for strided convolutions"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), ValueError, "padding_mode must be one of"),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), ValueError, 'Only "zeros" padding mode'),
    (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), TypeError, "padding must be an int or a pair"),
    (lambda: nn.BatchNorm2d(0), ValueError, "num_features must be at least 1"),
    (lambda: nn.BatchNorm2d(3)(mg.zeros(2, 3)), ValueError, r"expected 4D input \(got 2D input\)"),
    (lambda: nn.BatchNorm1d(3)(mg.zeros(2, 3, 4, 5)), ValueError, r"expected 2D or 3D input \(got 4D"),
    (lambda: nn.GroupNorm(3, 4), ValueError, "must be divisible by num_groups"),
    (lambda: nn.LayerNorm((3, 0)), ValueError, "normalized_shape must be at least 1"),
    (lambda: nn.LocalResponseNorm(0), ValueError, "size must be at least 1"),
    (lambda: nn.Dropout(1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: nn.Dropout2d(-0.1), ValueError, "dropout probability has to be between 0 and 1"),
    (lambda: nn.Unflatten(1, 6), TypeError, "must be a tuple of ints"),
    (lambda: nn.Unflatten(1, (2, 3.0)), TypeError, "found element of type float at pos 1"),
    (lambda: nn.MSELoss(reduction="avg"), ValueError, "avg is not a valid value for reduction"),
]


@pytest.mark.parametrize(("call", "error", "words"), BAD, ids=[words for _, _, words in BAD])
def test_what_cannot_be_meant_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
