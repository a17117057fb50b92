// Sums over the middle dimension of (P, N, Q): rows (Q = 1), columns (P = 1) and all between.
//
// A block of 256 threads is cut into `places` x `rows` x `width` threads (fastest last): `width` neighbouring columns,
// `rows` of the N rows at a time, and, where N is short, several of the P places at once. Neighbouring threads so
// read neighbouring elements, whatever the shape: for Q = 1 a warp reads 32 elements of a row; for Q = 64
// (the gradient of a bias: N = all pixels, Q = channels) a block reads 4 whole rows at a time.
// A thread adds up every `rows`-th row of its chunk in double, the loads of four rows in flight together;
// then the block's threads add theirs up in shared memory as a tree (2 KiB), in an order that the shape alone
// decides: two runs are equal bit for bit. With more than one chunk, the chunks' sums are added by a second launch.
//
// Each element is read once, 4 bytes for one conversion and one addition in double. An H200 converts 16 floats a cycle
// in each of its 132 multiprocessors, 14 TB/s of floats and so three times what its memory delivers.

#include "real.cuh"

template <typename In, typename Out>
__device__ __forceinline__ void sum_middle(const In* __restrict__ a, Out* __restrict__ total, long long p,
                                           long long n, long long q, int width, int rows, int chunk_rows) {
  __shared__ double sums[256];
  const int tiles = (int)((q + width - 1) / width), chunks = (int)((n + chunk_rows - 1) / chunk_rows);
  const int column = threadIdx.x % width, row = threadIdx.x / width % rows, place = threadIdx.x / (width * rows);
  const int places = 256 / (width * rows);
  const long long block = blockIdx.x, j = block % tiles * width + column;
  const long long chunk = block / tiles % chunks, i = block / tiles / chunks * places + place;
  const bool mine = place < places && i < p && j < q;

  double sum = 0;
  if (mine) {
    const long long begin = chunk * chunk_rows, end = begin + chunk_rows < n ? begin + chunk_rows : n;
    const In* from = a + (i * n + begin + row) * q + j;
#pragma unroll 4
    for (long long r = begin + row; r < end; r += rows, from += rows * q) sum += (double)*from;
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int left = rows; left > 1;) {
    const int half = (left + 1) / 2;  // of an odd number the middle one waits
    if (place < places && row < left - half) sums[threadIdx.x] += sums[threadIdx.x + half * width];
    __syncthreads();
    left = half;
  }
  if (mine && row == 0) total[(i * chunks + chunk) * q + j] = (Out)sums[threadIdx.x];
}

// One chunk: the sums themselves.
extern "C" __global__ void __launch_bounds__(256)
reduction_sum(const REAL* a, REAL* total, long long p, long long n, long long q, int width, int rows,
              int chunk_rows) {
  sum_middle<REAL, REAL>(a, total, p, n, q, width, rows, chunk_rows);
}

// Several chunks: their sums, (P, chunks, Q).
extern "C" __global__ void __launch_bounds__(256)
reduction_sum_chunks(const REAL* a, double* partial, long long p, long long n, long long q, int width, int rows,
                     int chunk_rows) {
  sum_middle<REAL, double>(a, partial, p, n, q, width, rows, chunk_rows);
}

// The sums of the chunks' sums.
extern "C" __global__ void __launch_bounds__(256)
reduction_sum_partial(const double* partial, REAL* total, long long p, long long n, long long q, int width, int rows,
                      int chunk_rows) {
  sum_middle<double, REAL>(partial, total, p, n, q, width, rows, chunk_rows);
}
