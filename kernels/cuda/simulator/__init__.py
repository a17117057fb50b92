"""Runs the CUDA kernels on the CPU, so that they can be trusted where there is no GPU.

Chosen by MINIGRAD_CUDA_SIMULATOR=1. `arrays` stands in for CuPy, `module` for its compiled kernels; runtime.cpp runs a
grid with one fiber per CUDA thread, and checks.cpp looks at every access to memory, whose cost profile.cpp counts. It
needs Linux on x86-64 and g++.

| mode (MINIGRAD_CUDA_SIMULATOR_MODE) | finds |
| --- | --- |
| fast | wrong results, deadlocks, barriers in branches, memory read before it was written (NaN), far addresses |
| check | byte-exact bounds of every argument, races in shared and global memory, misaligned accesses |
| ubsan | indices out of a local or shared array, misaligned vectors, integer overflow |

It cannot find: a wrong PTX instruction (its twin runs here), the rounding of a chip, a lack of registers, slowness.
"""

from .profile import profile
from .settings import simulate
from .trace import Event, trace_launches

__all__ = ["Event", "profile", "simulate", "trace_launches"]
