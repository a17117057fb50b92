"""Compilation, threads and the announcement on the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from minigrad.kernels.conv2d import cpu
from minigrad.kernels.cpu.jit import get_num_threads, set_num_threads, single_threaded_numpy, team
from minigrad.kernels.elementwise.cpu import _relu

CONVOLVE = """
import sys
import numpy as np
if "workqueue" in sys.argv:
    sys.modules["numba.np.ufunc.omppool"] = sys.modules["numba.np.ufunc.tbbpool"] = None
from minigrad.kernels.conv2d import cpu
from minigrad.kernels.elementwise.cpu import _relu
from threading import Thread
def convolve():
    for _ in range(20):
        cpu.forward(np.ones((8, 2, 9, 9), "f"), np.ones((3, 2, 3, 3), "f"), None, (1, 1), (1, 1), (1, 1), 1)
threads = [Thread(target=convolve) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_threads_may_run_kernels_at_once(layer):
    done = subprocess.run([sys.executable, "-c", CONVOLVE, layer], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compilation_is_announced_once_and_loading_is_silent(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", CONVOLVE], capture_output=True, text=True, env=environment).stderr
        for _ in range(2)
    ]
    assert runs[0].count("compiling kernels") == 1 and str(tmp_path) in runs[0]
    assert runs[1] == ""


def test_functions_outside_all_modules_compile_beside_ours():
    names = {}
    exec("def double(x): return 2 * x", names)
    names["double"].__module__ = None
    assert numba.njit(names["double"])(2) == 4


@pytest.mark.parametrize(("count", "error"), [(0, RuntimeError), (10**6, RuntimeError), ("2", TypeError)])
def test_number_of_threads_is_checked(count, error):
    with pytest.raises(error, match="set_num_threads"):
        set_num_threads(count)


def test_number_of_threads_can_be_set():
    before = get_num_threads()
    set_num_threads(1)
    assert get_num_threads() == 1
    set_num_threads(before)


def test_blas_threads_are_restored_after_nested_use():
    def user():
        for _ in range(50):
            with single_threaded_numpy, single_threaded_numpy:
                np.dot(np.ones((4, 4)), np.ones((4, 4)))

    from threadpoolctl import threadpool_info

    cpu.forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)), None, (1, 1), (0, 0), (1, 1), 1)
    with single_threaded_numpy:
        pass
    before = threadpool_info()
    threads = [threading.Thread(target=user) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threadpool_info() == before


def test_small_work_is_done_by_one_thread_and_large_by_all():
    x, few, many = np.linspace(-1, 1, 1000, dtype=np.float32), np.empty(1000, np.float32), np.empty(1000, np.float32)
    assert team(_relu, 1e9) is _relu
    assert team(_relu, 10).targetoptions["parallel"] is False
    team(_relu, 10)(x, few)
    team(_relu, 1e9)(x, many)
    np.testing.assert_array_equal(few, many)
    np.testing.assert_array_equal(few, np.maximum(x, 0))
