"""Catalogue of `nn.functional`; its references are loops and formulas in NumPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
from case import Case
from scipy import special
from values import distribution, fractions, integers, normal, positive

import minigrad as mg


def case(name, inputs, reference, **options):
    return Case(f"nn.functional.{name}", inputs, reference, options)


def padded(x, padding, value=0.0):
    (top, left) = padding
    return np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)), constant_values=value)


def windows(x, kernel, stride, dilation=(1, 1), ceil_mode=False):
    """Each window's place in the output and its slices of the input, which it may run out of in ceil_mode."""
    rounding = math.ceil if ceil_mode else math.floor
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes = [rounding((n - span) / s) + 1 for n, span, s in zip(x.shape[2:], spans, stride, strict=True)]
    for i, j in itertools.product(*map(range, sizes)):
        starts = i * stride[0], j * stride[1]
        slices = [slice(a, a + span, d) for a, span, d in zip(starts, spans, dilation, strict=True)]
        yield (i, j), tuple(slices)


def convolution(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Convolution as its definition says: for every window, every output channel, a sum of products."""
    x, (outputs, per_group, *kernel) = padded(x, padding), weight.shape
    result = {}
    for place, (rows, columns) in windows(x, kernel, stride, dilation):
        for o in range(outputs):
            first = o // (outputs // groups) * per_group
            patch = x[:, first : first + per_group, rows, columns]
            result[(o, *place)] = (patch * weight[o]).sum((1, 2, 3)) + (0 if bias is None else bias[o])
    shape = [1 + max(key[axis] for key in result) for axis in range(3)]
    y = np.zeros((len(x), *shape))
    for (o, i, j), values in result.items():
        y[:, o, i, j] = values
    return y


def transposed_convolution(x, weight, bias=None, stride=(1, 1), padding=(0, 0)):
    """Every input pixel paints the kernel, weighted by itself, into the output."""
    n, channels, height, width = x.shape
    _, outputs, kh, kw = weight.shape
    y = np.zeros((n, outputs, (height - 1) * stride[0] + kh, (width - 1) * stride[1] + kw))
    for c, i, j in itertools.product(range(channels), range(height), range(width)):
        top, left = i * stride[0], j * stride[1]
        y[:, :, top : top + kh, left : left + kw] += x[:, c, i, j, None, None, None] * weight[c]
    y = y[:, :, padding[0] : y.shape[2] - padding[0], padding[1] : y.shape[3] - padding[1]]
    return y if bias is None else y + bias[:, None, None]


def pooling(reduce, x, kernel, stride, padding=(0, 0), ceil_mode=False, fill=-np.inf):
    x = padded(x, padding, fill)
    values = {place: reduce(x[:, :, r, c]) for place, (r, c) in windows(x, kernel, stride, ceil_mode=ceil_mode)}
    height, width = (1 + max(place[axis] for place in values) for axis in (0, 1))
    y = np.zeros((*x.shape[:2], height, width))
    for (i, j), value in values.items():
        y[:, :, i, j] = value
    return y


def largest(patch):
    return patch.max((2, 3))


def average(patch):
    return patch.mean((2, 3))


def adaptive(reduce, x, sizes):
    y = np.zeros((*x.shape[:2], *sizes))
    for i, j in itertools.product(*map(range, sizes)):
        (a, b), (c, d) = (
            (k * n // s, -((-(k + 1) * n) // s)) for k, n, s in zip((i, j), x.shape[2:], sizes, strict=True)
        )
        y[:, :, i, j] = reduce(x[:, :, a:b, c:d])
    return y


def columns(x, kernel, stride, padding):
    x = padded(x, padding)
    patches = [x[:, :, r, c].reshape(len(x), -1) for _, (r, c) in windows(x, kernel, stride)]
    return np.stack(patches, 2)


CONVOLUTIONS = [
    case("conv2d", (normal(2, 3, 5, 4), normal(4, 3, 3, 2), normal(4)), convolution),
    case("conv2d without bias", (normal(1, 2, 4, 4), normal(3, 2, 3, 3)), convolution),
    case("conv2d strided and padded", (normal(2, 2, 5, 6), normal(2, 2, 3, 3), normal(2)),
         lambda x, w, b: convolution(x, w, b, (2, 3), (1, 2)), stride=(2, 3), padding=(1, 2)),
    case("conv2d dilated", (normal(1, 2, 6, 7), normal(2, 2, 2, 3), normal(2)),
         lambda x, w, b: convolution(x, w, b, dilation=(2, 3)), dilation=(2, 3)),
    case("conv2d in groups", (normal(2, 4, 4, 4), normal(6, 2, 2, 2), normal(6)),
         lambda x, w, b: convolution(x, w, b, groups=2), groups=2),
    case("conv2d depthwise", (normal(1, 3, 5, 5), normal(3, 1, 3, 3)),
         lambda x, w: convolution(x, w, padding=(1, 1), groups=3), padding=1, groups=3),
    case("conv2d same", (normal(1, 2, 5, 4), normal(2, 2, 2, 3)),
         lambda x, w: convolution(np.pad(x, ((0, 0), (0, 0), (0, 1), (1, 1))), w), padding="same"),
    case("conv2d 1x1", (normal(2, 3, 3, 4), normal(2, 3, 1, 1), normal(2)), convolution),
    case("conv2d one picture", (normal(2, 4, 4), normal(3, 2, 3, 3)), lambda x, w: convolution(x[None], w)[0]),
    case("conv_transpose2d", (normal(2, 3, 3, 2), normal(3, 2, 2, 3), normal(2)),
         lambda x, w, b: transposed_convolution(x, w, b, (2, 1), (1, 0)), stride=(2, 1), padding=(1, 0)),
    case("unfold", (normal(2, 2, 4, 5),), lambda x: columns(x, (2, 3), (2, 1), (1, 0)),
         kernel_size=(2, 3), stride=(2, 1), padding=(1, 0)),
    case("fold", (normal(1, 4, 6),), lambda x: transposed_convolution(
         x.reshape(1, 4, 2, 3), np.eye(4).reshape(4, 1, 2, 2), stride=(1, 1)),
         output_size=(3, 4), kernel_size=2),
]  # fmt: skip

POOLS = [
    case("max_pool2d", (normal(2, 3, 4, 6),), lambda x: pooling(largest, x, (2, 2), (2, 2)), kernel_size=2),
    case("max_pool2d padded", (normal(2, 2, 5, 6) - 9,), lambda x: pooling(largest, x, (3, 2), (2, 1), (1, 1)),
         kernel_size=(3, 2), stride=(2, 1), padding=1),
    case("max_pool2d ceil", (normal(1, 2, 5, 6),), lambda x: pooling(largest, x, (2, 4), (2, 4), ceil_mode=True),
         kernel_size=(2, 4), ceil_mode=True),
    case("avg_pool2d", (normal(2, 3, 4, 6),), lambda x: pooling(average, x, (2, 3), (2, 3)),
         kernel_size=(2, 3)),
    case("avg_pool2d padded", (normal(2, 2, 5, 5),), lambda x: pooling(average, x, (3, 3), (2, 2), (1, 1), fill=0),
         kernel_size=3, stride=2, padding=1),
    case("avg_pool2d without the padding", (normal(2, 2, 5, 5),), lambda x: pooling(
         lambda p: np.nanmean(p, (2, 3)), x, (3, 3), (2, 2), (1, 1), fill=np.nan),
         kernel_size=3, stride=2, padding=1, count_include_pad=False),
    case("avg_pool2d divisor", (normal(1, 2, 4, 4),), lambda x: pooling(
         lambda p: p.sum((2, 3)) / 3, x, (2, 2), (2, 2)), kernel_size=2, divisor_override=3),
    case("interpolate", (normal(2, 2, 3, 4), (6, 8)), lambda x, s: x.repeat(2, 2).repeat(2, 3)),
    case("interpolate smooth", (normal(2, 2, 3, 5), (3, 3)), lambda x, s: x[..., ::2], mode="bilinear",
         align_corners=True),
    case("interpolate area", (normal(2, 2, 5, 7), (3, 2)), lambda x, s: adaptive(average, x, s), mode="area"),
    case("adaptive_avg_pool2d", (normal(2, 2, 5, 7), (3, 2)), lambda x, s: adaptive(average, x, s)),
    case("adaptive_max_pool2d", (normal(2, 2, 5, 7), (2, 3)), lambda x, s: adaptive(largest, x, s)),
]  # fmt: skip


def standardized(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def per_channel(values, ndim=4):
    return values.reshape(1, -1, *[1] * (ndim - 2))


def group_norm(x, groups, weight, bias):
    grouped = x.reshape(len(x), groups, -1)
    return standardized(grouped, 2).reshape(x.shape) * per_channel(weight) + per_channel(bias)


def response_norm(x, size, alpha, beta, k):
    scale = np.full_like(x, k)
    for c in range(x.shape[1]):
        first = max(c - size // 2, 0)
        scale[:, c] += alpha / size * (x[:, first : c + (size - 1) // 2 + 1] ** 2).sum(1)
    return x / scale**beta


def batch_norm_in_training(x, weight, bias):
    return mg.nn.functional.batch_norm(x, None, None, weight, bias, training=True)


def batch_norm_in_evaluation(x, mean, var, weight, bias):
    return mg.nn.functional.batch_norm(x, mean.detach(), var.detach(), weight, bias)


STATISTICS = normal(3), positive(3)
NORMS = [
    Case("nn.functional.batch_norm in training", (normal(3, 2, 2, 3), positive(2), normal(2)),
         lambda x, w, b: standardized(x, (0, 2, 3)) * per_channel(w) + per_channel(b),
         function=batch_norm_in_training),
    Case("nn.functional.batch_norm of vectors", (normal(4, 3), positive(3), normal(3)),
         lambda x, w, b: standardized(x, 0) * w + b, function=batch_norm_in_training),
    Case("nn.functional.batch_norm in evaluation", (normal(2, 3, 2, 2), positive(3), normal(3)),
         lambda x, w, b: (x - per_channel(STATISTICS[0])) / np.sqrt(per_channel(STATISTICS[1]) + 1e-5)
         * per_channel(w) + per_channel(b),
         function=lambda x, w, b: mg.nn.functional.batch_norm(
             x, *[mg.tensor(s, dtype=x.dtype, device=x.device) for s in STATISTICS], w, b)),
    case("layer_norm", (normal(2, 3, 4), (3, 4), positive(3, 4), normal(3, 4)),
         lambda x, s, w, b: standardized(x, (1, 2)) * w + b),
    case("group_norm", (normal(2, 4, 2, 3), 2, positive(4), normal(4)), group_norm),
    case("local_response_norm", (normal(2, 5, 2, 2), 3, 0.5, 0.75, 2.0), response_norm),
    case("local_response_norm even", (normal(2, 5, 2, 2), 4, 0.5, 0.75, 2.0), response_norm),
    case("normalize", (normal(3, 4),), lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)),
]  # fmt: skip


def pointwise(name, reference, **options):
    return case(name, (normal(3, 4) * 2,), lambda x: reference(x), **options)


ACTIVATIONS = [
    pointwise("relu", lambda x: np.maximum(x, 0)),
    pointwise("relu6", lambda x: np.clip(x, 0, 6)),
    pointwise("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x), negative_slope=0.2),
    pointwise("elu", lambda x: np.where(x > 0, x, 1.5 * np.expm1(x)), alpha=1.5),
    pointwise("selu", lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    pointwise("gelu", lambda x: x * special.ndtr(x)),
    pointwise("gelu tanh", lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
              approximate="tanh"),
    pointwise("silu", lambda x: x * special.expit(x)),
    pointwise("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6),
    pointwise("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6),
    pointwise("softplus", lambda x: np.log1p(np.exp(2 * x)) / 2, beta=2),
    pointwise("celu", lambda x: np.where(x > 0, x, 1.5 * np.expm1(x / 1.5)), alpha=1.5),
    pointwise("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    pointwise("softsign", lambda x: x / (1 + np.abs(x))),
    pointwise("tanhshrink", lambda x: x - np.tanh(x)),
    pointwise("logsigmoid", special.log_expit),
    pointwise("hardshrink", lambda x: np.where(np.abs(x) > 0.7, x, 0), lambd=0.7),
    pointwise("softshrink", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.7, 0), lambd=0.7),
    pointwise("hardtanh", lambda x: np.clip(x, -0.7, 1.2), min_val=-0.7, max_val=1.2),
    pointwise("threshold", lambda x: np.where(x > 0.3, x, 9), threshold=0.3, value=9.0),
    pointwise("softmin", lambda x: special.softmax(-x, 1), dim=1),
    pointwise("glu", lambda x: x[:, :2] * special.expit(x[:, 2:])),
    case("prelu", (normal(2, 3, 4), normal(3)), lambda x, w: np.where(x > 0, x, x * w[:, None])),
    pointwise("sigmoid", special.expit),
    pointwise("tanh", np.tanh),
    pointwise("softmax", lambda x: special.softmax(x, 1), dim=1),
    pointwise("log_softmax", lambda x: special.log_softmax(x, 0), dim=0),
    Case("nn.functional.dropout in evaluation", (normal(3, 4),),
         lambda x: x, {"training": False}, differentiable=False),
    Case("nn.functional.dropout2d in evaluation", (normal(1, 2, 3, 4),),
         lambda x: x, {"training": False}, differentiable=False),
    Case("nn.functional.one_hot", (integers(4, 3), 5), lambda i, n: np.eye(n, dtype=int)[i], differentiable=False),
    case("linear", (normal(2, 3, 4), normal(5, 4), normal(5)), lambda x, w, b: x @ w.T + b),
    case("linear without bias", (normal(3, 4), normal(2, 4)), lambda x, w: x @ w.T),
    case("pixel_shuffle", (normal(2, 8, 2, 3), 2), lambda x, r: x.reshape(2, 2, r, r, 2, 3).transpose(
         0, 1, 4, 2, 5, 3).reshape(2, 2, 4, 6)),
    case("pixel_unshuffle", (normal(3, 4, 6), 2), lambda x, r: np.stack(
         [x[c, i::r, j::r] for c in range(3) for i in range(r) for j in range(r)])),
    case("channel_shuffle", (normal(1, 6, 2), 3), lambda x, g: x[:, [0, 2, 4, 1, 3, 5]]),
    case("pad", (normal(2, 3, 4), (1, 2, 0, 1)), lambda x, p: np.pad(x, ((0, 0), (0, 1), (1, 2)))),
    case("pad reflect", (normal(2, 3, 4), (2, 1)), lambda x, p: np.pad(x, ((0, 0), (0, 0), (2, 1)), "reflect"),
         mode="reflect"),
]  # fmt: skip


def dropped(function):
    """A random operation as a function: the same seed at every call."""

    def call(x, **options):
        mg.manual_seed(7)
        return function(x, **options)

    return call


def kept(x, p):
    """Dropout's mask from the stream itself: the one thing that its definition leaves open."""
    mg.manual_seed(7)
    draws = mg.rand(x.size, dtype=mg.float32).numpy().reshape(x.shape)
    return np.where(draws >= p, x / (1 - p), 0)


DROPOUT = [
    Case("nn.functional.dropout", (normal(3, 4),), lambda x: kept(x, 0.4), {"p": 0.4},
         function=dropped(mg.nn.functional.dropout)),
]  # fmt: skip


def nll(log_probabilities, target, weight=None, ignore_index=-100, reduction="mean"):
    """The negative log likelihood, element by element; (N, C) or (N, C, d1, ...)."""
    total, weights, values = 0.0, 0.0, np.zeros(target.shape)
    for place in np.ndindex(target.shape):
        label = target[place]
        if label == ignore_index:
            continue
        w = 1.0 if weight is None else weight[label]
        values[place] = -w * log_probabilities[(place[0], label, *place[1:])]
        total, weights = total + values[place], weights + w
    return {"mean": total / weights if weights else np.nan, "sum": total, "none": values}[reduction]


def cross_entropy(logits, target, **options):
    return nll(special.log_softmax(logits, 1), target, **options)


def smoothed(logits, target, smoothing):
    logs = special.log_softmax(logits, 1)
    return (1 - smoothing) * nll(logs, target) + smoothing * -logs.mean()


def cosine(a, b):
    return (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


SIGNS = np.array([[1, -1], [-1, 1], [1, 1]])
WEIGHT = positive(4)
LABELS = integers(4, 5)
IGNORED = np.where(LABELS[0] == LABELS, -100, LABELS)
LOSSES = [
    case("cross_entropy", (normal(5, 4), LABELS), cross_entropy),
    case("cross_entropy huge", (normal(5, 4) * 1000, LABELS), cross_entropy),
    case("cross_entropy sum", (normal(5, 4), LABELS), lambda x, t: cross_entropy(x, t, reduction="sum"),
         reduction="sum"),
    case("cross_entropy none", (normal(5, 4), LABELS), lambda x, t: cross_entropy(x, t, reduction="none"),
         reduction="none"),
    Case("nn.functional.cross_entropy weighted", (normal(5, 4), IGNORED),
         lambda x, t: cross_entropy(x, t, weight=WEIGHT),
         function=lambda x, t: mg.nn.functional.cross_entropy(
             x, t, mg.tensor(WEIGHT, dtype=x.dtype, device=x.device))),
    case("cross_entropy smoothed", (normal(5, 4), LABELS), lambda x, t: smoothed(x, t, 0.1), label_smoothing=0.1),
    case("cross_entropy of pictures", (normal(2, 3, 2, 2), integers(3, 2, 2, 2)), cross_entropy),
    case("cross_entropy of probabilities", (normal(3, 4), distribution(3, 4)),
         lambda x, p: -(p * special.log_softmax(x, 1)).sum() / len(x)),
    case("nll_loss", (normal(5, 4), LABELS), nll),
    case("nll_loss none", (normal(5, 4), IGNORED), lambda x, t: nll(x, t, reduction="none"), reduction="none"),
    case("binary_cross_entropy", (fractions(3, 2), fractions(3, 2)),
         lambda x, y: -(y * np.log(x) + (1 - y) * np.log(1 - x)).mean()),
    case("binary_cross_entropy_with_logits", (normal(3, 2), fractions(3, 2)),
         lambda x, y: -(y * np.log(special.expit(x)) + (1 - y) * np.log(special.expit(-x))).mean()),
    case("mse_loss", (normal(3, 2), normal(3, 2)), lambda x, y: ((x - y) ** 2).mean()),
    case("mse_loss sum", (normal(3, 2), normal(3, 2)), lambda x, y: ((x - y) ** 2).sum(), reduction="sum"),
    case("l1_loss", (normal(3, 2), normal(3, 2)), lambda x, y: np.abs(x - y).mean()),
    case("huber_loss", (normal(3, 2) * 2, normal(3, 2)), lambda x, y: np.where(
         np.abs(x - y) < 0.7, (x - y) ** 2 / 2, 0.7 * (np.abs(x - y) - 0.35)).mean(), delta=0.7),
    case("soft_margin_loss", (normal(3, 2), SIGNS), lambda x, y: np.log1p(np.exp(-y * x)).mean()),
    case("poisson_nll_loss", (normal(3, 2), positive(3, 2) * 3), lambda x, y: (
         np.exp(x) - y * x + np.where(y > 1, y * np.log(y) - y + np.log(2 * np.pi * y) / 2, 0)).mean(), full=True),
    case("hinge_embedding_loss", (normal(3, 2), SIGNS), lambda x, y: np.where(
         y == 1, x, np.maximum(0.7 - x, 0)).mean(), margin=0.7),
    case("margin_ranking_loss", (normal(3, 2), normal(3, 2), SIGNS), lambda a, b, y: np.maximum(
         0.3 - y * (a - b), 0).mean(), margin=0.3),
    case("cosine_similarity", (normal(3, 4), normal(3, 4)), cosine),
    case("cosine_embedding_loss", (normal(3, 4), normal(3, 4), SIGNS[:, 0]), lambda a, b, y: np.where(
         y == 1, 1 - cosine(a, b), np.maximum(cosine(a, b) - 0.1, 0)).mean(), margin=0.1),
    case("pairwise_distance", (normal(3, 4), normal(3, 4)), lambda a, b: np.linalg.norm(a - b + 1e-6, axis=-1)),
    case("triplet_margin_loss", (normal(3, 4), normal(3, 4), normal(3, 4)), lambda a, p, n: np.maximum(
         np.linalg.norm(a - p + 1e-6, axis=1) - np.linalg.norm(a - n + 1e-6, axis=1) + 1.5, 0).mean(), margin=1.5),
    case("kl_div", (normal(3, 2), normal(3, 2)), lambda x, y: (np.exp(y) * (y - x)).sum() / 3,
         reduction="batchmean", log_target=True),
    case("smooth_l1_loss", (normal(3, 2) * 2, normal(3, 2)), lambda x, y: np.where(
         np.abs(x - y) < 0.7, (x - y) ** 2 / 1.4, np.abs(x - y) - 0.35).mean(), beta=0.7),
]  # fmt: skip

NEURAL = [*CONVOLUTIONS, *POOLS, *NORMS, *ACTIVATIONS, *DROPOUT, *LOSSES]
