"""Convolution and its transpose.

Convolution is linear in the input and in the weight. So are its two gradients, and their gradients are
convolutions again: three operations that are each other's derivatives, to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad.autograd import Function
from minigrad.autograd.function import Context, Gradients
from minigrad.device import array_module
from minigrad.kernels import implementation
from minigrad.ops.arguments import IntOrPair, Pair, check_floating, check_same_device, check_tensor, pair
from minigrad.ops.padding import pad
from minigrad.ops.unfold import count_windows, unfold
from minigrad.tensor import Tensor, from_array

__all__ = ["conv2d", "conv_transpose2d"]


class Conv2d(Function):
    """y[n,o,i,j] = bias[o] + sum over c, p, q of weight[o,c,p,q] x[n, c, i stride + p, j stride + q]"""

    fresh_gradients = True

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Tensor:
        kernel, shift = implementation("conv2d", x.array), None if bias is None else bias.array
        return from_array(kernel.forward(x.array, weight.array, shift, stride, padding, dilation, groups))

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, _, *ctx.geometry = inputs
        need_x, need_weight = ctx.needs_input_grad[:2]
        ctx.save_for_backward(x if need_weight else None, weight if need_x else None)
        ctx.input_shape, ctx.kernel_size = x.shape, weight.shape[2:]

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = Conv2dInput.apply(grad_output, weight, ctx.input_shape, *ctx.geometry)
        need_weight, need_bias = ctx.needs_input_grad[1:3]
        if need_weight and need_bias:
            grad_weight, grad_bias = Conv2dWeightAndBias.apply(grad_output, x, ctx.kernel_size, *ctx.geometry)
        elif need_weight:
            grad_weight = Conv2dWeight.apply(grad_output, x, ctx.kernel_size, *ctx.geometry)
        elif need_bias:
            grad_bias = grad_output.sum((0, 2, 3))
        return grad_x, grad_weight, grad_bias, None, None, None, None

    @staticmethod
    def definition(
        x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> Tensor:
        """The textbook's way: every window becomes a column, and the weights multiply all columns at once."""
        n, out_channels, kernel_size = x.shape[0], weight.shape[0], weight.shape[2:]
        columns = unfold(x, kernel_size, dilation, padding, stride)
        columns = columns.reshape(n, groups, columns.shape[1] // groups, columns.shape[2])
        y = weight.reshape(groups, out_channels // groups, columns.shape[2]) @ columns
        y = y.reshape(n, out_channels, *count_windows(x.shape[2:], kernel_size, stride, padding, dilation))
        return y if bias is None else y + bias.reshape(1, out_channels, 1, 1)


class Conv2dInput(Function):
    """Convolution's gradient with respect to its input, x of `input_shape`: each y spreads over its window"""

    fresh_gradients = True

    @staticmethod
    def forward(
        ctx: Context,
        y: Tensor,
        weight: Tensor,
        input_shape: tuple[int, ...],
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
    ) -> Tensor:
        need_y, need_weight = ctx.needs_input_grad[:2]
        ctx.save_for_backward(y if need_weight else None, weight if need_y else None)
        ctx.kernel_size = weight.shape[2:]
        ctx.geometry = stride, padding, dilation, groups
        kernel = implementation("conv2d", y.array)
        return from_array(kernel.input_gradient(y.array, weight.array, input_shape, *ctx.geometry))

    @staticmethod
    def backward(ctx: Context, grad_output: Tensor) -> Gradients:
        y, weight = ctx.saved_tensors
        grad_y = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_y = Conv2d.apply(grad_output, weight, None, *ctx.geometry)
        if ctx.needs_input_grad[1]:
            grad_weight = Conv2dWeight.apply(y, grad_output, ctx.kernel_size, *ctx.geometry)
        return grad_y, grad_weight, None, None, None, None, None


class Conv2dWeight(Function):
    """Convolution's gradient with respect to its weight: how y correlates with what each tap has seen"""

    fresh_gradients = True

    @staticmethod
    def forward(
        ctx: Context, y: Tensor, x: Tensor, kernel_size: Pair, *geometry: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        kernel = ctx.remember(y, x, geometry)
        return from_array(kernel.weight_gradient(y.array, x.array, kernel_size, *geometry))

    def remember(self, y: Tensor, x: Tensor, geometry: Any) -> Any:
        """Keep what backward needs; returns the kernels."""
        need_y, need_x = self.needs_input_grad[:2]
        self.save_for_backward(y if need_x else None, x if need_y else None)
        self.input_shape, self.geometry = x.shape, geometry
        return implementation("conv2d", y.array)

    @staticmethod
    def backward(ctx: Context, grad_weight: Tensor, grad_bias: Tensor | None = None) -> Gradients:
        y, x = ctx.saved_tensors
        grad_y = grad_x = None
        if ctx.needs_input_grad[0]:
            grad_y = Conv2d.apply(x, grad_weight, grad_bias, *ctx.geometry)
        if ctx.needs_input_grad[1]:
            grad_x = Conv2dInput.apply(y, grad_weight, ctx.input_shape, *ctx.geometry)
        return grad_y, grad_x, None, None, None, None, None


class Conv2dWeightAndBias(Conv2dWeight):
    """The same, and the gradient with respect to the bias, the sum of each channel of y: one pass serves both"""

    @staticmethod
    def forward(ctx: Context, y: Tensor, x: Tensor, kernel_size: Pair, *geometry: Any) -> tuple[Tensor, Tensor]:
        kernel = ctx.remember(y, x, geometry)
        bias = array_module(y.array).empty(y.shape[1], y.dtype)
        weight = kernel.weight_gradient(y.array, x.array, kernel_size, *geometry, dbias=bias)
        return from_array(weight), from_array(bias)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: str | IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate images with learned kernels: a weighted sum of each window, for each output channel.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (O, C / groups, KH, KW).
        bias: (O,), or None.
        stride: the step from window to window, an int or (vertical, horizontal).
        padding: zeros on each side, an int or a pair; "valid" for none, "same" for an output of the input's size.
        dilation: the distance between the elements of a window, an int or a pair.
        groups: split the channels into independent convolutions; C groups make it depthwise.

    Returns:
        (N, O, OH, OW), OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW alike.

    Raises:
        RuntimeError: shapes, dtypes, devices, groups or padding do not fit, or a kernel is larger than the padded
            image.
        TypeError: `groups` is not an int.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016).

    Examples:
        >>> image = mg.arange(9.0).reshape(1, 1, 3, 3)
        >>> F.conv2d(image, mg.tensor([[[[-1.0, 1.0]]]]))  # the difference of horizontal neighbours
        tensor([[[[1., 1.],
                  [1., 1.],
                  [1., 1.]]]])
        >>> F.conv2d(mg.zeros(8, 3, 32, 32), mg.zeros(16, 3, 3, 3), stride=2, padding=1).shape
        (8, 16, 16, 16)
    """
    _check_operands("conv2d", input, weight, bias, groups)
    stride = pair("conv2d", "stride", stride, minimum=1)
    dilation = pair("conv2d", "dilation", dilation, minimum=1)
    _check_shapes(False, input.shape, weight.shape, None if bias is None else bias.shape, groups)
    images = input if input.ndim == 4 else input.unsqueeze(0)
    if isinstance(padding, str):
        images, padding = _named_padding(images, weight.shape[2:], stride, padding, dilation)
    padding = pair("conv2d", "padding", padding)
    _check_kernel_fits(images.shape[2:], weight.shape[2:], padding, dilation)
    y = Conv2d.apply(images, weight, bias, stride, padding, dilation, groups)
    return y if input.ndim == 4 else y.squeeze(0)


def _named_padding(
    images: Tensor, kernel_size: Sequence[int], stride: Pair, padding: str, dilation: Pair
) -> tuple[Tensor, Pair]:
    """The images and the symmetric padding that 'same' or 'valid' stands for."""
    if padding == "valid":
        return images, (0, 0)
    if padding != "same":
        raise RuntimeError(f"conv2d: Invalid padding string: {padding!r}; use 'same', 'valid', an int or a pair")
    if stride != (1, 1):
        raise RuntimeError("conv2d: padding='same' is not supported for strided convolutions")
    height, width = [dilation[d] * (kernel_size[d] - 1) for d in (0, 1)]
    if height % 2 or width % 2:
        # What cannot be halved goes below and to the right, as in PyTorch.
        images = pad(images, (0, width % 2, 0, height % 2))
    return images, (height // 2, width // 2)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """Apply the gradient of `conv2d` with respect to its input: spread every element over a window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, KH, KW).
        bias: (O,), or None.
        stride, padding, dilation, groups: those of the `conv2d` whose gradient it is.
        output_padding: rows and columns added at the end only, which choose among the sizes that a strided `conv2d`
            maps to one; an int or a pair.

    Returns:
        (N, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1, and OW alike.

    Raises:
        RuntimeError: shapes, dtypes, devices or groups do not fit, `output_padding` is not smaller than stride or
            dilation, or the result would be empty.

    Source: Zeiler et al., "Deconvolutional networks" (CVPR 2010).

    Examples:
        >>> F.conv_transpose2d(mg.tensor([[[[1.0, 2.0]]]]), mg.ones(1, 1, 2, 2), stride=2)
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """
    operation = "conv_transpose2d"
    _check_operands(operation, input, weight, bias, groups)
    stride = pair(operation, "stride", stride, minimum=1)
    dilation = pair(operation, "dilation", dilation, minimum=1)
    padding = pair(operation, "padding", padding)
    output_padding = pair(operation, "output_padding", output_padding)
    _check_shapes(True, input.shape, weight.shape, None if bias is None else bias.shape, groups)
    out_channels, kernel_size = weight.shape[1] * groups, weight.shape[2:]
    if any([extra >= max(s, d) for extra, s, d in zip(output_padding, stride, dilation, strict=True)]):
        raise RuntimeError(
            f"{operation}: output padding must be smaller than either stride or dilation, "
            f"but got output_padding {output_padding}, stride {stride}, dilation {dilation}"
        )
    size = [
        (input.shape[d - 2] - 1) * stride[d]
        - 2 * padding[d]
        + dilation[d] * (kernel_size[d] - 1)
        + output_padding[d]
        + 1
        for d in (0, 1)
    ]
    if min(size) < 1:
        raise RuntimeError(
            f"{operation}: Given input size per channel: ({input.shape[-2]} x {input.shape[-1]}). "
            f"Calculated output size per channel: ({size[0]} x {size[1]}). Output size is too small"
        )
    images = input if input.ndim == 4 else input.unsqueeze(0)
    # An output padding of a whole stride or more leaves room for further windows: those of zeros.
    rows, columns = [extra // s for extra, s in zip(output_padding, stride, strict=True)]
    if rows or columns:
        images = pad(images, (0, columns, 0, rows))
    shape = (images.shape[0], out_channels, *size)
    y = Conv2dInput.apply(images, weight, shape, stride, padding, dilation, groups)
    if bias is not None:
        y = y + bias.reshape(1, out_channels, 1, 1)
    return y if input.ndim == 4 else y.squeeze(0)


_TORCH_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def _check_operands(operation: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Refuse operands whose dtype or device does not fit."""
    check_floating(operation, "input", input)
    check_floating(operation, "weight", weight)
    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)):
        raise TypeError(f"{operation}: groups must be an int, not {type(groups).__name__}")
    array = input.array
    for name, other in (("weight", weight), ("bias", bias)):
        if other is None:
            continue
        values = check_tensor(operation, name, other).array
        if values.dtype != array.dtype:
            types = [_TORCH_NAMES.get(t.dtype.name, t.dtype.name) for t in (input, other)]
            raise RuntimeError(f"{operation}: Input type ({types[0]}) and {name} type ({types[1]}) should be the same")
        if type(values) is not type(array):
            check_same_device(operation, input, other)


@lru_cache(maxsize=256)  # a network asks the same again and again
def _check_shapes(
    transposed: bool,
    shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    bias_shape: tuple[int, ...] | None,
    groups: int,
) -> None:
    """Refuse an input, a weight or a bias whose dimensions, or whose numbers of channels, do not fit."""
    operation, given = ("conv_transpose2d", "transposed=1") if transposed else ("conv2d", f"groups={groups}")
    if groups <= 0:
        raise RuntimeError(f"{operation}: non-positive groups is not supported, got groups={groups}")
    if len(weight_shape) != 4:
        raise RuntimeError(
            f"{operation}: expected a 4-dimensional weight (out, in, height, width), "
            f"but got weight of size {list(weight_shape)}"
        )
    if len(shape) not in (3, 4):
        raise RuntimeError(
            f"Expected 3D (unbatched) or 4D (batched) input to {operation}, but got input of size: {list(shape)}"
        )
    if min(weight_shape) < 1:
        raise RuntimeError(f"{operation}: expected a weight without empty dimensions, but got {list(weight_shape)}")
    if weight_shape[0] % groups:
        raise RuntimeError(
            f"{operation}: Given groups={groups}, expected weight to be divisible by {groups} at "
            f"dimension 0, but got weight of size {list(weight_shape)} instead"
        )
    out_channels, channels = weight_shape[0], weight_shape[1] * groups
    if transposed:
        out_channels, channels = channels, out_channels
    if shape[-3] != channels:
        raise RuntimeError(
            f"{operation}: Given {given}, weight of size {list(weight_shape)}, expected input"
            f"{list(shape)} to have {channels} channels, but got {shape[-3]} channels instead"
        )
    if bias_shape is not None and bias_shape != (out_channels,):
        raise RuntimeError(
            f"{operation}: Given {given}, weight of size {list(weight_shape)}, expected bias to be "
            f"1-dimensional with {out_channels} elements, but got bias of size {list(bias_shape)} instead"
        )


@lru_cache(maxsize=256)
def _check_kernel_fits(size: Pair, kernel_size: Pair, padding: Pair, dilation: Pair) -> None:
    """Refuse a kernel that covers more than the padded image."""
    padded = [size[d] + 2 * padding[d] for d in (0, 1)]
    covered = [dilation[d] * (kernel_size[d] - 1) + 1 for d in (0, 1)]
    if padded[0] < covered[0] or padded[1] < covered[1]:
        raise RuntimeError(
            f"conv2d: Calculated padded input size per channel: ({padded[0]} x {padded[1]}). Kernel size: "
            f"({covered[0]} x {covered[1]}). Kernel size can't be greater than actual input size"
        )
