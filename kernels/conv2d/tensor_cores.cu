// Convolution and its two gradients on tensor cores: float32, operands rounded to TF32, sums in fp32. The same
// looked-up products as in exact.cu (see there, and windows.cuh), multiplied tile by tile as tf32_tile.cuh does.
//
// CHUNK = 4 where the channels of a group, in and out, are multiples of 4, so that 16 bytes can be copied at a time;
// otherwise (first layers) 1. Forward and input gradient: `weight` is rounded already.
//
// variants: BM=128 BN=128 CHUNK=4 arch=sm_80
// variants: BM=128 BN=64 CHUNK=4|1 arch=sm_80
// variants: BM=64 BN=64 CHUNK=4|1 arch=sm_80
// variants: BM=128 BN=32 CHUNK=4|1 arch=sm_80
#include "operand.cuh"
#include "tf32_tile.cuh"
#include "windows.cuh"

// Blocks on a multiprocessor at a time: as many as its shared memory holds. It limits a thread's registers.
#define RESIDENT (BM * BN == 128 * 128 ? 2 : BM * BN == 128 * 64 ? 3 : 4)

__device__ inline void convolve(const float* source, const float* weight, const float* bias, float* target, Layer l,
                                Axis h, Axis w, const Task& task, int splits, int per_split, float* memory) {
  const int source_group = l.source_channels / l.groups, target_group = l.target_channels / l.groups;
  const PixelRows<float> windows(source + task.group * source_group, l.batch, l.source_h, l.source_w, l.source_channels,
                                 source_group, h, w);
  if (task.m0 >= windows.pixels) return;  // the grid is laid out for the largest class
  const Weights<float> weights(weight + (long long)task.group * target_group * l.kernel_h * l.kernel_w * source_group,
                               target_group, l.kernel_h, l.kernel_w, source_group, h, w);
  Tf32Tile<BM, BN> tile;
  tile.multiply<true, true, CHUNK, false>(windows, weights, task.m0, task.n0, task.split * per_split,
                                          min(windows.depth_end, (task.split + 1) * per_split), memory);
  const long long size = (long long)l.batch * l.target_h * l.target_w * l.target_channels;
  float* out = target + task.split * size + task.group * target_group;
  tile.write(task.m0, task.n0, target_group, bias ? bias + task.group * target_group : nullptr, target_group % 2 == 0,
             [&](int m) {
               return m < windows.pixels ? out + windows.written(m, l.target_h, l.target_w) * l.target_channels
                                         : nullptr;
             });
}

extern "C" __global__ void __launch_bounds__(128, RESIDENT)
    conv2d_forward(const float* x, const float* weight, const float* bias, float* y, int tiles_m, int tiles_n,
                   int splits, int per_split, LAYER) {
  extern __shared__ __align__(16) float memory[];
  const Task task(tiles_m, tiles_n, BM, BN, splits, groups, 1);
  convolve(x, weight, bias, y, LAYER_ARGUMENTS, forward_axis(target_h, kernel_h, stride_h, padding_h, dilation_h),
           forward_axis(target_w, kernel_w, stride_w, padding_w, dilation_w), task, splits, per_split, memory);
}

extern "C" __global__ void __launch_bounds__(128, RESIDENT)
    conv2d_input_gradient(const float* dy, const float* weight, float* dx, int tiles_m, int tiles_n, int splits,
                          int per_split, LAYER) {
  extern __shared__ __align__(16) float memory[];
  const Task task(tiles_m, tiles_n, BM, BN, splits, groups, stride_w);
  convolve(dy, weight, nullptr, dx, LAYER_ARGUMENTS,
           gradient_axis(target_h, kernel_h, stride_h, padding_h, dilation_h, task.remainder_h),
           gradient_axis(target_w, kernel_w, stride_w, padding_w, dilation_w, task.remainder_w), task, splits,
           per_split, memory);
}

// dweight (splits, O, KH, KW, C / groups): rows are the group's outputs, columns its taps, the depth all output pixels.
extern "C" __global__ void __launch_bounds__(128, RESIDENT)
    conv2d_weight_gradient(const float* dy, const float* x, float* dweight, int tiles_m, int tiles_n, int splits,
                           int per_split, LAYER) {
  extern __shared__ __align__(16) float memory[];
  const Task task(tiles_m, tiles_n, BM, BN, splits, groups, 1);
  const int group_in = source_channels / groups, group_out = target_channels / groups;
  const TapRows<float> windows(x + task.group * group_in, batch, source_h, source_w, source_channels, group_in,
                               forward_axis(target_h, kernel_h, stride_h, padding_h, dilation_h),
                               forward_axis(target_w, kernel_w, stride_w, padding_w, dilation_w));
  const Matrix<float> gradient{dy + task.group * group_out, group_out, windows.pixels, 1, target_channels};
  Tf32Tile<BM, BN> tile;
  tile.multiply<false, false, CHUNK, true>(gradient, windows, task.m0, task.n0, task.split * per_split,
                                           min(windows.pixels, (task.split + 1) * per_split), memory);
  const int taps = windows.depth_end;
  float* out = dweight + ((long long)task.split * target_channels + task.group * group_out) * taps;
  tile.write(task.m0, task.n0, taps, nullptr, taps % 2 == 0,
             [&](int m) { return m < group_out ? out + (long long)m * taps : nullptr; });
}
