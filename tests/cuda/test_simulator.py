"""The simulator runs CUDA C++ as a GPU does: every feature that kernels use, in every mode and order of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from programs import run, simulator_only

from minigrad.kernels.cuda import KernelError
from minigrad.kernels.cuda.simulator import profile, simulate

pytestmark = simulator_only

MODES = ("fast", "check", "ubsan")
i32 = np.int32
rng = np.random.default_rng(0)


@pytest.fixture(params=[(mode, order) for mode in MODES for order in (0, 1, 5)], ids=str)
def everywhere(request):
    """In every mode, with the threads in three orders."""
    mode, order = request.param
    with simulate(mode=mode, order=order):
        yield


FEATURES = r"""
__constant__ float table[4] = {1.f, 2.f, 4.f, 8.f};
struct Params { int n; float scale; };

template <typename T, int B> __device__ void histogram(const T* x, int* out, int n) {
  __shared__ int bins[16];
  if (threadIdx.x < 16) bins[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * B + threadIdx.x; i < n; i += gridDim.x * B) atomicAdd(&bins[(int)x[i] & 15], 1);
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&out[threadIdx.x], bins[threadIdx.x]);
}
extern "C" __global__ void __launch_bounds__(128) histogram_float(const float* x, int* out, int n) {
  histogram<float, 128>(x, out, n);
}
extern "C" __global__ void histogram_int(const int* x, int* out, int n) { histogram<int, 64>(x, out, n); }

extern "C" __global__ void transpose(const float* __restrict__ a, float* __restrict__ b, int m, int n) {
  extern __shared__ float tile[];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8)
    if (x < n && y + j < m) tile[(threadIdx.y + j) * 33 + threadIdx.x] = a[(y + j) * n + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x; y = blockIdx.x * 32 + threadIdx.y;
  for (int j = 0; j < 32; j += 8)
    if (x < m && y + j < n) b[(y + j) * m + x] = tile[threadIdx.x * 33 + threadIdx.y + j];
}

extern "C" __global__ void shuffles(const double* x, double* out) {
  int lane = threadIdx.x;
  double v = x[blockIdx.x * 32 + lane], sum = v;
  for (int bits = 16; bits; bits >>= 1) sum += __shfl_xor_sync(~0u, sum, bits);
  double down = v;
  for (int delta = 16; delta; delta >>= 1) down = fmax(down, __shfl_down_sync(~0u, down, delta));
  double half = __shfl_sync(~0u, v, 3, 16), up = __shfl_up_sync(~0u, v, 1);
  double* o = out + blockIdx.x * 128;
  o[lane] = sum; o[32 + lane] = __shfl_sync(~0u, down, 0); o[64 + lane] = half; o[96 + lane] = up;
}

extern "C" __global__ void votes_and_structs(Params p, const float* null, float* out) {
  unsigned ballot = __ballot_sync(~0u, threadIdx.x % 3 == 0);
  int all = __all_sync(~0u, threadIdx.x < 32), any = __any_sync(~0u, threadIdx.x == 40);
  out[threadIdx.x] = p.scale * table[threadIdx.x % 4] + __popc(ballot) + p.n + 100 * all + 1000 * any + (null ? 1 : 0);
}

extern "C" __global__ void vectors(const float4* x, double2* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float4 v = x[i];
  y[i] = make_double2((double)v.x + v.y, (double)v.z * v.w);
}
"""


def test_shared_memory_atomics_and_templates(xp, everywhere):
    x = rng.integers(0, 16, 5000)
    for name, dtype, grid, block in (("histogram_float", np.float32, 7, 128), ("histogram_int", np.int32, 3, 64)):
        out = xp.zeros(16, np.int32)
        run(FEATURES, name, (grid,), (block,), (xp.asarray(x.astype(dtype)), out, i32(5000)))
        np.testing.assert_array_equal(out.get(), np.bincount(x, minlength=16))


def test_dynamic_shared_memory(xp, everywhere):
    a = rng.standard_normal((70, 45)).astype(np.float32)
    b = xp.empty((45, 70), np.float32)
    run(FEATURES, "transpose", (2, 3), (32, 8), (xp.asarray(a), b, i32(70), i32(45)), shared=32 * 33 * 4)
    np.testing.assert_array_equal(b.get(), a.T)


def test_shuffles(xp, everywhere):
    x = rng.integers(0, 100, (3, 32)).astype(np.float64)
    out = xp.empty((3, 4, 32), np.float64)
    run(FEATURES, "shuffles", (3,), (32,), (xp.asarray(x), out))
    total, largest, half, up = out.get().transpose(1, 0, 2)
    np.testing.assert_array_equal(total, np.broadcast_to(x.sum(1, keepdims=True), x.shape))
    np.testing.assert_array_equal(largest, np.broadcast_to(x.max(1, keepdims=True), x.shape))
    np.testing.assert_array_equal(half, np.repeat(x[:, [3, 19]], 16, axis=1))
    np.testing.assert_array_equal(up, x[:, [0, *range(31)]])


def test_votes_structs_constants_and_null_pointers(xp, everywhere):
    params = np.zeros((), [("n", "i4"), ("scale", "f4")])
    params["n"], params["scale"] = 5, 2
    out = xp.empty(32, np.float32)
    run(FEATURES, "votes_and_structs", (1,), (32,), (params[()], None, out))
    np.testing.assert_array_equal(out.get(), 2 * np.array([1, 2, 4, 8] * 8) + 11 + 5 + 100)


def test_vector_loads_and_stores(xp, everywhere):
    x = rng.integers(-9, 9, (50, 4)).astype(np.float32)
    y = xp.empty((50, 2), np.float64)
    run(FEATURES, "vectors", (2,), (32,), (xp.asarray(x), y, i32(50)))
    np.testing.assert_array_equal(y.get(), np.stack([x[:, 0] + x[:, 1], x[:, 2] * x[:, 3]], 1))


def test_arguments_must_be_the_parameters_types(xp):
    x, y = xp.zeros((50, 4), np.float32), xp.zeros((50, 2), np.float64)
    for args, error, says in [
        ((x, y, 50), TypeError, "argument 2 is a Python int"),
        ((x, y, np.int64(50)), TypeError, "argument 2 is int64, the kernel takes an integer of 4 bytes"),
        ((x, y, np.float32(50)), TypeError, "argument 2 is float32"),
        ((np.zeros((50, 4)), y, i32(50)), TypeError, "argument 0 .*on the host"),
        ((x.T, y, i32(50)), ValueError, "argument 0 .*is not C-contiguous"),
        ((x, y), KernelError, "takes 3 arguments, got 2"),
        ((x, i32(1), i32(50)), TypeError, "argument 1 is a pointer"),
        ((x, y, y), TypeError, "argument 2 is a number of 4 bytes"),
    ]:
        with pytest.raises(error, match=says):
            run(FEATURES, "vectors", (2,), (32,), args)


def test_launches_a_gpu_would_refuse(xp):
    out, x = xp.zeros(16, np.int32), xp.zeros(9, np.float32)
    for grid, block, shared, says in [
        ((1,), (129,), 0, r"129 threads a block, but __launch_bounds__\(128\)"),
        ((1,), (0,), 0, "number must lie in 1..1024"),
        ((1,), (64, 32), 0, "number must lie in 1..1024"),
        ((0,), (128,), 0, "at least 1"),
        ((1, 65536), (128,), 0, "at most"),
        ((1,), (128,), 227 * 1024 + 1, "a GPU of compute capability 9.0 has 232,448 a block"),
        ((1,), (128,), 227 * 1024, "232,512 bytes of shared memory, static and dynamic"),
    ]:
        with pytest.raises(KernelError, match=says):
            run(FEATURES, "histogram_float", grid, block, (x, out, i32(9)), shared=shared)
    with simulate(capability=(7, 5)), pytest.raises(KernelError, match="7.5 has 65,536 a block"):
        run(FEATURES, "histogram_float", (1,), (128,), (x, out, i32(9)), shared=65 * 1024)


@pytest.mark.parametrize("width, conflicts", [(33, 1), (32, 32), (36, 4)])
def test_the_profile_counts_bank_conflicts_and_sectors(xp, width, conflicts):
    text = (
        f"#define WIDTH {width}\n"
        + r"""
extern "C" __global__ void columns(const float* x, float* y, int stride) {
  __shared__ float tile[32 * WIDTH];
  tile[threadIdx.x * WIDTH] = x[threadIdx.x * stride];
  __syncthreads();
  y[threadIdx.x] = tile[(31 - threadIdx.x) * WIDTH];
}
"""
    )
    x, y = xp.zeros(256, np.float32), xp.empty(32, np.float32)
    with simulate(mode="check"), profile() as lines:
        run(text, "columns", (1,), (32,), (x, y, i32(8)))
    cost = {(line.space, line.operation): (line.requests, line.cost, line.ideal) for line in lines}
    assert cost["shared", "store"] == cost["shared", "load"] == (1, conflicts, 1)
    assert cost["global", "load"] == (1, 32, 4)  # each lane a sector of its own
    assert cost["global", "store"] == (1, 4, 4)
    assert {line.place.rpartition(":")[2] for line in lines} == {"5", "7"}
    assert f"{conflicts:.2f} times the ideal" in "\n".join(map(str, lines))


def test_python_threads_may_launch_at_once(xp):
    def transpose(seed: int) -> bool:
        a = np.random.default_rng(seed).standard_normal((70, 45)).astype(np.float32)
        b = xp.empty((45, 70), np.float32)
        run(FEATURES, "transpose", (2, 3), (32, 8), (xp.asarray(a), b, i32(70), i32(45)), shared=32 * 33 * 4)
        return bool((b.get() == a.T).all())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(transpose, range(40)))
