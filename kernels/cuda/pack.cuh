// Pack<T>: VECTOR neighbours in memory, moved by one load or store. With -DVECTOR=4 a thread moves 4 floats, 16 bytes,
// the most an instruction can; a row whose length is no multiple of that, or that begins between, takes -DVECTOR=1.
#pragma once

#ifndef VECTOR
#define VECTOR 1
#endif

template <class T> struct alignas(sizeof(T) * VECTOR) Pack {
  T at[VECTOR];
};

template <class T> __device__ __forceinline__ Pack<T> load(const T* p) { return *reinterpret_cast<const Pack<T>*>(p); }

template <class T> __device__ __forceinline__ void store(T* p, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(p) = pack;
}
