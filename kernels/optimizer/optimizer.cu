// Updates of all parameters of a network in one launch: SGD, Adam, and the norm of the gradients.
//
// A network has many small parameters, and a launch for each would take longer than its arithmetic. All of them are
// thought of as cut into pieces of 1024 elements, one for each block. The addresses come by value, in the kernel's
// parameters, which lie in the constant cache: nothing is uploaded before the launch, and a captured graph keeps them.
// 64 arrays make a table of 3.4 KB, less than the 4 KB that parameters may take on every GPU; a network of more arrays
// takes another launch for each 64.
//
// A block of 256 threads finds its array by bisection. Each thread takes four elements that lie 256 apart, so that each
// load of a warp is 128 neighbouring bytes, for any alignment, and twelve to twenty of them are in flight together.
// Bytes for each float: SGD 12, with momentum 20, Adam 28, AMSGrad 36, norm 4, scale 8; nothing else bounds it.
//
// What a schedule changes (lr, momentum, beta1, step) may lie in device memory, so that a replayed graph sees the new
// value; then the pointer wins over the number. Both ways compute the same, and so give the same bits.

#include "real.cuh"
#include "reduce.cuh"

#define ARRAYS 64  // as in cuda.py
#define THREADS 256
#define EACH 4

struct Table {
  REAL* parameter[ARRAYS];
  REAL* gradient[ARRAYS];
  REAL* first[ARRAYS];   // SGD's velocity, Adam's mean of the gradient
  REAL* second[ARRAYS];  // Adam's mean of the squared gradient
  REAL* third[ARRAYS];   // the largest of these means so far (AMSGrad)
  long long size[ARRAYS];
  int first_block[ARRAYS];
  int count;
};

__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }

// The array that this block belongs to: the last one whose first block is not beyond it.
__device__ __forceinline__ int my_array(const Table& table) {
  int low = 0, high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table.first_block[middle] <= (int)blockIdx.x) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The first of this thread's elements; the others are THREADS apart.
__device__ __forceinline__ long long my_start(const Table& table, int array) {
  return (long long)(blockIdx.x - table.first_block[array]) * (THREADS * EACH) + threadIdx.x;
}

__device__ __forceinline__ void load(REAL (&values)[EACH], const REAL* from, long long start, long long size) {
#pragma unroll
  for (int k = 0; k < EACH; k++) values[k] = start + k * THREADS < size ? from[start + k * THREADS] : (REAL)0;
}

__device__ __forceinline__ void store(REAL* to, const REAL (&values)[EACH], long long start, long long size) {
#pragma unroll
  for (int k = 0; k < EACH; k++)
    if (start + k * THREADS < size) to[start + k * THREADS] = values[k];
}

extern "C" __global__ void __launch_bounds__(THREADS)
optimizer_sgd(const Table table, const double* lr_in_memory, double lr_number, const double* momentum_in_memory,
              double momentum_number, REAL sign, REAL weight_decay, REAL fresh_share, int nesterov, int first_step) {
  const int array = my_array(table);
  const long long start = my_start(table, array), size = table.size[array];
  const REAL lr = (REAL)(lr_in_memory == nullptr ? lr_number : *lr_in_memory);
  const REAL momentum = (REAL)(momentum_in_memory == nullptr ? momentum_number : *momentum_in_memory);
  REAL p[EACH], g[EACH], velocity[EACH];
  load(p, table.parameter[array], start, size);
  load(g, table.gradient[array], start, size);
  if (momentum != 0 && !first_step) load(velocity, table.first[array], start, size);
#pragma unroll
  for (int k = 0; k < EACH; k++) {
    REAL slope = sign * g[k];
    if (weight_decay != 0) slope += weight_decay * p[k];
    if (momentum != 0) {
      velocity[k] = first_step ? slope : momentum * velocity[k] + fresh_share * slope;
      slope = nesterov ? slope + momentum * velocity[k] : velocity[k];
    }
    p[k] -= lr * slope;
  }
  if (momentum != 0) store(table.first[array], velocity, start, size);
  store(table.parameter[array], p, start, size);
}

extern "C" __global__ void __launch_bounds__(THREADS)
optimizer_adam(const Table table, const double* lr_in_memory, double lr_number, const float* step_in_memory,
               double step_number, const double* beta1_in_memory, double beta1_number, double beta2, REAL eps,
               double weight_decay, int decoupled, REAL sign, int amsgrad) {
  const double beta1 = beta1_in_memory == nullptr ? beta1_number : *beta1_in_memory;
  // The powers are the same for all elements: one thread computes them for its block.
  __shared__ REAL of_step[3];
  if (threadIdx.x == 0) {
    const double lr = lr_in_memory == nullptr ? lr_number : *lr_in_memory;
    const double step = step_in_memory == nullptr ? step_number : (double)*step_in_memory;
    of_step[0] = (REAL)(lr / (1 - pow(beta1, step)));
    of_step[1] = (REAL)sqrt(1 - pow(beta2, step));
    of_step[2] = (REAL)(decoupled ? 1 - lr * weight_decay : 1.0);
  }
  __syncthreads();
  const REAL step_size = of_step[0], correction = of_step[1], shrink = of_step[2];
  const REAL decay = (REAL)(decoupled ? 0.0 : weight_decay);
  const REAL rest1 = (REAL)(1 - beta1), keep2 = (REAL)beta2, rest2 = (REAL)(1 - beta2);

  const int array = my_array(table);
  const long long start = my_start(table, array), size = table.size[array];
  REAL p[EACH], g[EACH], mean[EACH], square[EACH], largest[EACH];
  load(p, table.parameter[array], start, size);
  load(g, table.gradient[array], start, size);
  load(mean, table.first[array], start, size);
  load(square, table.second[array], start, size);
  if (amsgrad) load(largest, table.third[array], start, size);
#pragma unroll
  for (int k = 0; k < EACH; k++) {
    const REAL value = shrink * p[k];
    REAL slope = sign * g[k];
    if (decay != 0) slope += decay * value;
    mean[k] += rest1 * (slope - mean[k]);
    square[k] = keep2 * square[k] + rest2 * slope * slope;
    REAL divisor = square[k];
    if (amsgrad) {
      // What is NaN once stays NaN.
      divisor = largest[k] = largest[k] >= divisor || largest[k] != largest[k] ? largest[k] : divisor;
    }
    p[k] = value - step_size * mean[k] / (root(divisor) / correction + eps);
  }
  store(table.first[array], mean, start, size);
  store(table.second[array], square, start, size);
  if (amsgrad) store(table.third[array], largest, start, size);
  store(table.parameter[array], p, start, size);
}

// partial[b] = the sum of the squared gradients of block b; optimizer_norm then adds them up.
extern "C" __global__ void __launch_bounds__(THREADS) optimizer_squares(const Table table, double* partial) {
  const int array = my_array(table);
  REAL g[EACH];
  load(g, table.gradient[array], my_start(table, array), table.size[array]);
  double sum = 0;
#pragma unroll
  for (int k = 0; k < EACH; k++) sum += (double)g[k] * (double)g[k];
  __shared__ double scratch[32];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// One block, as large as a block can be: the root of the sum of all partial sums (135,000 of them for VGG-16).
extern "C" __global__ void __launch_bounds__(1024)
optimizer_norm(const double* __restrict__ partial, REAL* __restrict__ norm, int count) {
  double sum = 0;
#pragma unroll 8
  for (int i = threadIdx.x; i < count; i += 1024) sum += partial[i];
  __shared__ double scratch[32];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) *norm = (REAL)sqrt(sum);
}

// Gradients times max_norm / norm, where that is less than 1; the small number keeps from dividing by 0.
extern "C" __global__ void __launch_bounds__(THREADS)
optimizer_clip(const Table table, const REAL* __restrict__ norm, REAL max_norm) {
  const REAL ratio = max_norm / (*norm + (REAL)1e-6), factor = ratio > 1 ? (REAL)1 : ratio;
  if (factor == 1) return;
  const int array = my_array(table);
  const long long start = my_start(table, array), size = table.size[array];
  REAL g[EACH];
  load(g, table.gradient[array], start, size);
#pragma unroll
  for (int k = 0; k < EACH; k++) g[k] *= factor;
  store(table.gradient[array], g, start, size);
}
