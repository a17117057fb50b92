"""The tile product: the innermost loop of the matrix products and convolutions.

    c[targets[i] + j] = start[starts[i] + j] + sum over d of a[rows[i] + depths[d]] * b[columns[d] + j]

A tile of c, 6 rows by 4 vectors, stays in 24 of the processor's 32 registers while d runs: each step loads 4
vectors of b, and for each row spreads one number of a over a vector and does 4 fused multiply-adds. So 24
multiply-adds need 10 loads, which keeps both of the processor's multipliers busy (Goto and van de Geijn 2008,
"Anatomy of high-performance matrix multiplication").

The sum begins at 0, and `start` is added at its end: where that is the sum so far, each part is added up by itself and
rounds as the part does, not as the whole.

The index tables make one loop serve all of them. In a matrix row i begins at i * pitch. In a convolution row i is
an output pixel, and the address of the element under tap (kh, kw) in channel c is a sum: the window's offset plus
the tap's offset in a window. So rows[i] + depths[d] addresses the matrix that im2col would write, and it need not
be materialised (Dukhan 2019, "The indirect convolution algorithm", arXiv 1907.02129).

The loop is generated as LLVM's vector instructions: from scalar code in Python the compiler does not make such
a tile. Measured on two cores, AVX-512, float32: 340 GFLOP/s (6 x 4 tile, d of 64 to
1600), where OpenBLAS's largest products run at 300.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic

from .jit import jit
from .workspace import CACHE_LINE


def _has(feature: str) -> bool:
    """Whether Numba compiles for a processor with it: this one's, or what NUMBA_CPU_FEATURES names instead."""
    chosen: str | None = getattr(config, "CPU_FEATURES")  # noqa: B009  Numba sets its settings by their names
    if chosen is not None:
        return f"+{feature}" in chosen.split(",")
    return bool(llvmlite.binding.get_host_cpu_features().get(feature))


VECTOR_BYTES = 64 if _has("avx512f") else 32 if _has("avx") else 16
# Rows of a tile that is so many vectors wide: most registers hold sums, and few enough pointers to rows are left
# that they stay in registers too. Where there are 16 registers, a tile is two vectors wide.
WIDEST, ROWS = (4, {1: 10, 2: 10, 3: 8, 4: 6}) if _has("avx512f") or _has("neon") else (2, {1: 8, 2: 6})
_ROWS_1, _ROWS_2, _ROWS_3, _ROWS_4 = (ROWS.get(vectors, 0) for vectors in (1, 2, 3, 4))


@jit
def aligned(size, like):
    """The same for a task: an uninitialised array of `like`'s type that begins on a cache line."""
    memory = np.empty(size + CACHE_LINE // like.itemsize, like.dtype)
    start = -memory.ctypes.data % CACHE_LINE // like.itemsize
    return memory[start : start + size]


_i64, _i32, _bool = ir.IntType(64), ir.IntType(32), ir.IntType(1)


def _make_tile(height: int, width: int) -> Any:
    """The product for one tile of up to `height` rows and `width` vectors, as a function that Numba can call."""

    @intrinsic
    def tile(typing, a, rows, depths, b, columns, start, starts, c, targets, first, count, valid):
        """Rows `first` to `first + count` of the tables, `valid` columns."""
        signature = types.void(a, rows, depths, b, columns, start, starts, c, targets, first, count, valid)

        def generate(context, builder, signature, arguments):
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args[:9], arguments[:9], strict=True)
            ]
            a, rows, depths, b, columns, start, starts, c, targets = (array.data for array in arrays)
            depth = cgutils.unpack_tuple(builder, arrays[2].shape, 1)[0]
            first, count, valid = arguments[9:]
            number = a.type.pointee
            size = 4 if isinstance(number, ir.FloatType) else 8
            lanes = VECTOR_BYTES // size
            vector, mask = ir.VectorType(number, lanes), ir.VectorType(_bool, lanes)

            def constant(value):
                return ir.Constant(_i64, value)

            def function(name, result, parameters):
                name = f"llvm.{name}.v{lanes}f{8 * size}" + ("" if name in ("fma", "fmuladd") else ".p0")
                return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), name)

            pointer = vector.as_pointer()
            fma = function("fmuladd", vector, [vector] * 3)
            masked_load = function("masked.load", vector, [pointer, _i32, mask, vector])
            masked_store = function("masked.store", ir.VoidType(), [vector, pointer, _i32, mask])

            def spread(value, kind):
                undefined = ir.Constant(kind, ir.Undefined)
                one = builder.insert_element(undefined, value, ir.Constant(_i32, 0))
                return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_i32, lanes), [0] * lanes))

            def at(array, offset, vectors=None):
                place = builder.gep(array, [offset])
                if vectors is None:
                    return place
                return builder.bitcast(builder.gep(place, [constant(vectors * lanes)]), pointer)

            wide = ir.VectorType(_i64, lanes)
            numbers = ir.Constant(wide, list(range(lanes)))
            masks = [
                builder.icmp_signed("<", numbers, spread(builder.sub(valid, constant(v * lanes)), wide))
                for v in range(width)
            ]
            aligned, zero = ir.Constant(_i32, size), ir.Constant(vector, [0.0] * lanes)
            windows, places, inside, begins = [], [], [], []
            for i in range(height):
                # Rows beyond the last compute the last again, and are not stored.
                inside.append(builder.icmp_signed("<", constant(i), count))
                row = builder.select(inside[i], constant(i), builder.sub(count, constant(1)))
                row = builder.add(first, row)
                windows.append(at(a, builder.load(at(rows, row))))
                places.append(at(c, builder.load(at(targets, row))))
                begins.append(builder.load(at(starts, row)))
            sums = [[cgutils.alloca_once(builder, vector) for _ in range(width)] for _ in range(height)]
            tile = [(i, v) for i in range(height) for v in range(width)]
            # Masked stores take AVX2 ten times as long, Neon and SSE have neither: a whole tile does without.
            whole = builder.and_(
                builder.icmp_signed(">=", count, constant(height)),
                builder.icmp_signed(">=", valid, constant(width * lanes)),
            )
            for i, v in tile:
                builder.store(zero, sums[i][v])
            with cgutils.for_range(builder, depth) as loop:
                tap, line = builder.load(at(depths, loop.index)), builder.load(at(columns, loop.index))
                vectors = [builder.load(at(b, line, v)) for v in range(width)]
                for load in vectors:
                    load.align = size
                for i in range(height):
                    scalar = spread(builder.load(at(windows[i], tap)), vector)
                    for v in range(width):
                        value = builder.call(fma, [scalar, vectors[v], builder.load(sums[i][v])])
                        builder.store(value, sums[i][v])
            with builder.if_else(whole, likely=True) as (unmasked, masked):
                with unmasked:
                    for i, v in tile:
                        begin = builder.load(at(start, begins[i], v), align=size)
                        total = builder.fadd(begin, builder.load(sums[i][v]))
                        builder.store(total, at(places[i], constant(0), v), align=size)
                with masked:
                    for i in range(height):
                        with builder.if_then(inside[i]):
                            for v in range(width):
                                begin = builder.call(masked_load, [at(start, begins[i], v), aligned, masks[v], zero])
                                total = builder.fadd(begin, builder.load(sums[i][v]))
                                place = at(places[i], constant(0), v)
                                builder.call(masked_store, [total, place, aligned, masks[v]])
            return context.get_dummy_value()

        return signature, generate

    return tile


_tile_1, _tile_2 = _make_tile(_ROWS_1, 1), _make_tile(_ROWS_2, 2)
_tile_3, _tile_4 = _make_tile(_ROWS_3, 3), _make_tile(_ROWS_4, 4)


@jit
def multiply(a, rows, depths, b, columns, start, starts, c, targets, vectors, valid):
    """The product above for all rows of the tables, and `valid` columns, which fill `vectors` vectors.

    Arrays are one-dimensional and contiguous. b is read in whole vectors (a masked load would take the place of a
    multiplication), 10 % faster where they lie on cache lines; `start` may be `c`.
    """
    count = len(rows)
    if vectors == 1:
        for i in range(0, count, _ROWS_1):
            _tile_1(a, rows, depths, b, columns, start, starts, c, targets, i, min(_ROWS_1, count - i), valid)
    elif vectors == 2:
        for i in range(0, count, _ROWS_2):
            _tile_2(a, rows, depths, b, columns, start, starts, c, targets, i, min(_ROWS_2, count - i), valid)
    elif vectors == 3:
        for i in range(0, count, _ROWS_3):
            _tile_3(a, rows, depths, b, columns, start, starts, c, targets, i, min(_ROWS_3, count - i), valid)
    else:
        for i in range(0, count, _ROWS_4):
            _tile_4(a, rows, depths, b, columns, start, starts, c, targets, i, min(_ROWS_4, count - i), valid)
