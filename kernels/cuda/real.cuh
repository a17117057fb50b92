// The number type of a kernel, REAL (float or double, by -DREAL=...), and loads of 16 bytes of it.
#pragma once

#ifndef REAL
#define REAL float
#endif

// NVRTC has no <math.h>, so no INFINITY and NAN: here as bits. `real_inf<REAL>()`, `real_nan<REAL>()`.
template <class T>
__device__ __forceinline__ T real_inf();
template <>
__device__ __forceinline__ float real_inf<float>() { return __int_as_float(0x7f800000); }
template <>
__device__ __forceinline__ double real_inf<double>() { return __longlong_as_double(0x7ff0000000000000LL); }
template <class T>
__device__ __forceinline__ T real_nan();
template <>
__device__ __forceinline__ float real_nan<float>() { return __int_as_float(0x7fc00000); }
template <>
__device__ __forceinline__ double real_nan<double>() { return __longlong_as_double(0x7ff8000000000000LL); }

// 16 bytes, the widest load and store of a thread: 4 floats or 2 doubles. Pointers must be multiples of 16; see aligned16.
template <class T>
struct __align__(16) Vec {
  static constexpr int size = 16 / sizeof(T);
  T v[16 / sizeof(T)];
  __device__ __forceinline__ T& operator[](int i) { return v[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return v[i]; }
};
#define VEC (16 / (int)sizeof(REAL))

template <class T>
__device__ __forceinline__ Vec<T> load_vec(const T* pointer) {
  return *reinterpret_cast<const Vec<T>*>(pointer);
}
template <class T>
__device__ __forceinline__ void store_vec(T* pointer, const Vec<T>& value) {
  *reinterpret_cast<Vec<T>*>(pointer) = value;
}
__device__ __forceinline__ bool aligned16(const void* pointer) { return ((unsigned long long)pointer & 15) == 0; }
