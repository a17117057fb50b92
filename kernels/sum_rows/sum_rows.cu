// Row i of the result is the sum of the rows whose position is i: the gradient of an indexing, where an element that was
// read twice gets both gradients.
//
// Atomics would add in another order in each run, and give other last bits. Here one block sums one row of the result,
// blockDim.x neighbouring columns at a time, so that a warp reads neighbouring memory; blockDim.y threads share the rows
// of a sum, each taking every blockDim.y-th, and a tree in shared memory adds their partial sums, always in the same
// order. Floats are summed in double, so that a sum is good to its last digit.
//
// How a block finds its rows: of many, the launcher sorts the positions before, so that those of a sum follow one
// another in `order`, from starts[i] up to starts[i + 1]. Of few, each block looks at all positions: that needs no
// sort, which a graph could not capture.
// variants: REAL=float|double SUM=double
// variants: REAL=int64 SUM=int64
#include "reduce.cuh"

typedef long long int64;

// rows (K, columns); positions int64 (K); order int64 (K): the rows sorted by position, and starts int64 (count + 1), or
// null for both; total (count, columns).
extern "C" __global__ void sum_rows(const REAL* rows, const int64* positions, const int64* order, const int64* starts,
                                    REAL* total, int64 K, int64 count, int64 columns) {
  __shared__ SUM scratch[256];
  for (int64 i = blockIdx.x; i < count; i += gridDim.x) {
    const int64 first = order ? starts[i] : 0, last = order ? starts[i + 1] : K;
    for (int64 left = (int64)blockIdx.y * blockDim.x; left < columns; left += (int64)gridDim.y * blockDim.x) {
      const int64 column = left + threadIdx.x;
      SUM sum = 0;
      if (column < columns)
        for (int64 k = first + threadIdx.y; k < last; k += blockDim.y) {
          const int64 row = order ? order[k] : k;
          if (order || positions[row] == i) sum += rows[row * columns + column];
        }
      sum = column_sum(sum, scratch);
      if (threadIdx.y == 0 && column < columns) total[i * columns + column] = (REAL)sum;
    }
  }
}
