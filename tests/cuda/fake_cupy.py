"""A module that stands where CuPy does in tests: its kernels run on the simulator, and it can fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from minigrad.kernels.cuda import source
from minigrad.kernels.cuda.errors import KernelCompileError
from minigrad.kernels.cuda.simulator import arrays, settings
from minigrad.kernels.cuda.simulator.module import Module


class CUDARuntimeError(RuntimeError):
    """As CuPy's: the number of CUDA's error in `status`."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class CUDADriverError(CUDARuntimeError):
    """As CuPy's."""


class NVRTCError(RuntimeError):
    """As CuPy's."""


class Nvrtc:
    """`cupy.cuda.nvrtc`: a cubin is the text and the options; what does not compile for the simulator is an error."""

    NVRTCError = NVRTCError

    def __init__(self, compilations: list[tuple[str, tuple]]):
        self.compilations, self.missing = compilations, False
        self.archs = 75, 80, 90

    def getVersion(self) -> tuple[int, int]:
        if self.missing:
            raise RuntimeError("Failed to find libnvrtc.so.13")
        return 13, 0

    def getSupportedArchs(self) -> tuple[int, ...]:
        self.getVersion()
        return self.archs

    def createProgram(self, text: str, name: str, headers: tuple, include_names: tuple) -> SimpleNamespace:
        return SimpleNamespace(text=text, name=name, options=(), log="")

    def compileProgram(self, program: SimpleNamespace, options: tuple) -> None:
        program.options = options
        self.compilations.append((program.text, options))
        try:
            Module(source.Source("fake.cu", program.text), defines_of(options), "fast")
        except KernelCompileError as error:
            program.log = f"{program.name}(1): error: {error}\n1 error detected"
            raise NVRTCError("NVRTC_ERROR_COMPILATION (6)") from None

    def getProgramLog(self, program: SimpleNamespace) -> str:
        return program.log

    def getCUBIN(self, program: SimpleNamespace) -> bytes:
        return json.dumps([program.text, program.options]).encode()

    def getPTX(self, program: SimpleNamespace) -> str:
        return self.getCUBIN(program).decode()

    def destroyProgram(self, program: SimpleNamespace) -> None:
        pass


def defines_of(options: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(option[2:].split("=")) for option in options if option.startswith("-D"))


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class Kernel:
    """RawKernel: takes NumPy scalars by their size, as CuPy does; 8 zero bytes are a null pointer too."""

    def __init__(self, fake: FakeCupy, function):
        self.fake, self.function = fake, function
        self._granted = 48 * 1024
        self.preferred_shared_memory_carveout = -1

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        return self._granted

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        if size > 227 * 1024:
            raise CUDADriverError(1, "CUDA_ERROR_INVALID_VALUE: invalid argument")
        self._granted = size

    def __call__(self, grid, block, args, *, shared_mem=0):
        if self.fake.launch_error is not None:
            raise self.fake.launch_error
        assert shared_mem <= self._granted, "cuLaunchKernel would refuse"
        assert all(isinstance(a, (arrays.ndarray, np.generic)) for a in args)
        args = [
            None if kind in "pc" and not isinstance(a, arrays.ndarray) else a
            for a, (kind, _) in zip(args, self.function.parameters, strict=True)
        ]
        self.function(grid, block, args, shared_mem, (), settings.current())


class FakeCupy(ModuleType):
    """`cupy`, over the simulator's arrays."""

    def __init__(self):
        super().__init__("cupy")
        self.launch_error: Exception | None = None
        self.memory_left = 10**9
        self.compilations: list[tuple[str, tuple]] = []
        self.loaded: list[Path] = []
        self.ndarray, self.asarray = arrays.ndarray, arrays.asarray
        self.pool = SimpleNamespace(
            malloc=self._malloc,
            used=0,
            used_bytes=lambda: self.pool.used,
            total_bytes=lambda: self.pool.used + 2**20,
            free_all_blocks=lambda: None,
        )
        self.get_default_memory_pool = self.get_default_pinned_memory_pool = lambda: self.pool
        self.cuda = SimpleNamespace(
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                getDeviceCount=lambda: 1,
                driverGetVersion=lambda: 13000,
                runtimeGetVersion=lambda: 13000,
                memGetInfo=lambda: (self.memory_left, 2**33),
                getDeviceProperties=lambda device: {"name": b"NVIDIA H200"},
            ),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            nvrtc=Nvrtc(self.compilations),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            get_device_id=lambda: 0,
            set_allocator=lambda allocator: setattr(self, "allocator", allocator),
            Device=Device,
            PinnedMemoryPointer=type("PinnedMemoryPointer", (), {}),
        )

    def _malloc(self, size: int):
        if size > self.memory_left:
            raise OutOfMemoryError(f"Out of memory allocating {size} bytes")
        self.pool.used += size
        self.memory_left -= size
        return object()

    def RawModule(self, *, path: str) -> SimpleNamespace:
        self.loaded.append(Path(path))
        text, options = json.loads(Path(path).read_text())
        module = Module(source.Source("fake.cu", text), defines_of(options), "fast")

        def get_function(name: str) -> Kernel:
            try:
                return Kernel(self, module.get_function(name))
            except AttributeError:
                raise CUDADriverError(500, "CUDA_ERROR_NOT_FOUND: named symbol not found") from None

        return SimpleNamespace(get_function=get_function)


class Device:
    """`cupy.cuda.Device`."""

    compute_capability = "90"

    def __init__(self, device=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        pass

    def synchronize(self):
        pass
