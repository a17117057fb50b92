// Local response normalisation: each element is divided by a power of the energy in `size` channels around its own.
//
// One thread does one element. Memory is rows: the planes of NCHW, row r of channel r % channels, or in channels-last
// (`last`) the pixels, which hold all channels. Neighbouring threads take neighbouring elements of a row, so that a
// warp's loads are whole lines. A window's elements are read by `size` threads, from the L1 and L2 caches after the
// first; each sum is taken anew, in the order of the channels, for one that slides along them gathers rounding errors.
// Two runs give the same bits.
//
// Bound by memory, in float32: forward reads x and writes y and scale, 12 bytes an element; backward reads dy, x and
// scale and writes dx, 16 bytes. For beta = 3/4, AlexNet's, the power is two square roots and a division; any other
// beta takes `pow`, some 100 instructions, and `size` of them an element in backward, which is then bound by these.
#include "real.cuh"

__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }
__device__ __forceinline__ float power(float x, float y) { return powf(x, y); }
__device__ __forceinline__ double power(double x, double y) { return pow(x, y); }

// base^-beta
__device__ __forceinline__ REAL negative_power(REAL base, REAL beta) {
  if (beta == REAL(0.75)) {
    const REAL half = root(base);
    return 1 / (half * root(half));
  }
  return power(base, -beta);
}

// scale = k + alpha (sum of x^2 over the window), y = x scale^-beta; alpha is divided by the window's size already.
// Grid: x over the elements of a row, y over rows.
extern "C" __global__ void __launch_bounds__(256)
local_response_norm_forward(const REAL* __restrict__ x, REAL* __restrict__ y, REAL* __restrict__ scale, int rows,
                            int length, int channels, int last, int size, REAL alpha, REAL beta, REAL k) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x, step = last ? 1 : length;  // from a channel to the next
  if (at >= length) return;
  for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
    const size_t here = (size_t)row * length + at;
    const int c = last ? at : row % channels, end = min(channels, c + (size - 1) / 2 + 1);
    REAL energy = 0;
    for (int near = max(0, c - size / 2); near < end; near++) {
      const REAL element = x[here + (long long)(near - c) * step];
      energy += element * element;
    }
    const REAL base = k + alpha * energy;
    scale[here] = base;
    y[here] = x[here] * negative_power(base, beta);
  }
}

// dx = dy scale^-beta - factor x (sum of dy x scale^(-beta-1) over the windows that hold x), factor = 2 alpha beta.
// These windows belong to the channels that forward's reaches, mirrored. Grid as forward's.
extern "C" __global__ void __launch_bounds__(256)
local_response_norm_backward(const REAL* __restrict__ dy, const REAL* __restrict__ x, const REAL* __restrict__ scale,
                             REAL* __restrict__ dx, int rows, int length, int channels, int last, int size,
                             REAL factor, REAL beta) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x, step = last ? 1 : length;
  if (at >= length) return;
  for (int row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
    const size_t here = (size_t)row * length + at;
    const int c = last ? at : row % channels, end = min(channels, c + size / 2 + 1);
    REAL through_scale = 0;
    for (int near = max(0, c - (size - 1) / 2); near < end; near++) {
      const size_t there = here + (long long)(near - c) * step;
      const REAL base = scale[there];
      through_scale += dy[there] * x[there] * negative_power(base, beta) / base;
    }
    dx[here] = dy[here] * negative_power(scale[here], beta) - factor * x[here] * through_scale;
  }
}
