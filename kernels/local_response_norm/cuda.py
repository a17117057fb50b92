"""Local response normalisation on a GPU: the launches of local_response_norm.cu, which describes the kernels."""

from __future__ import annotations

import math

from ..cuda import array_module, launch
from ..cuda.shapes import integers, real, tiles
from ..geometry import channels_to_end, channels_to_second
from ..types import Array


def forward(x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
    """y = x scale^-beta and scale, of x's shape (N, C, ...); see reference.py. Both lie in memory as x does."""
    xp = array_module(x)
    last, x = _arranged(x)
    y, scale = xp.empty(x.shape, x.dtype), xp.empty(x.shape, x.dtype)
    scalar = x.dtype.type
    _launch("forward", last, (x, y, scale), size, scalar(alpha / size), scalar(beta), scalar(k))
    return _shaped(y, last), _shaped(scale, last)


def backward(dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float) -> Array:
    """dx of x's shape (N, C, ...); see reference.py. It lies in memory as x does."""
    xp = array_module(x)
    last, x = _arranged(x)
    dy, scale = (xp.ascontiguousarray(channels_to_end(array) if last else array) for array in (dy, scale))
    dx = xp.empty(x.shape, x.dtype)
    scalar = x.dtype.type
    _launch("backward", last, (dy, x, scale, dx), size, scalar(2 * alpha * beta / size), scalar(beta))
    return _shaped(dx, last)


def _launch(what: str, last: bool, arrays, size: int, *scalars) -> None:
    x = arrays[-1]
    if x.size == 0:
        return
    channels = x.shape[-1 if last else 1]
    length = channels if last else math.prod(x.shape[2:])
    rows = x.size // length
    grid, block = tiles(length, rows)
    sizes = integers(rows, length, channels, last, size)
    defines = (real("local_response_norm", x),)
    arguments = (*arrays, *sizes, *scalars)
    launch(
        "local_response_norm/local_response_norm.cu", f"local_response_norm_{what}", grid, block, arguments, 0, defines
    )


def _arranged(x):
    """Whether x's channels lie side by side in memory, and x, C-contiguous with them at the end if they do."""
    ended = channels_to_end(x)
    if ended.flags.c_contiguous and not x.flags.c_contiguous:
        return True, ended
    return False, array_module(x).ascontiguousarray(x)


def _shaped(result, last: bool):
    return channels_to_second(result) if last else result
