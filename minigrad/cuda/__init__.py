"""NVIDIA GPUs: availability, synchronisation, memory and CUDA graphs, under PyTorch's names.

Operations on a GPU are queued: Python continues while the GPU computes, and waits where it needs a value (`item`,
`cpu`, `print`) or calls `synchronize`. Values are checked on the GPU (a label is a class, an index is in range), and
an error is raised at the next synchronisation.

With the environment variable MINIGRAD_CUDA_SIMULATOR=1 the kernels run on the CPU, slowly, as one device called
"simulator": to test programs where there is no GPU.
"""

from minigrad.cuda.devices import (
    Event,
    current_device,
    device_count,
    empty_cache,
    get_device_capability,
    get_device_name,
    is_available,
    max_memory_allocated,
    memory_allocated,
    memory_reserved,
    reset_peak_memory_stats,
    synchronize,
)
from minigrad.cuda.graphs import CUDAGraph, graph, make_graphed_step

__all__ = [
    "CUDAGraph",
    "Event",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "graph",
    "is_available",
    "make_graphed_step",
    "max_memory_allocated",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "synchronize",
]
