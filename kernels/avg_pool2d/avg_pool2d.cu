// Average-pooling: the sum of each window, divided.
//
// Images lie in memory as (image, row, column, channel); the planes of NCHW are images of one channel. One thread does
// VECTOR neighbouring elements of one result, and neighbouring threads take neighbouring channels, then columns, so
// that a warp's loads are whole 128-byte lines: in NHWC always, in NCHW up to the stride. Large windows, of which there
// are few (in the limit one for a plane: global pooling), are shared by the threads of a block instead.
//
// Nothing is added atomically: forward gathers, and backward too, each element from the windows that see it, in their
// order. Two runs give the same bits.
//
// Bound by memory. Forward reads x once and writes y, backward reads dy and writes dx (taps that windows share come
// from the caches): for 2x2 windows 20 bytes a window in float32, both ways; for global pooling 4 bytes an element of
// x.
//
// __launch_bounds__(256, 4): 4 blocks of 256 threads on a multiprocessor leave a thread 64 registers, for the loads of
// several taps in flight.
//
// variants: REAL=float VECTOR=1|4
// variants: REAL=double VECTOR=1|2
#include "pack.cuh"
#include "real.cuh"
#include "reduce.cuh"

// The elements of an axis that a window sees, first <= i < last, and how many it is divided by: with count_pad those
// of the padding too, but never what hangs over the padding's end.
struct Span {
  int first, last, counted;
  __device__ Span(int window, int size, int kernel, int stride, int pad, int count_pad) {
    const int start = window * stride - pad, end = min(start + kernel, size + pad);
    first = max(start, 0);
    last = max(min(end, size), 0);
    counted = count_pad ? end - start : last - first;
  }
};

// What a window's sum is divided by; `divisor` is what the caller asked for, or 0.
__device__ __forceinline__ REAL divisor_of(const Span& rows, const Span& columns, int divisor) {
  return REAL(divisor ? divisor : rows.counted * columns.counted);
}

// x (images, height, width, channels) -> y (images, out_h, out_w, channels).
// Grid: x over the packs of a result, y over images.
extern "C" __global__ void __launch_bounds__(256, 4)
avg_pool2d_forward(const REAL* __restrict__ x, REAL* __restrict__ y, int images, int height, int width, int channels,
                   int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w,
                   int count_pad, int divisor) {
  const int packs = channels / VECTOR, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= out_h * out_w * packs) return;
  const int window = packs == 1 ? at : at / packs, c = (at - window * packs) * VECTOR;
  const int row = window / out_w, column = window - row * out_w;
  const Span rows(row, height, kernel_h, stride_h, pad_h, count_pad);
  const Span columns(column, width, kernel_w, stride_w, pad_w, count_pad);
  const REAL size = divisor_of(rows, columns, divisor);
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const REAL* source = x + (size_t)image * height * width * channels + c;
    Pack<REAL> sum;
    for (int v = 0; v < VECTOR; v++) sum.at[v] = 0;
    for (int h = rows.first; h < rows.last; h++)
      for (int w = columns.first; w < columns.last; w++) {
        const Pack<REAL> element = load(source + (h * width + w) * channels);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) sum.at[v] += element.at[v];
      }
    for (int v = 0; v < VECTOR; v++) sum.at[v] /= size;
    store(y + ((size_t)image * out_h * out_w + window) * channels + c, sum);
  }
}

// The same for large windows: a block takes one window of blockDim.x packs of channels, and its threadIdx.y share the
// window's elements, y, y + blockDim.y, ... Their sums meet in shared memory, 16 bytes a thread, in a tree.
// Grid: x over windows times groups of channels, y over images.
extern "C" __global__ void __launch_bounds__(256, 4)
avg_pool2d_forward_large(const REAL* __restrict__ x, REAL* __restrict__ y, int images, int height, int width,
                         int channels, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w,
                         int pad_h, int pad_w, int count_pad, int divisor) {
  __shared__ REAL scratch[256 * VECTOR];
  const int groups = (channels / VECTOR + blockDim.x - 1) / blockDim.x, window = blockIdx.x / groups;
  const int c = ((blockIdx.x - window * groups) * blockDim.x + threadIdx.x) * VECTOR;
  const int row = window / out_w, column = window - row * out_w;
  const Span rows(row, height, kernel_h, stride_h, pad_h, count_pad);
  const Span columns(column, width, kernel_w, stride_w, pad_w, count_pad);
  const int across = columns.last - columns.first, elements = (rows.last - rows.first) * across;
  for (int image = blockIdx.y; image < images; image += gridDim.y) {
    const REAL* source = x + (size_t)image * height * width * channels + c;
    Pack<REAL> sum;
    for (int v = 0; v < VECTOR; v++) sum.at[v] = 0;
    if (c < channels)
#pragma unroll 4  // loads in flight
      for (int k = threadIdx.y; k < elements; k += blockDim.y) {
        const int down = k / across, h = rows.first + down, w = columns.first + k - down * across;
        const Pack<REAL> element = load(source + (h * width + w) * channels);
        for (int v = 0; v < VECTOR; v++) sum.at[v] += element.at[v];
      }
    column_sums(sum.at, scratch);
    if (threadIdx.y == 0 && c < channels) {
      const REAL size = divisor_of(rows, columns, divisor);
      for (int v = 0; v < VECTOR; v++) sum.at[v] /= size;
      store(y + ((size_t)image * out_h * out_w + window) * channels + c, sum);
    }
  }
}

// dy (images, out_h, out_w, channels) -> dx (images, height, width, channels): each element collects its share of the
// windows that see it. Grid: x over the packs of a dx, y over images.
extern "C" __global__ void __launch_bounds__(256, 4)
avg_pool2d_backward(const REAL* __restrict__ dy, REAL* __restrict__ dx, int images, int height, int width,
                    int channels, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w,
                    int pad_h, int pad_w, int count_pad, int divisor) {
  const int packs = channels / VECTOR, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= height * width * packs) return;
  const int pixel = packs == 1 ? at : at / packs, c = (at - pixel * packs) * VECTOR;
  const int h = pixel / width, w = pixel - h * width;
  // The first window that sees the pixel begins less than a kernel before it; the last, at the pixel or before.
  const int first_row = max(0, h + pad_h - kernel_h + stride_h) / stride_h;
  const int first_column = max(0, w + pad_w - kernel_w + stride_w) / stride_w;
  const int last_row = min(out_h - 1, (h + pad_h) / stride_h), last_column = min(out_w - 1, (w + pad_w) / stride_w);
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const REAL* source = dy + (size_t)image * out_h * out_w * channels + c;
    Pack<REAL> sum;
    for (int v = 0; v < VECTOR; v++) sum.at[v] = 0;
#pragma unroll 1  // mostly one window sees a pixel
    for (int row = first_row; row <= last_row; row++) {
      const Span rows(row, height, kernel_h, stride_h, pad_h, count_pad);
#pragma unroll 1
      for (int column = first_column; column <= last_column; column++) {
        const Span columns(column, width, kernel_w, stride_w, pad_w, count_pad);
        const Pack<REAL> gradient = load(source + (row * out_w + column) * channels);
        const REAL share = 1 / divisor_of(rows, columns, divisor);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) sum.at[v] += gradient.at[v] * share;
      }
    }
    store(dx + ((size_t)image * height * width + pixel) * channels + c, sum);
  }
}
