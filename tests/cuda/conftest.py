"""These tests run on the CUDA simulator, or on the GPU that is there if MINIGRAD_CUDA_SIMULATOR=0 says so."""

import os
from contextlib import nullcontext

import pytest
from host_cupy import host_cupy

from minigrad.kernels.cuda.device import array_module, backend, simulated
from minigrad.kernels.cuda.simulator.compiler import compiler


@pytest.fixture(scope="module", autouse=True)
def device():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_CUDA_SIMULATOR", os.environ.get("MINIGRAD_CUDA_SIMULATOR", "1"))
        backend.cache_clear()
        if simulated():
            try:
                compiler()
            except RuntimeError as error:
                pytest.skip(str(error))
        with host_cupy() if os.environ.get("MINIGRAD_TEST_ARRAYS") == "cupy" else nullcontext():
            yield
    backend.cache_clear()


@pytest.fixture(scope="module")
def xp(device):
    """The module that makes arrays on the device."""
    return array_module(None)
