"""The exercises' tests: each takes an answer, and raises an AssertionError that says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
from value import Value

import minigrad as mg
from minigrad import nn
from minigrad.autograd import Function, gradcheck, gradgradcheck
from minigrad.nn import functional as F


def _right(name: str) -> None:
    print(f"{name}: right.")


def _close(what: str, got, wanted, tolerance: float = 1e-6) -> None:
    """`got` is `wanted`, up to `tolerance` of the largest of it."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape, f"{what}: expected the shape {wanted.shape}, got {got.shape}"
    far = np.abs(got - wanted) > tolerance * max(1.0, np.abs(wanted).max(initial=0))
    if far.any():
        place = tuple(int(i) for i in np.argwhere(far)[0])
        at = f" at {list(place)}" if place else ""
        raise AssertionError(f"{what}{at}: expected {wanted[place]:.6g}, got {got[place]:.6g}")


def _slope(f: Callable[[float], float], x: float, h: float = 1e-5) -> float:
    return (f(x + h) - f(x - h)) / (2 * h)


# Lesson 1


def gradients_by_hand(answer: dict[str, float]) -> None:
    """{"a", "b", "c"}: the gradients of f = (a b + c) a at a = 2, b = -3, c = 10."""
    point = {"a": 2.0, "b": -3.0, "c": 10.0}
    for name in point:
        pushed = _slope(lambda value, name=name: _f(**point | {name: value}), point[name])
        assert name in answer, f"the gradient of {name} is missing"
        _close(f"the gradient of {name}", answer[name], pushed)
    _right("gradients by hand")


def _f(a: float, b: float, c: float) -> float:
    return (a * b + c) * a


def tanh(answer: Callable[[Value], Value]) -> None:
    """A step with one input: its value and its slope."""
    for x in (-3.0, -0.5, 0.0, 0.1, 2.0):
        _step(f"tanh({x})", answer, math.tanh, x)
    _right("tanh")


def divide(answer: Callable[[Value, Value], Value]) -> None:
    """A step with two inputs: its value and both slopes."""
    for a, b in ((1.0, 2.0), (-3.0, 0.5), (0.0, -4.0)):
        _step(f"{a} / {b}", answer, lambda a, b: a / b, a, b)
    _right("divide")


def _step(what: str, answer: Callable[..., Value], f: Callable[..., float], *numbers: float) -> None:
    inputs = [Value(number) for number in numbers]
    y = answer(*inputs)
    assert isinstance(y, Value), f"{what}: expected a Value, got {type(y).__name__}"
    _close(what, y.data, f(*numbers))
    for index, x in enumerate(inputs):
        slope_there = sum(slope for parent, slope in y.parents if parent is x)

        def along(value: float, index: int = index) -> float:
            return f(*numbers[:index], value, *numbers[index + 1 :])

        _close(f"{what}: the slope of input {index}", slope_there, _slope(along, numbers[index]))


def slope(answer: Callable[..., float]) -> None:
    """The error of a derivative by two-sided pushing falls with the square of the push."""
    _close("the derivative of sin at 1", answer(math.sin, 1.0), math.cos(1.0), 1e-6)
    coarse, fine = (abs(answer(math.exp, 0.0, h) - 1) for h in (1e-2, 1e-3))
    assert coarse > 0, "the push h makes no difference"
    assert fine < coarse / 50, (
        f"a push ten times smaller should make the error 100 times smaller, not {coarse / fine:.0f}"
    )
    _right("slope")


# Lesson 2


def _ladder(steps: int) -> tuple[Value, Value]:
    """A graph of 2^steps paths, and the leaf they lead to."""
    leaf = y = Value(1.0)
    for _ in range(steps):
        y = y + y
    return y, leaf


def _square() -> tuple[Value, Value, Value, Value, Value]:
    """The lesson's y = a + a x with a = x + 1, at x = 2: y, b, a, x and the constant."""
    x, one = Value(2.0), Value(1.0)
    a = x + one
    b = a * x
    return a + b, b, a, x, one


def is_backward_order(answer: Callable[[list[Value]], bool]) -> None:
    """Right orders and wrong ones of the lesson's graph."""
    y, b, a, x, one = _square()
    for order, wanted in (
        ([y, b, a, x, one], True),
        ([y, b, a, one, x], True),
        ([y, a, b, x, one], False),
        ([x, one, a, b, y], False),
        ([y, b, x, a, one], False),
    ):
        names = [{id(y): "y", id(b): "b", id(a): "a", id(x): "x", id(one): "1"}[id(value)] for value in order]
        assert answer(order) == wanted, (
            f"{', '.join(names)} is {'' if wanted else 'not '}an order for the backward pass"
        )
    _right("is_backward_order")


def count_paths(answer: Callable[[Value, Value], int]) -> None:
    """Few paths, very many, and none."""
    y, _, a, x, one = _square()
    for root, leaf, wanted in ((y, x, 3), (y, one, 2), (y, a, 2), (a, y, 0), (x, x, 1), (*_ladder(200), 2**200)):
        got = answer(root, leaf)
        assert got == wanted, f"expected {wanted} paths, got {got}"
    _right("count_paths")


def depth_first_order(answer: Callable[[Value], list[Value]]) -> None:
    """Each value once, children first, also in a graph deeper than Python's stack and one of very many paths."""
    deep = Value(0.0)
    for _ in range(5000):
        deep = deep + Value(1.0)
    for root, count in ((_square()[0], 5), (deep, 10_001), (_ladder(100)[0], 101)):
        order = answer(root)
        assert len(order) == len(set(order)) == count, f"expected {count} values, each once, got {len(order)}"
        place = {value: index for index, value in enumerate(order)}
        for value in order:
            for parent, _ in value.parents:
                assert place[parent] > place[value], "a value comes before one of its children"
    _right("depth_first_order")


def forward_mode(answer: Callable[[Value, Value], float]) -> None:
    """Derivatives of the lesson's graph, and one over very many paths."""
    y, b, a, x, one = _square()
    for root, leaf, wanted in ((y, x, 6), (y, one, 3), (b, x, 5), (b, a, 2), (a, y, 0), (*_ladder(60), 2.0**60)):
        _close("the derivative", answer(root, leaf), wanted)
    _right("forward_mode")


# Lesson 3


def output_size(answer: Callable[..., int]) -> None:
    """Every geometry for small sizes, against the windows that fit, counted."""
    for size, kernel, stride, padding, dilation in product(range(5, 10), range(1, 4), (1, 2, 3), (0, 1), (1, 2)):
        span = dilation * (kernel - 1)
        wanted = len([start for start in range(0, size + 2 * padding, stride) if start + span < size + 2 * padding])
        got = answer(size, kernel, stride, padding, dilation)
        given = f"{size=}, {kernel=}, {stride=}, {padding=}, {dilation=}"
        assert got == wanted, f"{given}: expected {wanted} places, got {got}"
    _right("output_size")


def conv1d_backward(answer: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    """Both gradients, for strides 1 and 2, one of which leaves pixels over."""
    rng = np.random.default_rng(0)
    for size, kernel, stride in ((7, 3, 1), (8, 3, 2), (6, 2, 3)):
        x, w = rng.standard_normal(size), rng.standard_normal(kernel)
        dy = rng.standard_normal((size - kernel) // stride + 1)

        def weighted(x: np.ndarray, w: np.ndarray, dy: np.ndarray = dy, stride: int = stride) -> float:
            return sum(dy[i] * (w @ x[i * stride : i * stride + len(w)]) for i in range(len(dy)))

        dx, dw = answer(dy, x, w, stride)
        _close(f"dx with stride {stride}", dx, _gradient(lambda x, w=w: weighted(x, w), x))
        _close(f"dw with stride {stride}", dw, _gradient(lambda w, x=x: weighted(x, w), w))
    _right("conv1d_backward")


def _gradient(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """df/dx by pushing each entry to both sides."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        gradient[place] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def input_gradient(answer: Callable[[mg.Tensor, mg.Tensor], mg.Tensor]) -> None:
    """Against minigrad's own backward pass, with different numbers of channels."""
    mg.manual_seed(0)
    for inputs, outputs, kernel in ((1, 1, 3), (2, 3, 3), (3, 2, 2)):
        x = mg.randn(2, inputs, 6, 5, dtype=mg.float64, requires_grad=True)
        w = mg.randn(outputs, inputs, kernel, kernel, dtype=mg.float64)
        y = F.conv2d(x, w)
        dy = mg.randn(*y.shape, dtype=mg.float64)
        y.backward(dy)
        _close(f"the gradient for a weight {list(w.shape)}", answer(dy, w).numpy(), x.grad.numpy())
    _right("input_gradient")


def average_pooling_weight(answer: Callable[[int, int], mg.Tensor]) -> None:
    """Against minigrad's average pooling."""
    mg.manual_seed(0)
    for channels, k in ((1, 2), (3, 2), (2, 3)):
        x = mg.randn(2, channels, 6, 6)
        wanted = F.avg_pool2d(x, k)
        _close(
            f"{channels} channels, k = {k}", F.conv2d(x, answer(channels, k), stride=k).numpy(), wanted.numpy(), 1e-5
        )
    _right("average_pooling_weight")


# Lesson 4


def inference_backward(answer: Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """All three gradients of batch norm with kept statistics."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 5, 3))
    gamma, beta, mean = rng.standard_normal((3, 3))
    var, eps = rng.random(3) + 0.1, 0.01

    def loss(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> float:
        return (dy * (gamma * (x - mean) / np.sqrt(var + eps) + beta)).sum()

    dx, dgamma, dbeta = answer(dy, x, gamma, mean, var, eps)
    _close("dx", dx, _gradient(lambda x: loss(x, gamma, beta), x))
    _close("dgamma", dgamma, _gradient(lambda gamma: loss(x, gamma, beta), gamma))
    _close("dbeta", dbeta, _gradient(lambda beta: loss(x, gamma, beta), beta))
    _right("inference_backward")


def layer_norm_backward(answer: Callable[..., np.ndarray]) -> None:
    """dx with a gamma that differs from feature to feature, and an eps that counts."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 4, 6))
    gamma, eps = rng.standard_normal(6), 0.1

    def loss(x: np.ndarray) -> float:
        s = np.sqrt(x.var(1, keepdims=True) + eps)
        return (dy * gamma * (x - x.mean(1, keepdims=True)) / s).sum()

    _close("dx", answer(dy, x, gamma, eps), _gradient(loss, x))
    _right("layer_norm_backward")


def rms_norm_backward(answer: Callable[..., np.ndarray]) -> None:
    """dx with an eps that counts."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 4, 6))
    eps = 0.1
    _close(
        "dx", answer(dy, x, eps), _gradient(lambda x: (dy * x / np.sqrt((x * x).mean(1, keepdims=True) + eps)).sum(), x)
    )
    _right("rms_norm_backward")


def fold(answer: Callable[[nn.Conv2d, nn.BatchNorm2d], tuple[mg.Tensor, mg.Tensor]]) -> None:
    """One convolution in place of a convolution and a batch norm, with and without a bias."""
    mg.manual_seed(0)
    for with_bias in (True, False):
        conv, norm = nn.Conv2d(2, 3, 3, bias=with_bias), nn.BatchNorm2d(3)
        with mg.no_grad():
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                tensor.copy_(mg.randn(3))
            norm.running_var.copy_(mg.rand(3) + 0.5)
        norm.eval()
        x = mg.randn(2, 2, 6, 6)
        with mg.no_grad():
            weight, bias = answer(conv, norm)
            words = f"the folded convolution ({'with' if with_bias else 'without'} a bias)"
            _close(words, F.conv2d(x, weight, bias).numpy(), norm(conv(x)).numpy(), 1e-4)
    _right("fold")


# Lesson 5


def weight_std(answer: Callable[[int, float], float]) -> None:
    """Against a layer of random weights: what comes out shall be as large as what went in."""
    rng = np.random.default_rng(0)
    for n, a in ((400, 0.0), (800, 0.3), (400, 1.0)):
        x = rng.standard_normal((200, n))
        z = np.where(x > 0, x, a * x) @ (rng.standard_normal((n, n)) * answer(n, a))
        assert abs(z.var() - 1) < 0.03, f"n = {n}, a = {a}: the variance should stay 1, and becomes {z.var():.3f}"
    _right("weight_std")


def share_of_short_paths(answer: Callable[[int, int, float], float]) -> None:
    """Against all subsets of the layers, one by one."""
    for n, k, c in ((6, 2, 1.0), (10, 3, 0.5), (8, 8, 0.1), (7, 0, 2.0)):
        lengths = [sum(through) for through in product((0, 1), repeat=n)]
        wanted = sum(c**length for length in lengths if length <= k) / sum(c**length for length in lengths)
        _close(f"n = {n}, k = {k}, c = {c}", answer(n, k, c), wanted)
    _right("share_of_short_paths")


def clip_norm(answer: Callable[[list[mg.Tensor], float], float]) -> None:
    """Gradients too large together though none is alone, and small ones, which stay."""
    for max_norm, wanted in ((1.0, [[0.6, 0.0], [0.8]]), (10.0, [[3.0, 0.0], [4.0]])):
        gradients = [mg.tensor([3.0, 0.0]), mg.tensor([4.0])]
        _close("the norm before", answer(gradients, max_norm), 5.0)
        for got, entries in zip(gradients, wanted, strict=True):
            _close(f"a gradient with max_norm = {max_norm}", got.numpy(), entries)
    _right("clip_norm")


def rezero(answer: type[nn.Module]) -> None:
    """The identity at first; then alpha learns, and with it f."""
    mg.manual_seed(0)
    layer = answer(nn.Linear(4, 4))
    x, target = mg.randn(8, 4), mg.randn(8, 4)
    assert mg.equal(layer(x), x), "before training it should return its input"
    assert len(list(layer.parameters())) == 3, "expected three parameters: f's weight and bias, and alpha"
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.1)
    losses = []
    for step in range(20):
        optimizer.zero_grad()
        loss = F.mse_loss(layer(x), target)
        loss.backward()
        gradient = layer.f.weight.grad.norm().item()
        assert (gradient > 0) == (step > 0), f"step {step}: the norm of the gradient of f's weight is {gradient:g}"
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], "the loss does not fall: is alpha an nn.Parameter?"
    _right("ReZero")


# Lesson 6


def gradient_reversal(answer: type[Function]) -> None:
    """Forward nothing, backward the opposite."""
    x = mg.tensor([1.0, -2.0], requires_grad=True)
    y = answer.apply(x, 0.5)
    _close("forward", y.detach().numpy(), [1.0, -2.0])
    y.backward(mg.tensor([3.0, 4.0]))
    _close("the gradient", x.grad.numpy(), [-1.5, -2.0])
    _right("GradientReversal")


def log_cosh(answer: type[Function]) -> None:
    """Right in the middle, to second order, and finite at the ends."""
    x = mg.tensor([-3.0, -0.5, 0.0, 1e-3, 2.0], dtype=mg.float64, requires_grad=True)
    _close("ln cosh", answer.apply(x).detach().numpy(), np.log(np.cosh(x.detach().numpy())), 1e-12)
    assert gradcheck(answer.apply, x) and gradgradcheck(answer.apply, x)
    far = mg.tensor([-1000.0, 1000.0], dtype=mg.float64, requires_grad=True)
    y = answer.apply(far)
    y.backward(mg.ones(2, dtype=mg.float64))
    _close("ln cosh at -1000 and 1000", y.detach().numpy(), [1000 - math.log(2)] * 2)
    _close("the gradient at -1000 and 1000", far.grad.numpy(), [-1, 1])
    _right("LogCosh")


def local_maximum(
    forward: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    backward: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    """Random entries, equal entries, and arrays so short that neighbours lack."""
    rng = np.random.default_rng(0)
    for x in (rng.standard_normal(20), np.array([2.0, 2.0, 1.0, 2.0]), np.array([1.0]), np.array([1.0, 3.0])):
        y, places = forward(x)
        windows = [list(range(max(i - 1, 0), min(i + 2, len(x)))) for i in range(len(x))]
        wanted = np.array([max(window, key=lambda j: x[j]) for window in windows])
        _close("y", y, x[wanted])
        assert (np.asarray(places) == wanted).all(), f"places: expected {wanted}, got {places}"
        dy = rng.standard_normal(len(x))
        dx = np.zeros(len(x))
        np.add.at(dx, wanted, dy)
        _close("dx", backward(dy, wanted), dx)
    _right("local_maximum")
