// A block of 128 threads multiplies TILE_M rows of A by TILE_N rows of B on tensor cores (sm_80), operands rounded to TF32, sums in
// fp32:       sums += sum over k of A(row i, k) B(row j, k)
//
// Four warps share the tile, as 2 x 2 (4 x 1 where TILE_N is 32): 64 x 64 sums in a warp of a 128 x 128 tile, 128 registers a
// thread. For 8 places of the depth such a warp reads 128 x 8 numbers for 32768 multiplications; smaller shares read more
// for each, and shared memory gives 32 numbers a cycle: see the table in tiling.py.
//
// A step takes BK = 32 places. cp.async copies the next two steps while one is multiplied, in a ring of STAGES = 3:
//     ring: A [3][TILE_M x 32], B [3][TILE_N x 32]         98 kB for 128 x 128, so that two blocks share a multiprocessor's 228 kB
// A step lies in shared memory as it does in global memory, so that every copy is of NUMBERS = 4 neighbours (16 bytes), or of
// single numbers where they are not aligned (NUMBERS = 1):
//     ALONG    (neighbours along the depth)  [row][32]     4-number chunk c of row r lies at place c ^ 4 (r & 1)
//     across   (neighbours along the rows)   [32][rows]    4-number chunk c of depth k lies at place c ^ 2 ((k >> 2) & 3)
// These places, instead of padding, put what a warp reads at a time into different banks.
//
// A sum has no order, so which of 8 places of the depth a tensor core calls "0 .. 7" is ours to choose, alike for A and B:
// lane 4g + t takes the places 4t .. 4t + 3 of 16, two for each of two mma.m16n8k8. ALONG, these are one 16-byte read.
#pragma once
#include "ptx.cuh"

constexpr int TF32_THREADS = 128, TF32_STEP = 32, TF32_STAGES = 3;

// What an operand's rows of one tile are in shared memory, how 128 threads copy them and how a lane reads them.
template <int ROWS, bool ALONG, int NUMBERS, class Operand> struct Ring {
  static constexpr int width = (ALONG ? TF32_STEP : ROWS) / NUMBERS;  // chunks in a line
  static constexpr int lines = TF32_THREADS / width, copies = (ALONG ? ROWS : TF32_STEP) / lines;
  static constexpr int size = ROWS * TF32_STEP;
  // ALONG, a thread copies the same rows in every step. What is to be known of them is in a table in shared memory: in
  // registers they would crowd out the sums.
  using Row = typename Operand::Row;

  const Operand& operand;
  float* ring;
  Row* table;
  Row mine;  // across: the thread's own row
  int across, line;

  __device__ Ring(const Operand& operand, float* ring, void* table, int first_row)
      : operand(operand), ring(ring), table((Row*)table), across(threadIdx.x % width * NUMBERS), line(threadIdx.x / width) {
    if (!ALONG) mine = operand.row(first_row + across);
    else for (int r = threadIdx.x; r < ROWS; r += TF32_THREADS) this->table[r] = operand.row(first_row + r);
  }
  __device__ void copy(int k0, int stage) {
    float* to = ring + stage * size;
    typename Operand::Depth depth = operand.depth(k0 + (ALONG ? across : line));
#pragma unroll(NUMBERS == 4 ? copies : 4)
    for (int i = 0; i < copies; i++) {
      const int l = line + i * lines;
      if (!ALONG && i > 0) depth = operand.depth(k0 + l);
      const float* from = operand.at(ALONG ? table[l] : mine, depth);
      const int place = ALONG ? l * TF32_STEP + (across ^ (l & 1) << 4) : l * ROWS + (across ^ (l >> 2 & 3) << 3);
      if (NUMBERS == 4) cp_async16(to + place, from ? from : operand.base, from != nullptr);
      else cp_async4(to + place, from ? from : operand.base, from != nullptr);
    }
  }
  // Row `row` + g, places 4t .. 4t + 3 of 16 from `slab` * 16 on.
  template <bool ROUND> __device__ void read(uint32_t (&to)[4], int stage, int row, int slab, int g, int t) const {
    const float* from = ring + stage * size;
    float v[4];
    if (ALONG) {
      const float4 chunk = *reinterpret_cast<const float4*>(from + (row + g) * TF32_STEP + ((slab ^ (g & 1)) * 4 + t) * 4);
      v[0] = chunk.x, v[1] = chunk.y, v[2] = chunk.z, v[3] = chunk.w;
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) v[e] = from[(slab * 16 + 4 * t + e) * ROWS + ((row + g) ^ t << 3)];
    }
#pragma unroll
    for (int e = 0; e < 4; e++) to[e] = ROUND ? to_tf32(v[e]) : __float_as_uint(v[e]);
  }
};

template <int TILE_M, int TILE_N> struct Tf32Tile {
  static constexpr int warps_n = TILE_N >= 64 ? 2 : 1, warps_m = 4 / warps_n, WM = TILE_M / warps_m, WN = TILE_N / warps_n;
  float sums[WM / 16][WN / 8][4];
  int wm, wn, g, t;

  // Multiply the depths first <= k < last. `memory`: see tf32_shared_bytes in tiling.py. B is rounded already if !ROUND_B.
  template <bool A_ALONG, bool B_ALONG, int NUMBERS, bool ROUND_B, class A, class B>
  __device__ void multiply(const A& a, const B& b, int m0, int n0, int first, int last, float* memory) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    wm = warp % warps_m * WM, wn = warp / warps_m * WN, g = lane / 4, t = lane % 4;
    float* b_memory = memory + TF32_STAGES * TILE_M * TF32_STEP;
    char* tables = (char*)(b_memory + TF32_STAGES * TILE_N * TF32_STEP);
    Ring<TILE_M, A_ALONG, NUMBERS, A> ring_a(a, memory, tables, m0);
    Ring<TILE_N, B_ALONG, NUMBERS, B> ring_b(b, b_memory, tables + TILE_M * sizeof(typename A::Row), n0);
    __syncthreads();  // the tables are written
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
      for (int slab = 0; slab < TF32_STEP / 16; slab++) {
        uint32_t x[WM / 16][2][4];
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
          for (int half = 0; half < 2; half++)
            ring_a.template read<true>(x[i][half], stage, wm + i * 16 + half * 8, slab, g, t);
        // Four columns of fragments at a time: enough multiplications apart that none waits for the sum before.
#pragma unroll
        for (int j0 = 0; j0 < WN / 8; j0 += 4) {
          uint32_t y[4][4];
#pragma unroll
          for (int j = 0; j < 4; j++) ring_b.template read<ROUND_B>(y[j], stage, wn + (j0 + j) * 8, slab, g, t);
#pragma unroll
          for (int e = 0; e < 4; e += 2)
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
              for (int i = 0; i < WM / 16; i++) {
                const uint32_t left[4] = {x[i][0][e], x[i][1][e], x[i][0][e + 1], x[i][1][e + 1]};
                const uint32_t right[2] = {y[j][e], y[j][e + 1]};
                mma_tf32(sums[i][j0 + j], left, right);
              }
        }
      }
      stage = stage == TF32_STAGES - 1 ? 0 : stage + 1;
      ahead = ahead == TF32_STAGES - 1 ? 0 : ahead + 1;
    }
  }

  // Write the sums, plus bias if there is one, to row_of(m) + n for n < columns; row_of(m) is null outside. `pairs`: rows
  // begin at multiples of 8 bytes and `columns` is even, so that a thread's two neighbours go out together.
  template <class RowOf> __device__ void write(int m0, int n0, int columns, const float* bias, bool pairs, RowOf row_of) {
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
