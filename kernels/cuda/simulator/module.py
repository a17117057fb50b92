"""Compiled kernels of the simulator: launched with the argument rules of CuPy, and stricter."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import KernelError
from ..source import Defines, Source
from . import compiler
from .arrays import ndarray
from .memory import block_of, pool
from .settings import Settings

# Bytes of shared memory that a block may have, by compute capability (CUDA C++ Programming Guide, technical
# specifications): the launch asks for what lies above 48 KiB.
SHARED_MEMORY = {(7, 5): 64 * 1024, (8, 0): 163 * 1024, (8, 6): 99 * 1024, (8, 9): 99 * 1024, (9, 0): 227 * 1024}

_running = threading.Lock()  # the runtime has one set of fibers


class Module:
    """A kernel file, compiled for one set of defines and one mode."""

    def __init__(self, source: Source, defines: Defines, mode: str):
        self.mode, self.file = mode, source.file
        self.runtime = compiler.runtime()
        self.path: Path = compiler.compile(source, defines, mode)
        self.compiled = ctypes.CDLL(str(self.path))
        self._functions: dict[str, Function] = {}

    def get_function(self, name: str) -> Function:
        """The kernel `name`."""
        if name not in self._functions:
            self._functions[name] = Function(self, name)
        return self._functions[name]


class Function:
    """A kernel that can be launched."""

    def __init__(self, module: Module, name: str):
        self.module, self.name = module, name
        self.entry = ctypes.cast(getattr(module.compiled, f"{name}__call"), ctypes.c_void_p)
        self.max_threads = getattr(module.compiled, f"{name}__bounds")()
        kinds, sizes = ctypes.create_string_buffer(256), (ctypes.c_int * 256)()
        count = getattr(module.compiled, f"{name}__signature")(kinds, sizes)
        self.parameters = [(chr(kinds.raw[i]), sizes[i]) for i in range(count)]

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: tuple[Any, ...],
        shared: int,
        indirect: tuple[Any, ...],
        settings: Settings,
    ) -> None:
        """Run the grid; raises KernelError for what a GPU would refuse, and for what the mode finds."""
        grid3, block3 = (tuple(grid) + (1, 1, 1))[:3], (tuple(block) + (1, 1, 1))[:3]
        self._check_shape(grid3, block3, shared, settings)
        if len(args) != len(self.parameters):
            raise KernelError(f"{self.name} takes {len(self.parameters)} arguments, got {len(args)}")
        cells, arrays = [], []
        for i, (argument, (kind, size)) in enumerate(zip(args, self.parameters, strict=True)):
            cell = self._cell(i, argument, kind, size)
            cells.append(cell)
            if isinstance(argument, ndarray):
                arrays.append((argument, kind == "p"))
        arrays += [(array, True) for array in indirect]
        pointers = (ctypes.c_void_p * max(1, len(cells)))(*[ctypes.addressof(cell) for cell in cells])
        runtime = self.module.runtime
        with _running:
            runtime.cudasim_device_memory(*pool.addresses)
            runtime.cudasim_clear_arrays()
            for array, writable in arrays:
                runtime.cudasim_array(array.data.ptr, array.nbytes, int(writable))
            failed = runtime.cudasim_launch(
                self.name.encode(),
                self.entry,
                pointers,
                (ctypes.c_uint * 3)(*grid3),
                (ctypes.c_uint * 3)(*block3),
                shared,
                settings.order,
                int(settings.mode == "check"),
            )
            if failed:
                place = compiler.source_line(runtime.cudasim_error_pc())
                where = f" at {place}" if place else ""
                raise KernelError(f"{self.module.file}: {runtime.cudasim_error().decode()}{where}")
            self._check_shared(runtime.cudasim_shared_bytes(), settings)
        for i, (array, _) in enumerate(arrays):
            memory = block_of(array._array)
            if memory is not None and memory.overwritten():
                ctypes.memset(memory.address + memory.nbytes, 0xFF, memory.size - memory.nbytes)
                raise KernelError(f"{self.module.file}: {self.name}: write past the end of array argument #{i}")

    def _check_shape(self, grid: tuple[Any, ...], block: tuple[Any, ...], shared: int, settings: Settings) -> None:
        threads = block[0] * block[1] * block[2]
        if not 1 <= threads <= 1024 or not 1 <= block[2] <= 64:
            raise KernelError(f"{self.name}: a block of {block} threads: their number must lie in 1..1024")
        if threads > self.max_threads:
            raise KernelError(f"{self.name}: {threads} threads a block, but __launch_bounds__({self.max_threads})")
        if not (1 <= grid[0] < 2**31 and 1 <= grid[1] <= 65535 and 1 <= grid[2] <= 65535):
            raise KernelError(f"{self.name}: a grid of {grid} blocks: at most (2147483647, 65535, 65535), at least 1")
        self._check_shared(shared, settings)

    def _check_shared(self, used: int, settings: Settings) -> None:
        limit = SHARED_MEMORY[settings.capability]
        if used > limit:
            raise KernelError(
                f"{self.name}: {used:,} bytes of shared memory, static and dynamic; a GPU of compute capability "
                f"{'.'.join(map(str, settings.capability))} has {limit:,} a block"
            )

    def _cell(self, i: int, argument: Any, kind: str, size: int) -> Any:
        """The bytes of an argument, as the kernel's parameter has them."""
        if kind in "pc":
            if argument is None:
                return ctypes.c_size_t(0)
            if not isinstance(argument, ndarray):
                raise TypeError(
                    f"{self.name}: argument {i} is a pointer; {type(argument).__name__} is not on the device"
                )
            return ctypes.c_size_t(argument.data.ptr)
        if isinstance(argument, (ndarray, type(None))):
            raise TypeError(f"{self.name}: argument {i} is a number of {size} bytes, not an array")
        value = np.asarray(argument)
        found = {"f": "f", "i": "i", "u": "i", "b": "i"}.get(value.dtype.kind, "s")
        if found != kind or value.dtype.itemsize != size:
            wanted = {"f": "a floating-point number", "i": "an integer", "s": "a struct"}[kind]
            raise TypeError(f"{self.name}: argument {i} is {value.dtype}, the kernel takes {wanted} of {size} bytes")
        return ctypes.create_string_buffer(value.tobytes(), size)
