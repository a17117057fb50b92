"""The device layer on CuPy, with a stand-in for CuPy: launches, and one clear line for each thing that goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_cupy import CUDARuntimeError, FakeCupy
from programs import program

import minigrad.kernels.cuda.cubin as cubin
import minigrad.kernels.cuda.device as device
from minigrad.kernels.cuda import DeviceLostError, KernelCompileError, KernelError, OutOfMemoryError, launch

TEXT = r"""
// variants: STEP=1|2
#include "real.cuh"
extern "C" __global__ void add(const float* x, const float* bias, float* y, int n) {
  extern __shared__ float tile[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    tile[i] = x[i];
    y[i] = tile[i] + STEP + (bias ? bias[i] : 0.f);
  }
}
"""


@pytest.fixture
def cupy(monkeypatch, tmp_path):
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setattr(cubin, "cache_folder", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("MINIGRAD_CUDA_SIMULATOR", "0")
    device.backend.cache_clear()
    yield fake
    device.backend.cache_clear()


def reason() -> str:
    with pytest.raises(RuntimeError) as error:
        device.backend()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_launches(cupy):
    n = np.int32(20000)
    x, y = cupy.asarray(np.arange(20000, dtype=np.float32)), cupy.asarray(np.zeros(20000, np.float32))
    for step in (1, 2, 1):
        launch(program(TEXT), "add", (1,), (64,), (x, None, y, n), shared=80000, defines=(("STEP", step),))
        np.testing.assert_array_equal(y.get(), np.arange(20000) + step)
    launch(program(TEXT), "add", (1,), (64,), (x, x, y, n), shared=80000, defines=(("STEP", 1),))
    np.testing.assert_array_equal(y.get(), 2 * np.arange(20000) + 1)
    assert len(cupy.compilations) == 2  # one for each set of defines
    code, options = cupy.compilations[0]
    assert "#include" not in code and "real_inf" in code, "the cache does not see headers"
    assert options == ("--std=c++17", "-lineinfo", "-arch=sm_90", "-DSTEP=1")
    assert [path.suffix for path in cupy.loaded] == [".cubin", ".cubin"]
    assert all(kernel.function.preferred_shared_memory_carveout == 100 for kernel in device.backend()._kernels.values())
    with pytest.raises(KernelError, match="this GPU has not 300,000 bytes of shared memory a block"):
        launch(program(TEXT), "add", (1,), (64,), (x, None, y, n), shared=300000, defines=(("STEP", 1),))


def test_what_the_gpu_says_of_itself(cupy):
    backend = device.backend()
    assert backend.capability() == (9, 0) and backend.device_name() == "NVIDIA H200" and backend.device_count() == 1
    host = np.arange(6.0)
    np.testing.assert_array_equal(backend.download(backend.upload(host)), host)
    backend.synchronize()
    backend.empty_cache()


def test_memory(cupy):
    backend = device.backend()
    cupy.allocator(1000)
    cupy.allocator(500)
    cupy.pool.used -= 1000
    assert (backend.memory_allocated(), backend.max_memory_allocated()) == (500, 1500)
    backend.reset_peak_memory_stats()
    assert backend.max_memory_allocated() == 500
    cupy.memory_left = 2**20
    message = (
        r"CUDA out of memory: a tensor needs 64.0 MiB; tensors use 0.0 MiB, 1.0 MiB are kept for reuse, "
        r"1.0 MiB of the GPU's 8,192.0 MiB are free. What frees it: a smaller batch, .*empty_cache"
    )
    with pytest.raises(OutOfMemoryError, match=message):
        cupy.allocator(2**26)
    cupy.allocator(100)  # and it goes on


def test_no_cupy(monkeypatch, cupy):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert reason() == (
        "device 'cuda': CuPy is not installed; pip install 'minigrad[cuda13]' (or 'minigrad[cuda12]' for CUDA 12)"
    )


@pytest.mark.parametrize(
    "broken, says",
    [
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12: cannot open"),
        ("raise ImportError('''\\n=====talk\\n\\nOriginal error:\\n  ImportError: libnvrtc.so.13\\n=====\\n''')",
         "does not work: ImportError: libnvrtc.so.13; reinstall"),
        ("raise OSError('no')", "does not work: no; reinstall it as 'minigrad[cuda13]' or 'minigrad[cuda12]'"),
        ("import cupy_part", "CuPy is half installed: No module named 'cupy_part'"),
        ("x = 1", "does not work: module 'cupy' has no attribute 'cuda'"),
    ],
    ids=["another CUDA", "diagnosed", "broken", "a part is missing", "empty"],
)  # fmt: skip
def test_a_half_broken_cupy(tmp_path, monkeypatch, cupy, broken, says):
    (tmp_path / "cupy.py").write_text(broken)
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.syspath_prepend(tmp_path)
    assert says in reason()
    monkeypatch.setitem(sys.modules, "cupy", FakeCupy())
    assert device.backend().name == "cupy"  # a failure is not remembered


@pytest.mark.parametrize(
    "status, driver, says",
    [
        (35, 0, "there is no NVIDIA driver on this machine"),
        (35, 12040, "the NVIDIA driver is too old: it has CUDA 12.4, CuPy needs 13.0; update the driver, "
                    "or pip install 'minigrad[cuda12]'"),
        (35, 12999, "too old"),
        (100, 13000, "the NVIDIA driver finds no GPU (is it hidden by CUDA_VISIBLE_DEVICES?)"),
        (802, 13000, "the GPU does not answer: cudaErrorX"),
    ],
)  # fmt: skip
def test_no_device(cupy, status, driver, says):
    def fails():
        raise CUDARuntimeError(status, "cudaErrorX")

    cupy.cuda.runtime.getDeviceCount = fails
    cupy.cuda.runtime.driverGetVersion = lambda: driver
    assert says in reason()


def test_no_gpu_among_the_devices(cupy):
    cupy.cuda.runtime.getDeviceCount = lambda: 0
    assert reason() == "device 'cuda': the NVIDIA driver finds no GPU"


def test_a_kernel_that_does_not_compile(cupy):
    file = program('extern "C" __global__ void f(float* x) { x[0] = INFINITY; }')
    with pytest.raises(KernelCompileError, match=r"\.cu does not compile: .*error.*whole log: ") as error:
        launch(file, "f", (1,), (1,), (cupy.asarray([1.0]),))
    assert "\n" not in str(error.value)
    log = Path(str(error.value).rpartition("whole log: ")[2].rstrip(")"))
    assert "--std=c++17" in log.read_text() and "1 error detected" in log.read_text()


def test_compiled_kernels_are_kept(cupy, monkeypatch):
    n, x = np.int32(4), cupy.asarray(np.ones(4, np.float32))
    call = program(TEXT), "add", (1,), (4,), (x, None, x, n)
    for _ in range(2):
        device.backend.cache_clear()  # as a new process
        launch(*call, shared=16, defines=(("STEP", 1),))
    assert len(cupy.compilations) == 1 and len(cupy.loaded) == 2
    assert [path.suffix for path in cupy.loaded[0].parent.iterdir()] == [".cubin"], "nothing half written is left"
    device.backend.cache_clear()
    monkeypatch.setattr(cupy.cuda.nvrtc, "getVersion", lambda: (13, 1))
    launch(*call, shared=16, defines=(("STEP", 1),))
    assert len(cupy.compilations) == 2, "another compiler, another file"


def test_a_gpu_that_is_newer_than_the_compiler_gets_ptx(cupy):
    cupy.cuda.nvrtc.archs = 75, 80, 86
    x = cupy.asarray(np.ones(4, np.float32))
    launch(program(TEXT), "add", (1,), (4,), (x, None, x, np.int32(4)), shared=16, defines=(("STEP", 1),))
    assert "-arch=compute_86" in cupy.compilations[0][1] and cupy.loaded[0].suffix == ".ptx"


def test_a_gpu_that_the_compiler_no_longer_knows(cupy):
    cupy.cuda.nvrtc.archs = 100, 110
    with pytest.raises(
        KernelCompileError, match=r"NVRTC 13.0 compiles for sm_100 and newer, this GPU is sm_90; .*cuda12"
    ):
        launch(program(TEXT), "add", (1,), (1,), (), defines=(("STEP", 1),))


def test_a_function_that_is_not_in_the_file(cupy):
    with pytest.raises(KernelError, match="nowhere: CUDA_ERROR_NOT_FOUND"):
        launch(program(TEXT), "nowhere", (1,), (1,), (), defines=(("STEP", 1),))


def test_a_missing_nvrtc(cupy):
    cupy.cuda.nvrtc.missing = True
    with pytest.raises(KernelCompileError, match="cannot be compiled: .*libnvrtc.*; pip install 'minigrad"):
        launch(program(TEXT), "add", (1,), (1,), (), defines=(("STEP", 1),))


def test_a_device_that_is_lost_while_a_kernel_is_loaded(cupy):
    def fails(*, path):
        raise CUDARuntimeError(700, "cudaErrorIllegalAddress")

    cupy.RawModule = lambda path: type("Module", (), {"get_function": lambda self, name: fails(path=path)})()
    with pytest.raises(DeviceLostError, match=r"add: the GPU failed \(cudaErrorIllegalAddress"):
        launch(program(TEXT), "add", (1,), (1,), (), defines=(("STEP", 1),))


def test_a_device_that_is_lost_at_an_allocation(cupy):
    def fails(size):
        raise CUDARuntimeError(719, "cudaErrorLaunchFailure")

    device.backend()
    cupy.pool.malloc = fails
    with pytest.raises(DeviceLostError, match=r"allocation: the GPU failed \(cudaErrorLaunchFailure\)"):
        cupy.allocator(100)


def test_a_lost_device(cupy):
    x = cupy.asarray(np.zeros(4, np.float32))
    args = program(TEXT), "add", (1,), (4,), (x, None, x, np.int32(4))
    launch(*args, shared=16, defines=(("STEP", 1),))
    cupy.launch_error = CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")
    with pytest.raises(DeviceLostError, match=r"add: the GPU failed \(cudaErrorIllegalAddress.* last checkpoint"):
        launch(*args, shared=16, defines=(("STEP", 1),))
    cupy.launch_error = CUDARuntimeError(9, "cudaErrorInvalidConfiguration")
    with pytest.raises(KernelError, match="add: cudaErrorInvalidConfiguration"):
        launch(*args, shared=16, defines=(("STEP", 1),))


def test_the_simulator_without_a_compiler_says_so():
    code = "import minigrad\nminigrad.zeros(1, device='cuda')"
    environment = {"MINIGRAD_CUDA_SIMULATOR": "1", "PATH": "/nowhere"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert result.stderr.splitlines()[-1] == (
        "RuntimeError: device 'cuda': the CUDA simulator (MINIGRAD_CUDA_SIMULATOR=1) compiles kernels with g++, which "
        "is not installed (apt install g++), or not where CXX says"
    )


# On Windows there is no library of the process to load functions from.
ELSEWHERE = """
import ctypes, platform
platform.system, platform.machine = lambda: "Windows", lambda: "AMD64"
load = ctypes.CDLL.__init__
def without_a_process(self, name, *args, **keywords):
    if name is None: raise TypeError("expected a name")
    load(self, name, *args, **keywords)
import minigrad
ctypes.CDLL.__init__ = without_a_process
minigrad.zeros(1, device="cuda")
"""


def test_the_simulator_on_another_system_says_so():
    environment = os.environ | {"MINIGRAD_CUDA_SIMULATOR": "1"}
    command = [sys.executable, "-c", ELSEWHERE]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.stderr.splitlines()[-1] == (
        "RuntimeError: device 'cuda': the CUDA simulator (MINIGRAD_CUDA_SIMULATOR=1) runs on Linux on x86-64, not on "
        "Windows on AMD64"
    )


def test_the_stand_in_has_what_cupy_has():
    """On a machine that has CuPy: every name that the stand-in shows is CuPy's."""
    real = pytest.importorskip("cupy", exc_type=ImportError)
    fake = FakeCupy()
    for name in ("ndarray", "asarray", "RawModule", "get_default_memory_pool", "get_default_pinned_memory_pool"):
        assert hasattr(real, name) and hasattr(fake, name)
    for owner in ("", "runtime", "driver", "compiler", "memory"):
        stand_in, model = (getattr(m.cuda, owner) if owner else m.cuda for m in (fake, real))
        for name in vars(stand_in):
            assert hasattr(model, name), f"{owner}.{name}"
    for name in ("malloc", "used_bytes", "total_bytes", "free_all_blocks"):
        assert hasattr(real.cuda.MemoryPool, name)
    assert hasattr(real.RawKernel, "max_dynamic_shared_size_bytes") and hasattr(real.cuda.Device, "compute_capability")
    assert issubclass(real.cuda.memory.OutOfMemoryError, MemoryError)


def test_a_cache_that_cannot_be_written_is_a_warning(cupy, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("no folder")
    n, x, y = np.int32(4), cupy.asarray(np.ones(4, np.float32)), cupy.asarray(np.zeros(4, np.float32))
    with pytest.warns(UserWarning, match="compiled kernels cannot be kept in .*kernels: Not a directory"):
        launch(program(TEXT), "add", (1,), (4,), (x, None, y, n), shared=16, defines=(("STEP", 1),))
    np.testing.assert_array_equal(y.get(), [2, 2, 2, 2])
