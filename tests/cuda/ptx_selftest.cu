// A small kernel for every function of ptx.cuh, and for those of CUDA C++ that the simulator writes anew.
// variants: arch=sm_80
#include "ptx.cuh"

// One tile: c = a b, with a (16 x 8) and b (8 x 8) rounded to TF32 if `round`; 32 threads.
extern "C" __global__ void try_mma(const float* a, const float* b, float* c, int round) {
  int lane = threadIdx.x, g = lane >> 2, t = lane & 3;
  float left[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
  float right[2] = {b[t * 8 + g], b[(t + 4) * 8 + g]};
  uint32_t x[4], y[2];
  for (int i = 0; i < 4; i++) x[i] = round ? to_tf32(left[i]) : __float_as_uint(left[i]);
  for (int i = 0; i < 2; i++) y[i] = round ? to_tf32(right[i]) : __float_as_uint(right[i]);
  float d[4] = {1.f, 2.f, 3.f, 4.f};
  mma_tf32(d, x, y);
  float* top = c + g * 8 + 2 * t;
  float* bottom = c + (g + 8) * 8 + 2 * t;
  top[0] = d[0] - 1.f, top[1] = d[1] - 2.f, bottom[0] = d[2] - 3.f, bottom[1] = d[3] - 4.f;
}

// Four 8 x 4 tiles of x (16 x 8): rows 0-7 and 8-15, columns 0-3 and 4-7, in the order of mma's left operand; 32 threads.
extern "C" __global__ void try_load_matrices(const float* x, float* out) {
  __shared__ __align__(16) float tile[16 * 8];
  int lane = threadIdx.x;
  for (int i = lane; i < 128; i += 32) tile[i] = x[i];
  __syncthreads();
  uint32_t got[4];
  load_matrices(got, tile + lane % 16 * 8 + lane / 16 * 4);
  for (int m = 0; m < 4; m++) out[m * 32 + lane] = __uint_as_float(got[m]);
}

extern "C" __global__ void try_to_tf32(const float* x, unsigned* bits, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) bits[i] = to_tf32(x[i]);
}

// Three groups of copies of 16 and 4 bytes on their way at once; the threads read what others copied. Copies that are
// not `ok` leave zeros.
extern "C" __global__ void try_cp_async(const float* x, float* y, int n) {
  __shared__ __align__(16) float wide[3][4 * 32];
  __shared__ float narrow[3][32];
  int i = threadIdx.x;
  for (int group = 0; group < 3; group++) {
    const float* from = x + group * 128;
    cp_async16(&wide[group][4 * i], from + 4 * i, 4 * i < n);
    cp_async4(&narrow[group][i], from + (i * 5) % 128, i < n);
    cp_async_commit();
  }
  for (int group = 0; group < 3; group++) {
    if (group == 0) cp_async_wait<2>();
    if (group == 1) cp_async_wait<1>();
    if (group == 2) cp_async_wait<0>();
    __syncthreads();
    float* out = y + group * 160;
    for (int k = 0; k < 4; k++) out[4 * i + k] = wide[group][127 - (4 * i + k)];
    out[128 + i] = narrow[group][31 - i];
  }
}

// Bits, shuffles, votes: what lane i gets.
extern "C" __global__ void try_warp(const unsigned* x, unsigned* out) {
  int i = threadIdx.x;
  unsigned v = x[i], column = 0;
  auto put = [&](unsigned value) { out[32 * column++ + i] = value; };
  put(__shfl_sync(~0u, v, 5));
  put(__shfl_sync(~0u, v, 3, 8));
  put(__shfl_sync(~0u, v, 37));
  put(__shfl_xor_sync(~0u, v, 9));
  put(__shfl_xor_sync(~0u, v, 3, 8));
  put(__shfl_down_sync(~0u, v, 7));
  put(__shfl_down_sync(~0u, v, 3, 8));
  put(__shfl_up_sync(~0u, v, 7));
  put(__shfl_up_sync(~0u, v, 3, 8));
  put(__ballot_sync(~0u, v % 3 == 0));
  put(__any_sync(~0u, v == 0) != 0);
  put(__all_sync(~0u, v < 0xffffffffu) != 0);
  put(__popc(v));
  put(__clz((int)v));
  put(__ffs((int)v));
  put(__brev(v));
  put(__umulhi(v, 0xD2511F53u));
  put((unsigned)__mulhi((int)v, 0x51F53));
  float f = (float)(v % 4096) / 512.f - 3.f;
  put(__float_as_uint(min(f, 1.0f)));
  put(__float_as_uint(max(1.0f, f)));
  put(__float_as_uint(__fmaf_rn(f, 3.3f, 0.1f)));
  put(__float_as_uint(__fadd_rn(__fmul_rn(f, 3.3f), 0.1f)));
  put((unsigned)__float2int_rn(f));
}
