// Transpose matrices, and add up the parts they come in:
//     out[b][c][r] = sum over p of parts[p][b][r][c],      r < rows, c < columns
// which is what lies between a convolution and its layers: pictures (N, C, H W) to channels-last (N, H W, C), weights
// (O, C, taps) to (O, taps, C) or (C, taps, O), and the parts of a weight's gradient (O, taps, C) to (O, C, taps).
//
// A block transposes 32 x 32 numbers: 8 rows of threads read along columns, write into shared memory, and read it along
// rows, so that both sides see whole lines of 128 bytes. Lines of 33 numbers: a column of the tile lies in 32 different
// banks. `round` rounds to TF32 (10 bits of mantissa, ties away from zero), so that no multiplication need round a
// weight again.
#include "real.cuh"

__device__ inline REAL rounded_to_tf32(REAL value) {
  unsigned bits = __float_as_uint((float)value);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & 0xffffe000u;  // inf and NaN stay
  return __uint_as_float(bits);
}

extern "C" __global__ void __launch_bounds__(256)
    transpose(const REAL* parts, REAL* out, int batch, int rows, int columns, int splits, int round) {
  __shared__ REAL tile[32][33];
  const int across = (columns + 31) / 32, down = (rows + 31) / 32;
  const int c0 = blockIdx.x % across * 32, r0 = blockIdx.x / across % down * 32;
  const long long b = blockIdx.x / across / down, size = (long long)rows * columns;
  const int lane = threadIdx.x % 32, line = threadIdx.x / 32;
  for (int i = line; i < 32; i += 8) {
    const int r = r0 + i, c = c0 + lane;
    if (r >= rows || c >= columns) continue;
    const REAL* from = parts + b * size + (long long)r * columns + c;
    double sum = 0;  // few additions, but of large numbers
#pragma unroll 8
    for (int p = 0; p < splits; p++) sum += (double)from[p * batch * size];
    tile[i][lane] = (REAL)sum;
  }
  __syncthreads();
  for (int i = line; i < 32; i += 8) {
    const int c = c0 + i, r = r0 + lane;
    if (r >= rows || c >= columns) continue;
    const REAL value = tile[lane][i];
    out[b * size + (long long)c * rows + r] = round ? rounded_to_tf32(value) : value;
  }
}
