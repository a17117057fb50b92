// Cross-entropy of softmax(logits) against class indices; see kernels/softmax_cross_entropy/reference.py.
//
// A row of C logits belongs to a team of threads, threadIdx.x of blockDim.x; threadIdx.y counts the block's rows.
// Few classes: a team is a part of a warp (the power of two from C up to 32) and talks by shuffles, and a block has
// 256 threads: 16 rows of 10 classes, which lie side by side, so that a warp still reads neighbouring bytes.
// Many classes: the team is a whole block of 256 threads, and its warps meet in shared memory.
// Each thread goes over every blockDim.x-th class. The row comes from memory once; the two later passes over it find it
// in the first-level cache (256 KiB of each multiprocessor; a row of 1,000 classes has 4 KB). Memory: 4 bytes read and
// 4 written for each logit, in each direction.
//
// Sums are in double and in a fixed order, as on the CPU. An index out of range makes its row NaN and is counted
// in `errors`, which the host reads when it pleases: reading it here would stall every step.
#include "real.cuh"
#include "reduce.cuh"

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }

struct Plus {
  __device__ __forceinline__ double operator()(double a, double b) const { return a + b; }
};
// A NaN shows in the sum of the exponentials, so that it need not win here.
struct Larger {
  __device__ __forceinline__ double operator()(double a, double b) const { return b > a ? b : a; }
};

// `value` of all threads of the team combined, the same for each of them. All threads of the block call it.
template <typename Combine>
__device__ __forceinline__ double over_team(double value, Combine combine) {
  const int team = blockDim.x;
  for (int step = min(team, 32) / 2; step > 0; step /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, step));
  if (team <= 32) return value;
  __shared__ double warps[8];
  __syncthreads();  // what an earlier call left has been read
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = warps[0];
  for (int warp = 1; warp < team / 32; warp++) value = combine(value, warps[warp]);
  return value;
}

extern "C" __global__ void __launch_bounds__(256)
softmax_cross_entropy_forward(const REAL* __restrict__ logits, const long long* __restrict__ target,
                              const REAL* __restrict__ weight, REAL* __restrict__ losses,
                              REAL* __restrict__ log_probabilities, int* errors, long long n, int classes,
                              long long ignore_index, double smoothing) {
  const long long my_row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  // A team beyond the last row goes along with it, since shuffles want whole warps; it writes nothing.
  const long long row = my_row < n ? my_row : n - 1;
  const REAL* x = logits + row * classes;
  REAL* log_p = log_probabilities + row * classes;

  double largest = -real_inf<double>();
  for (int c = threadIdx.x; c < classes; c += blockDim.x) largest = Larger()(largest, (double)x[c]);
  const REAL shift = (REAL)over_team(largest, Larger());
  double total = 0;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) total += (double)exponential(x[c] - shift);
  const REAL log_total = (REAL)log(over_team(total, Plus()));

  double smooth = 0;
  for (int c = threadIdx.x; c < classes; c += blockDim.x) {
    const REAL value = x[c] - shift - log_total;
    if (my_row < n) log_p[c] = value;
    smooth += (double)value * (double)(weight == nullptr ? (REAL)1 : weight[c]);
  }
  if (smoothing > 0) smooth = over_team(smooth, Plus());
  if (threadIdx.x > 0 || my_row >= n) return;

  const long long hit = target[row];
  if (hit == ignore_index) {
    losses[row] = 0;
  } else if (hit < 0 || hit >= classes) {
    losses[row] = real_nan<REAL>();
    atomicAdd(errors, 1);
  } else {
    const double of_class = weight == nullptr ? 1.0 : (double)weight[hit];
    double loss = -(1 - smoothing) * of_class * (double)(x[hit] - shift - log_total);
    if (smoothing > 0) loss -= smoothing / classes * smooth;
    losses[row] = (REAL)loss;
  }
}

// dlosses_step is 0 where all rows have the one slope in dlosses[0], as from a mean, and else 1.
extern "C" __global__ void __launch_bounds__(256)
softmax_cross_entropy_backward(const REAL* __restrict__ dlosses, const REAL* __restrict__ log_probabilities,
                               const long long* __restrict__ target, const REAL* __restrict__ weight,
                               REAL* __restrict__ dlogits, int dlosses_step, long long n, int classes,
                               long long ignore_index, double smoothing) {
  const double smooth = smoothing / classes;
  double total_weight = classes;
  if (smoothing > 0 && weight != nullptr) {
    total_weight = 0;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) total_weight += (double)weight[c];
    total_weight = over_team(total_weight, Plus());
  }
  const long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= n) return;

  const long long hit = target[row];
  const bool inside = hit >= 0 && hit < classes;
  const REAL* log_p = log_probabilities + row * classes;
  REAL* dx = dlogits + row * classes;
  const REAL slope = inside ? dlosses[row * dlosses_step] : real_nan<REAL>();
  const double onehot = (1 - smoothing) * (weight == nullptr || !inside ? 1.0 : (double)weight[hit]);
  const REAL total = (REAL)(onehot + smooth * total_weight);
  for (int c = threadIdx.x; c < classes; c += blockDim.x) {
    const double q = smooth * (weight == nullptr ? 1.0 : (double)weight[c]) + (c == hit ? onehot : 0.0);
    dx[c] = hit == ignore_index ? (REAL)0 : slope * (exponential(log_p[c]) * total - (REAL)q);
  }
}

// The mean of the losses, sum / divisor, where the divisor is the sum of the weights of the targets that count, and the
// divisor for the backward pass; NaN where nothing counts. One block writes them itself; several write their sums to
// `partial`, the losses' first, and a second launch of one block adds them up: always in the same order.
struct Mean {
  double losses, divisor;
};

// The sums over a block; all of its threads call it.
__device__ __forceinline__ Mean over_block(Mean mine) {
  __shared__ double scratch[32];
  return {block_sum(mine.losses, scratch), block_sum(mine.divisor, scratch)};
}

__device__ __forceinline__ void write(Mean sums, REAL* mean, REAL* divisor) {
  *mean = (REAL)sums.losses / (REAL)sums.divisor;
  *divisor = (REAL)sums.divisor;
}

extern "C" __global__ void __launch_bounds__(256)
softmax_cross_entropy_mean(const REAL* __restrict__ losses, const long long* __restrict__ target,
                           const REAL* __restrict__ weight, double* __restrict__ partial, REAL* __restrict__ mean,
                           REAL* __restrict__ divisor, long long n, int classes, long long ignore_index) {
  Mean sums = {0, 0};
#pragma unroll 4
  for (long long row = (long long)blockIdx.x * 256 + threadIdx.x; row < n; row += (long long)gridDim.x * 256) {
    const long long hit = target[row];
    sums.losses += (double)losses[row];
    if (hit != ignore_index) sums.divisor += weight == nullptr || hit < 0 || hit >= classes ? 1.0 : (double)weight[hit];
  }
  sums = over_block(sums);
  if (threadIdx.x > 0) return;
  if (gridDim.x == 1) {
    write(sums, mean, divisor);
  } else {
    partial[blockIdx.x] = sums.losses;
    partial[gridDim.x + blockIdx.x] = sums.divisor;
  }
}

extern "C" __global__ void __launch_bounds__(256)
softmax_cross_entropy_mean_partial(const double* __restrict__ partial, REAL* __restrict__ mean,
                                   REAL* __restrict__ divisor, int blocks) {
  Mean sums = {0, 0};
  for (int i = threadIdx.x; i < blocks; i += 256) {
    sums.losses += partial[i];
    sums.divisor += partial[blocks + i];
  }
  sums = over_block(sums);
  if (threadIdx.x == 0) write(sums, mean, divisor);
}
