// Sums over the middle dimension of (P, N, Q): rows (Q = 1), columns (P = 1) and all between.
//
// A block of 256 threads is cut into `places` x `rows` x `width` threads (fastest last): `width` neighbouring columns,
// `rows` of the N rows at a time, and, where N is short, several of the P places at once. Neighbouring threads so
// read neighbouring elements, whatever the shape: for Q = 1 a warp reads 32 elements of a row; for Q = 64
// (the gradient of a bias: N = all pixels, Q = channels) a block reads 32 channels of 8 pixels at a time.
// A thread adds up every `rows`-th row of its chunk in double, the loads of eight rows in flight together;
// then the block's threads add theirs up in shared memory as a tree (2 KiB), in an order that the shape alone
// decides: two runs are equal bit for bit. With more than one chunk, the chunks' sums are added by a second launch.
//
// Each element is read once, 4 bytes for one conversion and one addition in double. An H200 converts 16 floats a cycle
// in each of its 132 multiprocessors, 14 TB/s of floats and so three times what its memory delivers.
#include "real.cuh"

// How the launcher cut the shape, see plan in cuda.py: tiles of `width` columns, chunks of `chunk_rows` rows.
struct Cut {
  int width, rows, chunk_rows, tiles, chunks;
};

template <typename In, typename Out>
__device__ __forceinline__ void sum_middle(const In* __restrict__ a, Out* __restrict__ total, long long p,
                                           long long n, long long q, Cut cut) {
  __shared__ double sums[256];
  const int width = cut.width, rows = cut.rows;
  const int column = threadIdx.x % width, row = threadIdx.x / width % rows, place = threadIdx.x / (width * rows);
  const int places = 256 / (width * rows);
  const int tile = blockIdx.x % cut.tiles, chunk = blockIdx.x / cut.tiles % cut.chunks;
  const long long i = (long long)(blockIdx.x / cut.tiles / cut.chunks) * places + place;
  const long long j = (long long)tile * width + column;
  const bool mine = place < places && i < p && j < q;

  double sum = 0;
  if (mine) {
    const long long begin = (long long)chunk * cut.chunk_rows, end = min(begin + cut.chunk_rows, n);
    const In* from = a + (i * n + begin + row) * q + j;
#pragma unroll 8
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
  if (mine && row == 0) total[(i * cut.chunks + chunk) * q + j] = (Out)sums[threadIdx.x];
}

// One chunk: the sums themselves.
extern "C" __global__ void __launch_bounds__(256)
reduction_sum(const REAL* a, REAL* total, long long p, long long n, long long q, Cut cut) {
  sum_middle<REAL, REAL>(a, total, p, n, q, cut);
}

// Several chunks: their sums, (P, chunks, Q).
extern "C" __global__ void __launch_bounds__(256)
reduction_sum_chunks(const REAL* a, double* partial, long long p, long long n, long long q, Cut cut) {
  sum_middle<REAL, double>(a, partial, p, n, q, cut);
}

// The sums of the chunks' sums.
extern "C" __global__ void __launch_bounds__(256)
reduction_sum_partial(const double* partial, REAL* total, long long p, long long n, long long q, Cut cut) {
  sum_middle<double, REAL>(partial, total, p, n, q, cut);
}
