// What a tile kernel multiplies: a matrix of rows x depth, known by where its elements lie. An operand answers
//     row(m)     what is to be known about row m, decoded once in a block;
//     depth(k)   what is to be known about place k of the depth, decoded once in a tile;
//     at(r, d)   the element's address, or null where there is none: it counts as zero.
// A matrix in memory is the simplest; the windows of a convolution (conv2d/windows.cuh) are looked up in the picture.
// A row or a place outside the matrix gives null, so that tiles may hang over its edges.
#pragma once

template <class T> struct Matrix {
  const T* base;
  int rows, depth_end;
  long long row_stride, depth_stride;
  struct Row {
    long long offset;  // negative: outside
  };
  struct Depth {
    long long offset;
  };
  __device__ Row row(int m) const { return {m < rows ? m * row_stride : -1}; }
  __device__ Depth depth(int k) const { return {k < depth_end ? k * depth_stride : -1}; }
  __device__ const T* at(const Row& r, const Depth& d) const {
    return (r.offset | d.offset) < 0 ? nullptr : base + r.offset + d.offset;
  }
};
