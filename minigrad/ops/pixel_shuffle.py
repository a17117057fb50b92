"""Channels into pixels, and back: a picture of more channels is one of more pixels (sub-pixel convolution)."""

from __future__ import annotations

from minigrad.ops.arguments import check_tensor
from minigrad.ops.shape import permute, reshape
from minigrad.tensor import Tensor

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Make each r x r channels into r x r pixels.

    Args:
        input: (..., C r r, H, W); the result is (..., C, H r, W r).
        upscale_factor: r, at least 1.

    Raises:
        RuntimeError: fewer than 3 dimensions, r is not positive, or r r does not divide the channels.

    Source: Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network" (2016).

    Examples:
        >>> F.pixel_shuffle(mg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1), 2)
        tensor([[[1., 2.],
                 [3., 4.]]])
    """
    *batch, channels, height, width = _picture("pixel_shuffle", input, upscale_factor)
    r, lead = upscale_factor, len(batch)
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: expects channels that the square of upscale_factor divides, but {r * r} does not divide "
            f"{channels}"
        )
    split = reshape(input, (*batch, channels // (r * r), r, r, height, width))
    order = (*range(lead + 1), lead + 3, lead + 1, lead + 4, lead + 2)
    return reshape(permute(split, order), (*batch, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Make each r x r pixels into r x r channels: the inverse of `pixel_shuffle`.

    Args:
        input: (..., C, H r, W r); the result is (..., C r r, H, W).
        downscale_factor: r, at least 1.

    Raises:
        RuntimeError: fewer than 3 dimensions, r is not positive, or r does not divide height or width.

    Examples:
        >>> F.pixel_unshuffle(mg.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).flatten()
        tensor([1., 2., 3., 4.])
    """
    *batch, channels, height, width = _picture("pixel_unshuffle", input, downscale_factor)
    r, lead = downscale_factor, len(batch)
    if height % r or width % r:
        raise RuntimeError(
            f"pixel_unshuffle: expects height and width to be divisible by downscale_factor, but they are {height} and "
            f"{width}, and it is {r}"
        )
    split = reshape(input, (*batch, channels, height // r, r, width // r, r))
    order = (*range(lead + 1), lead + 2, lead + 4, lead + 1, lead + 3)
    return reshape(permute(split, order), (*batch, channels * r * r, height // r, width // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of some groups out, one of each in turn.

    Args:
        input: (N, C, ...).
        groups: how many, a divisor of C.

    Raises:
        RuntimeError: fewer than 3 dimensions, or `groups` is not positive or does not divide the channels.

    Source: Zhang et al., "ShuffleNet" (2017).

    Examples:
        >>> F.channel_shuffle(mg.arange(4.0).reshape(1, 4, 1), 2).flatten()
        tensor([0., 2., 1., 3.])
    """
    check_tensor("channel_shuffle", "input", input)
    if input.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle: expects input with > 2 dims, but got input with sizes {list(input.shape)}"
        )
    if groups <= 0 or input.shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: the number of channels must be divisible by groups, got {input.shape[1]} and {groups}"
        )
    count, channels, *rest = input.shape
    split = reshape(input, (count, groups, channels // groups, *rest))
    return reshape(permute(split, (0, 2, 1, *range(3, split.ndim))), input.shape)


def _picture(operation: str, input: Tensor, factor: int) -> tuple[int, ...]:
    check_tensor(operation, "input", input)
    if input.ndim < 3:
        raise RuntimeError(f"{operation}: expects input to have at least 3 dimensions, but got {input.ndim}")
    if factor <= 0:
        raise RuntimeError(f"{operation}: expects a positive factor, but got {factor}")
    return input.shape
