// A block of 256 threads multiplies BM rows of A by BN rows of B, exactly in T (float or double), on the plain cores:
//     sums[i][j] += sum over k of A(row i, k) B(row j, k)
//
// Each thread keeps (BM / 16) x (BN / 16) sums in registers: with 8 x 8 it reads 16 numbers for 64 multiplications, and
// so shared memory (128 bytes a cycle for 128 multiplications a cycle) keeps up. A step of the depth takes BK places,
// as many as give each thread 4 numbers of each operand to fetch. While it multiplies one step it has the next in
// flight in registers, and two buffers take turns, so there is one barrier a step:
//     a[2][BK][BM + 4], b[2][BK][BN + 4]       17 kB for 128 x 128 float
// Rows of threads (ty) read the same numbers of A (a broadcast) and neighbours (tx) read neighbouring 16 bytes of B.
// The 4 in the width keeps 16-byte alignment, and puts the 8 depths x 4 rows that a warp writes at a time into 32
// banks. Instead of cp.async (sm_80), plain loads: this is the path of older devices too.
#pragma once
#include "operand.cuh"

template <class T, int N> struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

// Thread (tx, ty) has the rows ty * PIECE + (0 .. PIECE - 1) + 16 * PIECE * (0, 1, ...): 16 bytes at a time.
template <class T, int SIZE> struct Share {
  static constexpr int count = SIZE / 16;
  static constexpr int piece = count * (int)sizeof(T) < 16 ? count : 16 / (int)sizeof(T);
  static __device__ int place(int thread, int i) { return i / piece * (16 * piece) + thread * piece + i % piece; }
};

// How 256 threads fetch SIZE x BK numbers, 4 each. Where an operand lies side by side along its depth, so do the
// threads (ALONG): thread -> one depth and 4 rows; otherwise one row and 4 depths.
template <class T, int SIZE, bool ALONG, class Operand> struct Fetch {
  static constexpr int BK = 1024 / SIZE, lines = 256 / (ALONG ? BK : SIZE), width = SIZE + 4;
  const Operand& operand;
  typename Operand::Row rows[ALONG ? 4 : 1];
  T next[4];
  int across, line;

  __device__ Fetch(const Operand& operand, int first_row) : operand(operand) {
    across = threadIdx.x % (ALONG ? BK : SIZE);
    line = threadIdx.x / (ALONG ? BK : SIZE);
#pragma unroll
    for (int i = 0; i < (ALONG ? 4 : 1); i++) rows[i] = operand.row(first_row + (ALONG ? line + i * lines : across));
  }
  __device__ void load(int k0) {
    typename Operand::Depth depth = operand.depth(k0 + (ALONG ? across : line));
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (!ALONG && i > 0) depth = operand.depth(k0 + line + i * lines);
      const Place<T> from = operand.at(rows[ALONG ? i : 0], depth);
      next[i] = from.there ? *from.address : T(0);
    }
  }
  __device__ void store(T* buffer) const {
#pragma unroll
    for (int i = 0; i < 4; i++)
      buffer[ALONG ? across * width + line + i * lines : (line + i * lines) * width + across] = next[i];
  }
};

template <class T, int SIZE> __device__ void read_share(T (&to)[SIZE / 16], const T* line, int thread) {
  using S = Share<T, SIZE>;
#pragma unroll
  for (int i = 0; i < S::count; i += S::piece) {
    Pack<T, S::piece> pack = *reinterpret_cast<const Pack<T, S::piece>*>(line + S::place(thread, i));
#pragma unroll
    for (int e = 0; e < S::piece; e++) to[i + e] = pack.v[e];
  }
}

// Multiply the depths first <= k < last. BM == BN, so that both operands step alike.
template <class T, int SIZE, bool A_ALONG, bool B_ALONG, class A, class B>
__device__ void fma_tile(const A& a, const B& b, int m0, int n0, int first, int last, T (&sums)[SIZE / 16][SIZE / 16]) {
  constexpr int BK = 1024 / SIZE, width = SIZE + 4;
  __shared__ __align__(16) T a_tile[2 * BK * width];
  __shared__ __align__(16) T b_tile[2 * BK * width];
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
    for (int j = 0; j < SIZE / 16; j++) sums[i][j] = T(0);
  Fetch<T, SIZE, A_ALONG, A> fetch_a(a, m0);
  Fetch<T, SIZE, B_ALONG, B> fetch_b(b, n0);
  if (first < last) {
    fetch_a.load(first);
    fetch_b.load(first);
  }
  int buffer = 0;
  for (int k = first; k < last; k += BK) {
    fetch_a.store(a_tile + buffer * BK * width);
    fetch_b.store(b_tile + buffer * BK * width);
    // One barrier is enough: who writes this buffer again has passed the next one, and so has everyone who reads it.
    __syncthreads();
    if (k + BK < last) {
      fetch_a.load(k + BK);
      fetch_b.load(k + BK);
    }
#pragma unroll
    for (int d = 0; d < BK; d++) {
      T x[SIZE / 16], y[SIZE / 16];
      read_share<T, SIZE>(x, a_tile + (buffer * BK + d) * width, ty);
      read_share<T, SIZE>(y, b_tile + (buffer * BK + d) * width, tx);
#pragma unroll
      for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
        for (int j = 0; j < SIZE / 16; j++) sums[i][j] += x[i] * y[j];
    }
    buffer ^= 1;
  }
}

// Hand every sum to put(row, column, sum), rows and columns counted in the whole matrix.
template <class T, int SIZE, class Put>
__device__ void put_sums(const T (&sums)[SIZE / 16][SIZE / 16], int m0, int n0, Put put) {
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  using S = Share<T, SIZE>;
#pragma unroll
  for (int i = 0; i < SIZE / 16; i++)
#pragma unroll
    for (int j = 0; j < SIZE / 16; j++) put(m0 + S::place(ty, i), n0 + S::place(tx, j), sums[i][j]);
}
