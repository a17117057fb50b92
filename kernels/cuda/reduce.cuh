// Sums over a warp and over a block, always in the same order: no atomics, so two runs give the same bits.
#pragma once

// The sum over the 32 lanes of a warp; every lane has it. All 32 must call it.
//
// A butterfly: after step k each lane holds the sum of its group of 2^k lanes. The two partners of a step add the same
// two numbers, so all lanes end with the same bits.
template <class T> __device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

// The sum over all threads of a block of 32, 64, ... 1024 threads; every thread has it.
// `scratch` is shared memory for 32 values, one for each warp; it may be used again at once.
template <class T> __device__ __forceinline__ T block_sum(T value, T* scratch) {
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const int lane = thread % 32, warp = thread / 32, warps = blockDim.x * blockDim.y * blockDim.z / 32;
  value = warp_sum(value);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_sum(lane < warps ? scratch[lane] : T(0));
  __syncthreads();
  return value;
}

// The sums over threadIdx.y of a thread's N values, for each threadIdx.x by itself; every thread has its column's.
// blockDim.y is a power of two, the block has no third dimension. `scratch` is shared memory for N values a thread; it
// may be used again at once.
//
// A tree: in each step the upper half of the rows that are left is added to the lower half. A value's places for the
// threads lie side by side, so that a warp touches each bank of shared memory once; N values share the barriers.
template <int N, class T> __device__ __forceinline__ void column_sums(T (&values)[N], T* scratch) {
  const int columns = blockDim.x, threads = columns * blockDim.y, thread = threadIdx.y * columns + threadIdx.x;
  for (int k = 0; k < N; k++) scratch[k * threads + thread] = values[k];
  __syncthreads();
  for (int half = blockDim.y / 2; half > 0; half /= 2) {
    if (threadIdx.y < half)
      for (int k = 0; k < N; k++) scratch[k * threads + thread] += scratch[k * threads + thread + half * columns];
    __syncthreads();
  }
  for (int k = 0; k < N; k++) values[k] = scratch[k * threads + threadIdx.x];
  __syncthreads();
}

template <class T> __device__ __forceinline__ T column_sum(T value, T* scratch) {
  T values[1] = {value};
  column_sums(values, scratch);
  return values[0];
}
