// A convolution as a product of matrices that nobody writes down: im2col, looked up while multiplying ("implicit GEMM",
// Chetlur et al. 2014, "cuDNN: Efficient primitives for deep learning", section 3).
//
// A row is an output pixel m = (n, i, j); a place of the depth is k = (tap a, tap b, channel c), c fastest, as pictures
// lie channels-last. Along each axis, output i sees through tap a the input pixel
//     i step + origin + a reach
// or nothing (zero) where that lies outside. Forward: step = stride, origin = -padding, reach = dilation, all taps.
//
// The input's gradient is such a convolution of dy too. Pixel h of dx collects weight[r] dy[o] over all o stride + r
// dilation - padding = h: o = (h + padding - r dilation) / stride, for those r for which that is whole. These are other
// taps for each remainder of h modulo the stride, but the same for all pixels of one remainder, and they lie evenly: so
// dx is put together from stride x stride convolutions (parity classes) with step 1, each of 1 / stride^2 of the taps,
// and nothing is multiplied by zeros that a stretched dy would have.
#pragma once
#include "divisor.cuh"
#include "operand.cuh"

struct Axis {
  int count, first, spacing;      // outputs of this class; output i is written to pixel first + i spacing
  int taps, first_tap, tap_step;  // tap a is number first_tap + a tap_step of the weights
  int step, origin, reach;
};

__device__ inline Axis forward_axis(int outputs, int kernel, int stride, int padding, int dilation) {
  return {outputs, 0, 1, kernel, 0, 1, stride, -padding, dilation};
}

__device__ inline Axis gradient_axis(int inputs, int kernel, int stride, int padding, int dilation, int remainder) {
  int tap = 0, tap_step = 1;
  while (tap < kernel && (remainder + padding - tap * dilation) % stride != 0) tap++;
  while (tap_step * dilation % stride != 0) tap_step++;
  Axis axis{(inputs - remainder + stride - 1) / stride,
            remainder,
            stride,
            0,
            tap,
            tap_step,
            1,
            0,
            -dilation * tap_step / stride};
  if (tap < kernel) {
    axis.taps = (kernel - tap + tap_step - 1) / tap_step;
    axis.origin = (remainder + padding - tap * dilation) / stride;
  }
  return axis;
}

// Far outside every picture, however large the other part of the sum.
constexpr int NOWHERE = -(1 << 29);

template <class T> struct Windows {
  const T* base;  // the first channel of this group in pixel (0, 0) of the first picture, channels-last
  int height, width, channels, picture;
  Axis h, w;
  int group_channels, pixels, depth_end;
  Divisor by_picture, by_row, by_channels, by_taps;

  struct Pixel {
    const T* corner;  // of its window, which may lie outside the picture
    int h, w;
  };
  struct Tap {
    int offset, h, w;  // from the corner
  };
  __device__ Windows(const T* base, int batch, int height, int width, int channels, int group_channels, Axis h, Axis w)
      : base(base),
        height(height),
        width(width),
        channels(channels),
        picture(height * width * channels),
        h(h),
        w(w),
        group_channels(group_channels),
        pixels(batch * h.count * w.count),
        depth_end(h.taps * w.taps * group_channels),
        by_picture(max(1, h.count * w.count)),
        by_row(max(1, w.count)),
        by_channels(group_channels),
        by_taps(max(1, w.taps)) {}

  __device__ Pixel pixel(int m) const {
    const int n = by_picture(m), place = m - n * h.count * w.count, i = by_row(place), j = place - i * w.count;
    const int top = i * h.step + h.origin, left = j * w.step + w.origin;
    const T* corner = base + ((long long)n * picture + (top * width + left) * channels);
    return {corner, m < pixels ? top : NOWHERE, left};
  }
  __device__ Tap tap(int k) const {
    const int t = by_channels(k), a = by_taps(t), b = t - a * w.taps, down = a * h.reach, right = b * w.reach;
    return {(down * width + right) * channels + k - t * group_channels, k < depth_end ? down : NOWHERE, right};
  }
  __device__ Place<T> look(const Pixel& p, const Tap& t) const {
    return {p.corner + t.offset, (unsigned)(p.h + t.h) < (unsigned)height && (unsigned)(p.w + t.w) < (unsigned)width};
  }
  // Where output pixel m goes, of `out_height` x `out_width` in a picture.
  __device__ long long written(int m, int out_height, int out_width) const {
    const int n = by_picture(m), place = m - n * h.count * w.count, i = by_row(place), j = place - i * w.count;
    return ((long long)n * out_height + h.first + i * h.spacing) * out_width + w.first + j * w.spacing;
  }
};

// The windows as rows of pixels (for the outputs), and as rows of taps (for the weights' gradient, summed over pixels).
template <class T> struct PixelRows : Windows<T> {
  using Windows<T>::Windows;
  using Row = typename Windows<T>::Pixel;
  using Depth = typename Windows<T>::Tap;
  __device__ Row row(int m) const { return this->pixel(m); }
  __device__ Depth depth(int k) const { return this->tap(k); }
  __device__ Place<T> at(const Row& r, const Depth& d) const { return this->look(r, d); }
};
template <class T> struct TapRows : Windows<T> {
  using Windows<T>::Windows;
  using Row = typename Windows<T>::Tap;
  using Depth = typename Windows<T>::Pixel;
  __device__ Row row(int k) const { return this->tap(k); }
  __device__ Depth depth(int m) const { return this->pixel(m); }
  __device__ Place<T> at(const Row& r, const Depth& d) const { return this->look(d, r); }
};

// The weights (outputs, KH, KW, channels of a group), of which a class of the gradient takes some taps.
template <class T> struct Weights {
  const T* base;
  int rows, row_length, kernel_w, group_channels, depth_end;
  Axis h, w;
  Divisor by_channels, by_taps;
  struct Row {
    const T* start;
    bool there;
  };
  struct Depth {
    int offset;
    bool there;
  };
  __device__ Weights(const T* base, int rows, int kernel_h, int kernel_w, int group_channels, Axis h, Axis w)
      : base(base),
        rows(rows),
        row_length(kernel_h * kernel_w * group_channels),
        kernel_w(kernel_w),
        group_channels(group_channels),
        depth_end(h.taps * w.taps * group_channels),
        h(h),
        w(w),
        by_channels(group_channels),
        by_taps(max(1, w.taps)) {}
  __device__ Row row(int n) const { return {base + (long long)n * row_length, n < rows}; }
  __device__ Depth depth(int k) const {
    const int t = by_channels(k), a = by_taps(t), b = t - a * w.taps;
    const int tap = (h.first_tap + a * h.tap_step) * kernel_w + w.first_tap + b * w.tap_step;
    return {(tap - t) * group_channels + k, k < depth_end};
  }
  __device__ Place<T> at(const Row& r, const Depth& d) const { return {r.start + d.offset, r.there && d.there}; }
};

// A layer as the kernels are told of it. `source` is what the windows lie on and `target` what they make: x and y
// forward, dy and dx for the gradient of the input.
struct Layer {
  int batch, source_h, source_w, source_channels, target_h, target_w, target_channels;
  int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups;
};
#define LAYER                                                                                                          \
  int batch, int source_h, int source_w, int source_channels, int target_h, int target_w, int target_channels,         \
      int kernel_h, int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w, int dilation_h,            \
      int dilation_w, int groups
#define LAYER_ARGUMENTS                                                                                                \
  Layer {                                                                                                              \
    batch, source_h, source_w, source_channels, target_h, target_w, target_channels, kernel_h, kernel_w, stride_h,     \
        stride_w, padding_h, padding_w, dilation_h, dilation_w, groups                                                 \
  }

// What a block of a convolution kernel computes: rows m0.. of pixels and columns n0.. of a group's channels, for one
// range of the depth. Blocks go over channels first, then pixels: neighbours look at the same pixels.
struct Task {
  int m0, n0, split, group, remainder_h, remainder_w;
  __device__ Task(int tiles_m, int tiles_n, int tile_m, int tile_n, int splits, int groups, int classes_w) {
    int block = blockIdx.x;
    n0 = block % tiles_n * tile_n, block /= tiles_n;
    m0 = block % tiles_m * tile_m, block /= tiles_m;
    split = block % splits, block /= splits;
    group = block % groups, block /= groups;
    remainder_w = block % classes_w, remainder_h = block / classes_w;
  }
};
