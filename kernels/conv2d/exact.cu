// Convolution and its two gradients, exact in REAL on the plain cores: the looked-up product of windows.cuh, multiplied
// tile by tile as fma_tile.cuh does. All geometries; what TF32 rounding may not touch and what older devices run.
//
//     forward          y (pixels, O)  = windows of x (pixels, taps) weight (O, taps)^T + bias
//     input gradient   dx             = the same with windows of dy and the weights rotated, a parity class at a time
//     weight gradient  dw (O, taps)   = dy (pixels, O)^T windows of x (pixels, taps)
//
// x, y, dy, dx channels-last; weight (O, KH, KW, C / groups), for the input gradient (C, KH, KW, O / groups). With
// `splits` > 1 the depth is cut at multiples of `per_split`, and part p of the result is written to copy p, without
// bias.
//
// variants: REAL=float TILE=128|64|32
// variants: REAL=double TILE=32
#include "real.cuh"
#include "operand.cuh"
#include "fma_tile.cuh"
#include "windows.cuh"

// Blocks on a multiprocessor at a time, which limits a thread's registers: 64 sums and four pixels need more than the
// 128 that two blocks of 256 threads could have.
#define RESIDENT (TILE == 128 ? 1 : 2)

__device__ inline void convolve(const REAL* source, const REAL* weight, const REAL* bias, REAL* target, Layer l, Axis h,
                                Axis w, const Task& task, int splits, int per_split) {
  const int source_group = l.source_channels / l.groups, target_group = l.target_channels / l.groups;
  PixelRows<REAL> windows(source + task.group * source_group, l.batch, l.source_h, l.source_w, l.source_channels,
                          source_group, h, w);
  if (task.m0 >= windows.pixels) return;  // the grid is laid out for the largest class
  Weights<REAL> weights(weight + (long long)task.group * target_group * l.kernel_h * l.kernel_w * source_group,
                        target_group, l.kernel_h, l.kernel_w, source_group, h, w);
  REAL sums[TILE / 16][TILE / 16];
  fma_tile<REAL, TILE, true, true>(windows, weights, task.m0, task.n0, task.split * per_split,
                                   min(windows.depth_end, (task.split + 1) * per_split), sums);
  const long long size = (long long)l.batch * l.target_h * l.target_w * l.target_channels;
  REAL* out = target + task.split * size + task.group * target_group;
  put_sums<REAL, TILE>(sums, task.m0, task.n0, [&](int m, int n, REAL sum) {
    if (m < windows.pixels && n < target_group)
      out[windows.written(m, l.target_h, l.target_w) * l.target_channels + n] =
          bias ? sum + bias[task.group * target_group + n] : sum;
  });
}

extern "C" __global__ void __launch_bounds__(256, RESIDENT)
    conv2d_forward(const REAL* x, const REAL* weight, const REAL* bias, REAL* y, int tiles_m, int tiles_n, int splits,
                   int per_split, LAYER) {
  const Task task(tiles_m, tiles_n, TILE, TILE, splits, groups, 1);
  convolve(x, weight, bias, y, LAYER_ARGUMENTS, forward_axis(target_h, kernel_h, stride_h, padding_h, dilation_h),
           forward_axis(target_w, kernel_w, stride_w, padding_w, dilation_w), task, splits, per_split);
}

extern "C" __global__ void __launch_bounds__(256, RESIDENT)
    conv2d_input_gradient(const REAL* dy, const REAL* weight, REAL* dx, int tiles_m, int tiles_n, int splits,
                          int per_split, LAYER) {
  const Task task(tiles_m, tiles_n, TILE, TILE, splits, groups, stride_w);
  convolve(dy, weight, nullptr, dx, LAYER_ARGUMENTS,
           gradient_axis(target_h, kernel_h, stride_h, padding_h, dilation_h, task.remainder_h),
           gradient_axis(target_w, kernel_w, stride_w, padding_w, dilation_w, task.remainder_w), task, splits,
           per_split);
}

// dweight (splits, O, KH, KW, C / groups): rows are the group's outputs, columns its taps, the depth all output pixels.
extern "C" __global__ void __launch_bounds__(256, RESIDENT)
    conv2d_weight_gradient(const REAL* dy, const REAL* x, REAL* dweight, int tiles_m, int tiles_n, int splits,
                           int per_split, LAYER) {
  const Task task(tiles_m, tiles_n, TILE, TILE, splits, groups, 1);
  const int group_in = source_channels / groups, group_out = target_channels / groups;
  TapRows<REAL> windows(x + task.group * group_in, batch, source_h, source_w, source_channels, group_in,
                        forward_axis(target_h, kernel_h, stride_h, padding_h, dilation_h),
                        forward_axis(target_w, kernel_w, stride_w, padding_w, dilation_w));
  Matrix<REAL> gradient{dy + task.group * group_out, group_out, windows.pixels, 1, target_channels};
  REAL sums[TILE / 16][TILE / 16];
  fma_tile<REAL, TILE, false, false>(gradient, windows, task.m0, task.n0, task.split * per_split,
                                     min(windows.pixels, (task.split + 1) * per_split), sums);
  const int taps = windows.depth_end;
  REAL* out = dweight + ((long long)task.split * target_channels + task.group * group_out) * taps;
  put_sums<REAL, TILE>(sums, task.m0, task.n0, [&](int m, int n, REAL sum) {
    if (m < group_out && n < taps) out[(long long)m * taps + n] = sum;
  });
}
