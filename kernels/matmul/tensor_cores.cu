// Matrix products on tensor cores: float32, operands rounded to TF32, sums in fp32. C (M, N) = A (M, K) B (K, N), a
// batch of them, as in matmul.cu (see there for the order of blocks and the cut of K); tiles as in tf32_tile.cuh.
//
// CHUNK = 4 where the lines of both operands begin at multiples of 16 bytes, otherwise 1.
//
// variants: BM=128 BN=128 CHUNK=4 ROWS_ALONG=0|1 COLUMNS_ALONG=0|1 arch=sm_80
// variants: BM=64 BN=64 CHUNK=4|1 ROWS_ALONG=0|1 COLUMNS_ALONG=0|1 arch=sm_80
#include "operand.cuh"
#include "tf32_tile.cuh"

// Blocks on a multiprocessor at a time: as many as its shared memory holds. It limits a thread's registers.
#define RESIDENT (BM == 128 ? 2 : 4)

extern "C" __global__ void __launch_bounds__(128, RESIDENT)
    matmul_tensor_cores(const float* a, const float* b, float* c, int m, int n, int k, long long a_row,
                        long long a_depth, long long a_batch, long long b_row, long long b_depth, long long b_batch,
                        int splits, int per_split) {
  extern __shared__ __align__(16) float memory[];
  const int across = (n + BN - 1) / BN, tiles = (m + BM - 1) / BM * across;
  const int part = blockIdx.x / tiles, tile = blockIdx.x % tiles, batch = part / splits, split = part % splits;
  const int m0 = tile / across * BM, n0 = tile % across * BN;
  const Matrix<float> left{a + batch * a_batch, m, k, a_row, a_depth}, right{b + batch * b_batch, n, k, b_row, b_depth};
  Tf32Tile<BM, BN> sums;
  sums.multiply<ROWS_ALONG, COLUMNS_ALONG, CHUNK, true>(left, right, m0, n0, split * per_split,
                                                        min(k, (split + 1) * per_split), memory);
  float* out = c + (long long)part * m * n;
  sums.write(m0, n0, n, nullptr, n % 2 == 0, [&](int row) { return row < m ? out + (long long)row * n : nullptr; });
}
