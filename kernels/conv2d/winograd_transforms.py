"""The transforms of Winograd's convolution, as straight-line code over vectors.

A transform works on a small square of vectors, of LANES channels each. Its matrix is stated once, as arithmetic
on the six (four, three, two) vectors of a column or row; `_Vector` makes LLVM's instructions of it, which hold the
square in registers; from loops over arrays the compiler does not generate such code. `transform_...(source, place,
target, place)` load a square, apply the matrix along both axes, and store the result. A square lies in

    an image (channels last)         `_pixels`; what is beyond its edges or its last channel reads as 0, unwritten
    a stack of matrices (V, M, dU)   `_points`; one vector in each matrix
    kernels of 3x3 taps              `_load_taps`, `_store_taps`; LANES of them are nine vectors, once transposed
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..cpu.transpose import transposed

LANES = 16  # channels transformed at once: one vector of float32 (AVX-512)

_vector = ir.VectorType(ir.FloatType(), LANES)
_i16, _i32, _i64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_mask = ir.VectorType(ir.IntType(1), LANES)
_ALIGN, _ZERO = ir.Constant(_i32, 4), ir.Constant(_vector, [0.0] * LANES)


class _Vector:
    """LANES numbers, while the code is being made."""

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def __add__(self, other):
        return _Vector(self.builder, self.builder.fadd(self.value, other.value, flags=("contract",)))

    def __sub__(self, other):
        return _Vector(self.builder, self.builder.fsub(self.value, other.value, flags=("contract",)))

    def __rmul__(self, number):
        factor = ir.Constant(_vector, [float(np.float32(number))] * LANES)
        return _Vector(self.builder, self.builder.fmul(factor, self.value, flags=("contract",)))


# The points at which F(4x4, 3x3) evaluates its polynomials: 0, P, -P, Q, -Q and infinity. Error of an output against
# float64, relative to its root mean square, 128 channels: 1.9e-6 with 1 and 2, 1.2e-6 with 1/2 and 5/4, 9.0e-7 with
# sqrt(1/2) and sqrt(2), 8.7e-7 with these, whose powers float32 holds exactly. A direct convolution's is 2.5e-7.
P, Q = 5 / 8, 3 / 2
_PP, _QQ = P * P, Q * Q
_G_P, _G_Q = 1 / (2 * _PP * (_PP - _QQ)), 1 / (2 * _QQ * (_QQ - _PP))


def _input_4(a, b, c, d, e, f):
    """B^T x for tiles of 4 outputs."""
    even, odd, even_q, odd_q = e - _QQ * c, P * (d - _QQ * b), e - _PP * c, Q * (d - _PP * b)
    first, last = _PP * _QQ * a - (_PP + _QQ) * c + e, _PP * _QQ * b - (_PP + _QQ) * d + f
    return first, even + odd, even - odd, even_q + odd_q, even_q - odd_q, last


def _output_4(a, b, c, d, e, f):
    """A^T x."""
    even, odd, even_q, odd_q = b + c, b - c, d + e, d - e
    cubes = P * _PP * odd + Q * _QQ * odd_q
    return a + (even + even_q), P * odd + Q * odd_q, _PP * even + _QQ * even_q, cubes + f


def _gradient_4(a, b, c, d):
    """A x."""
    even, odd, even_q, odd_q = a + _PP * c, P * (b + _PP * d), a + _QQ * c, Q * (b + _QQ * d)
    return a, even + odd, even - odd, even_q + odd_q, even_q - odd_q, d


def _kernel_4(a, b, c):
    """G x."""
    even, odd, even_q, odd_q = _G_P * (a + _PP * c), _G_P * P * b, _G_Q * (a + _QQ * c), _G_Q * Q * b
    return 1 / (_PP * _QQ) * a, even + odd, even - odd, even_q + odd_q, even_q - odd_q, c


def _back_4(a, b, c, d, e, f):
    """G^T x."""
    even, odd, even_q, odd_q = _G_P * (b + c), _G_P * P * (b - c), _G_Q * (d + e), _G_Q * Q * (d - e)
    return 1 / (_PP * _QQ) * a + (even + even_q), odd + odd_q, _PP * even + _QQ * even_q + f


def _input_2(a, b):
    """B^T x for the tile of 2 outputs that is all of its image."""
    return a + b, b, a


def _output_2(a, b, c):
    """A^T x."""
    return a + b, a + c


def _gradient_2(a, b):
    """A x."""
    return a + b, a, b


def _kernel_2(a, b, c):
    """G x."""
    return b, c - b, a - b


def _back_2(a, b, c):
    """G^T x."""
    return c, a - b - c, b


def _function(builder, name, result, parameters):
    name = f"llvm.masked.{name}.v{LANES}f32.p0"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), name)


def _load(builder, array, at, bits):
    """LANES numbers from array[at], those whose bit is 1; 0 for the others."""
    load = _function(builder, "load", _vector, [_vector.as_pointer(), _i32, _mask, _vector])
    place = builder.bitcast(builder.gep(array, [at]), _vector.as_pointer())
    return builder.call(load, [place, _ALIGN, builder.bitcast(bits, _mask), _ZERO])


def _store(builder, vector, array, at, bits):
    place = builder.bitcast(builder.gep(array, [at]), _vector.as_pointer())
    if isinstance(bits, ir.Constant):
        builder.store(vector, place, align=4)
        return
    store = _function(builder, "store", ir.VoidType(), [_vector, _vector.as_pointer(), _i32, _mask])
    whole = builder.icmp_signed("==", bits, ir.Constant(_i16, -1))
    with builder.if_else(whole, likely=True) as (all_lanes, some):  # a masked store takes AVX2 as long as ten others
        with all_lanes:
            builder.store(vector, place, align=4)
        with some:
            builder.call(store, [vector, place, _ALIGN, builder.bitcast(bits, _mask)])


def _steps(builder, first, step, count):
    """The numbers first + i * step."""
    return [builder.add(first, builder.mul(step, ir.Constant(_i64, i))) for i in range(count)]


def _first_bits(builder, count):
    """The lowest `count` of 16 bits are 1."""
    many = builder.icmp_signed(">=", count, ir.Constant(_i64, LANES))
    some = builder.select(builder.icmp_signed(">", count, ir.Constant(_i64, 0)), count, ir.Constant(_i64, 0))
    ones = builder.sub(builder.shl(ir.Constant(_i64, 1), some), ir.Constant(_i64, 1))
    return builder.select(many, ir.Constant(_i16, -1), builder.trunc(ones, _i16))


def _points(builder, place, size):
    """Where the vectors of a tile lie in a stack of matrices, and their bits; place: (that in the first, pitch)."""
    first, pitch = place
    ones = ir.Constant(_i16, -1)
    places = _steps(builder, first, pitch, size * size)
    return [[(at, ones) for at in places[i : i + size]] for i in range(0, size * size, size)]


def _pixels(builder, place, size):
    """The same in an image; place: (the first's, strides down and across, top, height, left, width, channels left)."""
    first, down, across, top, height, left, width, channels = place
    lanes = _first_bits(builder, channels)

    def inside(begin, limit, bits):
        numbers = _steps(builder, begin, ir.Constant(_i64, 1), size)  # a negative one is large when read as unsigned
        return [builder.select(builder.icmp_unsigned("<", i, limit), bits, ir.Constant(_i16, 0)) for i in numbers]

    rows, columns = inside(top, height, lanes), inside(left, width, ir.Constant(_i16, -1))
    return [
        [
            (at, builder.and_(row, column))
            for at, column in zip(_steps(builder, line, across, size), columns, strict=True)
        ]
        for line, row in zip(_steps(builder, first, down, size), rows, strict=True)
    ]


def _load_square(places):
    def load(builder, array, place, size):
        return [[_load(builder, array, *at) for at in row] for row in places(builder, place, size)]

    return load


def _store_square(places):
    def store(builder, square, array, place):
        for row, at in zip(square, places(builder, place, len(square)), strict=True):
            for vector, (start, bits) in zip(row, at, strict=True):
                _store(builder, vector, array, start, bits)

    return store


def _kernel_places(builder, first, stride, kernels):
    """Where LANES kernels of 9 taps begin, and the bits of their taps: none of those beyond the last."""
    taps, none = ir.Constant(_i16, 2**9 - 1), ir.Constant(_i16, 0)
    for p, at in enumerate(_steps(builder, first, stride, LANES)):
        yield at, builder.select(builder.icmp_signed("<", ir.Constant(_i64, p), kernels), taps, none)


def _load_taps(builder, array, place, size):
    """Nine vectors, each one tap of LANES kernels; place: (the first's, stride, kernels left, whether rotated)."""
    first, stride, kernels, rotated = place
    rotated = builder.icmp_signed("!=", rotated, ir.Constant(_i64, 0))
    rows = [_load(builder, array, *at) for at in _kernel_places(builder, first, stride, kernels)]
    taps = transposed(builder, rows)[:9]
    taps = [builder.select(rotated, back, tap) for tap, back in zip(taps, taps[::-1], strict=True)]
    return [taps[i : i + size] for i in range(0, 9, size)]


def _store_taps(builder, square, array, place):
    """The inverse; place: (the first's, stride, kernels left)."""
    rows = transposed(builder, sum(square, []) + [_ZERO] * (LANES - 9))
    for row, at in zip(rows, _kernel_places(builder, *place), strict=True):
        _store(builder, row, array, *at)


def _along_both_axes(builder, f, square):
    """The square of LLVM's vectors that f makes of one."""
    square = [[_Vector(builder, value) for value in row] for row in square]
    for _ in range(2):  # either time the square comes out transposed
        square = [f(*column) for column in zip(*square, strict=True)]
    return [[vector.value for vector in row] for row in square]


def _make_transform(f, load, size, store):
    """`load` a square of size x size vectors, apply f along both axes, and `store` the result, compiled."""

    @intrinsic
    def transform(typing, source, source_place, target, target_place):
        def generate(context, builder, signature, arguments):
            arrays = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(signature.args[::2], arguments[::2], strict=True)
            ]
            places = [cgutils.unpack_tuple(builder, value) for value in arguments[1::2]]
            square = _along_both_axes(builder, f, load(builder, arrays[0], places[0], size))
            store(builder, square, arrays[1], places[1])
            return context.get_dummy_value()

        return types.void(source, source_place, target, target_place), generate

    return transform


def _make_output_transform(f, size):
    """The same from matrices to an image; each channel y becomes max(scale y + shift, floor), and NaN stays NaN."""

    @intrinsic
    def transform(typing, source, source_place, target, target_place, scale, shift, floor):
        def generate(context, builder, signature, arguments):
            source, target, scale, shift = (
                context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2, 4, 5)
            )
            source_place, target_place = (cgutils.unpack_tuple(builder, arguments[k]) for k in (1, 3))
            square = _along_both_axes(builder, f, _load_square(_points)(builder, source, source_place, size))
            lanes = _first_bits(builder, target_place[-1])
            scale, shift = (_load(builder, array, ir.Constant(_i64, 0), lanes) for array in (scale, shift))
            one = builder.insert_element(_ZERO, arguments[6], ir.Constant(_i32, 0))
            floor = builder.shuffle_vector(one, _ZERO, ir.Constant(ir.VectorType(_i32, LANES), [0] * LANES))

            def finished(vector):
                vector = builder.fadd(builder.fmul(vector, scale, flags=("contract",)), shift, flags=("contract",))
                return builder.select(builder.fcmp_ordered("<=", vector, floor), floor, vector)

            square = [[finished(vector) for vector in row] for row in square]
            _store_square(_pixels)(builder, square, target, target_place)
            return context.get_dummy_value()

        return types.void(source, source_place, target, target_place, scale, shift, floor), generate

    return transform


transform_input_4 = _make_transform(_input_4, _load_square(_pixels), 6, _store_square(_points))
transform_gradient_4 = _make_transform(_gradient_4, _load_square(_pixels), 4, _store_square(_points))
transform_kernel_4 = _make_transform(_kernel_4, _load_taps, 3, _store_square(_points))
transform_output_4 = _make_output_transform(_output_4, 6)
transform_back_4 = _make_transform(_back_4, _load_square(_points), 6, _store_taps)
transform_input_2 = _make_transform(_input_2, _load_square(_pixels), 2, _store_square(_points))
transform_gradient_2 = _make_transform(_gradient_2, _load_square(_pixels), 2, _store_square(_points))
transform_kernel_2 = _make_transform(_kernel_2, _load_taps, 3, _store_square(_points))
transform_output_2 = _make_output_transform(_output_2, 3)
transform_back_2 = _make_transform(_back_2, _load_square(_points), 3, _store_taps)
