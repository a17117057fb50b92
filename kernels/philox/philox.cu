// Philox4x32-10: words, uniform and normal numbers.
//
// One thread computes one block of four words and stores its 16 bytes at once: neighbouring threads write
// neighbouring 16 bytes. Blocks of 256 threads need no shared memory and no cooperation. A uniform number costs
// about 25 integer instructions and 4 bytes, so that an H200 is bound by arithmetic, not by memory.
#include "philox.cuh"
#include "real.cuh"

__device__ __forceinline__ Vec<REAL> uniform_values(uint4 word) {
  Vec<REAL> u;
  if (sizeof(REAL) == 4) {
    const unsigned words[4] = {word.x, word.y, word.z, word.w};
#pragma unroll
    for (int i = 0; i < VEC; i++) u[i] = (REAL)uniform_float(words[i]);
  } else {
    u[0] = (REAL)uniform_double(word.x, word.y);
    u[1] = (REAL)uniform_double(word.z, word.w);
  }
  return u;
}

__device__ __forceinline__ void store(REAL* out, long long n, long long block, const Vec<REAL>& v) {
  if ((block + 1) * VEC <= n) {
    store_vec(out + block * VEC, v);
  } else {
#pragma unroll
    for (int i = 0; i < VEC; i++)
      if (block * VEC + i < n) out[block * VEC + i] = v[i];
  }
}

extern "C" __global__ void __launch_bounds__(256)
philox_bits(unsigned* __restrict__ out, long long n, Word64 seed, Word64 low, Word64 high, const Word64* state) {
  const long long block = (long long)blockIdx.x * 256 + threadIdx.x;
  if (block * 4 >= n) return;
  const uint4 word = philox(stream_of(seed, low, high, state), block);
  if (block * 4 + 4 <= n) {
    reinterpret_cast<uint4*>(out)[block] = word;
  } else {
    out[block * 4] = word.x;
    if (block * 4 + 1 < n) out[block * 4 + 1] = word.y;
    if (block * 4 + 2 < n) out[block * 4 + 2] = word.z;
  }
}

extern "C" __global__ void __launch_bounds__(256)
philox_uniform(REAL* __restrict__ out, long long n, Word64 seed, Word64 low, Word64 high, const Word64* state) {
  const long long block = (long long)blockIdx.x * 256 + threadIdx.x;
  if (block * VEC >= n) return;
  store(out, n, block, uniform_values(philox(stream_of(seed, low, high, state), block)));
}

// Box and Muller: a pair of uniform numbers as the radius sqrt(-2 log(1 - u1)) and the angle 2 pi u2 of a point,
// whose coordinates are independent and normal. In double, so that float rounds as it does on the CPU.
extern "C" __global__ void __launch_bounds__(256)
philox_normal(REAL* __restrict__ out, long long n, Word64 seed, Word64 low, Word64 high, const Word64* state) {
  const long long block = (long long)blockIdx.x * 256 + threadIdx.x;
  if (block * VEC >= n) return;
  Vec<REAL> v = uniform_values(philox(stream_of(seed, low, high, state), block));
#pragma unroll
  for (int i = 0; i < VEC; i += 2) {
    const double radius = sqrt(-2 * log1p(-(double)v[i]));
    const double angle = 6.283185307179586 * (double)v[i + 1];
    v[i] = (REAL)(radius * cos(angle));
    v[i + 1] = (REAL)(radius * sin(angle));
  }
  store(out, n, block, v);
}

// After a step that drew `blocks` blocks: the next replay begins where this one ended.
extern "C" __global__ void philox_advance(Word64* state, Word64 blocks) { state[1] += blocks; }
