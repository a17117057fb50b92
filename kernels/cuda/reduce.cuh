// Sums over a warp and over a block, always in the same order: no atomics, so two runs give the same bits.
//
// T is float, double, or a struct with += (see BatchNorm's Sums): what one barrier costs is then paid once for all
// the sums of a thread.
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

// The sum over threadIdx.y, for each threadIdx.x by itself; every thread has its column's. blockDim.y is a power of
// two, the block has no third dimension. `scratch` is shared memory for one value a thread; it may be used again at
// once.
//
// A tree: in each step the upper half of the rows that are left is added to the lower half.
template <class T> __device__ __forceinline__ T column_sum(const T& value, T* scratch) {
  const int columns = blockDim.x, x = threadIdx.x, y = threadIdx.y;
  scratch[y * columns + x] = value;
  __syncthreads();
  for (int half = blockDim.y / 2; half > 0; half /= 2) {
    if (y < half) scratch[y * columns + x] += scratch[(y + half) * columns + x];
    __syncthreads();
  }
  const T sum = scratch[x];
  __syncthreads();
  return sum;
}
