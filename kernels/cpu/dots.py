"""Dot products of the rows of one matrix with those of another: both factors are contiguous along the sum.

    c[j, i] += sum over k of a[i, k] * b[j, k]

A tile of c, 6 rows of a by 4 of b, takes 24 of the processor's 32 vector registers: each step loads a vector of every
row and does 24 fused multiply-adds, and at the end the numbers of each vector are added up. `tile.py` broadcasts
a's elements and loads b's as vectors, for which operands are packed; here both are read where they lie. So it serves
products of a large matrix with a few rows, which are bound by reading that matrix.

While a tile of a is multiplied by the later rows of b, memory would be idle: so each tile prefetches two rows of the
next. Measured on two cores, AVX-512, float32: a matrix of 512 x 4608 by 4 rows runs at 47 GB/s of the 55 that
are read at best, by 16 rows in 0.38 ms instead of 0.47 without that.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import jit
from .tile import VECTOR_BYTES

A_ROWS, B_ROWS = (6, 4) if VECTOR_BYTES == 64 else (2, 4)  # there are 32 vector registers, or 16
DEPTH = 768  # terms summed at a time: the ten rows of a tile, 30 KiB in float32, stay in the first-level cache

_i64, _i32 = ir.IntType(64), ir.IntType(32)


def _sums_of_four(builder, vectors: list):
    """The sums of the numbers of four of LLVM's vectors, as a vector of four."""

    def shuffle(x, y, order):
        return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(_i32, len(order)), order))

    lanes = vectors[0].type.count
    quarters = range(0, lanes, 4)

    def halves(x, y, unit):
        """Of every four numbers of x and y each the first two plus the last two, woven by `unit` numbers."""
        first = [q + n for q in quarters for n in ((0, lanes, 1, lanes + 1) if unit == 1 else (0, 1, lanes, lanes + 1))]
        return builder.fadd(shuffle(x, y, first), shuffle(x, y, [n + 2 for n in first]))

    w, x, y, z = vectors
    total = halves(halves(w, x, 1), halves(y, z, 1), 2)
    while lanes > 4:
        lanes //= 2
        low, high = list(range(lanes)), list(range(lanes, 2 * lanes))
        total = builder.fadd(shuffle(total, total, low), shuffle(total, total, high))
    return total


@intrinsic
def _tile(typing, a, a_start, a_pitch, a_rows, b, b_start, b_pitch, b_rows, depth, c, c_start, c_pitch, soon):
    """Add to a tile of c, of up to A_ROWS by B_ROWS, for `a_rows` and `b_rows`; a[soon] and the row after come next."""
    signature = types.void(a, a_start, a_pitch, a_rows, b, b_start, b_pitch, b_rows, depth, c, c_start, c_pitch, soon)

    def generate(context, builder, signature, arguments):
        a, b, c = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 4, 9))
        depth, c_start, c_pitch = arguments[8], *arguments[10:12]
        number = a.type.pointee
        size = 4 if isinstance(number, ir.FloatType) else 8
        lanes = max(4, VECTOR_BYTES // size)
        vector, mask = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(1), lanes)
        pointer, zeros = vector.as_pointer(), ir.Constant(vector, [0.0] * lanes)

        def function(name, parameters):
            name = f"llvm.{name}.v{lanes}f{8 * size}" + ("" if name in ("fma", "fmuladd") else ".p0")
            return cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, parameters), name)

        fma, masked_load = function("fmuladd", [vector] * 3), function("masked.load", [pointer, _i32, mask, vector])

        def places(array, start, pitch, rows, most):
            """Where rows begin, and which of them there are; the others repeat the last and are not stored."""
            inside = [builder.icmp_signed("<", ir.Constant(_i64, i), rows) for i in range(most)]
            last, begins = builder.sub(rows, ir.Constant(_i64, 1)), []
            for i in range(most):
                row = builder.select(inside[i], ir.Constant(_i64, i), last)
                begins.append(builder.gep(array, [builder.add(start, builder.mul(row, pitch))]))
            return begins, inside

        a_begins, a_inside = places(a, *arguments[1:4], A_ROWS)
        b_begins, b_inside = places(b, *arguments[5:8], B_ROWS)
        sums = [[cgutils.alloca_once(builder, vector) for _ in b_begins] for _ in a_begins]
        for sum_ in (sum_ for row in sums for sum_ in row):
            builder.store(zeros, sum_)

        def add(k, load):
            def at(begin):
                return load(builder.bitcast(builder.gep(begin, [k]), pointer))

            columns = [at(begin) for begin in b_begins]
            for begin, row in zip(a_begins, sums, strict=True):
                factor = at(begin)
                for column, sum_ in zip(columns, row, strict=True):
                    builder.store(builder.call(fma, [factor, column, builder.load(sum_)]), sum_)

        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _i32, _i32, _i32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        soon = [builder.gep(a, [arguments[12]])]
        soon.append(builder.gep(soon[0], [arguments[2]]))

        whole = builder.and_(depth, ir.Constant(_i64, -lanes))
        step = ir.Constant(_i64, lanes)
        with cgutils.for_range_slice(builder, ir.Constant(_i64, 0), whole, step, inc=True) as (k, _):
            for begin in soon:
                place = builder.bitcast(builder.gep(begin, [k]), byte)
                to_read, second_level, data = (ir.Constant(_i32, n) for n in (0, 2, 1))
                builder.call(prefetch, [place, to_read, second_level, data])
            add(k, lambda place: builder.load(place, align=size))
        rest = builder.sub(depth, whole)
        with builder.if_then(builder.icmp_signed(">", rest, ir.Constant(_i64, 0))):
            inside = ir.Constant(mask, ir.Undefined)
            for k in range(lanes):
                within = builder.icmp_signed("<", ir.Constant(_i64, k), rest)
                inside = builder.insert_element(inside, within, ir.Constant(_i32, k))
            aligned = ir.Constant(_i32, size)
            add(whole, lambda place: builder.call(masked_load, [place, aligned, inside, zeros]))
        for i, row in enumerate(sums):
            with builder.if_then(a_inside[i]):
                totals = _sums_of_four(builder, [builder.load(sum_) for sum_ in row])
                start = builder.add(c_start, ir.Constant(_i64, i))
                for j in range(B_ROWS):
                    with builder.if_then(b_inside[j]):
                        offset = builder.mul(c_pitch, ir.Constant(_i64, j))
                        place = builder.gep(c, [builder.add(start, offset)])
                        total = builder.extract_element(totals, ir.Constant(_i32, j))
                        builder.store(builder.fadd(builder.load(place), total), place)
        return context.get_dummy_value()

    return signature, generate


@jit
def add_dots(a, a_start, a_rows, b, b_rows, depth, c, c_start, c_pitch):
    """c[j, i] += sum over k < depth of a[i, k] b[j, k], for a_rows rows i and b_rows rows j.

    All are flat; c[j, i] is c[c_start + j c_pitch + i]. Rows of a, from a_start on, and of b are `depth` apart. A block
    of A_ROWS of a comes from memory once, for all rows of b, which should fit into the second-level cache.
    """
    run = depth if b_rows <= B_ROWS else DEPTH  # what is read once need not stay in cache
    for k in range(0, depth, run):
        terms = min(run, depth - k)
        for i in range(0, a_rows, A_ROWS):
            begin = a_start + i * depth + k
            following = begin + A_ROWS * depth if i + A_ROWS < a_rows else a_start + k + run
            for j in range(0, b_rows, B_ROWS):
                ahead = 2 * (j // B_ROWS)
                soon = following + ahead * depth if ahead < A_ROWS else begin  # beyond the end it does no harm
                _tile(
                    a, begin, depth, min(A_ROWS, a_rows - i),
                    b, j * depth + k, depth, min(B_ROWS, b_rows - j),
                    terms, c, c_start + i + j * c_pitch, c_pitch, soon,
                )  # fmt: skip
