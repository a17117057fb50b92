// CUDA C++'s device side, for g++: included before every .cu file that the simulator compiles (see compiler.py).
//
// What is not here does not compile on the simulator; what is here behaves as the CUDA C++ Programming Guide says, and
// where it says "undefined", badly. Loads and stores are plain C++, so that g++ can instrument them.
#pragma once
#include <math.h>

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "abi.h"
// NVRTC has neither: a kernel that uses them must not compile here.
#undef INFINITY
#undef NAN

#define __CUDASIM__ 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static  // compiler.py adds the registration that fills it with NaN for each block

using dim3 = cudasim::Dim3;
#define threadIdx cudasim::threadIdx_
#define blockIdx cudasim::blockIdx_
#define blockDim cudasim::blockDim_
#define gridDim cudasim::gridDim_
static const int warpSize = 32;

// ---- vector types
#define CUDASIM_VECTORS(T, name, bytes)                                                                        \
  struct alignas(2 * bytes) name##2 { T x, y; };                                                               \
  struct name##3 { T x, y, z; };                                                                               \
  struct alignas(4 * bytes > 16 ? 16 : 4 * bytes) name##4 { T x, y, z, w; };                                   \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                                                   \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                                           \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUDASIM_VECTORS(float, float, 4)
CUDASIM_VECTORS(double, double, 8)
CUDASIM_VECTORS(int, int, 4)
CUDASIM_VECTORS(unsigned, uint, 4)
CUDASIM_VECTORS(signed char, char, 1)
CUDASIM_VECTORS(unsigned char, uchar, 1)
CUDASIM_VECTORS(long long, longlong, 8)
CUDASIM_VECTORS(unsigned long long, ulonglong, 8)

// ---- barriers and fences; fibers run one at a time, so that a fence has nothing to do
inline void __syncthreads() { cudasim::sync_block(); }
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- warp intrinsics
namespace cudasim {
template <class T>
struct Shuffle {
  T value, result;
  int source;
};
template <class T>
void shuffle_lanes(void** records, uint32_t mask, int lanes) {
  for (int lane = 0; lane < lanes; lane++) {
    if (!(mask >> lane & 1)) continue;
    auto* mine = static_cast<Shuffle<T>*>(records[lane]);
    if (mine->source < lanes && (mask >> mine->source & 1))
      mine->result = static_cast<Shuffle<T>*>(records[mine->source])->value;
    else
      memset(&mine->result, 0xFF, sizeof(T));  // undefined on a chip
  }
}
template <class T>
T shuffle(uint32_t mask, T value, int source, const char* operation) {
  Shuffle<T> record{value, value, source};
  warp_collective(mask, &record, operation, shuffle_lanes<T>);
  return record.result;
}
struct Vote {
  bool predicate;
  uint32_t result;
};
inline void count_votes(void** records, uint32_t mask, int lanes) {
  uint32_t ballot = 0;
  for (int lane = 0; lane < lanes; lane++)
    if (mask >> lane & 1) ballot |= uint32_t(static_cast<Vote*>(records[lane])->predicate) << lane;
  for (int lane = 0; lane < lanes; lane++)
    if (mask >> lane & 1) static_cast<Vote*>(records[lane])->result = ballot;
}
inline uint32_t vote(uint32_t mask, bool predicate) {
  Vote record{predicate, 0};
  warp_collective(mask, &record, "vote", count_votes);
  return record.result;
}
}  // namespace cudasim

inline void __syncwarp(uint32_t mask = ~0u) {
  cudasim::warp_collective(mask, nullptr, cudasim::SYNCWARP, [](void**, uint32_t, int) {});
}
template <class T>
T __shfl_sync(uint32_t mask, T value, int source, int width = 32) {
  int lane = cudasim::lane_id();
  return cudasim::shuffle(mask, value, (lane & ~(width - 1)) + (source & (width - 1)), "shfl");
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32) {
  int lane = cudasim::lane_id(), source = lane ^ bits;
  bool reachable = (source & ~(width - 1)) <= (lane & ~(width - 1));
  return cudasim::shuffle(mask, value, reachable ? source : lane, "shfl_xor");
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  int lane = cudasim::lane_id();
  return cudasim::shuffle(mask, value, lane % width + int(delta) < width ? lane + int(delta) : lane, "shfl_down");
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  int lane = cudasim::lane_id();
  return cudasim::shuffle(mask, value, lane % width >= int(delta) ? lane - int(delta) : lane, "shfl_up");
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) { return cudasim::vote(mask, predicate != 0); }
inline int __any_sync(uint32_t mask, int predicate) { return cudasim::vote(mask, predicate != 0) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return cudasim::vote(mask, predicate == 0) == 0; }

// ---- atomics: fibers only switch at barriers, so that plain code is atomic. Not for numbers of floating point, whose
// sum depends on the order.
#define CUDASIM_ATOMIC(name, expression)                                             \
  template <class T, class U>                                                        \
  __attribute__((no_sanitize("thread"), noinline)) T name(T* address, U operand) {   \
    static_assert(!std::is_floating_point<T>::value, "two runs would not be equal");  \
    cudasim::check_access(address, sizeof(T), true, cudasim::ATOMIC);                \
    T old = *address, value = T(operand);                                            \
    *address = expression;                                                           \
    return old;                                                                      \
  }
CUDASIM_ATOMIC(atomicAdd, T(old + value))
CUDASIM_ATOMIC(atomicSub, T(old - value))
CUDASIM_ATOMIC(atomicMax, old < value ? value : old)
CUDASIM_ATOMIC(atomicMin, value < old ? value : old)
CUDASIM_ATOMIC(atomicOr, T(old | value))
CUDASIM_ATOMIC(atomicAnd, T(old & value))
CUDASIM_ATOMIC(atomicExch, value)
template <class T, class U, class V>
__attribute__((no_sanitize("thread"), noinline)) T atomicCAS(T* address, U compare, V operand) {
  cudasim::check_access(address, sizeof(T), true, cudasim::ATOMIC);
  T old = *address;
  if (old == T(compare)) *address = T(operand);
  return old;
}

// ---- loads and stores with a cache hint
template <class T> __forceinline__ T __ldg(const T* address) { return *address; }
template <class T> __forceinline__ T __ldcs(const T* address) { return *address; }
template <class T> __forceinline__ T __ldcg(const T* address) { return *address; }
template <class T> __forceinline__ void __stcs(T* address, T value) { *address = value; }
template <class T> __forceinline__ void __stcg(T* address, T value) { *address = value; }

// ---- bits
namespace cudasim {
template <class To, class From>
To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
}  // namespace cudasim
inline float __int_as_float(int value) { return cudasim::bits<float>(value); }
inline float __uint_as_float(unsigned value) { return cudasim::bits<float>(value); }
inline int __float_as_int(float value) { return cudasim::bits<int>(value); }
inline unsigned __float_as_uint(float value) { return cudasim::bits<unsigned>(value); }
inline double __longlong_as_double(long long value) { return cudasim::bits<double>(value); }
inline long long __double_as_longlong(double value) { return cudasim::bits<long long>(value); }
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __clz(int value) { return value ? __builtin_clz(value) : 32; }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline unsigned __brev(unsigned value) {
  unsigned reversed = 0;
  for (int bit = 0; bit < 32; bit++) reversed |= (value >> bit & 1) << (31 - bit);
  return reversed;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline int __mulhi(int a, int b) { return int((int64_t(a) * b) >> 32); }

// ---- arithmetic; <math.h> has the rest. `exp`, `sqrt`, `fabs` ... take float or double, as in CUDA C++.
// The compiler cannot see through `rounded`, so that it cannot fuse a product with a sum.
namespace cudasim {
template <class T>
T rounded(T value) {
  asm("" : "+x"(value));
  return value;
}
}  // namespace cudasim
inline float __fmul_rn(float a, float b) { return cudasim::rounded(a * b); }
inline float __fadd_rn(float a, float b) { return cudasim::rounded(cudasim::rounded(a) + cudasim::rounded(b)); }
inline float __fsub_rn(float a, float b) { return cudasim::rounded(cudasim::rounded(a) - cudasim::rounded(b)); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dmul_rn(double a, double b) { return cudasim::rounded(a * b); }
inline double __dadd_rn(double a, double b) { return cudasim::rounded(cudasim::rounded(a) + cudasim::rounded(b)); }
inline double __dsub_rn(double a, double b) { return cudasim::rounded(cudasim::rounded(a) - cudasim::rounded(b)); }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return ::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return ::fma(a, b, c); }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline float rsqrt(float a) { return 1.0f / sqrtf(a); }
inline double rsqrt(double a) { return 1.0 / ::sqrt(a); }
inline float __frsqrt_rn(float a) { return 1.0f / sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __expf(float a) { return expf(a); }
inline float __logf(float a) { return logf(a); }
inline float __log2f(float a) { return log2f(a); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __sinf(float a) { return sinf(a); }
inline float __cosf(float a) { return cosf(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }  // NaN gives 0
inline float __int2float_rn(int a) { return float(a); }
inline float __uint2float_rn(unsigned a) { return float(a); }
inline double __uint2double_rn(unsigned a) { return double(a); }
inline float __double2float_rn(double a) { return float(a); }
inline int __float2int_rn(float a) { return int(rintf(a)); }
inline int __float2int_rd(float a) { return int(floorf(a)); }

// As in CUDA C++: the usual conversions between integers; NaN is ignored between numbers of floating point.
template <class A, class B>
constexpr auto min(A a, B b) {
  using T = decltype(a + b);
  if constexpr (std::is_floating_point<T>::value) return __builtin_isnan(T(a)) || T(b) < T(a) ? T(b) : T(a);
  else return T(b) < T(a) ? T(b) : T(a);
}
template <class A, class B>
constexpr auto max(A a, B b) {
  using T = decltype(a + b);
  if constexpr (std::is_floating_point<T>::value) return __builtin_isnan(T(a)) || T(a) < T(b) ? T(b) : T(a);
  else return T(a) < T(b) ? T(b) : T(a);
}

#include "tensor_core.h"

// ---- export: one entry point for every kernel, with the kinds and sizes of its parameters
namespace cudasim {
template <class Argument>
constexpr char kind() {
  using T = std::remove_cv_t<Argument>;
  if (std::is_pointer<T>::value) return std::is_const<std::remove_pointer_t<T>>::value ? 'c' : 'p';
  return std::is_floating_point<T>::value ? 'f' : std::is_integral<T>::value ? 'i' : 's';
}
template <auto kernel>
struct Entry;
template <class... Arguments, void (*kernel)(Arguments...)>
struct Entry<kernel> {
  template <size_t... I>
  static void unpack(void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<Arguments>*>(arguments[I])...);
  }
  static void call(void* arguments) { unpack(static_cast<void**>(arguments), std::index_sequence_for<Arguments...>()); }
  static int signature(char* kinds, int* sizes) {
    ((*kinds++ = kind<Arguments>(), *sizes++ = static_cast<int>(sizeof(Arguments))), ...);
    return sizeof...(Arguments);
  }
};
}  // namespace cudasim
#define CUDASIM_EXPORT(symbol, bounds, ...)                                             \
  extern "C" void symbol##__call(void* a) { cudasim::Entry<&__VA_ARGS__>::call(a); }    \
  extern "C" int symbol##__bounds() { return bounds; }                                  \
  extern "C" int symbol##__signature(char* kinds, int* sizes) { return cudasim::Entry<&__VA_ARGS__>::signature(kinds, sizes); }
