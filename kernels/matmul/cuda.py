"""Matrix products on a GPU: exact in float32 and float64, or on the tensor cores where TF32 is allowed.

Our own kernels, since cuBLAS through CuPy cannot be captured in a graph. Operands lying row by row or column by column are
taken as they are; others are copied first.
"""

from __future__ import annotations

import math

import numpy as np

from ..cuda import array_module, launch
from ..cuda.tiling import EXACT, EXACT_DOUBLE, cut


def matmul(a, b):
    """a b: sums of products along the last dimension of `a`; those before the last two are broadcast."""
    if a.ndim == 1:
        return matmul(a[None], b)[..., 0, :]
    if b.ndim == 1:
        return matmul(a, b[:, None])[..., 0]
    (rows, depth), columns = a.shape[-2:], b.shape[-1]
    batch_shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    batch = math.prod(batch_shape)
    xp = array_module(a)
    product = xp.empty((*batch_shape, rows, columns), a.dtype)
    if not product.size:
        return product
    if not depth:
        product[...] = 0
        return product
    a, a_row, a_depth, a_batch = _operand(a, batch_shape)
    b, b_depth, b_column, b_batch = _operand(b, batch_shape)
    tile, splits, per_split = cut(EXACT if a.dtype == np.float32 else EXACT_DOUBLE, rows, columns, depth, batch)
    parts = product if splits == 1 else xp.empty((batch, splits, rows, columns), a.dtype)
    blocks = -(-rows // tile.rows) * -(-columns // tile.columns) * batch * splits
    launch(
        "matmul/matmul.cu",
        "matmul",
        (blocks,),
        (256,),
        (
            *(a, b, parts, np.int32(rows), np.int32(columns), np.int32(depth)),
            *map(np.int64, (a_row, a_depth, a_batch, b_column, b_depth, b_batch)),
            *(np.int32(splits), np.int32(per_split)),
        ),
        defines=(
            ("REAL", "float" if a.dtype == np.float32 else "double"),
            ("TILE", tile.rows),
            ("ROWS_ALONG", int(a_depth == 1)),
            ("COLUMNS_ALONG", int(b_depth == 1)),
        ),
    )
    if splits > 1:
        sum_parts(parts, None, product)
    return product


def sum_parts(parts, bias, out) -> None:
    """out (batch, ...) = the sum of parts (batch, splits, ...) over their second axis, plus bias along the last axis."""
    batch, splits = parts.shape[:2]
    count = out.size // batch
    launch(
        "matmul/sum_parts.cu",
        "sum_parts",
        (-(-count // 256), batch),
        (256,),
        (parts, bias, out, np.int64(count), np.int32(splits), np.int32(1 if bias is None else bias.size)),
        defines=(("REAL", "float" if out.dtype == np.float32 else "double"),),
    )


def _operand(array, batch_shape: tuple):
    """The array as its memory lies, and the distances between rows, between columns and between matrices in it."""
    xp = array_module(array)
    rows, columns = array.shape[-2:]
    if math.prod(array.shape[:-2]) not in (1, math.prod(batch_shape)):
        array = xp.broadcast_to(array, (*batch_shape, rows, columns))
    stacked = array.shape[:-2] != (1,) * (array.ndim - 2)
    turned = array.swapaxes(-1, -2)
    if turned.flags.c_contiguous and not array.flags.c_contiguous:
        return turned, 1, rows, rows * columns * stacked
    return xp.ascontiguousarray(array), columns, 1, rows * columns * stacked
