// Max-pooling: the largest element of each window, and which of the window's taps it was.
//
// One thread does VECTOR neighbouring elements of one result. Images lie in memory as (image, row, column, channel);
// the planes of NCHW are images of one channel. Neighbouring threads take neighbouring channels, then columns, so that
// a warp's loads are whole 128-byte lines: in NHWC always, in NCHW up to the stride.
//
// A thread keeps its best and its winner in registers; nothing is shared, no two threads write one element, and sums in
// backward are taken in the order of the windows: two runs give the same bits.
//
// Bound by memory. Forward reads x once (taps that windows share come from the L1 and L2 caches) and writes y and one
// byte a window: for 2x2 windows 21 bytes a result in float32. Backward reads 5, and 16 more of a gate, and writes 16.
//
// __launch_bounds__(256, 5): 5 blocks of 256 threads on a multiprocessor leave a thread 48 registers. Asked for less,
// the compiler would spill some to have 6 blocks; 40 warps with a load of 16 bytes a lane are 20 KB in flight, about
// what an H200's multiprocessor needs: its 36 bytes a nanosecond for the 600 ns that a load takes.
//
// variants: REAL=float VECTOR=1|4 TAP=1|2|4
// variants: REAL=double VECTOR=1|2 TAP=1|2|4
#include "pack.cuh"
#include "real.cuh"

// The number of a tap in its window, in as many bytes as it needs.
#ifndef TAP
#define TAP 1
#endif
#if TAP == 1
typedef unsigned char Tap;
#elif TAP == 2
typedef unsigned short Tap;
#else
typedef unsigned int Tap;
#endif

// x (images, height, width, channels) -> y, index (images, out_h, out_w, channels).
// Grid: x over the packs of a result, y over images.
extern "C" __global__ void __launch_bounds__(256, 5)
max_pool2d_forward(const REAL* __restrict__ x, REAL* __restrict__ y, Tap* __restrict__ index, int images, int height,
                   int width, int channels, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h,
                   int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w) {
  const int packs = channels / VECTOR, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= out_h * out_w * packs) return;
  const int window = packs == 1 ? at : at / packs, c = (at - window * packs) * VECTOR;
  const int row = window / out_w, column = window - row * out_w;
  const int top = row * stride_h - pad_h, left = column * stride_w - pad_w;
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const REAL* source = x + (size_t)image * height * width * channels + c;
    Pack<REAL> best;
    Pack<Tap> winner;
    for (int v = 0; v < VECTOR; v++) {
      best.at[v] = -real_inf<REAL>();
      winner.at[v] = 0;
    }
    bool met = false;  // an element of x: where all is -inf, the first of them is the winner
    for (int i = 0; i < kernel_h; i++) {
      const int h = top + i * dilation_h;
      if (h < 0 || h >= height) continue;
      for (int j = 0; j < kernel_w; j++) {
        const int w = left + j * dilation_w;
        if (w < 0 || w >= width) continue;
        const Pack<REAL> rival = load(source + (h * width + w) * channels);
        const Tap tap = i * kernel_w + j;
#pragma unroll
        for (int v = 0; v < VECTOR; v++) {
          // The last term lets NaN win, as in PyTorch.
          const bool wins = rival.at[v] > best.at[v] || !met || rival.at[v] != rival.at[v];
          best.at[v] = wins ? rival.at[v] : best.at[v];
          winner.at[v] = wins ? tap : winner.at[v];
        }
        met = true;
      }
    }
    const size_t target = ((size_t)image * out_h * out_w + window) * channels + c;
    store(y + target, best);
    store(index + target, winner);
  }
}

// Zeros in `gradient` where `gate` is <= 0.
__device__ __forceinline__ void shut(Pack<REAL>& gradient, const Pack<REAL>& gate) {
#pragma unroll
  for (int v = 0; v < VECTOR; v++) gradient.at[v] = gate.at[v] <= 0 ? REAL(0) : gradient.at[v];
}

// dy, index (images, out_h, out_w, channels) -> dx (images, height, width, channels), each element of which collects
// from the windows that see it. So it is written once, whether windows overlap or leave gaps. With a `gate`, of dx's
// shape, it is 0 where that is <= 0.
// Grid: x over the packs of a dx, y over images.
extern "C" __global__ void __launch_bounds__(256, 5)
max_pool2d_backward(const REAL* __restrict__ dy, const Tap* __restrict__ index, const REAL* __restrict__ gate,
                    REAL* __restrict__ dx, int images, int height, int width, int channels, int out_h, int out_w,
                    int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h,
                    int dilation_w) {
  const int packs = channels / VECTOR, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= height * width * packs) return;
  const int pixel = packs == 1 ? at : at / packs, c = (at - pixel * packs) * VECTOR;
  const int h = pixel / width, w = pixel - h * width;
  // The first window that may see the pixel: it begins at most (kernel - 1) * dilation before.
  const int reach_h = (kernel_h - 1) * dilation_h, reach_w = (kernel_w - 1) * dilation_w;
  const int first_row = max(0, h + pad_h - reach_h + stride_h - 1) / stride_h;
  const int first_column = max(0, w + pad_w - reach_w + stride_w - 1) / stride_w;
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const size_t windows = (size_t)image * out_h * out_w * channels + c;
    Pack<REAL> sum;
    for (int v = 0; v < VECTOR; v++) sum.at[v] = 0;
    for (int row = first_row; row < out_h; row++) {
      const int down = h + pad_h - row * stride_h;  // from the window's first tap to the pixel
      if (down < 0) break;
      if (dilation_h > 1 && down % dilation_h) continue;
      const int i = dilation_h > 1 ? down / dilation_h : down;
      for (int column = first_column; column < out_w; column++) {
        const int right = w + pad_w - column * stride_w;
        if (right < 0) break;
        if (dilation_w > 1 && right % dilation_w) continue;
        const Tap tap = i * kernel_w + (dilation_w > 1 ? right / dilation_w : right);
        const size_t from = windows + (row * out_w + column) * channels;
        const Pack<Tap> winner = load(index + from);
        const Pack<REAL> gradient = load(dy + from);
#pragma unroll
        for (int v = 0; v < VECTOR; v++) sum.at[v] += winner.at[v] == tap ? gradient.at[v] : REAL(0);
      }
    }
    const size_t target = ((size_t)image * height * width + pixel) * channels + c;
    if (gate) shut(sum, load(gate + target));
    store(dx + target, sum);
  }
}

// The same where windows tile the image without overlap, gap or rest, as 2x2 windows with stride 2 mostly do: each
// window's thread writes all the elements it holds, so that dy and index are read once and there is less to compute.
// Grid: x over the packs of a dy, y over images.
extern "C" __global__ void __launch_bounds__(256, 5)
max_pool2d_backward_tiles(const REAL* __restrict__ dy, const Tap* __restrict__ index,
                          const REAL* __restrict__ gate, REAL* __restrict__ dx, int images, int channels, int out_h,
                          int out_w, int kernel_h, int kernel_w) {
  const int packs = channels / VECTOR, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= out_h * out_w * packs) return;
  const int window = packs == 1 ? at : at / packs, c = (at - window * packs) * VECTOR;
  const int row = window / out_w, column = window - row * out_w, width = out_w * kernel_w;
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const size_t from = ((size_t)image * out_h * out_w + window) * channels + c;
    const Pack<Tap> winner = load(index + from);
    const Pack<REAL> gradient = load(dy + from);
    const size_t first = (size_t)image * out_h * kernel_h * width * channels + c;
#pragma unroll 1  // stores wait for nothing: unrolled they only take registers
    for (int i = 0; i < kernel_h; i++)
#pragma unroll 1
      for (int j = 0; j < kernel_w; j++) {
        Pack<REAL> share;
#pragma unroll
        for (int v = 0; v < VECTOR; v++) share.at[v] = winner.at[v] == i * kernel_w + j ? gradient.at[v] : REAL(0);
        const size_t target = first + ((row * kernel_h + i) * width + column * kernel_w + j) * channels;
        if (gate) shut(share, load(gate + target));
        store(dx + target, share);
      }
  }
}

// index (images, out_h, out_w, channels) -> places (the same), each winner's row * width + column in its plane.
// Grid: x over the elements of an image, y over images.
extern "C" __global__ void __launch_bounds__(256, 5)
max_pool2d_flat_index(const Tap* __restrict__ index, long long* __restrict__ places, int images, int width,
                      int channels, int out_h, int out_w, int kernel_w, int stride_h, int stride_w, int pad_h,
                      int pad_w, int dilation_h, int dilation_w) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x, size = out_h * out_w * channels;
  if (at >= size) return;
  const int window = at / channels, row = window / out_w, column = window - row * out_w;
  for (int image = blockIdx.y * blockDim.y + threadIdx.y; image < images; image += gridDim.y * blockDim.y) {
    const size_t element = (size_t)image * size + at;
    const int tap = index[element], i = tap / kernel_w, j = tap - i * kernel_w;
    const int h = row * stride_h - pad_h + i * dilation_h, w = column * stride_w - pad_w + j * dilation_w;
    places[element] = (long long)h * width + w;
  }
}
