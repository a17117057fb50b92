"""Every launcher with each of its arrays beginning one element further: the same numbers, and no misaligned access.

A kernel that moves 16 bytes at once needs every array it moves so to begin at a multiple of 16 bytes. A slice of a
tensor need not: on a GPU such an access is error 716, and all that the process had there is lost. The simulator's mode
"check" sees it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutant_cases import channels_last

from minigrad.kernels.cuda import simulated
from minigrad.kernels.cuda.device import backend
from minigrad.kernels.cuda.precision import set_allow_tf32
from minigrad.kernels.cuda.simulator import simulate

rng = np.random.default_rng(0)

Call = tuple[str, Callable, tuple, dict]  # of a launcher: its name, itself, and arguments whose arrays are the host's


def normal(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def launchers(operation: str) -> Any:
    """Launchers of an operation, or those for the engine's own needs: cuda/check.py and cuda/numbers.py."""
    own = operation in ("check", "numbers")
    return import_module(f"minigrad.kernels.cuda.{operation}" if own else f"minigrad.kernels.{operation}.cuda")


def calls(dtype: type = np.float32) -> Iterator[Call]:
    """Each launcher on sizes that divide into packs, so that only an array's place can forbid them."""
    x, dy, y = (normal(2, 8, 8, 8, dtype=dtype) for _ in range(3))
    weight, bias, mean, variance = normal(8, dtype=dtype), normal(8, dtype=dtype), normal(8, dtype=dtype), x[0, :, 0, 0]
    variance = variance**2 + dtype(1)

    def call(name: str, *args: Any, **options: Any) -> Call:
        operation, _, function = name.partition(".")
        return name, getattr(launchers(operation), function), args, options

    norm = [call("batch_norm.statistics", x, 1e-5), call("batch_norm.scale", variance, 1e-5, weight)]
    norm += [call("batch_norm.track", bias, variance, mean, variance, 0.1, 1e-5, 128)]
    norm.append(call("batch_norm.normalize", x, weight, bias, mean, variance, True))
    norm.append(call("batch_norm.normalize", x[:, :, 0, 0], weight, None, mean, variance))
    norm.append(call("batch_norm.backward", dy, x, weight, mean, variance, y))
    norm.append(call("batch_norm.backward", dy, x, None, mean, variance))
    yield from norm
    for window in (((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 3), (2, 2), (1, 1), (1, 1))):
        places = rng.integers(0, window[0][0] ** 2, (2, 8, 4, 4)).astype(np.uint8)
        if window[2] == (1, 1):
            places[...] = 4  # the middle of a window always lies inside
        yield call("max_pool2d.forward", x, *window, False)
        yield call("max_pool2d.backward", dy[:, :, :4, :4], places, x.shape, *window)
        yield call("max_pool2d.backward", dy[:, :, :4, :4], places, x.shape, *window, gate=y)
        yield call("max_pool2d.flat_index", places, x.shape, *window)
        yield call("avg_pool2d.forward", x, *window[:3], False, True, None)
        yield call("avg_pool2d.backward", dy[:, :, :4, :4], x.shape, *window[:3], True, None)
    yield call("local_response_norm.forward", x, 4, 0.5, 0.75, 1.0)
    yield call("local_response_norm.backward", dy, x, np.abs(y) + 1, 4, 0.5, 0.75)
    yield call("dropout.forward", x, 0.3, 5, 9)
    yield call("elementwise.relu", x)
    yield call("elementwise.relu", x, np.zeros_like(x))
    yield call("elementwise.relu_backward", dy, x)
    yield call("elementwise.add", x, dy)
    yield call("elementwise.add", x, dy, np.zeros_like(x))
    yield call("elementwise.erf", x)
    for geometry in (((1, 1), (1, 1), (1, 1), 1), ((2, 2), (1, 1), (1, 1), 1), ((1, 1), (1, 1), (1, 1), 8)):
        filters = normal(8, 8 // geometry[3], 3, 3, dtype=dtype)
        outputs = dy if geometry[0] == (1, 1) else dy[:, :, :4, :4]
        algorithms = ["exact", "im2col"]
        algorithms += ["tensor_cores"] if dtype == np.float32 else []
        algorithms += ["depthwise"] if geometry[3] == 8 else []
        for algorithm in algorithms:
            options = {"algorithm": algorithm}
            yield call("conv2d.forward", x, filters, bias, *geometry, **options)
            yield call("conv2d.input_gradient", outputs, filters, x.shape, *geometry, **options)
            dbias = np.zeros(8, dtype)
            yield call("conv2d.weight_gradient", outputs, x, (3, 3), *geometry, dbias=dbias, **options)
    for a, b in (((16, 8), (8, 12)), ((4, 1024), (1024, 8)), ((3, 8, 8), (3, 8, 8))):
        yield call("matmul.matmul", normal(*a, dtype=dtype), normal(*b, dtype=dtype))
    yield call("matmul.sum_parts", normal(2, 4, 8, 8, dtype=dtype), np.zeros((2, 8, 8), dtype), bias)
    yield call("matmul.few_parts", normal(2, 32, 8, dtype=dtype))
    yield call("reduction.sum_middle", normal(4, 64, 8, dtype=dtype))
    yield call("reduction.sum_middle", normal(4, 64, 1, dtype=dtype))
    yield call("sum_rows.sum_rows", normal(16, 8, dtype=dtype), rng.integers(0, 4, 16), 4)
    logits, target = normal(4, 16, dtype=dtype), rng.integers(0, 16, 4)
    class_weight = normal(16, dtype=dtype) ** 2
    yield call("softmax_cross_entropy.forward", logits, target, class_weight, -100, 0.1)
    yield call("softmax_cross_entropy.backward", weight[:4], logits, target, class_weight, -100, 0.1)
    yield call("softmax_cross_entropy.mean", np.abs(weight[:4]), target, class_weight, 16, -100)
    arrays = [[normal(16, 8, dtype=dtype), normal(8, dtype=dtype)] for _ in range(5)]
    arrays[3:] = [[np.abs(a) for a in part] for part in arrays[3:]]
    yield call("optimizer.sgd", *arrays[:3], 0.1, 0.9, 0.0, 1e-2, True, False, False)
    yield call("optimizer.adam", *arrays, 3, 0.1, 0.9, 0.99, 1e-3, 1e-2, True, False)
    yield call("optimizer.norm", arrays[1])
    yield call("optimizer.clip", arrays[1], 1.0, np.full((), 2, dtype))
    state = np.array([5, 9], np.uint64)
    yield call("philox.random_bits", 64, state, 4)
    yield call("philox.uniform", 64, state, 4, dtype)
    yield call("philox.normal", 64, state, 4, dtype)
    yield call("philox.advance", state, 3)
    word = np.zeros(1, np.uint64)
    yield call("check.check_range", rng.integers(0, 10, 64), 0, 9, -100, word)
    yield call("check.check_none", np.zeros(64, bool), word)


def placed(value: Any, offset: int, lay: Callable) -> Any:
    """A host's array on the device, `offset` elements behind the beginning of its memory, with its strides."""
    array = lay(value) if value.ndim == 4 else backend().xp.asarray(value)
    order = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    dense = array.transpose(order)
    memory = backend().xp.empty(array.size + offset, array.dtype)
    copy = memory[offset:].reshape(dense.shape)
    copy[...] = dense
    return copy.transpose(tuple(map(int, np.argsort(order))))


def run(call: Call, offset_at: int | None, lay: Callable) -> tuple[list[np.ndarray], int]:
    """What the launcher returns and what it has made of its arguments; and how many arrays it was given."""
    _, function, args, options = call
    on_device: list[Any] = []

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(item) for item in value]
        if not isinstance(value, np.ndarray):
            return value
        on_device.append(placed(value, int(len(on_device) == offset_at), lay))
        return on_device[-1]

    result = function(*map(place, args), **{name: place(value) for name, value in options.items()})
    returned = result if isinstance(result, tuple) else (result,)
    return [array.get() for array in (*returned, *on_device) if hasattr(array, "get")], len(on_device)


IMAGES = "avg_pool2d", "batch_norm", "conv2d", "dropout", "elementwise", "local_response_norm", "max_pool2d"
CALLS = {dtype.__name__: list(calls(dtype)) for dtype in (np.float32, np.float64)}
CASES = [
    pytest.param(call, layout, id=f"{call[0]}-{name}-{i}-{layout}")
    for name, found in CALLS.items()
    for i, call in enumerate(found)
    for layout in (("planes", "channels_last") if call[0].startswith(IMAGES) else ("planes",))
]


@pytest.mark.parametrize("call, layout", CASES)
def test_each_argument_may_begin_anywhere(xp, call, layout):
    lay = channels_last if layout == "channels_last" else xp.asarray
    set_allow_tf32("matmul", call[0] == "matmul.matmul" and layout == "planes")
    try:
        with simulate(mode="check") if simulated() else simulate():
            expected, count = run(call, None, lay)
            assert count > 0
            for offset_at in range(count):
                got, _ = run(call, offset_at, lay)
                for one, other in zip(got, expected, strict=True):
                    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4, equal_nan=False)
    finally:
        set_allow_tf32("matmul", False)


# What takes no array, or does not launch anything.
WITHOUT_ARRAYS = {
    "check.words", "check.noted_value", "conv2d.choose_algorithm", "numbers.words", "numbers.write",
    "philox.stream", "reduction.plan", "reduction.one_chunk", "softmax_cross_entropy.out_of_range",
}  # fmt: skip


def test_every_launcher_is_called():
    called = {name for found in CALLS.values() for name, *_ in found}
    folder = Path(inspect.getfile(import_module("minigrad.kernels"))).parent
    there = set()
    for operation in ["check", "numbers", *(file.parent.name for file in folder.glob("*/cuda.py"))]:
        module = launchers(operation)
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
                there.add(f"{operation}.{name}")
    assert there - WITHOUT_ARRAYS == called
