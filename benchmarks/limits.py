"""What this machine can do at best: the rate of a large float32 matrix product, and the bandwidth of a parallel copy.

python -m benchmarks.limits prints both as JSON.
"""

import json

import numba
import numpy as np

from benchmarks.timing import typical_time
from minigrad.kernels.cpu.jit import jit


@jit(parallel=True)
def _copy(source, target):
    for row in numba.prange(len(source)):
        target[row] = source[row]


def main():
    a, b = np.ones((2, 2048, 2048), np.float32)
    product = np.empty_like(a)
    gemm = typical_time(lambda: np.matmul(a, b, out=product), 2.0)
    source = np.ones((1024, 64 * 1024), np.float32)  # 256 MiB: more than most caches
    target = np.zeros_like(source)
    copy = typical_time(lambda: _copy(source, target), 1.0)
    limits = {
        "sgemm_flop_per_second": 2 * 2048**3 / gemm,
        "copy_bytes_per_second": 2 * source.nbytes / copy,  # read once, written once
        "numba_threading_layer": numba.threading_layer(),
    }
    print(json.dumps(limits))


if __name__ == "__main__":
    main()
