"""What the simulator finds that a GPU would not tell: each kind of fault, where, and by which thread."""

from __future__ import annotations

import numpy as np
import pytest
from programs import program, run, simulator_only

from minigrad.kernels.cuda import KernelCompileError, KernelError, launch
from minigrad.kernels.cuda.simulator import simulate

pytestmark = simulator_only

i32 = np.int32

FAULTS = r"""
#include "ptx.cuh"
extern "C" __global__ void copy(const float* x, float* y, int n, int shift) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i + shift];
}
extern "C" __global__ void write_const(const float* x) {
  ((float*)x)[threadIdx.x] = 1.f;
}
extern "C" __global__ void bytes(const unsigned char* x, unsigned char* y, int n) {
  if (threadIdx.x < n) y[threadIdx.x] = x[threadIdx.x];
}
extern "C" __global__ void reverse(const float* x, float* y, int barrier) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  if (barrier) __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void shared_again(const float* x, float* y, int barrier) {
  __shared__ float s[64];
  float sum = 0;
  for (int k = 0; k < 2; k++) {
    s[threadIdx.x] = x[threadIdx.x] + k;
    __syncthreads();
    sum += s[63 - threadIdx.x];
    if (barrier) __syncthreads();
  }
  y[threadIdx.x] = sum;
}
extern "C" __global__ void add_up(const int* x, int* out, int atomic) {
  if (atomic) atomicAdd(out, x[blockIdx.x]);
  else out[0] += x[blockIdx.x];
}
extern "C" __global__ void within_a_warp(const float* x, float* y, int sync) {
  __shared__ float s[32];
  s[threadIdx.x] = x[threadIdx.x];
  if (sync) __syncwarp();
  y[threadIdx.x] = s[31 - threadIdx.x];
}
extern "C" __global__ void shuffled_within_a_warp(const float* x, float* y, int sync) {
  __shared__ float s[32];
  s[threadIdx.x] = x[threadIdx.x];
  if (sync) __syncwarp();
  else __shfl_sync(~0u, 1, 0);  // brings the lanes together, but does not order their memory
  y[threadIdx.x] = s[31 - threadIdx.x];
}
extern "C" __global__ void odd_vector(const float* x, float* y) {
  *(float4*)y = *(const float4*)(x + 1);
}
extern "C" __global__ void unwritten(float* y) {
  __shared__ float s[64]; if (threadIdx.x < 60) s[threadIdx.x] = 1; __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void barrier_in_branch(float* y) {
  if (threadIdx.x < 32) __syncthreads(); y[threadIdx.x] = 0;
}
extern "C" __global__ void returns_early(float* y, int n) {
  if (threadIdx.x >= n) return; __syncthreads(); y[threadIdx.x] = 0;
}
extern "C" __global__ void shuffle_in_branch(float* y) {
  float v = 1; if (threadIdx.x % 2) v = __shfl_xor_sync(~0u, v, 1); y[threadIdx.x] = v;
}
extern "C" __global__ void wrong_mask(float* y) {
  y[threadIdx.x] = __shfl_xor_sync(0xffffu, 1.f, 1);
}
extern "C" __global__ void local_index(float* y, int n) {
  float v[4] = {1, 2, 3, 4}; y[threadIdx.x] = v[n];
}
extern "C" __global__ void overflows(int* y, int n) {
  y[threadIdx.x] = n * n;
}
extern "C" __global__ void divides(int* y, int n) {
  y[threadIdx.x] = 7 / n;
}
__device__ __noinline__ float deep(volatile float* x, int n) {
  volatile float v[64]; v[n & 63] = x[0]; return n ? deep(x, n - 1) + v[n & 63] : 0;
}
extern "C" __global__ void recurses(float* y) {
  y[threadIdx.x] = deep(y, 10000000);
}
extern "C" __global__ void asynchronous(const float* x, float* y, int wait) {
  __shared__ __align__(16) float s[128];
  cp_async16(&s[threadIdx.x * 4], x + threadIdx.x * 4, true);
  cp_async_commit();
  if (wait) cp_async_wait<0>();
  __syncthreads();
  for (int i = 0; i < 4; i++) y[threadIdx.x * 4 + i] = s[127 - (threadIdx.x * 4 + i)];
}
extern "C" __global__ void asynchronous_odd(const float* x) {
  __shared__ __align__(16) float s[8]; cp_async16(s, x + 1, true);
}
extern "C" __global__ void through_pointers(float* const* arrays, int n) {
  arrays[blockIdx.x][threadIdx.x] = threadIdx.x;
}
"""


def ones(xp, n, dtype=np.float32):
    return xp.ones(n, dtype)


@pytest.mark.parametrize(
    "shift, n, says",
    [
        (
            1,
            10,
            r"read of 4 bytes at byte offset 40 of array argument #0, which has 40 bytes \(block 1,0,0 thread 1,0",
        ),
        (-1, 10, "copy: read of 4 bytes at .*, before every array argument"),
        (0, 11, "read of 4 bytes at byte offset 40 of array argument #0"),
        (-1, 11, "copy: read"),
    ],
)
def test_bounds_are_exact(xp, shift, n, says):
    x, y = ones(xp, 10), ones(xp, 10)
    with simulate(mode="check"):
        run(FAULTS, "copy", (2,), (8,), (x, y, i32(9), i32(1)))
        with pytest.raises(KernelError, match=says):
            run(FAULTS, "copy", (2,), (8,), (x, y, i32(n), i32(shift)))


def test_bounds_are_exact_to_the_byte_and_of_views(xp):
    x, y = ones(xp, 21, np.uint8), ones(xp, 21, np.uint8)
    with simulate(mode="check"):
        run(FAULTS, "bytes", (1,), (32,), (x, y, i32(21)))
        with pytest.raises(KernelError, match="read of 1 bytes at byte offset 21 of array argument #0, which has 21"):
            run(FAULTS, "bytes", (1,), (32,), (x, y, i32(22)))
        with pytest.raises(KernelError, match="write of 1 bytes at byte offset 7 of array argument #1, which has 7"):
            run(FAULTS, "bytes", (1,), (32,), (x, y[3:10], i32(8)))
        with pytest.raises(KernelError, match=r"write of 4 bytes at byte offset 0 of .* #0, which .* and is const"):
            run(FAULTS, "write_const", (1,), (4,), (ones(xp, 4),))


def test_an_error_names_the_line(xp):
    with simulate(mode="check"), pytest.raises(KernelError, match=r"\.cu:5$"):
        run(FAULTS, "copy", (1,), (8,), (ones(xp, 4), ones(xp, 8), i32(8), i32(0)))


def test_a_write_just_past_the_end_shows_in_every_mode(xp):
    for mode in ("fast", "ubsan"):
        with simulate(mode=mode), pytest.raises(KernelError, match="write past the end of array argument #1"):
            run(FAULTS, "copy", (2,), (8,), (ones(xp, 64), ones(xp, 10), i32(11), i32(0)))


@pytest.mark.parametrize("mode", ["fast", "check", "ubsan"])
def test_a_far_address_does_not_end_the_process(xp, mode):
    with simulate(mode=mode):
        with pytest.raises(KernelError, match="bad address|read of 4 bytes"):
            run(FAULTS, "copy", (1,), (8,), (ones(xp, 10), ones(xp, 10), i32(8), i32(10**9)))
        run(FAULTS, "copy", (1,), (8,), (ones(xp, 10), ones(xp, 10), i32(8), i32(0)))


@pytest.mark.parametrize(
    "function, says",
    [
        ("reverse", "shared-memory race: read after write with thread 63|shared-memory race: write after read"),
        ("shared_again", "shared-memory race: (write after read|read after write) with thread"),
        ("within_a_warp", "shared-memory race"),
        ("shuffled_within_a_warp", "shared-memory race"),
    ],
)
@pytest.mark.parametrize("order", [0, 1, 3])
def test_races_in_shared_memory(xp, function, says, order):
    threads = 32 if "within_a_warp" in function else 64
    x = xp.asarray(np.arange(threads, dtype=np.float32))
    y = xp.empty(threads, np.float32)
    with simulate(mode="check", order=order):
        run(FAULTS, function, (1,), (threads,), (x, y, i32(1)))
        with pytest.raises(KernelError, match=says):
            run(FAULTS, function, (1,), (threads,), (x, y, i32(0)))


def test_blocks_that_add_into_one_place_race(xp):
    x, out = ones(xp, 4, np.int32), xp.zeros(1, np.int32)
    with simulate(mode="check"):
        run(FAULTS, "add_up", (4,), (1,), (x, out, i32(1)))
        assert out.get() == 4
        with pytest.raises(KernelError, match="global-memory race: .* with thread 0 of block 0, nothing orders them"):
            run(FAULTS, "add_up", (4,), (1,), (x, out, i32(0)))


@pytest.mark.parametrize("mode", ["check", "ubsan"])
def test_misaligned_vectors(xp, mode):
    with simulate(mode=mode), pytest.raises(KernelError, match="misaligned"):
        run(FAULTS, "odd_vector", (1,), (1,), (ones(xp, 8), ones(xp, 4)))


@pytest.mark.parametrize("mode", ["fast", "check"])
def test_barriers_and_warps(xp, mode):
    y = xp.empty(64, np.float32)
    with simulate(mode=mode):
        run(FAULTS, "unwritten", (1,), (64,), (y,))
        assert np.isnan(y.get()[60:]).all() and (y.get()[:60] == 1).all()
        for function, args, says in [
            ("barrier_in_branch", (y,), "a thread returned while others wait at __syncthreads|deadlock"),
            ("returns_early", (y, i32(40)), "returned while others wait|after some threads of the block returned"),
            ("shuffle_in_branch", (y,), "the mask names a lane that returned already"),
            ("wrong_mask", (y,), "the calling lane is not in its own mask"),
        ]:
            with pytest.raises(KernelError, match=says):
                run(FAULTS, function, (1,), (64,), args)


def test_asynchronous_copies_land_no_sooner_than_they_must(xp):
    x = xp.asarray(np.arange(128, dtype=np.float32))
    y = xp.empty(128, np.float32)
    run(FAULTS, "asynchronous", (1,), (32,), (x, y, i32(1)))
    np.testing.assert_array_equal(y.get(), np.arange(128)[::-1])
    run(FAULTS, "asynchronous", (1,), (32,), (x, y, i32(0)))
    assert np.isnan(y.get()).all()
    with pytest.raises(KernelError, match="cp.async: misaligned address"):
        run(FAULTS, "asynchronous_odd", (1,), (1,), (x,))


def test_undefined_arithmetic(xp):
    y, numbers = ones(xp, 4), ones(xp, 4, np.int32)
    with simulate(mode="ubsan"):
        run(FAULTS, "local_index", (1,), (4,), (y, i32(3)))
        for function, args, says in [
            ("local_index", (y, i32(4)), "undefined behaviour"),
            ("overflows", (numbers, i32(2**16)), "undefined behaviour"),
            ("divides", (numbers, i32(0)), "division by zero|undefined behaviour"),
        ]:
            with pytest.raises(KernelError, match=says + r".*\.cu:\d+"):
                run(FAULTS, function, (1,), (4,), args)
    with pytest.raises(KernelError, match="integer division by zero"):
        run(FAULTS, "divides", (1,), (4,), (numbers, i32(0)))


def test_a_stack_that_overflows_does_not_end_the_process(xp):
    with pytest.raises(KernelError, match="bad address"):
        run(FAULTS, "recurses", (1,), (2,), (ones(xp, 2),))


def test_arrays_reached_through_pointers_must_be_named(xp):
    arrays = [xp.empty(8, np.float32) for _ in range(3)]
    table = xp.asarray(np.array([a.data.ptr for a in arrays], np.uint64))
    with simulate(mode="check"):
        run(FAULTS, "through_pointers", (3,), (8,), (table, i32(3)), indirect=tuple(arrays))
        assert all((a.get() == np.arange(8)).all() for a in arrays)
        with pytest.raises(KernelError, match="write of 4 bytes"):
            run(FAULTS, "through_pointers", (3,), (8,), (table, i32(3)), indirect=(arrays[0], arrays[1]))


def test_a_kernel_that_does_not_compile_names_its_file_and_keeps_the_log(xp):
    text = 'extern "C" __global__ void f(float* x) {\n  x[0] = INFINITY;\n}\n'
    with pytest.raises(KernelCompileError, match=r"\.cu does not compile .*:2:.*INFINITY.*whole log: (.*)\)") as error:
        run(text, "f", (1,), (1,), (xp.empty(1),))
    log = str(error.value).rpartition("whole log: ")[2].rstrip(")")
    with open(log) as file:
        assert "INFINITY" in file.read()


def test_atomics_on_floats_are_refused(xp):
    text = 'extern "C" __global__ void f(float* x) { atomicAdd(x, 1.f); }'
    with pytest.raises(KernelCompileError, match="two runs would not be equal"):
        run(text, "f", (1,), (1,), (xp.empty(1, np.float32),))


def test_a_variant_that_is_not_listed_is_refused(xp):
    text = '// variants: REAL=float\nextern "C" __global__ void f(REAL* x) { x[0] = 1; }\n'
    launch(program(text), "f", (1,), (1,), (xp.empty(1, np.float32),), defines=(("REAL", "float"),))
    with pytest.raises(KernelError, match="variant 'REAL=double' is not listed in it; add to its top:  // variants"):
        launch(program(text), "f", (1,), (1,), (xp.empty(1),), defines=(("REAL", "double"),))
