"""A square of a matrix transposed in registers: 4 elements a cycle, where a scalar loop takes a cycle for each.

Interleaving two vectors, a0 b0 a1 b1 ..., shifts the binary digits of an element's (row, column) by one. In a square of
2^k rows, interleaving row i with row i + half, k times in all, exchanges rows and columns.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .tile import VECTOR_BYTES


def transposed(builder: Any, square: list[Any]) -> list[Any]:
    """The columns of a square of LLVM's vectors, as instructions."""
    lanes = len(square)
    half, orders = lanes // 2, ir.VectorType(ir.IntType(32), lanes)
    pairs = [number for i in range(lanes) for number in (i, lanes + i)]
    low, high = ir.Constant(orders, pairs[:lanes]), ir.Constant(orders, pairs[lanes:])
    for _ in range(lanes.bit_length() - 1):
        woven = zip(square[:half], square[half:], strict=True)
        square = [builder.shuffle_vector(x, y, order) for x, y in woven for order in (low, high)]
    return square


@intrinsic
def transpose(typing, a, start, pitch, rows, columns, b, to, width):
    """b[to + j * width + i] = a[start + i * pitch + j] for i < rows and j < columns, at most a vector's numbers each.

    Nothing else is read, but a whole square is written: the last row repeated beyond `rows`, zeros beyond `columns`.
    """
    signature = types.void(a, start, pitch, rows, columns, b, to, width)

    def generate(context, builder, signature, arguments):
        a, b = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 5))
        start, pitch, rows, columns, to, width = (arguments[k] for k in (1, 2, 3, 4, 6, 7))
        number = a.type.pointee
        size = 4 if isinstance(number, ir.FloatType) else 8
        lanes = VECTOR_BYTES // size
        i32, i64 = ir.IntType(32), ir.IntType(64)
        vector, mask = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(1), lanes)
        pointer, aligned, zeros = vector.as_pointer(), ir.Constant(i32, size), ir.Constant(vector, [0.0] * lanes)
        name, parameters = f"llvm.masked.load.v{lanes}f{8 * size}.p0", [pointer, i32, mask, vector]
        load = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, parameters), name)

        def place(i, last):
            row = ir.Constant(i64, i)
            row = builder.select(builder.icmp_signed("<", row, last), row, last)
            return builder.bitcast(builder.gep(a, [builder.add(start, builder.mul(row, pitch))]), pointer)

        def store(square):
            for j, column in enumerate(transposed(builder, square)):
                to_place = builder.gep(b, [builder.add(to, builder.mul(ir.Constant(i64, j), width))])
                builder.store(column, builder.bitcast(to_place, pointer), align=size)

        last, many = builder.sub(rows, ir.Constant(i64, 1)), ir.Constant(i64, lanes)
        with builder.if_else(builder.icmp_signed(">=", columns, many)) as (whole, part):
            with whole:
                store([builder.load(place(i, last), align=size) for i in range(lanes)])
            with part:
                inside = ir.Constant(mask, ir.Undefined)
                for j in range(lanes):
                    within = builder.icmp_signed("<", ir.Constant(i64, j), columns)
                    inside = builder.insert_element(inside, within, ir.Constant(i32, j))
                store([builder.call(load, [place(i, last), aligned, inside, zeros]) for i in range(lanes)])
        return context.get_dummy_value()

    return signature, generate
