"""How every CPU kernel is compiled: one decorator around Numba, and the two thread pools kept in order.

Importing this module imports Numba (half a second), so it is imported by the kernels, never by
`import minigrad`.

- Kernels compile at their first call and are kept on disk beside their source (or, where that cannot be
  written, in the user's cache folder). Numba files each compiled form under the argument types, its own
  version, the time and size of the source file, and the name and features of the CPU; on another machine it
  compiles again, and never runs code made elsewhere. It does not see a change in *another* file, so a kernel
  calls only jitted functions, and reads only globals, of its own file.
- Numba's default for machines without TBB or OpenMP aborts the process when two Python threads run parallel
  kernels at once (a prefetching loader is enough); we ask for a thread-safe layer instead.
- OpenMP threads that wait by spinning slow everything after them down; they are told to sleep soon.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from importlib import import_module
from typing import Any

# Both are read once, when Numba loads the OpenMP library. About 0.2 ms of spinning keeps the threads awake
# from one kernel to the next (a launch takes 3 us instead of 80), and no longer, so that they are out of
# NumPy's way.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

import numba  # noqa: E402
from numba.core import event  # noqa: E402


def _loads(layer: str) -> bool:
    try:
        import_module(f"numba.np.ufunc.{layer}")
    except ImportError:
        return False
    return True


# Without TBB and OpenMP (a slim container lacks libgomp) only workqueue is left, which takes one kernel at a time.
_ONE_AT_A_TIME = not (_loads("tbbpool") or _loads("omppool"))
_running = threading.RLock()
if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER = "workqueue" if _ONE_AT_A_TIME else "threadsafe"

# Sums may be reordered, so that they vectorise; NaN and infinities stay as IEEE has them.
REASSOCIATE = {"contract", "reassoc", "nsz", "arcp"}

_OUR_PACKAGE = __name__.rpartition(".")[0]


def jit(function: Callable | None = None, **options: Any) -> Any:
    """Compile a function with Numba at its first call: `@jit` or `@jit(parallel=True, ...)`.

    Defaults to `cache=True`, `nogil=True` (other Python threads run meanwhile) and NumPy's rules for division
    by zero. `options` are `numba.njit`'s. A parallel kernel is called from Python, not from another kernel.
    """
    if function is None:
        return lambda decorated: jit(decorated, **options)
    settings: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"} | options
    try:
        compiled = numba.njit(**settings)(function)
    except RuntimeError:  # no folder can be written: neither beside the source nor in the user's cache
        compiled = numba.njit(**settings | {"cache": False})(function)
    if not (_ONE_AT_A_TIME and options.get("parallel")):
        return compiled

    @wraps(function)
    def one_at_a_time(*args: Any) -> Any:
        with _running:
            return compiled(*args)

    return one_at_a_time


class _Announcement(event.Listener):
    """Says once a process, on stderr, that kernels are being compiled; loading them is silent."""

    made = False

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        if self.made or not dispatcher.py_func.__module__.startswith(_OUR_PACKAGE):
            return  # or somebody else's Numba function
        self.made = True
        folder = dispatcher.stats.cache_path
        kept = f"once; kept in {folder}" if folder else "at every start: no folder to keep them in"
        print(f"minigrad: compiling kernels for this machine ({kept})", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Announcement())


def get_num_threads() -> int:
    """Number of threads the kernels use."""
    return numba.get_num_threads()


def set_num_threads(count: int) -> None:
    """Let the kernels called from this Python thread, and NumPy's matrix products, use `count` threads.

    At most as many as Numba started with (`numba.config.NUMBA_NUM_THREADS`, by default the CPU's count).
    No result depends on it: reductions run over fixed partitions.
    """
    limit = numba.config.NUMBA_NUM_THREADS
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"set_num_threads: expected an int, got {type(count).__name__}")
    if not 1 <= count <= limit:
        raise RuntimeError(f"set_num_threads: count must lie between 1 and {limit} on this machine, got {count}")
    numba.set_num_threads(count)
    for library in _blas_libraries():
        if not _is_scipys(library):
            library.set_num_threads(count)


@cache
def _blas_libraries() -> tuple:
    # np.dot inside a kernel goes to SciPy's BLAS: load it, so that it is found.
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


def _is_scipys(library: Any) -> bool:
    # The wheels of NumPy and SciPy carry an OpenBLAS each, in numpy.libs and scipy.libs; conda's share one
    # library.
    return "scipy.libs" in library.filepath or "scipy/.dylibs" in library.filepath


_blas_lock = threading.Lock()
_blas_users = 0
_blas_restore: list[tuple[Any, int]] = []


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold the BLAS that kernels call (`np.dot` inside `prange`) to one thread, for all Python threads.

    A kernel's own threads already occupy the cores; a BLAS that starts a team in each of them makes it 2 to 3
    times slower.
    """
    global _blas_users, _blas_restore
    with _blas_lock:
        _blas_users += 1
        if _blas_users == 1:
            libraries = _blas_libraries()
            called = [library for library in libraries if _is_scipys(library)] or list(libraries)
            _blas_restore = [(library, library.get_num_threads()) for library in called]
            for library in called:
                library.set_num_threads(1)
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                for library, threads in _blas_restore:
                    library.set_num_threads(threads)
