// Philox4x32-10 on the device: the numbers of kernels/philox/reference.py, word for word.
//
// Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A block of four words is a
// function of the key (the seed) and of the block's number, so that each thread computes its own and none waits.
// Ten rounds of four multiplications and six other instructions: about 100 instructions for 16 bytes.
#pragma once

typedef unsigned long long Word64;

// Where a draw begins: the 64-bit key, and the 128-bit number of its first block.
struct Stream {
  Word64 seed, low, high;
};

// A graph that is replayed passes the same numbers each time. What changes lies in `state`, two words of device
// memory: the seed, and the number of blocks already used up, which is added to the draw's own offset.
__device__ __forceinline__ Stream stream_of(Word64 seed, Word64 low, Word64 high, const Word64* state) {
  if (state != nullptr) {
    seed = state[0];
    low += state[1];
    high += low < state[1];
  }
  return {seed, low, high};
}

// The four words of block number `index` of the draw.
__device__ __forceinline__ uint4 philox(Stream stream, Word64 index) {
  Word64 low = stream.low + index, high = stream.high + (low < index);
  unsigned x0 = (unsigned)low, x1 = (unsigned)(low >> 32), x2 = (unsigned)high, x3 = (unsigned)(high >> 32);
  unsigned key0 = (unsigned)stream.seed, key1 = (unsigned)(stream.seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    Word64 product0 = (Word64)x0 * 0xD2511F53u, product1 = (Word64)x2 * 0xCD9E8D57u;
    x0 = (unsigned)(product1 >> 32) ^ x1 ^ key0;
    x2 = (unsigned)(product0 >> 32) ^ x3 ^ key1;
    x1 = (unsigned)product1;
    x3 = (unsigned)product0;
    key0 += 0x9E3779B9u;  // the golden ratio and sqrt(3) - 1, as 32-bit fractions
    key1 += 0xBB67AE85u;
  }
  return make_uint4(x0, x1, x2, x3);
}

// Evenly over [0, 1): float from 24 bits of one word, double from 53 bits of two.
__device__ __forceinline__ float uniform_float(unsigned word) { return (float)(word >> 8) * 0x1p-24f; }
__device__ __forceinline__ double uniform_double(unsigned low, unsigned high) {
  return (double)(((Word64)high << 32 | low) >> 11) * 0x1p-53;
}
