"""The device layer on a GPU, through CuPy (14; written from its source)."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import Any
from weakref import WeakSet

import numpy as np

from .cubin import compiled
from .errors import (
    CaptureError,
    DeviceLostError,
    KernelCompileError,
    KernelError,
    OutOfMemoryError,
    cannot_hold,
    out_of_memory,
)
from .source import load

# What a block may have without being asked for (CUDA C++ Programming Guide, "Shared Memory" of each capability).
SHARED_WITHOUT_ASKING = 48 * 1024
# cudaError_t: after any of these the process can use the GPU no more.
LOST = {46, 201, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 910, 999}
NO_DEVICE = 100
# Likewise: "operation not permitted when stream is capturing", and what follows from it.
CAPTURE_ERRORS = range(900, 909)
NULL = np.uint64(0)  # as a kernel's argument: 8 bytes, as an address has


def import_cupy() -> ModuleType:
    """CuPy with a GPU behind it; RuntimeError, in one line that says what is missing and what to do."""
    try:
        import cupy

        runtime = cupy.cuda.runtime
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise RuntimeError(f"device 'cuda': CuPy is half installed: {_one_line(error)}") from error
        raise RuntimeError(
            "device 'cuda': CuPy is not installed; pip install 'minigrad[cuda13]' (or 'minigrad[cuda12]' for CUDA 12)"
        ) from error
    except Exception as error:  # a CuPy that is half installed fails in many ways
        raise RuntimeError(
            f"device 'cuda': CuPy is installed, but does not work: {_one_line(error)}; reinstall it as "
            "'minigrad[cuda13]' or 'minigrad[cuda12]', whichever CUDA version the driver has (nvidia-smi shows it)"
        ) from error
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        raise RuntimeError(f"device 'cuda': {_why_no_device(runtime, error)}") from error
    if count == 0:
        raise RuntimeError("device 'cuda': the NVIDIA driver finds no GPU")
    return cupy


def _why_no_device(runtime: Any, error: Exception) -> str:
    """A missing driver and one that is too old give the same error; the driver's version tells them apart."""
    if getattr(error, "status", None) == NO_DEVICE:
        return "the NVIDIA driver finds no GPU (is it hidden by CUDA_VISIBLE_DEVICES?)"
    try:
        driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    except Exception:
        return f"the GPU does not answer: {_one_line(error)}"
    if driver == 0:
        return "there is no NVIDIA driver on this machine"
    if driver < needed:
        has = f"{driver // 1000}.{driver % 1000 // 10}"
        wants = f"{needed // 1000}.{needed % 1000 // 10}"
        extra = f", or pip install 'minigrad[cuda{driver // 1000}]'" if driver // 1000 < needed // 1000 else ""
        return f"the NVIDIA driver is too old: it has CUDA {has}, CuPy needs {wants}; update the driver{extra}"
    return f"the GPU does not answer: {_one_line(error)}"


def _one_line(error: BaseException) -> str:
    """CuPy frames its import errors; the line after "Original error" says what happened."""
    text = str(error)
    original = text.partition("Original error:")[2] or text
    return " ".join(re.sub(r"={5,}", " ", original).split()) or type(error).__name__


class CupyBackend:
    """See `Backend`; raises RuntimeError, in one line, if there is no GPU."""

    name = "cupy"

    def __init__(self) -> None:
        self.xp: Any = import_cupy()
        self._cuda = self.xp.cuda
        self._modules: dict[tuple[Any, ...], Any] = {}
        self._kernels: dict[tuple[Any, ...], _Kernel] = {}
        self._pool = self.xp.get_default_memory_pool()
        self._peak = 0
        # Pinned arrays that are being copied, each with the event after it.
        self._copying: deque[tuple[Any, np.ndarray]] = deque()
        self._errors = self._cuda.runtime.CUDARuntimeError, self._cuda.driver.CUDADriverError
        self._capturing = _Capturing()
        self._graphs: WeakSet[_Graph] = WeakSet()
        self._cuda.set_allocator(partial(self._allocate, self._pool))

    def launch(
        self,
        file: str,
        function: str,
        grid: tuple[Any, ...],
        block: tuple[Any, ...],
        args: tuple[Any, ...],
        shared: int,
        defines: tuple[Any, ...],
        indirect: tuple[Any, ...],
    ) -> None:
        key = file, function, defines, self._cuda.get_device_id()
        kernel = self._kernels.get(key)
        if kernel is None:
            kernel = self._kernels[key] = self._compile(*key)
        if shared > kernel.shared_limit:
            kernel.raise_shared_limit(shared, file, function)
        values = tuple(NULL if argument is None else argument for argument in args)
        try:
            kernel.function(grid, block, values, shared_mem=shared)
        except self._errors as error:
            raise _translated(error, f"{file}: {function}") from error
        if self._capturing.graph is not None:
            self._capturing.graph.keep((*args, *indirect), self.xp.ndarray)

    def _compile(self, file: str, function: str, defines: tuple[Any, ...], device: int) -> _Kernel:
        key = file, defines, device
        if key not in self._modules:
            with self._translating(file):
                capability = self.capability(device)
            try:
                path = compiled(self._cuda.nvrtc, load(file), defines, capability)
            except KernelCompileError:
                raise
            except (ImportError, RuntimeError, OSError) as error:  # NVRTC is missing, or the cache cannot be written
                raise KernelCompileError(
                    f"{file} cannot be compiled: {_one_line(error)}; pip install 'minigrad[cuda13]' brings the compiler"
                ) from error
            self._modules[key] = self.xp.RawModule(path=str(path))
        with self._translating(f"{file}: {function}"):
            return _Kernel(self._modules[key].get_function(function))

    def _allocate(self, pool: Any, size: int) -> Any:
        """CuPy's allocator for every array: from a pool of its, the peak counted, and its error in our words."""
        with self._translating("allocation"):
            try:
                memory = pool.malloc(size)
            except self._cuda.memory.OutOfMemoryError as error:
                free, total = self._cuda.runtime.memGetInfo()
                used, held = self.memory_allocated(), self.memory_reserved()
                raise OutOfMemoryError(out_of_memory(size, used, held - used, free, total)) from error
        self._peak = max(self._peak, self._pool.used_bytes())
        return memory

    @contextmanager
    def capture(self) -> Iterator[_Graph]:
        """See `Backend`. CUDA captures no default stream: for the time being another one is current."""
        if self._capturing.graph is not None:
            raise CaptureError("a CUDA graph is being captured already")
        pool = self._cuda.MemoryPool()
        graph, stream = _Graph(pool, self._translating), self._cuda.Stream(non_blocking=True)

        def allocate(size: int) -> Any:
            memory = self._allocate(pool, size)
            graph.own.add(memory.mem.ptr)
            return memory

        with self._cuda.using_allocator(allocate), stream:
            stream.begin_capture()
            self._capturing.graph = graph
            try:
                yield graph
            except BaseException:
                with suppress(*self._errors):  # after an error CUDA says again that the capture is void; it ends
                    stream.end_capture()
                raise
            else:
                graph.captured = stream.end_capture()
            finally:
                self._capturing.graph = None
        self._graphs.add(graph)

    def refused_capture(self, error: BaseException) -> bool:
        while error.__cause__ is not None and not isinstance(error, (CaptureError, *self._errors)):
            error = error.__cause__
        if isinstance(error, CaptureError) or getattr(error, "status", None) in CAPTURE_ERRORS:
            return True
        # CuPy refuses some things itself: "the current stream is capturing, so H2D transfers ..." (a copy, a wait) and
        # "calling cuBLAS API during stream capture is currently unsupported" (and its like).
        return "stream is capturing" in str(error) or "stream capture" in str(error)

    def _not_captured(self, what: str) -> None:
        if self._capturing.graph is not None:
            raise cannot_hold(what)

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise _translated(error, what) from error

    def capability(self, device: int | None = None) -> tuple[int, int]:
        digits = self._cuda.Device(device).compute_capability  # "90" for (9, 0)
        return int(digits[:-1]), int(digits[-1])

    def device_count(self) -> int:
        return self._cuda.runtime.getDeviceCount()

    def current_device(self) -> int:
        return self._cuda.get_device_id()

    def device_name(self, device: int | None = None) -> str:
        name = self._cuda.runtime.getDeviceProperties(self.current_device() if device is None else device)["name"]
        return name.decode()

    def synchronize(self) -> None:
        self._not_captured("a wait for the GPU")
        with self._translating("synchronize"):
            self._cuda.Device().synchronize()

    def memory_allocated(self) -> int:
        return self._pool.used_bytes() + self._of_graphs()

    def memory_reserved(self) -> int:
        return self._pool.total_bytes() + self._of_graphs()

    def _of_graphs(self) -> int:
        """Bytes that graphs hold: in use as long as the graph may be launched."""
        return sum(graph.pool.total_bytes() for graph in self._graphs)

    def max_memory_allocated(self) -> int:
        return self._peak + self._of_graphs()

    def reset_peak_memory_stats(self) -> None:
        self._peak = self._pool.used_bytes()

    def empty_cache(self) -> None:
        self._pool.free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        from cupyx import empty_pinned

        return empty_pinned(shape, dtype)

    def is_pinned(self, host: np.ndarray) -> bool:
        while isinstance(host.base, np.ndarray):
            host = host.base
        return isinstance(host.base, self._cuda.PinnedMemoryPointer)

    def upload(self, host: np.ndarray, device: int | None = None, non_blocking: bool = False) -> Any:
        self._not_captured("a copy from the host to the GPU")
        with self._cuda.Device(device), self._translating("copy to the GPU"):
            # CuPy does not wait for pinned memory, and copies other memory through a pinned buffer of its own.
            array = self.xp.asarray(host)
            if self.is_pinned(host):
                copied = self.event()
                copied.record()
                if non_blocking:
                    self._hold(copied, host)
                else:
                    copied.synchronize()
            return array

    def download(self, array: Any, non_blocking: bool = False) -> np.ndarray:
        self._not_captured("a copy from the GPU to the host")
        with self._translating("copy from the GPU"):
            if not non_blocking:
                return array.get()
            host = self.pinned(array.shape, array.dtype)
            array.get(out=host, blocking=False)
            copied = self.event()
            copied.record()
            self._hold(copied, host)
            return host

    def event(self) -> Any:
        return self._cuda.Event(disable_timing=True)

    def _hold(self, copied: Any, host: np.ndarray) -> None:
        """Keep pinned memory from being handed out again before the GPU is through with it."""
        while self._copying and self._copying[0][0].done:
            self._copying.popleft()
        self._copying.append((copied, host))


def _translated(error: Any, what: str) -> RuntimeError:
    """CUDA's error in one line."""
    if error.status in LOST:
        return DeviceLostError(
            f"{what}: the GPU failed ({_one_line(error)}); tensors on it are lost, files saved are not: "
            "start a new process from the last checkpoint"
        )
    return KernelError(f"{what}: {_one_line(error)}")


class _Graph:
    """See `Graph`; CuPy's graph, and the memory that it uses."""

    def __init__(self, pool: Any, translating: Callable[[str], AbstractContextManager[None]]):
        self.pool, self.captured, self._translating = pool, None, translating  # type: Any, Any, Any
        self.own: set[int] = set()  # addresses of what was allocated from the pool
        self._kept: dict[int, Any] = {}

    def keep(self, args: tuple[Any, ...], array: type[Any]) -> None:
        """Hold the memory of a launch that lies outside the pool."""
        for argument in args:
            if isinstance(argument, array) and argument.data.mem.ptr not in self.own:
                self._kept[argument.data.mem.ptr] = argument.data.mem

    def launch(self) -> None:
        with self._translating("launch of a CUDA graph"):
            self.captured.launch()


class _Capturing(threading.local):
    """The graph that this thread captures."""

    graph: _Graph | None = None


class _Kernel:
    """A compiled kernel on one GPU, and how much dynamic shared memory it was granted."""

    __slots__ = ("function", "shared_limit")

    def __init__(self, function: Any):
        self.function, self.shared_limit = function, SHARED_WITHOUT_ASKING

    def raise_shared_limit(self, shared: int, file: str, name: str) -> None:
        try:
            self.function.max_dynamic_shared_size_bytes = shared
            # Otherwise the driver may give half of it to the L1 cache, and a multiprocessor holds one block, not two.
            self.function.preferred_shared_memory_carveout = 100
        except RuntimeError as error:
            raise KernelError(f"{file}: {name}: this GPU has not {shared:,} bytes of shared memory a block") from error
        self.shared_limit = shared
