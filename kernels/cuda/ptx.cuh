// The PTX instructions that kernels use, each a function; on the CPU simulator each has a twin with the same contract.
// Needs sm_80 (asynchronous copies, TF32); a file that includes it says `arch=sm_80` in its variants.
// Source: PTX ISA 9.0, "Data Movement and Conversion Instructions: cp.async" and "cvt", "Warp Level Matrix
// Multiply-Accumulate Instructions: mma.sync". tests/cuda/test_ptx.py tries each, on the simulator and on a GPU.
#pragma once

#ifndef __CUDASIM__
typedef unsigned int uint32_t;

__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return (unsigned)__cvta_generic_to_shared(pointer);
}
#endif

// Copy 16 bytes from global to shared memory without passing through registers; zeros if not `ok` (but `global` must be
// a valid address all the same). Both addresses are multiples of 16. `.cg`: not kept in L1, each byte is read once.
__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool ok) {
#ifdef __CUDASIM__
  cudasim::cp_async(shared, global, 16, ok ? 16 : 0);
#else
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(ok ? 16 : 0)
               : "memory");
#endif
}

// The same for 4 bytes, for rows that are not whole multiples of 16 bytes (`.ca` is the only form there).
__device__ __forceinline__ void cp_async4(void* shared, const void* global, bool ok) {
#ifdef __CUDASIM__
  cudasim::cp_async(shared, global, 4, ok ? 4 : 0);
#else
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(ok ? 4 : 0)
               : "memory");
#endif
}

// Close this thread's group of copies.
__device__ __forceinline__ void cp_async_commit() {
#ifdef __CUDASIM__
  cudasim::cp_async_commit();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Wait until at most N of this thread's groups are still on their way. Other threads see the bytes only after a
// __syncthreads() that follows the wait.
template <int N>
__device__ __forceinline__ void cp_async_wait() {
#ifdef __CUDASIM__
  cudasim::cp_async_wait(N);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// Four matrices of 8 rows of 16 bytes (4 floats) from shared memory, in one read without detours through other registers:
// lane 8m + r names where row r of matrix m begins, a multiple of 16; lane 4g + t gets number t of row g of each matrix.
#ifdef __CUDASIM__
inline void load_matrices(uint32_t (&to)[4], const float* row) {
  const int lane = cudasim::lane_id();
  for (int m = 0; m < 4; m++) {
    const float* line = (const float*)__shfl_sync(~0u, (unsigned long long)row, 8 * m + lane / 4);
    to[m] = __float_as_uint(line[lane % 4]);
  }
}
#else
__device__ __forceinline__ void load_matrices(uint32_t (&to)[4], const float* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}
#endif

// Round to TF32 (10 bits of mantissa, ties away from zero); without it the tensor core cuts the bits off.
__device__ __forceinline__ uint32_t to_tf32(float value) {
#ifdef __CUDASIM__
  return __float_as_uint(cudasim::tf32_round(value));
#else
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
  return rounded;
#endif
}

// d += a b on a tensor core: the 32 lanes of a warp together hold a (16 x 8, TF32), b (8 x 8, TF32), d (16 x 8, fp32).
// Lane 4g + t holds a[g][t], a[g+8][t], a[g][t+4], a[g+8][t+4]; b[t][g], b[t+4][g]; d[g][2t], d[g][2t+1], d[g+8][2t],
// d[g+8][2t+1].
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef __CUDASIM__
  cudasim::mma_m16n8k8_tf32(d, a, b, d);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
