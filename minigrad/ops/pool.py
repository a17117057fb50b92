"""Pooling: the maximum or the mean of each window of an image.

Average-pooling is linear, and so is max-pooling once the maxima's positions are known: each has its transpose beside
it, and the two are each other's derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module, to_device
from minigrad.kernels import implementation, output_size
from minigrad.ops.arguments import IntOrPair, Pair, check_floating, pair
from minigrad.tensor import Tensor, from_array

__all__ = ["adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "max_pool2d"]


class MaxPool2d(Function):
    """The largest element of each window, the first of equals; on request also where it lies in the plane"""

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        ceil_mode: bool,
        return_indices: bool,
    ) -> Tensor | tuple[Tensor, Tensor]:
        kernel = implementation("max_pool2d", x.array)
        y, ctx.index = kernel.forward(x.array, kernel_size, stride, padding, dilation, ceil_mode)
        ctx.input_shape, ctx.geometry = x.shape, (kernel_size, stride, padding, dilation)
        if not return_indices:
            return from_array(y)
        return from_array(y), from_array(kernel.flat_index(ctx.index, x.shape, *ctx.geometry))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor, grad_indices: None = None) -> Gradients:
        return MaxPool2dInput.apply(grad_output, ctx.index, ctx.input_shape, *ctx.geometry), *[None] * 6


class MaxPool2dInput(Function):
    """Max-pooling's gradient with respect to its input: each element goes back to where the winner was"""

    fresh_gradients = True

    @staticmethod
    def forward(
        grad: Tensor,
        index: Any,
        input_shape: tuple[int, ...],
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
    ) -> Tensor:
        kernel = implementation("max_pool2d", grad.array)
        return from_array(kernel.backward(grad.array, index, input_shape, kernel_size, stride, padding, dilation))

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        _, ctx.index, ctx.input_shape, *ctx.geometry = inputs

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        flat = implementation("max_pool2d", ctx.index).flat_index(ctx.index, ctx.input_shape, *ctx.geometry)
        return _pick(grad_output, from_array(flat)), *[None] * 6


def _pick(images: Tensor, flat_index: Tensor) -> Tensor:
    """The elements of (N, C, H, W) at places in H * W, (N, C, OH, OW)."""
    return images.flatten(2).gather(2, flat_index.flatten(2)).reshape(flat_index.shape)


class AvgPool2d(Function):
    """The mean of each window"""

    @staticmethod
    def forward(
        ctx: Context,
        x: Tensor,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Tensor:
        ctx.input_shape = x.shape
        ctx.geometry = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        return from_array(implementation("avg_pool2d", x.array).forward(x.array, *ctx.geometry))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return AvgPool2dInput.apply(grad_output, ctx.input_shape, *ctx.geometry), *[None] * 6


class AvgPool2dInput(Function):
    """Average-pooling's gradient with respect to its input: each element is spread evenly over its window"""

    fresh_gradients = True

    @staticmethod
    def forward(
        ctx: Context,
        y: Tensor,
        input_shape: tuple[int, ...],
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Tensor:
        ctx.geometry = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        kernel = implementation("avg_pool2d", y.array)
        spread = kernel.backward(
            y.array, input_shape, kernel_size, stride, padding, count_include_pad, divisor_override
        )
        return from_array(spread)

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return AvgPool2d.apply(grad_output, *ctx.geometry), *[None] * 7


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Take the largest element of each window.

    The gradient goes to the first of equal elements. NaN is the result wherever a window holds one.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window's height and width, an int or a pair.
        stride: the step from window to window; None means the kernel's size.
        padding: -inf on each side, at most half a window.
        dilation: the distance between the elements of a window.
        ceil_mode: let a last window reach beyond the end.
        return_indices: also return the positions of the maxima in the flattened H * W, int64.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: sizes do not fit, or the input is not floating-point.

    Examples:
        >>> x = mg.tensor([[[1.0, 5.0, 2.0, 0.0], [4.0, 3.0, 7.0, 6.0]]])
        >>> F.max_pool2d(x, 2)
        tensor([[[5., 7.]]])
        >>> F.max_pool2d(x, 2, return_indices=True)[1]
        tensor([[[1, 6]]])
    """
    images = _images("max_pool2d", input)
    kernel_size, stride, padding = _window("max_pool2d", kernel_size, stride, padding)
    dilation = pair("max_pool2d", "dilation", dilation, minimum=1)
    windows = _check_windows("max_pool2d", input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if max(dilation) > 1 and max(padding) > 0:
        for d in (0, 1):
            _check_windows_meet_input(
                images.shape[2 + d], windows[d], kernel_size[d], stride[d], padding[d], dilation[d]
            )
    pooled = MaxPool2d.apply(images, kernel_size, stride, padding, dilation, bool(ceil_mode), bool(return_indices))
    if input.ndim == 4:
        return pooled
    return tuple([part.squeeze(0) for part in pooled]) if return_indices else pooled.squeeze(0)


def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Take the mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window's height and width, an int or a pair.
        stride: the step from window to window; None means the kernel's size.
        padding: zeros on each side, at most half a window.
        ceil_mode: let a last window reach beyond the end.
        count_include_pad: whether padding counts as elements in the mean.
        divisor_override: divide the sums by this number instead.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: sizes do not fit, the input is not floating-point, or the divisor is 0.

    Examples:
        >>> F.avg_pool2d(mg.tensor([[[1.0, 5.0, 2.0, 0.0], [4.0, 2.0, 7.0, 3.0]]]), 2)
        tensor([[[3., 3.]]])
    """
    images = _images("avg_pool2d", input)
    kernel_size, stride, padding = _window("avg_pool2d", kernel_size, stride, padding)
    _check_windows("avg_pool2d", input.shape, kernel_size, stride, padding, (1, 1), ceil_mode)
    if divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor must be not zero, got divisor_override=0")
    pooled = AvgPool2d.apply(
        images, kernel_size, stride, padding, bool(ceil_mode), bool(count_include_pad), divisor_override
    )
    return pooled if input.ndim == 4 else pooled.squeeze(0)


def adaptive_avg_pool2d(input: Tensor, output_size: int | None | Sequence[int | None]) -> Tensor:
    """Take means over windows that are chosen to give a result of a wanted size.

    Window i of n begins at floor(i size / n) and ends before ceil((i + 1) size / n).

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: height and width of the result, an int or a pair; None keeps the input's.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: sizes do not fit, or the input is not floating-point.

    Source: Lin et al., "Network in network" (2013), for the mean of whole maps, `output_size` 1.

    Examples:
        >>> F.adaptive_avg_pool2d(mg.arange(5.0).reshape(1, 1, 5), (1, 2))
        tensor([[[1., 3.]]])
    """
    images = _images("adaptive_avg_pool2d", input)
    size, output_size = images.shape[2:], _output_size("adaptive_avg_pool2d", images, output_size)
    if _divides(output_size, size):
        window = size[0] // output_size[0], size[1] // output_size[1]
        pooled = AvgPool2d.apply(images, window, window, (0, 0), False, True, None)
    else:
        where = str(images.device)
        rows, columns = [_averaging_matrix(size[d], output_size[d], images.dtype, where) for d in (0, 1)]
        pooled = rows @ images @ columns.transpose(0, 1)
    return pooled if input.ndim == 4 else pooled.squeeze(0)


def adaptive_max_pool2d(
    input: Tensor, output_size: int | None | Sequence[int | None], return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Take maxima over windows that are chosen to give a result of a wanted size.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: as for `adaptive_avg_pool2d`, whose windows these are.
        return_indices: also return the positions of the maxima in the flattened H * W, int64.

    Raises:
        ValueError: the input has fewer than 3 dimensions.
        RuntimeError: sizes do not fit, or the input is not floating-point.

    Examples:
        >>> F.adaptive_max_pool2d(mg.arange(5.0).reshape(1, 1, 5), (1, 2))
        tensor([[[2., 4.]]])
    """
    images = _images("adaptive_max_pool2d", input)
    size, output_size = images.shape[2:], _output_size("adaptive_max_pool2d", images, output_size)
    if _divides(output_size, size):
        window = size[0] // output_size[0], size[1] // output_size[1]
        pooled, index = MaxPool2d.apply(images, window, window, (0, 0), (1, 1), False, True)
    else:
        index = _adaptive_winners(images, output_size)
        pooled = _pick(images, index)
    if input.ndim == 3:
        pooled, index = pooled.squeeze(0), index.squeeze(0)
    return (pooled, index) if return_indices else pooled


def _adaptive_bounds(size: int, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the windows begins, and where it ends (exclusive)."""
    i = np.arange(windows)
    return i * size // windows, -(-(i + 1) * size // windows)


@lru_cache(maxsize=64)  # a copy to a GPU at every step would make it wait
def _averaging_matrix(size: int, windows: int, dtype: np.dtype, where: str) -> Tensor:
    """(windows, size): row i holds 1 / length on window i."""
    begin, end = _adaptive_bounds(size, windows)
    place = np.arange(size)
    inside = (place >= begin[:, None]) & (place < end[:, None])
    return from_array(to_device((inside / (end - begin)[:, None]).astype(dtype), where))


def _adaptive_winners(images: Tensor, output_size: Pair) -> Tensor:
    """Where in H * W the largest element of each window lies, the first of equals."""
    height, width = images.shape[2:]
    xp, place = array_module(images.array), _adaptive_places(height, width, output_size, str(images.device))
    seen = images.array.reshape(*images.shape[:2], height * width)[:, :, place]
    winner = seen.argmax(-1)
    return from_array(xp.take_along_axis(xp.broadcast_to(place, seen.shape), winner[..., None], -1)[..., 0])


@lru_cache(maxsize=64)
def _adaptive_places(height: int, width: int, output_size: Pair, where: str) -> Any:
    """The places in H * W that each window sees, int64 (*output_size, elements of the largest window)."""
    taps = []
    for size, windows in ((height, output_size[0]), (width, output_size[1])):
        begin, end = _adaptive_bounds(size, windows)
        reach = np.arange((end - begin).max(initial=1))
        # Shorter windows repeat their last element, which makes it no larger.
        taps.append(np.minimum(begin[:, None] + reach, end[:, None] - 1))
    rows, columns = taps
    window_size = rows.shape[1] * columns.shape[1]
    place = (rows[:, None, :, None] * width + columns[None, :, None, :]).reshape(*output_size, window_size)
    return to_device(place, where)


def _divides(output_size: Pair, size: Sequence[int]) -> bool:
    return all([windows > 0 and length % windows == 0 for windows, length in zip(output_size, size, strict=True)])


def _images(operation: str, input: Tensor) -> Tensor:
    """`input` as a batch of images without empty dimensions but the batch's."""
    check_floating(operation, "input", input)
    if input.ndim < 3 and operation.startswith("adaptive"):
        raise ValueError(f"{operation}: Input dimension should be at least 3, got shape {list(input.shape)}")
    if input.ndim not in (3, 4) or 0 in input.shape[1:] or (input.ndim == 3 and input.shape[0] == 0):
        raise RuntimeError(
            f"{operation}: Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, "
            f"but got: {list(input.shape)}"
        )
    return input if input.ndim == 4 else input.unsqueeze(0)


def _window(
    operation: str, kernel_size: IntOrPair, stride: IntOrPair | None, padding: IntOrPair
) -> tuple[Pair, Pair, Pair]:
    """Kernel size, stride and padding as pairs."""
    kernel = pair(operation, "kernel_size", kernel_size, minimum=1)
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        stride = kernel
    return kernel, pair(operation, "stride", stride, minimum=1), pair(operation, "padding", padding)


@lru_cache(maxsize=256)
def _check_windows(
    operation: str,
    shape: tuple[int, ...],
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
) -> Pair:
    """How many windows an input of `shape` has, down and across; RuntimeError for none, or for too much padding."""
    if any([2 * p > k for p, k in zip(padding, kernel_size, strict=True)]):
        raise RuntimeError(
            f"{operation}: pad should be at most half of effective kernel size, but got pad={padding} "
            f"and kernel_size={kernel_size}"
        )
    size = shape[-2:]
    down, across = [output_size(size[d], kernel_size[d], stride[d], padding[d], dilation[d], ceil_mode) for d in (0, 1)]
    if down < 1 or across < 1:
        planes = shape[-3]
        raise RuntimeError(
            f"{operation}: Given input size: ({planes}x{size[0]}x{size[1]}). Calculated output size: "
            f"({planes}x{down}x{across}). Output size is too small"
        )
    return down, across


def _check_windows_meet_input(size: int, windows: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Refuse windows so dilated that all their taps lie in the padding: they have no maximum."""
    taps = np.arange(windows)[:, None] * stride - padding + np.arange(kernel) * dilation
    if not ((taps >= 0) & (taps < size)).any(1).all():
        raise RuntimeError(
            f"max_pool2d: a window of {kernel} elements, {dilation} apart, lies wholly in the padding of "
            f"{padding} around {size} elements; use less padding or dilation"
        )


def _output_size(operation: str, images: Tensor, output_size: Any) -> Pair:
    sizes = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * 2
    if len(sizes) != 2:
        raise RuntimeError(f"{operation}: output_size must be 2 sizes (or one for both), got {output_size!r}")
    return pair(operation, "output_size", [images.shape[2 + d] if s is None else s for d, s in enumerate(sizes)])
