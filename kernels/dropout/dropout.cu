// Dropout: each element zeroed with probability p, or scaled by 1 / (1 - p).
//
// The mask is that of kernels/dropout/reference.py bit for bit: element i in C order of the shape is kept where the
// upper 24 bits of word i of the Philox stream are at least `threshold`. It is drawn anew in the backward pass and
// never stored, so that x is read once and y written once: 8 bytes for a float.
// A product and no choice, so that a dropped NaN or infinity still shows.
#include "philox.cuh"
#include "real.cuh"

__device__ __forceinline__ REAL kept(unsigned word, unsigned threshold, REAL scale) {
  return (word >> 8) >= threshold ? scale : (REAL)0;
}

// Four elements, as a Philox block has four words.
struct __align__(16) Four {
  REAL at[4];
};

// x in C order. One thread takes one Philox block and its four neighbouring elements: a load and a store of 16 bytes
// for floats, where x begins at a multiple of 16 bytes (a slice may not).
extern "C" __global__ void __launch_bounds__(256)
dropout_forward(const REAL* __restrict__ x, REAL* __restrict__ y, long long n, unsigned threshold, REAL scale,
                Word64 seed, Word64 low, Word64 high, const Word64* state) {
  const long long block = (long long)blockIdx.x * 256 + threadIdx.x, first = block * 4;
  if (first >= n) return;
  const uint4 word = philox(stream_of(seed, low, high, state), block);
  const REAL factor[4] = {kept(word.x, threshold, scale), kept(word.y, threshold, scale),
                          kept(word.z, threshold, scale), kept(word.w, threshold, scale)};
  if (first + 4 <= n && aligned16(x)) {
    Four v = reinterpret_cast<const Four*>(x)[block];
#pragma unroll
    for (int j = 0; j < 4; j++) v.at[j] *= factor[j];
    reinterpret_cast<Four*>(y)[block] = v;
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++)
      if (first + j < n) y[first + j] = x[first + j] * factor[j];
  }
}

// x of shape (N, C, H, W) that lies as N, H, W, C. One thread takes four neighbouring pixels of one channel, which
// neighbour each other in the shape's order and share a Philox block (two, where H * W is no multiple of 4);
// neighbouring threads take neighbouring channels, so that a warp reads and writes 128 bytes at a time.
extern "C" __global__ void __launch_bounds__(256)
dropout_forward_pixels(const REAL* __restrict__ x, REAL* __restrict__ y, int images, int channels, int pixels,
                       unsigned threshold, REAL scale, Word64 seed, Word64 low, Word64 high, const Word64* state) {
  const long long thread = (long long)blockIdx.x * 256 + threadIdx.x;
  const int quads = (pixels + 3) / 4;
  if (thread >= (long long)quads * channels) return;
  const int channel = (int)(thread % channels), first = (int)(thread / channels) * 4;
  const Stream stream = stream_of(seed, low, high, state);
  for (int image = blockIdx.y; image < images; image += gridDim.y) {
    const long long plane = ((long long)image * channels + channel) * pixels;
    uint4 word = make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const long long i = plane + first + j;
      const int place = (int)(i % 4);
      if (first + j >= pixels) break;
      if (j == 0 || place == 0) word = philox(stream, i / 4);
      const unsigned mine = place == 0 ? word.x : place == 1 ? word.y : place == 2 ? word.z : word.w;
      const long long at = ((long long)image * pixels + first + j) * channels + channel;
      y[at] = x[at] * kept(mine, threshold, scale);
    }
  }
}
