// What compiled kernels and the runtime (runtime.cpp, checks.cpp) know of each other.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cudasim {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};
extern Dim3 threadIdx_, blockIdx_, blockDim_, gridDim_;

// Barriers and warps.
void sync_block();
inline const char* const SYNCWARP = "syncwarp";
using Collective = void (*)(void** records, uint32_t mask, int lanes);
void warp_collective(uint32_t mask, void* record, const char* operation, Collective function);
int lane_id();

// Shared memory.
void* dynamic_shared();
void register_shared(void* start, size_t bytes);

// Asynchronous copies.
void cp_async(void* shared, const void* global, int bytes, int source_bytes);
void cp_async_commit();
void cp_async_wait(int keep);

// Errors and checks.
[[noreturn]] void die(const char* what);
void check_access(const void* address, int bytes, bool write, const void* pc);
inline const void* const ATOMIC = reinterpret_cast<void*>(2);  // as `pc`: ordered with other atomics
inline const void* const COPY = reinterpret_cast<void*>(1);    // as `pc`: a cp.async

}  // namespace cudasim
