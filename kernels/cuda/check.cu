// Are all values what they may be? What is wrong is noted in one word, which the host reads when it waits anyway.
//
// PyTorch's device-side assertion stops the program in the kernel, and the GPU's context is lost with it. Here a kernel
// only takes a note, and goes on: nothing waits for a check, and a step that has one can be captured as a graph.
//
// One thread looks at one value at a time, in steps of the whole grid. The word holds 0, or the largest wrong value (so
// that the order of the threads does not matter; the atomic runs only for wrong values). Its sign bit is flipped, so that
// unsigned words have the values' order, and 0 stands for the least int64, which nobody uses as an index.

__device__ __forceinline__ unsigned long long noted(long long value) {
  return (unsigned long long)value ^ 0x8000000000000000ull;
}

// Every value is in [low, high], or it is `except`.
extern "C" __global__ void check_range(const long long* values, long long count, long long low, long long high,
                                       long long except, unsigned long long* word) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    const long long value = values[i];
    if ((value < low || value > high) && value != except) atomicMax(word, noted(value));
  }
}

// No mark is set.
extern "C" __global__ void check_none(const unsigned char* marks, long long count, unsigned long long* word) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step)
    if (marks[i]) atomicMax(word, noted(0));
}
