"""Runs the CUDA kernels on the CPU, so that a program for `device="cuda"` runs, and is checked, without a GPU.

    MINIGRAD_CUDA_SIMULATOR=1 python program.py
    MINIGRAD_CUDA_SIMULATOR=1 MINIGRAD_CUDA_SIMULATOR_MODE=check python program.py

**Needs** Linux on x86-64 and g++ (`CXX` may say which), and binutils' addr2line to name the lines of a kernel; neither
CuPy nor NVIDIA's tools. Compiled kernels are kept in ~/.cache/minigrad/cuda-simulator (below $MINIGRAD_CACHE or
$XDG_CACHE_HOME where that is set); the first time each takes some seconds.

**Modes.** Each also finds what the first does.

| mode | finds | a step of LeNet-5 on 16 images |
| --- | --- | --- |
| fast (the default) | wrong results, deadlocks, barriers that not all threads reach, | 0.7 s |
| | memory read before it was written (it holds NaN), addresses outside of all arrays | |
| ubsan | indices outside of a local or shared array, misaligned vectors, signed overflow | 1.9 s |
| check | accesses outside of the arrays given to the launch, to the byte; | 3.8 s |
| | races in shared and global memory, misaligned accesses | |

The CPU's own kernels take 3 ms for that step: the simulator is for small shapes. A fault raises KernelError with the
kernel, the thread and, where addr2line is there, the line.

**Does not find** a wrong PTX instruction (a C++ function written from its documentation runs in its place), the
rounding of a chip's own functions and tensor cores, races between launches on several streams (there is one), a lack of
registers, and slowness: times measured here say nothing about a GPU.

**In a program**, `simulate(mode="check", order=1)` changes the settings for a while: also the compute capability, the
memory that the GPU has, and the order in which threads and blocks run, on which no result may depend. `trace_launches`
lists what the device was asked to do, and `profile` counts what each line costs the memory system.

`arrays` stands in for CuPy and `module` for its compiled kernels; `runtime.cpp` runs a grid with one fiber per CUDA
thread, `checks.cpp` looks at every access to memory, and `profile.cpp` counts its cost.
"""

from .profile import profile
from .settings import simulate
from .trace import Event, trace_launches

__all__ = ["Event", "profile", "simulate", "trace_launches"]
