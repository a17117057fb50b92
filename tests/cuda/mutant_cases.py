"""A small run of every kernel, with partial tiles everywhere, that raises if a result is wrong."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from minigrad.kernels.cuda.device import backend
from minigrad.kernels.cuda.precision import set_allow_tf32

rng = np.random.default_rng(0)


def kernels(operation: str) -> tuple[Any, Any]:
    """The launchers of an operation, and its reference."""
    return (import_module(f"minigrad.kernels.{operation}.{name}") for name in ("cuda", "reference"))  # type: ignore


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def on_device(*arrays: Any) -> list:
    return [None if array is None else backend().xp.asarray(array) for array in arrays]


def channels_last(x: np.ndarray) -> Any:
    return backend().xp.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)


def same(result: Any, expected: Any) -> None:
    """Equal within 1e-4, NaN only where NaN is expected."""
    if not isinstance(expected, (tuple, list)):
        result, expected = [result], [expected]
    for got, wanted in zip(result, expected, strict=True):
        if wanted is not None:
            np.testing.assert_allclose(got.get(), wanted, rtol=1e-4, atol=1e-4)


def convolution(algorithm: str, channels: int, out: int, groups: int) -> None:
    cuda, reference = kernels("conv2d")
    for geometry in (((2, 1), (1, 2), (1, 1), groups), ((2, 2), (1, 0), (1, 1), groups)):
        x, weight, bias = (
            np.rint(normal(2, channels, 7, 9)),
            np.rint(normal(out, channels // groups, 3, 2)),
            normal(out),
        )
        y = reference.forward(x, weight, bias, *geometry)
        dy = np.rint(normal(*y.shape))
        device_x, device_weight, device_bias, device_dy = on_device(x, weight, bias, dy)
        same(cuda.forward(device_x, device_weight, device_bias, *geometry, algorithm=algorithm), y)
        dx = cuda.input_gradient(device_dy, device_weight, x.shape, *geometry, algorithm=algorithm)
        same(dx, reference.input_gradient(dy, weight, x.shape, *geometry))
        dweight = cuda.weight_gradient(device_dy, device_x, (3, 2), *geometry, algorithm=algorithm)
        same(dweight, reference.weight_gradient(dy, x, (3, 2), *geometry))


def matmul(tf32: bool) -> None:
    cuda, _ = kernels("matmul")
    set_allow_tf32("matmul", tf32)
    for shapes in (((35, 33), (33, 37)), ((5, 3000), (3000, 7))):
        a, b = map(np.rint, map(normal, *zip(*shapes, strict=True)))
        same(cuda.matmul(*on_device(a, b)), a @ b)
    parts, bias = normal(3, 4, 70, 5), normal(5)
    out = backend().xp.empty((3, 70, 5), np.float32)
    cuda.sum_parts(*on_device(parts), out, *on_device(bias))
    same(out, parts.sum(1) + bias)


def reduction() -> None:
    cuda, reference = kernels("reduction")
    for shape in ((3, 70, 1), (1, 300, 33), (2, 5000, 5), (5, 3, 7)):
        x = normal(*shape)
        same(cuda.sum_middle(*on_device(x)), reference.sum_middle(x))


def sum_rows() -> None:
    from minigrad.kernels.sum_rows import cuda

    rows, positions = normal(50, 40), rng.integers(0, 7, 50)
    total = np.zeros((9, 40))
    np.add.at(total, positions, rows)
    for scanned in (0, cuda.SCANNED):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cuda, "SCANNED", scanned)
            same(cuda.sum_rows(*on_device(rows, positions), 9), total)


def check() -> None:
    from minigrad.kernels.cuda import check as cuda

    values, marks = rng.integers(0, 10, 300), np.zeros(300, bool)
    for low, high, noted in ((0, 9, None), (0, 8, 9), (0, 5, 9)):
        word = backend().xp.zeros(1, np.uint64)
        cuda.check_range(*on_device(values), low, high, -100, word)
        assert (int(word[0]) == 0) if noted is None else cuda.noted_value(int(word[0])) == noted
    for last in (False, True):
        marks[-1], word = last, backend().xp.zeros(1, np.uint64)
        cuda.check_none(*on_device(marks), word)
        assert (int(word[0]) != 0) == last


def cross_entropy() -> None:
    cuda, reference = kernels("softmax_cross_entropy")
    for n, classes in ((5, 7), (3, 300), (2, 3000)):
        logits, target, dlosses, weight = (
            normal(n, classes),
            rng.integers(0, classes, n),
            normal(n),
            normal(classes) ** 2,
        )
        target[0] = -100
        arrays = on_device(logits, target, weight)
        expected = losses, log_probabilities = reference.forward(logits, target, weight, -100, 0.1)
        same(cuda.forward(*arrays, -100, 0.1), expected)
        on_gpu = on_device(dlosses, log_probabilities, target, weight)
        same(cuda.backward(*on_gpu, -100, 0.1),
             reference.backward(dlosses, log_probabilities, target, weight, -100, 0.1))  # fmt: skip
        divisor = weight[target[1:]].sum()
        same(cuda.mean(*on_device(losses, target, weight), classes, -100), (losses.sum() / divisor, divisor))
    cuda.forward(*on_device(normal(2, 5), np.array([1, 9]), None), -100, 0.0)
    losses = normal(40000)
    target = rng.integers(0, 5, losses.size)
    same(cuda.mean(*on_device(losses, target, None), 5, -100), (losses.mean(dtype=np.float64), losses.size))
    assert int(cuda.out_of_range(arrays[0])) == 1
    cuda.out_of_range(arrays[0])[...] = 0


def numbers() -> None:
    from minigrad.kernels.cuda import numbers as cuda

    for count in (1, 5, cuda.WORDS):
        words, values = cuda.words(count), rng.integers(1, 2**63, count).astype(np.uint64)
        cuda.write(values, words)
        np.testing.assert_array_equal(words.get(), values)


def optimizer() -> None:
    cuda, reference = kernels("optimizer")
    shapes = (1,), (70, 30), (7, 9), (1500,)
    parameters, gradients, first, second, third = ([normal(*shape) for shape in shapes] for _ in range(5))
    host = [parameters, gradients, first, [np.abs(a) for a in second], [np.abs(a) for a in third]]
    device = [on_device(*arrays) for arrays in host]
    norm = np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in gradients))
    found = cuda.norm(device[1])
    same(found, norm)
    cuda.clip(device[1], 1.0, found)
    host[1] = [(a / norm).astype(np.float32) for a in gradients]
    same(device[1], host[1])
    device[1] = on_device(*host[1])
    for side, arrays in ((cuda, device), (reference, host)):
        side.sgd(*arrays[:3], 0.1, 0.9, 0.0, 1e-2, True, False, False)
        side.adam(*arrays, 3, 0.1, 0.9, 0.99, 1e-3, 1e-2, True, False)
        side.adam(*arrays[:4], None, 4, 0.1, 0.9, 0.99, 1e-3, 1e-2, False, True)
    for got, wanted in zip(device, host, strict=True):
        same(got, wanted)


def max_pool2d() -> None:
    cuda, reference = kernels("max_pool2d")
    for size, window in (((7, 9), ((3, 2), (2, 1), (1, 1), (1, 2))), ((8, 6), ((2, 2), (2, 2), (0, 0), (1, 1)))):
        x = normal(2, 3, *size)
        y, index = reference.forward(x, *window, True)
        dy = normal(*y.shape)
        for lay in (channels_last, backend().xp.asarray):
            same(cuda.forward(lay(x), *window, True), (y, index))
            same(cuda.backward(lay(dy), lay(index), x.shape, *window), reference.backward(dy, index, x.shape, *window))
            same(cuda.backward(lay(dy), lay(index), x.shape, *window, gate=lay(x)),
                 reference.backward(dy, index, x.shape, *window, gate=x))  # fmt: skip
        same(cuda.flat_index(*on_device(index), x.shape, *window), reference.flat_index(index, x.shape, *window))


def avg_pool2d() -> None:
    cuda, reference = kernels("avg_pool2d")
    for window in (((3, 2), (2, 1), (1, 1)), ((7, 9), (7, 9), (0, 0))):
        x = normal(2, 3, 7, 9)
        y = reference.forward(x, *window, True, True, None)
        dy = normal(*y.shape)
        for lay in (channels_last, backend().xp.asarray):
            same(cuda.forward(lay(x), *window, True, True, None), y)
            same(cuda.backward(lay(dy), x.shape, *window, True, None),
                 reference.backward(dy, x.shape, *window, True, None))  # fmt: skip


def batch_norm() -> None:
    cuda, reference = kernels("batch_norm")
    for shape in ((3, 5, 6, 7), (40, 5, 9, 9)):
        x, dy, weight, bias = normal(*shape), normal(*shape), normal(5), normal(5)
        mean, invstd = reference.statistics(x, 1e-5)
        y = reference.normalize(x, weight, bias, mean, invstd, True)
        vectors = on_device(weight, mean, invstd, bias)
        w, m, s, b = vectors
        (variance,) = on_device(1 / invstd**2)
        same(cuda.scale(variance, 1e-5, w), weight / np.sqrt(1 / invstd**2 + 1e-5))
        for lay in (channels_last, backend().xp.asarray):
            same(cuda.statistics(lay(x), 1e-5), (mean, invstd))
            same(cuda.normalize(lay(x), w, b, m, s, True), y)
            same(cuda.normalize(lay(x), w, b, m, s), reference.normalize(x, weight, bias, mean, invstd))
            same(cuda.backward(lay(dy), lay(x), w, m, s), reference.backward(dy, x, weight, mean, invstd))
            same(cuda.backward(lay(dy), lay(x), w, m, s, lay(y)),
                 reference.backward(dy, x, weight, mean, invstd, y))  # fmt: skip
        running, expected = [normal(5), normal(5)], [None, None]
        moved = on_device(*running)
        expected = [a.copy() for a in running]
        reference.track(*expected, mean, invstd, 0.1, 1e-5, x.size // 5)
        cuda.track(*moved, m, s, 0.1, 1e-5, x.size // 5)
        same(moved, expected)


def local_response_norm() -> None:
    cuda, reference = kernels("local_response_norm")
    x, dy = normal(2, 7, 5, 3), normal(2, 7, 5, 3)
    y, scale = reference.forward(x, 4, 0.5, 0.75, 1.0)
    for lay in (channels_last, backend().xp.asarray):
        same(cuda.forward(lay(x), 4, 0.5, 0.75, 1.0), (y, scale))
        same(cuda.backward(lay(dy), lay(x), lay(scale), 4, 0.5, 0.75),
             reference.backward(dy, x, scale, 4, 0.5, 0.75))  # fmt: skip


def dropout() -> None:
    cuda, reference = kernels("dropout")
    x = normal(2, 3, 7, 9)
    for lay in (channels_last, backend().xp.asarray):
        same(cuda.forward(lay(x), 0.3, 5, 9), reference.forward(x, 0.3, 5, 9))


def philox() -> None:
    cuda, reference = kernels("philox")
    for n in (1, 1031):
        assert (cuda.random_bits(n, 5, 2**32 - 3).get() == reference.random_bits(n, 5, 2**32 - 3)).all()
        same(cuda.uniform(n, 5, 9), reference.uniform(n, 5, 9))
        same(cuda.normal(n, 5, 9), reference.normal(n, 5, 9))
        same(cuda.normal(n, 5, 9, np.float64), reference.normal(n, 5, 9, np.float64))
    (state,) = on_device(np.array([5, 9], np.uint64))
    assert (cuda.random_bits(300, state, 4).get() == reference.random_bits(300, 5, 13)).all()
    cuda.advance(state, 3)
    assert state.tolist() == [5, 12]


def elementwise() -> None:
    cuda, reference = kernels("elementwise")
    for size in (1, 1031):
        x, y = normal(size), normal(size)
        same(cuda.relu(*on_device(x)), np.maximum(x, 0))
        same(cuda.relu_backward(*on_device(y, x)), np.where(x > 0, y, 0))
        same(cuda.add(*on_device(x, y)), x + y)


# Each case, and the kernel files that faults are planted in.
CASES: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
    "tensor cores": (
        lambda: convolution("tensor_cores", 12, 33, 1),
        ("conv2d/tensor_cores.cu", "conv2d/transpose.cu"),
    ),
    "exact": (lambda: convolution("exact", 10, 66, 2), ("conv2d/exact.cu",)),
    "im2col": (lambda: convolution("im2col", 6, 6, 2), ("conv2d/im2col.cu",)),
    "depthwise": (lambda: convolution("depthwise", 35, 35, 35), ("conv2d/depthwise.cu",)),
    "matmul": (lambda: matmul(False), ("matmul/matmul.cu", "matmul/sum_parts.cu")),
    "matmul on tensor cores": (lambda: matmul(True), ("matmul/tensor_cores.cu",)),
    "reduction": (reduction, ("reduction/reduction.cu",)),
    "sum_rows": (sum_rows, ("sum_rows/sum_rows.cu",)),
    "check": (check, ("cuda/check.cu",)),
    "numbers": (numbers, ("cuda/numbers.cu",)),
    "cross-entropy": (cross_entropy, ("softmax_cross_entropy/softmax_cross_entropy.cu",)),
    "optimizer": (optimizer, ("optimizer/optimizer.cu",)),
    "max_pool2d": (max_pool2d, ("max_pool2d/max_pool2d.cu",)),
    "avg_pool2d": (avg_pool2d, ("avg_pool2d/avg_pool2d.cu",)),
    "batch_norm": (batch_norm, ("batch_norm/batch_norm.cu",)),
    "local_response_norm": (local_response_norm, ("local_response_norm/local_response_norm.cu",)),
    "dropout": (dropout, ("dropout/dropout.cu",)),
    "philox": (philox, ("philox/philox.cu",)),
    "elementwise": (elementwise, ("elementwise/elementwise.cu",)),
}
