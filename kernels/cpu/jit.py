"""How every CPU kernel is compiled: one decorator around Numba; and the settings of its threads and of BLAS's.

Importing this module imports Numba (half a second), so it is imported by the kernels, never by
`import minigrad`.

- Kernels compile at their first call and are kept on disk beside their source (or, where that cannot be
  written, in the user's cache folder). Numba files each compiled form under the argument types, its own
  version, the time and size of the source file, and the name and features of the CPU; on another machine it
  compiles again, and never runs code made elsewhere. `cache.py` adds what a kernel takes from other files.
- Numba's default for machines without TBB or OpenMP aborts the process when two Python threads run parallel
  kernels at once (a prefetching loader is enough); we ask for a thread-safe layer instead.
- TBB is the layer preferred: where another program holds a processor, the thread that began a kernel does all
  the work itself, while with OpenMP it waits for the others to appear.
- OpenMP threads that wait by spinning slow everything after them down; they are told to sleep soon. Small work
  is not shared at all: see `team`.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, wraps
from importlib import import_module
from types import FunctionType
from typing import Any

# Both are read once, when Numba loads the OpenMP library. About 0.2 ms of spinning keeps the threads awake
# from one kernel to the next (a launch takes 3 us instead of 80), and no longer, so that they are out of
# NumPy's way.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

import numba  # noqa: E402
from numba.core import event  # noqa: E402

from . import fork  # noqa: E402


def _loads(layer: str) -> bool:
    try:
        if layer == "tbbpool":
            # The wheel on PyPI puts the library where the loader does not look; once loaded, it is found by name.
            with suppress(OSError):
                ctypes.CDLL(os.path.join(sys.prefix, "lib", "libtbb.so.12"))
        import_module(f"numba.np.ufunc.{layer}")
    except ImportError:
        return False
    return True


# Without TBB and OpenMP (a slim container lacks libgomp) only workqueue is left, which takes one kernel at a time.
_ONE_AT_A_TIME = not (_loads("tbbpool") or _loads("omppool"))
_running = threading.RLock()
fork.protect(_running)
config: Any = numba.config  # its names are set when it is imported
if "NUMBA_THREADING_LAYER" not in os.environ:
    config.THREADING_LAYER = "workqueue" if _ONE_AT_A_TIME else "threadsafe"

numba.get_num_threads()  # starts the threads

# Sums may be reordered, so that they vectorise; NaN and infinities stay as IEEE has them.
REASSOCIATE = {"contract", "reassoc", "nsz", "arcp"}

_OUR_PACKAGE = __name__.rpartition(".cpu.")[0]


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function with Numba at its first call: `@jit` or `@jit(parallel=True, ...)`.

    Defaults to `cache=True`, `nogil=True` (other Python threads run meanwhile) and NumPy's rules for division
    by zero. `options` are `numba.njit`'s. A parallel kernel is called from Python, not from another kernel, and has a
    second form, for one thread; see `team`.
    """
    if function is None:
        return lambda decorated: jit(decorated, **options)
    settings: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"} | options
    keep = settings.pop("cache")
    compiled = numba.njit(**settings)(function)
    if keep:
        _keep(compiled)
    if not options.get("parallel"):
        return compiled
    compiled.alone = jit(_renamed(function), **options | {"parallel": False})
    fork.prepare(compiled)
    if not _ONE_AT_A_TIME:
        return compiled

    @wraps(function)
    def one_at_a_time(*args: Any) -> Any:
        with _running:
            return compiled(*args)

    one_at_a_time.alone = compiled.alone  # type: ignore[attr-defined]
    return one_at_a_time


def _keep(compiled: Any) -> None:
    """Let compiled forms be kept on disk, where they can be.

    Not where no folder can be written, neither beside the source nor in the user's cache, nor with a Numba that keeps
    them in a way unknown to us. Then they are compiled at each start.
    """
    with suppress(ImportError, AttributeError, RuntimeError):
        from .cache import KernelCache

        compiled._cache = KernelCache(compiled.py_func)


def _renamed(function: Any) -> Any:
    """The same function under a name of its own, by which Numba files what it compiles."""
    copy = FunctionType(function.__code__, function.__globals__, f"{function.__name__}_alone")
    copy.__qualname__ = copy.__name__
    return copy


class _Announcement(event.Listener):
    """Says once a process, on stderr, that kernels are being compiled; loading them is silent."""

    made = False

    def on_start(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        if self.made or not (dispatcher.py_func.__module__ or "").startswith(_OUR_PACKAGE):
            return  # or somebody else's Numba function, which may have been made by exec, outside all modules
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
    limit = config.NUMBA_NUM_THREADS
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"set_num_threads: expected an int, got {type(count).__name__}")
    if not 1 <= count <= limit:
        raise RuntimeError(f"set_num_threads: count must lie between 1 and {limit} on this machine, got {count}")
    numba.set_num_threads(count)
    for library in _blas_of_numpy():
        library.set_num_threads(count)


@cache
def _blas_of_numpy() -> tuple[Any, ...]:
    """The libraries that NumPy multiplies with. The wheels of NumPy and SciPy carry an OpenBLAS each, in numpy.libs and
    scipy.libs; conda's share one library."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return tuple(
        library
        for library in libraries
        if not ("scipy.libs" in library.filepath or "scipy/.dylibs" in library.filepath)
    )


class _OneThread:
    """`with` this, NumPy's matrix products run on one thread, for all Python threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        fork.protect(self._lock)
        self._users = 0
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = [(library, library.get_num_threads()) for library in _blas_of_numpy()]
                for library, threads in self._before:
                    if threads != 1:
                        library.set_num_threads(1)

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for library, threads in self._before:
                    if threads != 1:
                        library.set_num_threads(threads)


# NumPy's own products, where they are too small to be shared or kernels' threads share them.
single_threaded_numpy = _OneThread()

# Nanoseconds of work from which it pays to share it. A thread that slept takes 50 to 100 us until it is awake, but in a
# training step it has just worked: one of LeNet-5 on 64 pictures took 3.6 ms with 150,000 here, 3.2 with 20,000 to
# 40,000 (medians, two cores). On a machine that other programs use too, a thread may wait some milliseconds.
WORTH_SHARING = 30_000


def team(kernel: Any, nanoseconds: float) -> Callable[..., Any]:
    """The form of a parallel `kernel` to call: for all threads or, where the work would take one thread about
    `nanoseconds` and that is below WORTH_SHARING, for the calling thread alone.

    The latter neither wakes other threads nor asks how many there are, which saves 2 us.
    """
    return kernel if nanoseconds >= WORTH_SHARING else kernel.alone
