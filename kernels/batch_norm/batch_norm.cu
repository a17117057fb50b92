// Batch normalisation: for each channel a mean and a variance over all other axes, then one line of arithmetic for each
// element; and backward.
//
// Memory is seen as rows of numbers, in one of two ways. Channels-last (and a matrix): a row is a pixel, with a number
// for each channel. Planes (NCHW): a row is the plane of one image and channel; row r is of channel r % channels. A
// thread moves VECTOR neighbouring numbers of a row, 16 bytes where rows divide so.
//
// Forward takes three launches, and backward three like them. A block of (X packs across) x (Y rows), 256 threads, goes
// over strips of rows: strip blockIdx.y, then every gridDim.y-th; thread (x, y) takes the rows y, y + Y, y + 2 Y and
// y + 3 Y of a strip, four loads in flight together.
// 1. sums: a thread adds the four in REAL, and these sums in float64; at last the block's threads meet in shared
//    memory, 16 bytes times VECTOR each, in a tree. A block leaves two numbers for each channel. (In planes a block has
//    one channel, its strips are Y images, and the four are packs of a plane.)
// 2. merge: a block of 32 channels and 8 rows of threads, which share the blocks' numbers.
// 3. normalize, input_gradient: in channels-last a thread keeps its channels' scale and shift for all its rows. The
//    sums went over memory from its beginning to its end; this goes back from the end, which the L2 cache (50 MB of an
//    H200) still holds.
// Who adds what to what depends on the shape alone, and nothing is added atomically: two runs give the same bits.
//
// No large sum of squares is subtracted from another: a block takes its deviations from its own first row, and blocks
// are merged by their means and their squared deviations from these, in float64 (Chan, Golub, LeVeque, "Updating
// formulae and a pairwise algorithm for computing sample variances", 1979).
//
// Bound by memory, in float32, before what the L2 cache saves: forward reads x twice and writes y, 12 bytes an element,
// with a ReLU too; backward reads dy and x twice and writes dx, 20 bytes, and 28 if it reads y, which a ReLU returned.
//
// __launch_bounds__(256, 4): 4 blocks of 256 threads on a multiprocessor leave a thread 64 registers, for the loads in
// flight and the sums of VECTOR channels; 4 x 132 blocks are about the 512 that take the sums. With 5 blocks, 48
// registers, normalize has 40 KB in flight; an H200 needs 22 KB on each multiprocessor for its 4.8 TB/s and 600 ns.
//
// variants: REAL=float VECTOR=1|4
// variants: REAL=double VECTOR=1|2
#include "pack.cuh"
#include "real.cuh"
#include "reduce.cuh"

#define RUN 4  // rows of a thread in a strip: loads in flight, whose sum is taken in REAL

__device__ __forceinline__ float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
__device__ __forceinline__ double multiply_add(double a, double b, double c) { return fma(a, b, c); }

// How rows lie: channels-last (`last`), or planes.
struct Rows {
  int count, packs, channels, last;
  __device__ size_t place(int row, int pack) const { return ((size_t)row * packs + pack) * VECTOR; }
  // What `values` holds for the channels of a pack; `otherwise` if it is null.
  __device__ Pack<REAL> parameters(const REAL* values, int row, int pack, REAL otherwise) const {
    if (values && last) return load(values + pack * VECTOR);
    const REAL value = values ? values[row % channels] : otherwise;
    Pack<REAL> alike;
    for (int v = 0; v < VECTOR; v++) alike.at[v] = value;
    return alike;
  }
};

// The line that an element is mapped by: (x - mean) scale + bias, of the channels of a pack.
struct Line {
  Pack<REAL> mean, scale, bias;
  __device__ void read(const Rows& rows, int row, int pack, const REAL* means, const REAL* invstd, const REAL* weight,
                       const REAL* shift) {
    mean = rows.parameters(means, row, pack, 0);
    scale = rows.parameters(weight, row, pack, 1);
    bias = rows.parameters(shift, row, pack, 0);
    const Pack<REAL> spread = rows.parameters(invstd, row, pack, 1);
    for (int v = 0; v < VECTOR; v++) scale.at[v] *= spread.at[v];
  }
  __device__ REAL operator()(REAL x, int v) const { return multiply_add(x - mean.at[v], scale.at[v], bias.at[v]); }
};

// Two sums for each place v of a pack: of[v] and of[VECTOR + v].
struct Sums {
  double of[2 * VECTOR];
};

// Of RUN packs at once: terms(row, pack, first, second) adds a pack's two terms for each place. The next row is `down`
// further, the next pack `across`.
template <class Terms>
__device__ __forceinline__ void add_run(const Terms& terms, int row, int down, int end, int pack, int across, int packs,
                                        Sums& sums) {
  Pack<REAL> first, second;
  for (int v = 0; v < VECTOR; v++) first.at[v] = second.at[v] = 0;
#pragma unroll
  for (int k = 0; k < RUN; k++)
    if (row + k * down < end && pack + k * across < packs) terms(row + k * down, pack + k * across, first, second);
  for (int v = 0; v < VECTOR; v++) {
    sums.of[v] += first.at[v];
    sums.of[VECTOR + v] += second.at[v];
  }
}

// Rows of a strip; images, for sums over planes.
__device__ __forceinline__ int strip_of(int last) { return last ? RUN * blockDim.y : blockDim.y; }

// How many of `count` rows or images lie in the strips of block `block` of `blocks`.
__device__ __forceinline__ int rows_of(int block, int blocks, int strip, int count) {
  const int strips = (count + strip - 1) / strip, mine = (strips - block + blocks - 1) / blocks;
  return mine * strip - ((strips - 1) % blocks == block ? strips * strip - count : 0);
}

// A block's sums over its strips: of rows if channels-last, else of images, whose planes of channel blockIdx.x are
// meant. The sums of pack `pack` are then in thread (x, 0); those of a channel's planes in all threads, at place 0.
template <class Terms>
__device__ __forceinline__ Sums block_sums(const Terms& terms, const Rows& rows, int pack) {
  __shared__ double scratch[256 * 2 * VECTOR];
  Sums sums;
  for (int v = 0; v < 2 * VECTOR; v++) sums.of[v] = 0;
  const int strip = strip_of(rows.last), step = gridDim.y * strip;
  if (rows.last) {
    if (pack < rows.packs)
      for (int row = blockIdx.y * strip + threadIdx.y; row < rows.count; row += step)
        add_run(terms, row, blockDim.y, rows.count, pack, 0, rows.packs, sums);
    column_sums(sums.of, scratch);
    return sums;
  }
  for (int image = blockIdx.y * strip + threadIdx.y; image < rows.count / rows.channels; image += step) {
    const int row = image * rows.channels + blockIdx.x;
    for (int at = threadIdx.x; at < rows.packs; at += RUN * blockDim.x)
      add_run(terms, row, 0, row + 1, at, blockDim.x, rows.packs, sums);
  }
  for (int v = 1; v < VECTOR; v++) {
    sums.of[0] += sums.of[v];
    sums.of[VECTOR] += sums.of[VECTOR + v];
  }
  sums.of[0] = block_sum(sums.of[0], scratch);
  sums.of[VECTOR] = block_sum(sums.of[VECTOR], scratch);
  return sums;
}

// fetch(row, k) and then finish(row, k) for this thread's rows, strip by strip from the last to the first; always two
// rows, k = 0 and 1, are fetched before they are finished, so that their loads are in flight together.
template <class Fetch, class Finish>
__device__ __forceinline__ void each_row_backwards(const Rows& rows, const Fetch& fetch, const Finish& finish) {
  const unsigned strip = RUN * blockDim.y, count = rows.count;  // unsigned: the last strip may end beyond 2^31
  for (unsigned start = (gridDim.y - 1 - blockIdx.y) * strip; start < count; start += gridDim.y * strip)
    for (int k = 0; k < RUN; k += 2) {
      const unsigned row = start + k * blockDim.y + threadIdx.y, next = row + blockDim.y;
      if (row < count) fetch(row, 0);
      if (next < count) fetch(next, 1);
      if (row < count) finish(row, 0);
      if (next < count) finish(next, 1);
    }
}

// What a block leaves for each of its channels c: put(c, v), v being the channel's place in the pack.
template <class Put> __device__ __forceinline__ void each_channel(const Rows& rows, int pack, const Put& put) {
  if (threadIdx.y > 0) return;
  if (rows.last) {
    if (pack < rows.packs)
      for (int v = 0; v < VECTOR; v++) put(pack * VECTOR + v, v);
  } else if (threadIdx.x == 0) {
    put(blockIdx.x, 0);
  }
}

struct Deviations {
  const REAL* x;
  const Rows& rows;
  Pack<REAL> near;
  __device__ void operator()(int row, int pack, Pack<REAL>& first, Pack<REAL>& second) const {
    const Pack<REAL> values = load(x + rows.place(row, pack));
    for (int v = 0; v < VECTOR; v++) {
      const REAL deviation = values.at[v] - near.at[v];
      first.at[v] += deviation;
      second.at[v] = multiply_add(deviation, deviation, second.at[v]);
    }
  }
};

// x -> partial (2, blocks, channels): the mean of a block's rows, and the sum of squared deviations from it.
// Grid: x over packs of channels, or over channels if planes; y over `blocks`.
extern "C" __global__ void __launch_bounds__(256, 4)
batch_norm_statistics(const REAL* __restrict__ x, double* __restrict__ partial, int count, int packs, int channels,
                      int last) {
  const Rows rows{count, packs, channels, last};
  const int pack = blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * strip_of(last);
  Deviations deviations{x, rows, {}};
  if (!last) {
    const Pack<REAL> plane = load(x + rows.place(first * channels + blockIdx.x, 0));
    for (int v = 0; v < VECTOR; v++) deviations.near.at[v] = plane.at[0];
  } else if (pack < packs) {
    deviations.near = load(x + rows.place(first, pack));
  }
  const Sums sums = block_sums(deviations, rows, pack);
  const int images = last ? count : count / channels;
  const double elements = (double)rows_of(blockIdx.y, gridDim.y, strip_of(last), images) * (last ? 1 : packs * VECTOR);
  each_channel(rows, pack, [&](int c, int v) {
    const size_t at = (size_t)blockIdx.y * channels + c;
    partial[at] = deviations.near.at[v] + sums.of[v] / elements;
    partial[at + (size_t)gridDim.y * channels] = sums.of[VECTOR + v] - sums.of[v] * (sums.of[v] / elements);
  });
}

// partial (2, blocks, channels) -> mean and invstd (channels), of `count` rows or images in strips of `strip`, each of
// which has `length` elements of a channel. Block: 32 channels x 8.
extern "C" __global__ void __launch_bounds__(256)
batch_norm_merge_statistics(const double* __restrict__ partial, REAL* __restrict__ mean, REAL* __restrict__ invstd,
                            int blocks, int channels, int count, int strip, int length, double eps) {
  __shared__ double scratch[256];
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  const double* centres = partial + c;
  const double* squares = centres + (size_t)blocks * channels;
  const double all = count > 0 ? (double)count * length : 1.;
  double sum = 0, deviations = 0;
  if (c < channels)
    for (int block = threadIdx.y; block < blocks; block += blockDim.y)
      sum += (double)rows_of(block, blocks, strip, count) * length * centres[(size_t)block * channels];
  const double centre = column_sum(sum, scratch) / all;
  if (c < channels)
    for (int block = threadIdx.y; block < blocks; block += blockDim.y) {
      const double step = centres[(size_t)block * channels] - centre;
      const double elements = (double)rows_of(block, blocks, strip, count) * length;
      deviations += squares[(size_t)block * channels] + elements * step * step;
    }
  deviations = column_sum(deviations, scratch);
  if (c < channels && threadIdx.y == 0) {
    mean[c] = REAL(centre);
    invstd[c] = REAL(1 / sqrt(deviations / all + eps));
  }
}

// Move running_mean and running_var (channels) by `momentum` towards mean and the unbiased variance, correction times
// 1 / invstd^2 - eps. One launch in place of ten, each of which takes longer to start than to run.
extern "C" __global__ void __launch_bounds__(256)
batch_norm_track(REAL* __restrict__ running_mean, REAL* __restrict__ running_var, const REAL* __restrict__ mean,
                 const REAL* __restrict__ invstd, int channels, double momentum, double eps, double correction) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  const double spread = invstd[c], variance = (1 / (spread * spread) - eps) * correction;
  running_mean[c] += REAL(momentum * ((double)mean[c] - running_mean[c]));
  running_var[c] += REAL(momentum * (variance - running_var[c]));
}

// out (channels) = weight / sqrt(variance + eps); a null weight is 1.
extern "C" __global__ void __launch_bounds__(256)
batch_norm_scale(const REAL* __restrict__ variance, const REAL* __restrict__ weight, REAL* __restrict__ out,
                 int channels, double eps) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < channels) out[c] = REAL((weight ? weight[c] : 1) / sqrt(variance[c] + eps));
}

// y = (x - mean) invstd weight + bias, negative results 0 with `relu`. Null weight: 1; bias: 0.
// Grid: x over packs, y over rows.
extern "C" __global__ void __launch_bounds__(256, 5)
batch_norm_normalize(const REAL* __restrict__ x, const REAL* __restrict__ mean, const REAL* __restrict__ invstd,
                     const REAL* __restrict__ weight, const REAL* __restrict__ bias, int relu, REAL* __restrict__ y,
                     int count, int packs, int channels, int last) {
  const Rows rows{count, packs, channels, last};
  const int pack = blockIdx.x * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  Line line;
  if (last) line.read(rows, 0, pack, mean, invstd, weight, bias);
  Pack<REAL> values[2];
  auto fetch = [&](int row, int k) { values[k] = load(x + rows.place(row, pack)); };
  each_row_backwards(rows, fetch, [&](int row, int k) {
    if (!last) line.read(rows, row, pack, mean, invstd, weight, bias);
    for (int v = 0; v < VECTOR; v++) {
      const REAL value = line(values[k].at[v], v);
      values[k].at[v] = relu && value <= 0 ? REAL(0) : value;
    }
    store(y + rows.place(row, pack), values[k]);
  });
}

// dy where y, if there is one, is positive or NaN.
__device__ __forceinline__ Pack<REAL> passed(const REAL* dy, const REAL* y, size_t at) {
  Pack<REAL> gradient = load(dy + at);
  if (y) {
    const Pack<REAL> output = load(y + at);
    for (int v = 0; v < VECTOR; v++) gradient.at[v] = output.at[v] <= 0 ? REAL(0) : gradient.at[v];
  }
  return gradient;
}

// Of dy as it passes y: its sum, and that of its product with x - mean.
struct Gradients {
  const REAL *dy, *x, *y;
  const Rows& rows;
  Pack<REAL> mean;
  __device__ void operator()(int row, int pack, Pack<REAL>& first, Pack<REAL>& second) const {
    const size_t at = rows.place(row, pack);
    const Pack<REAL> values = load(x + at), gradient = passed(dy, y, at);
    for (int v = 0; v < VECTOR; v++) {
      first.at[v] += gradient.at[v];
      second.at[v] = multiply_add(gradient.at[v], values.at[v] - mean.at[v], second.at[v]);
    }
  }
};

// dy, x, y (null, or what a ReLU returned) -> partial (2, blocks, channels): a block's sum of dy, and of dy (x - mean).
// Grid as in batch_norm_statistics.
extern "C" __global__ void __launch_bounds__(256, 4)
batch_norm_gradient_sums(const REAL* __restrict__ dy, const REAL* __restrict__ x, const REAL* __restrict__ y,
                         const REAL* __restrict__ mean, double* __restrict__ partial, int count, int packs,
                         int channels, int last) {
  const Rows rows{count, packs, channels, last};
  const int pack = blockIdx.x * blockDim.x + threadIdx.x;
  Gradients gradients{dy, x, y, rows, {}};
  if (!last || pack < packs) gradients.mean = rows.parameters(mean, blockIdx.x, pack, 0);
  const Sums sums = block_sums(gradients, rows, pack);
  each_channel(rows, pack, [&](int c, int v) {
    const size_t at = (size_t)blockIdx.y * channels + c;
    partial[at] = sums.of[v];
    partial[at + (size_t)gridDim.y * channels] = sums.of[VECTOR + v];
  });
}

// partial (2, blocks, channels) -> dweight (if not null), dbias, and what backward subtracts: the average of dy, and
// that of dy (x - mean) in units of the variance. Block: 32 channels x 8.
extern "C" __global__ void __launch_bounds__(256)
batch_norm_merge_gradients(const double* __restrict__ partial, const REAL* __restrict__ invstd,
                           REAL* __restrict__ dweight, REAL* __restrict__ dbias, REAL* __restrict__ average,
                           REAL* __restrict__ slope, int blocks, int channels, long long count) {
  __shared__ double scratch[256];
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  double total = 0, moment = 0;
  if (c < channels)
    for (int block = threadIdx.y; block < blocks; block += blockDim.y) {
      total += partial[(size_t)block * channels + c];
      moment += partial[(size_t)(blocks + block) * channels + c];
    }
  total = column_sum(total, scratch);
  moment = column_sum(moment, scratch);
  if (c < channels && threadIdx.y == 0) {
    const double all = count > 0 ? (double)count : 1.;
    moment *= invstd[c];
    if (dweight) dweight[c] = REAL(moment);
    dbias[c] = REAL(total);
    average[c] = REAL(total / all);
    slope[c] = REAL(moment / all * invstd[c]);
  }
}

// dx = weight invstd (dy - average - (x - mean) slope), dy as it passes y, if there is one.
// Grid: x over packs, y over rows.
extern "C" __global__ void __launch_bounds__(256, 4)
batch_norm_input_gradient(const REAL* __restrict__ dy, const REAL* __restrict__ x, const REAL* __restrict__ y,
                          const REAL* __restrict__ mean, const REAL* __restrict__ invstd,
                          const REAL* __restrict__ weight, const REAL* __restrict__ averages,
                          const REAL* __restrict__ slopes, REAL* __restrict__ dx, int count, int packs, int channels,
                          int last) {
  const Rows rows{count, packs, channels, last};
  const int pack = blockIdx.x * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  Line line;
  Pack<REAL> average, slope;
  if (last) {
    line.read(rows, 0, pack, mean, invstd, weight, nullptr);
    average = rows.parameters(averages, 0, pack, 0);
    slope = rows.parameters(slopes, 0, pack, 0);
  }
  Pack<REAL> values[2], gradient[2];
  auto fetch = [&](int row, int k) {
    const size_t at = rows.place(row, pack);
    values[k] = load(x + at);
    gradient[k] = passed(dy, y, at);
  };
  each_row_backwards(rows, fetch, [&](int row, int k) {
    if (!last) {
      line.read(rows, row, pack, mean, invstd, weight, nullptr);
      average = rows.parameters(averages, row, pack, 0);
      slope = rows.parameters(slopes, row, pack, 0);
    }
    for (int v = 0; v < VECTOR; v++) {
      const REAL centred = gradient[k].at[v] - average.at[v] - (values[k].at[v] - line.mean.at[v]) * slope.at[v];
      gradient[k].at[v] = line.scale.at[v] * centred;
    }
    store(dx + rows.place(row, pack), gradient[k]);
  });
}
