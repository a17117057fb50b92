"""One answer to each exercise of the lessons. Yours may well be another: `checks` decides."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np
from value import Value

import minigrad as mg
from minigrad import nn
from minigrad.autograd import Function
from minigrad.nn import functional as F

# Lesson 1

# f = (a b + c) a: the path of a through the product in the bracket gives b a, the one past it a b + c.
gradients_by_hand = {"a": -3 * 2 + (2 * -3 + 10), "b": 2 * 2, "c": 2}


def tanh(x: Value) -> Value:
    """The hyperbolic tangent; its slope is 1 - tanh(x)^2."""
    y = math.tanh(x.data)
    return Value(y, [(x, 1 - y**2)], "tanh")


def divide(a: Value, b: Value) -> Value:
    """a / b, with the slopes 1 / b and -a / b^2."""
    return Value(a.data / b.data, [(a, 1 / b.data), (b, -a.data / b.data**2)], "/")


def slope(f: Callable[[float], float], x: float, h: float = 1e-3) -> float:
    """The derivative of f at x: pushed to both sides, so that the terms in h^2 of both Taylor series cancel."""
    return (f(x + h) - f(x - h)) / (2 * h)


# Lesson 2


def is_backward_order(order: list[Value]) -> bool:
    """Whether no value comes after one of its parents: a parent hands on only when its children have."""
    run: set[Value] = set()
    for value in order:
        if any(parent in run for parent, _ in value.parents):
            return False
        run.add(value)
    return True


def count_paths(root: Value, leaf: Value) -> int:
    """The gradient that a backward pass finds when every slope is 1."""
    paths = {root: 1}
    for value in depth_first_order(root):
        for parent, _ in value.parents:
            paths[parent] = paths.get(parent, 0) + paths[value]
    return paths.get(leaf, 0)


def depth_first_order(root: Value) -> list[Value]:
    """Children before their parents: the order in which a depth-first search leaves the values, reversed."""
    left: list[Value] = []
    entered: set[Value] = set()
    stack = [(root, False)]
    while stack:
        value, leaving = stack.pop()
        if leaving:
            left.append(value)
        elif value not in entered:
            entered.add(value)
            stack.append((value, True))  # below its parents, so met again when they are done
            stack.extend((parent, False) for parent, _ in value.parents)
    return left[::-1]


def forward_mode(root: Value, leaf: Value) -> float:
    """The derivative of `root`: each value's is the sum of its parents', times the slopes.

    One pass serves one input, so a function of a million inputs needs a million.
    """
    moved = {leaf: 1.0}
    for value in reversed(depth_first_order(root)):
        if value is not leaf:
            moved[value] = sum(slope * moved[parent] for parent, slope in value.parents)
    return moved.get(root, 0.0)


# Lesson 3


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many places a window has along an axis."""
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1


def conv1d_backward(dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """dx and dw of y[i] = sum_p w[p] x[i stride + p]: every product passes its gradient to both factors."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(dy)):
        for p in range(len(w)):
            dx[i * stride + p] += dy[i] * w[p]
            dw[p] += dy[i] * x[i * stride + p]
    return dx, dw


def input_gradient(dy: mg.Tensor, w: mg.Tensor) -> mg.Tensor:
    """Convolve dy, padded, with the weights turned round; what were outputs are inputs now."""
    return F.conv2d(dy, w.flip((2, 3)).transpose(0, 1), padding=w.shape[-1] - 1)


def average_pooling_weight(channels: int, k: int) -> mg.Tensor:
    """Each output channel sees its own input channel only, each pixel with the same weight."""
    return mg.eye(channels).reshape(channels, channels, 1, 1).repeat(1, 1, k, k) / k**2


# Lesson 4


def inference_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, mean: np.ndarray, var: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx, dgamma and dbeta; the statistics are constants, so dx is one path only."""
    s = np.sqrt(var + eps)
    return dy * gamma / s, (dy * (x - mean) / s).sum(0), dy.sum(0)


def layer_norm_backward(dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """dx: gamma differs from entry to entry now, so it stays inside the means."""
    s = np.sqrt(x.var(1, keepdims=True) + eps)
    x_hat = (x - x.mean(1, keepdims=True)) / s
    g = dy * gamma
    return (g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)) / s


def rms_norm_backward(dy: np.ndarray, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """dx: the path through the mean is gone, the one through the scale has stayed."""
    r = np.sqrt((x * x).mean(1, keepdims=True) + eps)
    y = x / r
    return (dy - y * (dy * y).mean(1, keepdims=True)) / r


def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[mg.Tensor, mg.Tensor]:
    """Stretch each output channel by gamma / s, and move its bias along."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = mg.zeros_like(norm.bias) if conv.bias is None else conv.bias
    return conv.weight * scale.reshape(-1, 1, 1, 1), (bias - norm.running_mean) * scale + norm.bias


# Lesson 5


def weight_std(n: int, a: float) -> float:
    """E[f(x)^2] is (1 + a^2) / 2 Var(x) for the leaky ReLU f, and n times the variance of a weight shall undo that."""
    return math.sqrt(2 / ((1 + a**2) * n))


def share_of_short_paths(n: int, k: int, c: float) -> float:
    """Paths through exactly j layers: n choose j, each with c^j; all of them together: (1 + c)^n."""
    return sum(math.comb(n, j) * c**j for j in range(k + 1)) / (1 + c) ** n


def clip_norm(gradients: list[mg.Tensor], max_norm: float) -> float:
    """The norm of all gradients as one long vector; where it is too large, it becomes `max_norm`."""
    norm = math.sqrt(sum((gradient * gradient).sum().item() for gradient in gradients))
    if norm > max_norm:
        for gradient in gradients:
            gradient.mul_(max_norm / norm)
    return norm


class ReZero(nn.Module):
    """x + alpha f(x) with alpha = 0 to begin with.

    The gradient of alpha is the sum of dy f(x), which is not zero; that of f's weights is, in the first step.
    """

    def __init__(self, f: nn.Module):
        super().__init__()
        self.f = f
        self.alpha = nn.Parameter(mg.zeros(()))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        """The input and a change."""
        return x + self.alpha * self.f(x)


# Lesson 6


class GradientReversal(Function):
    """Forward x; backward -c times the gradient."""

    @staticmethod
    def forward(ctx, x, c):
        """x as it is."""
        ctx.c = c
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        """For c, which is no tensor, there is no gradient."""
        return -ctx.c * grad_output, None


class LogCosh(Function):
    """ln cosh x; its slope is tanh x."""

    @staticmethod
    def forward(ctx, x):
        """|x| + ln(1 + e^(-2 |x|)) - ln 2: the exponential cannot overflow."""
        ctx.save_for_backward(x)
        return x.abs() + (-2 * x.abs()).exp().log1p() - math.log(2)

    @staticmethod
    def backward(ctx, grad_output):
        """dy tanh x"""
        (x,) = ctx.saved_tensors
        return grad_output * x.tanh()


@numba.njit
def local_maximum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each entry and its neighbours, and where it was."""
    y, places = np.empty_like(x), np.empty(x.size, np.int64)
    for i in range(x.size):
        best = max(i - 1, 0)
        for j in range(best + 1, min(i + 2, x.size)):
            if x[j] > x[best]:
                best = j
        y[i], places[i] = x[best], best
    return y, places


@numba.njit
def local_maximum_backward(dy: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Every gradient goes to the entry that was the maximum, and is added there."""
    dx = np.zeros_like(dy)
    for i in range(dy.size):
        dx[places[i]] += dy[i]
    return dx
