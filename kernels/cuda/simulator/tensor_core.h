// Tensor cores, TF32: operands keep 10 bits of mantissa, products are exact and sums are kept in fp32.
#pragma once

namespace cudasim {

const uint32_t TF32_BITS = 0xffffe000;  // sign, 8 bits of exponent, 10 of mantissa

inline float tf32_cut(float value) { return bits<float>(bits<uint32_t>(value) & TF32_BITS); }

// To the nearest, ties away from zero; NaN and infinity stay.
inline float tf32_round(float value) {
  uint32_t raw = bits<uint32_t>(value);
  if ((raw & 0x7f800000) != 0x7f800000) raw += 0x1000;  // half of the last bit kept
  return bits<float>(raw & TF32_BITS);
}

struct Mma {
  const float *a, *b, *c;
  float* d;
};

// Lane 4g + t of the warp holds the elements that ptx.cuh names.
inline void mma_lanes(void** records, uint32_t mask, int lanes) {
  if (mask != ~0u || lanes != 32) die("mma.sync needs all 32 lanes");
  float a[16][8], b[8][8], c[16][8];
  for (int lane = 0; lane < 32; lane++) {
    auto* r = static_cast<Mma*>(records[lane]);
    int g = lane >> 2, t = lane & 3;
    a[g][t] = r->a[0], a[g + 8][t] = r->a[1], a[g][t + 4] = r->a[2], a[g + 8][t + 4] = r->a[3];
    b[t][g] = r->b[0], b[t + 4][g] = r->b[1];
    c[g][2 * t] = r->c[0], c[g][2 * t + 1] = r->c[1], c[g + 8][2 * t] = r->c[2], c[g + 8][2 * t + 1] = r->c[3];
  }
  for (auto& row : a)
    for (auto& value : row) value = tf32_cut(value);
  for (auto& row : b)
    for (auto& value : row) value = tf32_cut(value);
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 8; k++)
      for (int j = 0; j < 8; j++) c[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < 32; lane++) {
    auto* r = static_cast<Mma*>(records[lane]);
    int g = lane >> 2, t = lane & 3;
    r->d[0] = c[g][2 * t], r->d[1] = c[g][2 * t + 1], r->d[2] = c[g + 8][2 * t], r->d[3] = c[g + 8][2 * t + 1];
  }
}

inline void mma_m16n8k8_tf32(float* d, const uint32_t* a, const uint32_t* b, const float* c) {
  float a_values[4], b_values[2];
  memcpy(a_values, a, sizeof a_values);
  memcpy(b_values, b, sizeof b_values);
  Mma record{a_values, b_values, c, d};
  warp_collective(~0u, &record, "mma.m16n8k8.tf32", mma_lanes);
}

}  // namespace cudasim
