// Matrix products, exact: C (M, N) = A (M, K) B (K, N) in REAL, for a batch of them, each operand lying row by row or
// column by column. For the tiling see fma_tile.cuh; a block computes one TILE x TILE tile of C, or with `splits` > 1
// the part of its sums that comes from one range of K, written to its own copy of C; sum_parts.cu adds the copies.
// A product with few results and a long K (a weight's gradient) has too few tiles for all multiprocessors otherwise.
//
// Blocks go along N first, then along M, so that neighbours share rows of A in the cache; then over the splits, then
// over the batch. K is cut at multiples of `per_split`.
//
// ROWS_ALONG, COLUMNS_ALONG: whether the numbers of a row of A, or of a column of B, are neighbours in memory.
//
// variants: REAL=float TILE=128 ROWS_ALONG=0|1 COLUMNS_ALONG=0|1
// variants: REAL=float TILE=64 ROWS_ALONG=0|1 COLUMNS_ALONG=0|1
// variants: REAL=float|double TILE=32 ROWS_ALONG=0|1 COLUMNS_ALONG=0|1
#include "real.cuh"
#include "operand.cuh"
#include "fma_tile.cuh"

// Blocks on a multiprocessor at a time, which limits a thread's registers: 64 sums and 8 rows need more than the 128
// that two blocks of 256 threads could have.
#define RESIDENT (TILE == 128 ? 1 : 2)

extern "C" __global__ void __launch_bounds__(256, RESIDENT)
    matmul(const REAL* a, const REAL* b, REAL* c, int m, int n, int k, long long a_row, long long a_depth,
           long long a_batch, long long b_row, long long b_depth, long long b_batch, int splits, int per_split) {
  const int across = (n + TILE - 1) / TILE, tiles = (m + TILE - 1) / TILE * across;
  const int part = blockIdx.x / tiles, tile = blockIdx.x % tiles, batch = part / splits, split = part % splits;
  const int m0 = tile / across * TILE, n0 = tile % across * TILE;
  Matrix<REAL> left{a + batch * a_batch, m, k, a_row, a_depth}, right{b + batch * b_batch, n, k, b_row, b_depth};
  REAL sums[TILE / 16][TILE / 16];
  fma_tile<REAL, TILE, ROWS_ALONG, COLUMNS_ALONG>(left, right, m0, n0, split * per_split,
                                                  min(k, (split + 1) * per_split), sums);
  REAL* out = c + (long long)part * m * n;
  put_sums<REAL, TILE>(sums, m0, n0, [&](int row, int column, REAL sum) {
    if (row < m && column < n) out[(long long)row * n + column] = sum;
  });
}
