// Add the parts of a product whose depth was cut, in the order of the parts, so two runs are bit-equal:
//     out[b][i] = bias[i % channels] + sum over p of parts[b][p][i],      i < count
// One thread a result; neighbours read neighbours. The additions are few, but of large numbers: in double.
#include "real.cuh"

extern "C" __global__ void __launch_bounds__(256)
    sum_parts(const REAL* parts, const REAL* bias, REAL* out, long long count, int splits, int channels) {
  const long long blocks = (count + 255) / 256, batch = blockIdx.x / blocks;
  const long long i = blockIdx.x % blocks * 256 + threadIdx.x;
  if (i >= count) return;
  const REAL* from = parts + batch * splits * count + i;
  double sum = bias ? (double)bias[i % channels] : 0.0;
#pragma unroll 8
  for (int p = 0; p < splits; p++) sum += (double)from[p * count];
  out[batch * count + i] = (REAL)sum;
}
