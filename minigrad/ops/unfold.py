"""Unfolding an image into its windows, and folding windows back into an image (im2col and col2im)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.kernels import output_size
from minigrad.ops.arguments import IntOrPair, Pair, check_floating, check_tensor, pair
from minigrad.tensor import Tensor, from_array

__all__ = ["fold", "unfold"]


class Unfold(Function):
    """The windows of an image side by side as columns (im2col)"""

    @staticmethod
    def forward(ctx: Context, x: Tensor, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
        ctx.size, ctx.geometry = x.shape[2:], (kernel_size, stride, padding, dilation)
        n, channels, height, width = x.shape
        xp = array_module(x.array)
        padded = xp.pad(x.array, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
        columns = xp.empty((n, channels, *kernel_size, *count_windows(ctx.size, *ctx.geometry)), x.dtype)
        for p, q, window in _taps(padded, columns.shape[2:], stride, dilation):
            columns[:, :, p, q] = window
        return from_array(
            columns.reshape(n, channels * kernel_size[0] * kernel_size[1], columns.shape[4] * columns.shape[5])
        )

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Fold.apply(grad_output, ctx.size, *ctx.geometry), None, None, None, None


class Fold(Function):
    """Columns added up where their windows lie in the image (col2im): the transpose of `Unfold`"""

    @staticmethod
    def forward(
        ctx: Context, columns: Tensor, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> Tensor:
        ctx.geometry = kernel_size, stride, padding, dilation
        n, channels = columns.shape[0], columns.shape[1] // (kernel_size[0] * kernel_size[1])
        windows = columns.array.reshape(n, channels, *kernel_size, *count_windows(size, *ctx.geometry))
        (height, width), (pad_h, pad_w) = size, padding
        padded = array_module(columns.array).zeros((n, channels, height + 2 * pad_h, width + 2 * pad_w), columns.dtype)
        for p, q, window in _taps(padded, windows.shape[2:], stride, dilation):
            window += windows[:, :, p, q]
        return from_array(padded[:, :, pad_h : pad_h + height, pad_w : pad_w + width])

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        return Unfold.apply(grad_output, *ctx.geometry), None, None, None, None, None


def _taps(
    padded: Any, counts: tuple[int, int, int, int], stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, Any]]:
    """For each tap (p, q) of the window: the view of `padded` that it sees as the window moves over it."""
    kernel_h, kernel_w, out_h, out_w = counts
    for p in range(kernel_h):
        for q in range(kernel_w):
            top, left = p * dilation[0], q * dilation[1]
            rows = slice(top, top + stride[0] * (out_h - 1) + 1, stride[0])
            columns = slice(left, left + stride[1] * (out_w - 1) + 1, stride[1])
            yield p, q, padded[:, :, rows, columns]


def count_windows(size: Sequence[int], kernel_size: Sequence[int], stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many windows fit into an image of `size`, down and across."""
    down, across = map(output_size, size, kernel_size, stride, padding, dilation)
    return down, across


def unfold(
    input: Tensor,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> Tensor:
    """Copy the windows of images into columns (im2col).

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window's height and width, an int or a pair.
        dilation: the distance between the elements of a window.
        padding: zeros on each side.
        stride: the step from window to window.

    Returns:
        (N, C KH KW, L), L being the number of windows, row by row; without N if the input has none.

    Raises:
        RuntimeError: the dimensions do not fit, or no window fits into the image.

    Examples:
        >>> F.unfold(mg.arange(6.0).reshape(1, 1, 2, 3), kernel_size=2)
        tensor([[[0., 1.],
                 [1., 2.],
                 [3., 4.],
                 [4., 5.]]])
    """
    check_tensor("unfold", "input", input)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            "unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    kernel_size, stride, padding, dilation = _window("unfold", kernel_size, stride, padding, dilation)
    windows = count_windows(input.shape[-2:], kernel_size, stride, padding, dilation)
    if min(windows) < 1:
        raise RuntimeError(
            f"unfold: Given input with spatial size {input.shape[-2:]}, kernel_size={kernel_size}, "
            f"dilation={dilation}, padding={padding}, calculated shape of the array of sliding blocks as "
            f"{windows}, but its components must be at least one."
        )
    images = input if input.ndim == 4 else input.unsqueeze(0)
    columns = Unfold.apply(images, kernel_size, stride, padding, dilation)
    return columns if input.ndim == 4 else columns.squeeze(0)


def fold(
    input: Tensor,
    output_size: IntOrPair,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> Tensor:
    """Add columns up to images (col2im), the transpose of `unfold`: overlapping windows are summed.

    Args:
        input: (N, C KH KW, L), or without N.
        output_size: the height and width of the images, an int or a pair.
        kernel_size, dilation, padding, stride: as for `unfold`.

    Returns:
        (N, C, H, W), or without N.

    Raises:
        RuntimeError: the dimensions do not fit, or the columns are not the images' windows.

    Examples:
        How often each pixel is in a window.

        >>> F.fold(mg.ones(1, 4, 2), output_size=(2, 3), kernel_size=2)
        tensor([[[[1., 2., 1.],
                  [1., 2., 1.]]]])
    """
    check_floating("fold", "input", input)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    size = pair("fold", "output_size", output_size, minimum=1)
    kernel_size, stride, padding, dilation = _window("fold", kernel_size, stride, padding, dilation)
    if input.shape[-2] % (kernel_size[0] * kernel_size[1]):
        raise RuntimeError(
            f"fold: Expected size of input's dimension {input.ndim - 2} to be divisible by the product of "
            f"kernel_size, but got size {input.shape[-2]} and kernel_size={kernel_size}."
        )
    down, across = count_windows(size, kernel_size, stride, padding, dilation)
    if min(down, across) < 1 or input.shape[-1] != down * across:
        raise RuntimeError(
            f"fold: Given output_size={size}, kernel_size={kernel_size}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, expected size of input's dimension {input.ndim - 1} to "
            f"match the calculated number of sliding blocks {down} * {across} = {down * across}, "
            f"but got {input.shape[-1]}."
        )
    columns = input if input.ndim == 3 else input.unsqueeze(0)
    images = Fold.apply(columns, size, kernel_size, stride, padding, dilation)
    return images if input.ndim == 3 else images.squeeze(0)


def _window(
    operation: str, kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair
) -> tuple[Pair, Pair, Pair, Pair]:
    """A sliding window's geometry as pairs."""
    return (
        pair(operation, "kernel_size", kernel_size, minimum=1),
        pair(operation, "stride", stride, minimum=1),
        pair(operation, "padding", padding),
        pair(operation, "dilation", dilation, minimum=1),
    )
