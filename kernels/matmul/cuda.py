"""Matrix products on a GPU: exact in float32 and float64, or on the tensor cores where TF32 is allowed.

Our own kernels, since cuBLAS through CuPy cannot be captured in a graph. Operands lying row by row or column by column
are taken as they are; others are copied first.
"""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, capability, launch
from ..cuda.precision import allow_tf32
from ..cuda.shapes import real
from ..cuda.tiling import EXACT, EXACT_DOUBLE, PARTS_AT_A_TIME, TENSOR_CORES, cut, ring_bytes
from ..types import Array


def matmul(a: Array, b: Array) -> Array:
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    if b.ndim == 1:
        return matmul(a, b[:, None])[..., 0]
    if a.ndim == 1:
        return matmul(a[None], b)[..., 0, :]
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    batch_shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    batch = math.prod(batch_shape)
    xp = array_module(a)
    if not depth:
        return xp.zeros((*batch_shape, rows, columns), a.dtype)
    product = xp.empty((*batch_shape, rows, columns), a.dtype)
    if not product.size:
        return product
    a, a_row, a_depth, a_batch = _operand(a, batch_shape)
    b, b_depth, b_column, b_batch = _operand(b, batch_shape)
    along = ("ROWS_ALONG", int(a_depth == 1)), ("COLUMNS_ALONG", int(b_depth == 1))
    tensor_cores = a.dtype == np.float32 and allow_tf32("matmul") and capability() >= (8, 0)
    if tensor_cores:
        # The lines of both begin at multiples of 16 bytes if they are multiples of 4 numbers, and so do matrices.
        lines = max(a_row, a_depth), max(b_column, b_depth)
        aligned = all(line % 4 == 0 for line in lines) and a.data.ptr % 16 == b.data.ptr % 16 == 0
        tiles = (TENSOR_CORES[0], TENSOR_CORES[2]) if aligned else (TENSOR_CORES[2],)
    else:
        tiles = EXACT if a.dtype == np.float32 else EXACT_DOUBLE
    tile, splits, per_split = cut(tiles, rows, columns, depth, batch)
    parts = product if splits == 1 else xp.empty((batch, splits, rows, columns), a.dtype)
    blocks = -(-rows // tile.rows) * -(-columns // tile.columns) * batch * splits
    args = (
        *(a, b, parts, np.int32(rows), np.int32(columns), np.int32(depth)),
        *map(np.int64, (a_row, a_depth, a_batch, b_column, b_depth, b_batch)),
        *(np.int32(splits), np.int32(per_split)),
    )
    if tensor_cores:
        chunk = 4 if aligned else 1
        defines = (("BM", tile.rows), ("BN", tile.columns), ("CHUNK", chunk), *along)
        file, shared = "matmul/tensor_cores.cu", ring_bytes(tile, chunk)
        launch(file, "matmul_tensor_cores", (blocks,), (128,), args, shared=shared, defines=defines)
    else:
        defines = (real("matmul", a), ("TILE", tile.rows), *along)
        launch("matmul/matmul.cu", "matmul", (blocks,), (256,), args, defines=defines)
    if splits > 1:
        sum_parts(parts, product)
    return product


def sum_parts(parts: Array, out: Array, bias: Array | None = None) -> None:
    """out (batch, ...) = parts (batch, splits, ...) added up along their second axis, plus bias along the last axis."""
    parts = few_parts(parts)
    batch, splits = parts.shape[:2]
    count = out.size // batch
    launch(
        "matmul/sum_parts.cu",
        "sum_parts",
        (-(-count // 256) * batch,),
        (256,),
        (parts, bias, out, np.int64(count), np.int32(splits), np.int32(1 if bias is None else bias.size)),
        defines=(real("matmul", out),),
    )


def few_parts(parts: Array) -> Array:
    """Parts (batch, splits, ...) as they are, or, if they are many, each PARTS_AT_A_TIME of them added."""
    batch, splits, *shape = parts.shape
    if splits <= PARTS_AT_A_TIME:
        return parts
    fewer = array_module(parts).empty((batch, splits // PARTS_AT_A_TIME, *shape), parts.dtype)
    sum_parts(parts.reshape(-1, PARTS_AT_A_TIME, *shape), fewer.reshape(-1, *shape))
    return fewer


def _operand(array, batch_shape: tuple):
    """The array as its memory lies, and the distances between rows, between columns and between matrices in it."""
    xp = array_module(array)
    rows, columns = array.shape[-2:]
    if math.prod(array.shape[:-2]) not in (1, math.prod(batch_shape)):
        array = xp.broadcast_to(array, (*batch_shape, rows, columns))
    stacked = math.prod(array.shape[:-2]) > 1
    transposed = array.swapaxes(-1, -2)
    if transposed.flags.c_contiguous and not array.flags.c_contiguous:
        return transposed, 1, rows, rows * columns * stacked
    return xp.ascontiguousarray(array), columns, 1, rows * columns * stacked
