// The columns of a convolution, materialised, and their adjoint: see reference.py.
//     columns[g][n l][k] = x[n][g C/G + c][pixel under tap (a, b) of window l],       k = (c, a, b), l = (i, j)
// One thread a column's number (im2col), or a pixel's (col2im: it gathers from all windows that see it, so that nothing
// is added by atomics). Neighbouring threads write neighbours. x channels-last.
#include "real.cuh"

#define LAYER                                                                                                          \
  int batch, int height, int width, int channels, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h,      \
      int stride_w, int padding_h, int padding_w, int dilation_h, int dilation_w, int groups

extern "C" __global__ void __launch_bounds__(256) im2col(const REAL* x, REAL* columns, LAYER) {
  const int taps = kernel_h * kernel_w, group_in = channels / groups, depth = group_in * taps;
  const long long pixels = (long long)batch * out_h * out_w, i = (long long)blockIdx.x * 256 + threadIdx.x;
  if (i >= pixels * groups * depth) return;
  const int k = i % depth, c = k / taps, a = k % taps / kernel_w, b = k % kernel_w;
  const long long m = i / depth % pixels;
  const int group = i / depth / pixels, n = m / (out_h * out_w), p = m / out_w % out_h, q = m % out_w;
  const int h = p * stride_h - padding_h + a * dilation_h, w = q * stride_w - padding_w + b * dilation_w;
  const bool inside = h >= 0 && h < height && w >= 0 && w < width;
  columns[i] = inside ? x[(((long long)n * height + h) * width + w) * channels + group * group_in + c] : REAL(0);
}

extern "C" __global__ void __launch_bounds__(256) col2im(const REAL* columns, REAL* x, LAYER) {
  const int taps = kernel_h * kernel_w, group_in = channels / groups, depth = group_in * taps;
  const long long pixels = (long long)batch * out_h * out_w, i = (long long)blockIdx.x * 256 + threadIdx.x;
  if (i >= (long long)batch * height * width * channels) return;
  const int c = i % channels, w = i / channels % width, h = i / channels / width % height;
  const int n = i / channels / width / height, group = c / group_in;
  REAL sum = 0;
  for (int a = 0; a < kernel_h; a++)
    for (int b = 0; b < kernel_w; b++) {
      const int reach_h = h + padding_h - a * dilation_h, reach_w = w + padding_w - b * dilation_w;
      if (reach_h < 0 || reach_w < 0 || reach_h % stride_h || reach_w % stride_w) continue;
      const int p = reach_h / stride_h, q = reach_w / stride_w;
      if (p >= out_h || q >= out_w) continue;
      const long long m = ((long long)n * out_h + p) * out_w + q;
      sum += columns[(group * pixels + m) * depth + c % group_in * taps + a * kernel_w + b];
    }
  x[i] = sum;
}
