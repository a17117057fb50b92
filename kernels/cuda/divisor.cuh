// Division by a number that stays the same for a whole kernel: a multiplication and a shift instead of some 20
// instructions. Granlund and Montgomery, "Division by invariant integers using multiplication" (PLDI 1994), figure 4.1.
#pragma once

struct Divisor {
  unsigned divisor, factor;
  int shift;
  __device__ explicit Divisor(unsigned d) : divisor(d), shift(d > 1 ? 32 - __clz((int)(d - 1)) : 0) {
    // 2^32 (2^shift / d - 1), rounded up: what umulhi multiplies n by to get the part of n / d * 2^shift beyond n.
    factor = (unsigned)((((1ull << shift) - d) << 32) / d + 1);
  }
  // n / divisor for n < 2^31: the sum stays below 2^32.
  __device__ unsigned operator()(unsigned n) const { return (__umulhi(n, factor) + n) >> shift; }
};
