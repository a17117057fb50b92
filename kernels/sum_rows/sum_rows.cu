// Row i of the result is the sum of the rows whose position is i: the gradient of an indexing, where an element that was
// read twice gets both gradients.
//
// Atomics would add in another order in each run, and give other last bits. Here the positions are sorted before (by
// the launcher), so that the rows of a sum follow one another in `order`, from starts[i] up to starts[i + 1]. One block
// sums one row of the result, blockDim.x neighbouring columns at a time, so that a warp reads neighbouring memory;
// blockDim.y threads share the rows of a sum, each taking every blockDim.y-th, and a tree in shared memory adds their
// partial sums, always in the same order. Floats are summed in double, so that a sum is good to its last digit.
// variants: REAL=float|double SUM=double
// variants: REAL=int64 SUM=int64
#include "reduce.cuh"

typedef long long int64;

// rows (K, columns); order int64 (K): the rows sorted by position; starts int64 (count + 1); total (count, columns).
extern "C" __global__ void sum_rows(const REAL* rows, const long long* order, const long long* starts, REAL* total,
                                    long long count, long long columns) {
  __shared__ SUM scratch[256];
  for (long long i = blockIdx.x; i < count; i += gridDim.x) {
    const long long first = starts[i], last = starts[i + 1];
    for (long long left = (long long)blockIdx.y * blockDim.x; left < columns; left += (long long)gridDim.y * blockDim.x) {
      const long long column = left + threadIdx.x;
      SUM sum = 0;
      if (column < columns)
        for (long long k = first + threadIdx.y; k < last; k += blockDim.y) sum += rows[order[k] * columns + column];
      sum = column_sum(sum, scratch);
      if (threadIdx.y == 0 && column < columns) total[i * columns + column] = (REAL)sum;
    }
  }
}
