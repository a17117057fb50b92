// A block of 128 threads multiplies TILE_M rows of A by TILE_N rows of B on tensor cores (sm_80), operands rounded to
// TF32, sums in fp32:       sums += sum over k of A(row i, k) B(row j, k)
//
// Four warps share the tile, as 2 x 2 (4 x 1 where TILE_N is 32): 64 x 64 sums in a warp of a 128 x 128 tile, 128
// registers a thread. For 8 places of the depth such a warp reads 128 x 8 numbers for 32768 multiplications; smaller
// shares read more for each, and shared memory gives 32 numbers a cycle: see the table in tiling.py.
//
// A step takes 32 places. cp.async copies the next two steps while one is multiplied, in a ring of three:
//     ring: A [3][TILE_M x 32], B [3][TILE_N x 32]     96 KiB for 128 x 128
// Two such blocks share a multiprocessor of 228 KiB (sm_90); one may have 99 on the smallest devices (sm_86, sm_89).
// A step lies in shared memory as it does in global memory, so that every copy is of NUMBERS = 4 neighbours (16 bytes),
// or of single numbers where they are not aligned (NUMBERS = 1):
//     ALONG    (neighbours along the depth)  [row][32]     4-number chunk c of row r lies at place c ^ (r & 7)
//     across   (neighbours along the rows)   [32][rows]    4-number chunk c of depth k lies at place c ^ 2 (k & 3)
// These places, instead of padding, put what a warp reads or writes at a time into different banks.
#pragma once
#include "operand.cuh"
#include "ptx.cuh"

constexpr int TF32_THREADS = 128, TF32_STEP = 32, TF32_STAGES = 3;

// What an operand's rows of one tile are in shared memory, how 128 threads copy them and how a lane reads them.
template <int ROWS, bool ALONG, int NUMBERS, class Operand> struct Ring {
  static constexpr int width = (ALONG ? TF32_STEP : ROWS) / NUMBERS;  // chunks in a line
  static constexpr int lines = TF32_THREADS / width, copies = (ALONG ? ROWS : TF32_STEP) / lines;
  static constexpr int size = ROWS * TF32_STEP;
  // ALONG, a thread copies the same rows in every step. Each thread works out one row for a table in shared memory.
  // There all find what they need to know, 16 bytes of each of 8 rows, and keep it in registers, unless there are too
  // many (32).
  static constexpr bool by_heart = ALONG && NUMBERS == 4;
  using Row = typename Operand::Row;

  const Operand& operand;
  float* ring;
  Row* table;
  Row mine[by_heart ? copies : 1];  // across: the one row that it copies
  int across, line;

  __device__ Ring(const Operand& operand, float* ring, void* table, int first_row)
      : operand(operand),
        ring(ring),
        table((Row*)table),
        across(threadIdx.x % width * NUMBERS),
        line(threadIdx.x / width) {
    if (!ALONG)
      mine[0] = operand.row(first_row + across);
    else
      for (int r = threadIdx.x; r < ROWS; r += TF32_THREADS) this->table[r] = operand.row(first_row + r);
  }
  __device__ void learn() {  // when the table is written
    if constexpr (by_heart) {
#pragma unroll
      for (int i = 0; i < copies; i++) mine[i] = table[line + i * lines];
    }
  }
  __device__ void copy(int k0, int stage) {
    constexpr int length = ALONG ? TF32_STEP : ROWS, period = ALONG ? 8 : 4;  // of a line, and of the chunks' places
    float* to = ring + stage * size;
    typename Operand::Depth depth = operand.depth(k0 + (ALONG ? across : line));
#pragma unroll(NUMBERS == 4 ? copies : 4)
    for (int i = 0; i < copies; i++) {
      const int l = line + i * lines;
      if (!ALONG && i > 0) depth = operand.depth(k0 + l);
      const Place<float> from = operand.at(by_heart ? mine[by_heart ? i : 0] : ALONG ? table[l] : mine[0], depth);
      const int phase = lines % period == 0 ? line % period : l % period;  // the same for all copies, or not
      float* place = to + (line * length + (across ^ phase << (ALONG ? 2 : 3))) + i * lines * length;
      if (NUMBERS == 4)
        cp_async16(place, from.address, from.there);
      else
        cp_async4(place, from.address, from.there);
    }
  }
  // A lane's share of 16 rows x 8 places of the depth, for one mma as its left operand, or for two as their right one:
  // left:  (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)        right:  (g, t), (g, t + 4), (g + 8, t), (g + 8, t + 4)
  template <bool LEFT, bool ROUND> __device__ void read(uint32_t (&to)[4], int stage, int row, int eighth) const {
    const float* from = ring + stage * size;
    const int lane = threadIdx.x % 32;
    if (ALONG) {
      const int r = LEFT ? lane & 15 : lane >> 4 << 3 | (lane & 7), half = LEFT ? lane >> 4 : lane >> 3 & 1;
      load_matrices(to, from + (row + r) * TF32_STEP + ((eighth * 2 + half) ^ (r & 7)) * 4);
    } else {
      const int g = lane / 4, t = lane % 4;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int r = row + g + (LEFT ? i & 1 : i >> 1) * 8, k = eighth * 8 + t + (LEFT ? i >> 1 : i & 1) * 4;
        to[i] = __float_as_uint(from[k * ROWS + (r ^ t << 3)]);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (ROUND) to[i] = to_tf32(__uint_as_float(to[i]));
  }
};

template <int TILE_M, int TILE_N> struct Tf32Tile {
  static constexpr int warps_n = TILE_N >= 64 ? 2 : 1, warps_m = 4 / warps_n, WM = TILE_M / warps_m,
                       WN = TILE_N / warps_n;
  float sums[WM / 16][WN / 8][4];
  int wm, wn, g, t;

  // Multiply the depths first <= k < last. `memory`: see ring_bytes in tiling.py. B is rounded already if !ROUND_B.
  template <bool A_ALONG, bool B_ALONG, int NUMBERS, bool ROUND_B, class A, class B>
  __device__ void multiply(const A& a, const B& b, int m0, int n0, int first, int last, float* memory) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    wm = warp % warps_m * WM, wn = warp / warps_m * WN, g = lane / 4, t = lane % 4;
    float* b_memory = memory + TF32_STAGES * TILE_M * TF32_STEP;
    // What is learnt by heart may lie where the first copies will.
    char* tables = (char*)(NUMBERS == 4 ? memory : b_memory + TF32_STAGES * TILE_N * TF32_STEP);
    Ring<TILE_M, A_ALONG, NUMBERS, A> ring_a(a, memory, tables, m0);
    Ring<TILE_N, B_ALONG, NUMBERS, B> ring_b(b, b_memory, tables + TILE_M * sizeof(typename A::Row), n0);
    __syncthreads();
    ring_a.learn();
    ring_b.learn();
    if (NUMBERS == 4 && (A_ALONG || B_ALONG)) __syncthreads();
#pragma unroll
    for (int i = 0; i < WM / 16; i++)
#pragma unroll
      for (int j = 0; j < WN / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
    const int steps = first < last ? (last - first + TF32_STEP - 1) / TF32_STEP : 0;
#pragma unroll
    for (int s = 0; s < TF32_STAGES - 1; s++) {
      if (s < steps) {
        ring_a.copy(first + s * TF32_STEP, s);
        ring_b.copy(first + s * TF32_STEP, s);
      }
      cp_async_commit();  // an empty group too, so that there is one a step
    }
    int stage = 0, ahead = TF32_STAGES - 1;
    for (int s = 0; s < steps; s++) {
      cp_async_wait<TF32_STAGES - 2>();
      __syncthreads();  // this step has come for all threads, and all have read the last one: its place is free
      if (s + TF32_STAGES - 1 < steps) {
        ring_a.copy(first + (s + TF32_STAGES - 1) * TF32_STEP, ahead);
        ring_b.copy(first + (s + TF32_STAGES - 1) * TF32_STEP, ahead);
      }
      cp_async_commit();
#pragma unroll
      for (int eighth = 0; eighth < TF32_STEP / 8; eighth++) {
        uint32_t x[WM / 16][4], y[WN / 16][4];
#pragma unroll
        for (int i = 0; i < WM / 16; i++) ring_a.template read<true, true>(x[i], stage, wm + i * 16, eighth);
#pragma unroll
        for (int j = 0; j < WN / 16; j++) ring_b.template read<false, ROUND_B>(y[j], stage, wn + j * 16, eighth);
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
          const uint32_t right[2] = {y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]};
#pragma unroll
          for (int i = 0; i < WM / 16; i++) mma_tf32(sums[i][j], x[i], right);
        }
      }
      stage = stage == TF32_STAGES - 1 ? 0 : stage + 1;
      ahead = ahead == TF32_STAGES - 1 ? 0 : ahead + 1;
    }
  }

  // Write the sums, plus bias if there is one, to row_of(m) + n for n < columns; row_of(m) is null outside. `pairs`:
  // rows begin at multiples of 8 bytes and `columns` is even, so that a thread's two neighbours go out together.
  template <class RowOf>
  __device__ void write(int m0, int n0, int columns, const float* bias, bool pairs, RowOf row_of) {
#pragma unroll
    for (int i = 0; i < WM / 16; i++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float* row = row_of(m0 + wm + i * 16 + half * 8 + g);
        if (!row) continue;
#pragma unroll
        for (int j = 0; j < WN / 8; j++) {
          const int n = n0 + wn + j * 8 + 2 * t;
          float v0 = sums[i][j][half * 2], v1 = sums[i][j][half * 2 + 1];
          if (n < columns && bias) v0 += bias[n];
          if (n + 1 < columns && bias) v1 += bias[n + 1];
          if (pairs && n < columns) *reinterpret_cast<float2*>(row + n) = make_float2(v0, v1);
          if (!pairs && n < columns) row[n] = v0;
          if (!pairs && n + 1 < columns) row[n + 1] = v1;
        }
      }
  }
};
