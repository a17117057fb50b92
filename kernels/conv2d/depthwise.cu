// Depthwise convolution, a window of its own for each channel, and its two gradients. Nothing is summed over channels,
// so there is no matrix product: a thread computes one number, its neighbours those of the next channels, and all their
// reads lie side by side (pictures channels-last, weights (taps, C)). A window's pixels come from the first-level
// cache: 9 reads for a 3x3 window at 32 numbers a cycle are 6.6 TB/s of results' and inputs' bytes, more than the
// memory gives.
#include "real.cuh"

#define LAYER                                                                                                          \
  int batch, int channels, int height, int width, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h,      \
      int stride_w, int padding_h, int padding_w, int dilation_h, int dilation_w

extern "C" __global__ void __launch_bounds__(256)
    depthwise_forward(const REAL* x, const REAL* weight, const REAL* bias, REAL* y, LAYER) {
  const int i = blockIdx.x * 256 + threadIdx.x;  // within a picture, whose places fit 32 bits
  if (i >= out_h * out_w * channels) return;
  const int c = i % channels, q = i / channels % out_w, p = i / channels / out_w;
  for (int n = blockIdx.y; n < batch; n += gridDim.y) {
    const REAL* picture = x + (long long)n * height * width * channels + c;
    REAL sum = bias ? bias[c] : REAL(0);
    for (int a = 0; a < kernel_h; a++) {
      const int h = p * stride_h - padding_h + a * dilation_h;
      if (h < 0 || h >= height) continue;
      for (int b = 0; b < kernel_w; b++) {
        const int w = q * stride_w - padding_w + b * dilation_w;
        if (w >= 0 && w < width) sum += picture[(h * width + w) * channels] * weight[(a * kernel_w + b) * channels + c];
      }
    }
    y[(long long)n * out_h * out_w * channels + i] = sum;
  }
}

// dx collects dy of all windows that see it: tap (a, b) is seen from o = (h + padding - a dilation) / stride, if that
// is whole.
extern "C" __global__ void __launch_bounds__(256)
    depthwise_input_gradient(const REAL* dy, const REAL* weight, REAL* dx, LAYER) {
  const int i = blockIdx.x * 256 + threadIdx.x;
  if (i >= height * width * channels) return;
  const int c = i % channels, w = i / channels % width, h = i / channels / width;
  for (int n = blockIdx.y; n < batch; n += gridDim.y) {
    const REAL* picture = dy + (long long)n * out_h * out_w * channels + c;
    REAL sum = 0;
    for (int a = 0; a < kernel_h; a++) {
      const int reach_h = h + padding_h - a * dilation_h, p = reach_h / stride_h;
      if (reach_h < 0 || reach_h % stride_h || p >= out_h) continue;
      for (int b = 0; b < kernel_w; b++) {
        const int reach_w = w + padding_w - b * dilation_w, q = reach_w / stride_w;
        if (reach_w < 0 || reach_w % stride_w || q >= out_w) continue;
        sum += picture[(p * out_w + q) * channels] * weight[(a * kernel_w + b) * channels + c];
      }
    }
    dx[(long long)n * height * width * channels + i] = sum;
  }
}

// parts (splits, taps, C): blockIdx.x is 32 channels, blockIdx.y a tap, blockIdx.z `per_split` of the output pixels. A
// warp takes every eighth of these, a lane one channel; the eight warps' sums are added in their order.
extern "C" __global__ void __launch_bounds__(256)
    depthwise_weight_gradient(const REAL* dy, const REAL* x, REAL* parts, int per_split, LAYER) {
  __shared__ REAL sums[8][32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = blockIdx.x * 32 + lane;
  const int a = blockIdx.y / kernel_w, b = blockIdx.y % kernel_w;
  const int pixels = batch * out_h * out_w, first = blockIdx.z * per_split, last = min(pixels, first + per_split);
  REAL sum = 0;
  for (int m = first + warp; m < last && c < channels; m += 8) {
    const int q = m % out_w, p = m / out_w % out_h, n = m / out_w / out_h;
    const int h = p * stride_h - padding_h + a * dilation_h, w = q * stride_w - padding_w + b * dilation_w;
    if (h >= 0 && h < height && w >= 0 && w < width)
      sum += dy[(long long)m * channels + c] * x[(((long long)n * height + h) * width + w) * channels + c];
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp || c >= channels) return;
  for (int other = 1; other < 8; other++) sum += sums[other][lane];
  parts[((long long)blockIdx.z * gridDim.y + blockIdx.y) * channels + c] = sum;
}
