// What a tile kernel multiplies: a matrix of rows x depth, known by where its elements lie. An operand answers
//     row(m)     what is to be known about row m, decoded once in a block
//     depth(k)   what is to be known about place k of the depth, decoded once in a step
//     at(r, d)   the element's address, and whether there is one: otherwise it counts as zero and is not read
//                (the address is as aligned as any)
// A matrix in memory is the simplest; the windows of a convolution (conv2d/windows.cuh) are looked up in the picture.
// Outside the matrix there are no elements, so tiles may hang over its edges.
#pragma once

template <class T> struct Place {
  const T* address;
  bool there;
};

template <class T> struct Matrix {
  const T* base;
  int rows, depth_end;
  long long row_stride, depth_stride;
  struct Row {
    const T* start;
    bool there;
  };
  struct Depth {
    long long offset;
    bool there;
  };
  __device__ Row row(int m) const { return {base + m * row_stride, m < rows}; }
  __device__ Depth depth(int k) const { return {k * depth_stride, k < depth_end}; }
  __device__ Place<T> at(const Row& r, const Depth& d) const { return {r.start + d.offset, r.there && d.there}; }
};
