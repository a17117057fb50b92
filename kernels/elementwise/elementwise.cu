// Activations, the error function, and sums of arrays that lie alike in memory: one pass over them, whatever their
// shape.
//
// Thread t of T takes the packs of 16 bytes number t, t + T, t + 2 T ...: a warp reads 512 neighbouring bytes at a
// time. What is left at the end, or all if an array does not begin at a multiple of 16 bytes, is taken an element a
// thread. `out` may be an input: each element is read and written by one thread, in that order.
//
// Bound by memory: relu moves 8 bytes an element in float32, add and relu_backward 12.
#include "real.cuh"

struct Sum {
  __device__ REAL operator()(REAL a, REAL b) const { return a + b; }
};

// a where b is positive or NaN, for which `<=` is false. With b = a that is relu(a), with b = relu(x) it is a's
// gradient.
struct WherePositive {
  __device__ REAL operator()(REAL a, REAL b) const { return b <= 0 ? REAL(0) : a; }
};

struct Erf {
  __device__ float operator()(float a, float) const { return erff(a); }
  __device__ double operator()(double a, double) const { return erf(a); }
};

// out[i] = f(a[i], b[i]) for i < count. If b is a, the compiler loads it once.
template <class F>
__device__ __forceinline__ void map(F f, const REAL* a, const REAL* b, REAL* out, long long count) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const long long threads = (long long)gridDim.x * blockDim.x;
  const long long packs = aligned16(a) && aligned16(b) && aligned16(out) ? count / VEC : 0;
  for (long long i = thread * VEC; i < packs * VEC; i += threads * VEC) {
    const Vec<REAL> left = load_vec(a + i), right = load_vec(b + i);
    Vec<REAL> result;
#pragma unroll
    for (int v = 0; v < VEC; v++) result[v] = f(left[v], right[v]);
    store_vec(out + i, result);
  }
  for (long long i = packs * VEC + thread; i < count; i += threads) out[i] = f(a[i], b[i]);
}

extern "C" __global__ void __launch_bounds__(256) elementwise_relu(const REAL* x, REAL* out, long long count) {
  map(WherePositive(), x, x, out, count);
}

extern "C" __global__ void __launch_bounds__(256)
elementwise_relu_backward(const REAL* dy, const REAL* y, REAL* out, long long count) {
  map(WherePositive(), dy, y, out, count);
}

extern "C" __global__ void __launch_bounds__(256) elementwise_erf(const REAL* x, REAL* out, long long count) {
  map(Erf(), x, x, out, count);
}

extern "C" __global__ void __launch_bounds__(256)
elementwise_add(const REAL* x, const REAL* y, REAL* out, long long count) {
  map(Sum(), x, y, out, count);
}
