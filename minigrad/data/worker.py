"""Worker processes: the loop that each runs, and the pool that the loader talks to.

On Linux they are forked from the training process, as PyTorch's are: they have its data set, classes and functions
as they are, wherever these were defined, and nothing of the script runs again. Kernels in them run on one thread
(kernels/cpu/fork.py). Elsewhere a fork is not safe beside the system's libraries: the processes are spawned, the data
set is pickled, and the script is imported again in each, so that it must start its work under
`if __name__ == "__main__":`.

Each worker has one pipe. It answers requests in the order in which they came, so the pool keeps the order of
the batches by reading the pipes in the order in which it gave out the requests. A worker ends when its pipe
does.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import random
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any

import numpy as np

from minigrad.data.dataset import IterableDataset
from minigrad.data.fetch import END, fetcher
from minigrad.generator import manual_seed

# Worker w has the seed base + w, batch n the seed base + FIRST_BATCH_SEED + n.
FIRST_BATCH_SEED = 2**32

# Ctrl-C; the end of a cluster's job; a closed terminal, which Windows does not signal.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

# How long a worker may go on with its last batch before it is killed, in seconds.
PATIENCE = 5.0

GUARD = (
    "where workers are spawned, each imports the script again, which must start its work under "
    "`if __name__ == '__main__':`"
)


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows of itself: its number, of how many, its seed, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return, in a worker process, its number, how many there are, its seed and its data set; elsewhere None.

    Examples:
        >>> mg.data.get_worker_info() is None
        True
    """
    return _worker_info


@dataclass(frozen=True)
class Task:
    """All that a worker needs to make batches; it is sent once."""

    dataset: Any
    collate_fn: Callable[..., Any]
    batched: bool
    drop_last: bool
    worker_init_fn: Callable[[int], None] | None


class WorkerPool:
    """Processes that make batches on request."""

    def __init__(self, task: Task, num_workers: int, context: Any = None):
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context or ("fork" if sys.platform == "linux" else "spawn"))
        payload: Task | bytes = task
        if context.get_start_method() != "fork":
            payload = _pickled(task)
        if context.get_start_method() == "forkserver":
            # Imported once, in the server, instead of in each worker.
            context.set_forkserver_preload([__name__])
        self.forked = payload is task
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        # At the end of the program multiprocessing sends its processes SIGTERM, which these ignore, and waits for them:
        # they are ended before.
        self._finalizer = Finalize(self, _end, (self.connections, self.processes), exitpriority=10)
        try:
            for worker in range(num_workers):
                ours, theirs = context.Pipe()
                self.connections.append(ours)
                # A fork has our ends of the pipes too; while it holds them, they do not end with this process.
                inherited = tuple(self.connections) if self.forked else ()
                arguments = (theirs, payload, worker, num_workers, inherited)
                process = context.Process(target=_run, args=arguments, daemon=True)
                with _no_signals(), warnings.catch_warnings():
                    # of forking beside threads: see kernels/cpu/fork.py
                    warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
                    process.start()
                theirs.close()
                self.processes.append(process)
        except (BrokenPipeError, EOFError) as error:  # it ended before it had read what it is
            self.close()
            raise RuntimeError(f"DataLoader: a worker ended before it began; {GUARD}") from error
        except BaseException:
            self.close()
            raise

    def epoch(self, requests: Iterable[Any], seed: int, first: int, ahead: int, timeout: float) -> Iterator[Any]:
        """The batches for `requests`, in their order; each worker is at most `ahead` of them ahead.

        `first` is the number in the epoch of the first request, which decides its seed.
        """
        for worker in range(len(self.connections)):
            self._talk(worker, Connection.send, ("epoch", seed))
        numbered = enumerate(requests, first)
        turn = deque(range(len(self.connections)))
        asked: deque[int] = deque()

        def ask() -> None:
            request = next(numbered, None) if turn else None
            if request is not None:
                self._talk(turn[0], Connection.send, ("batch", request))
                asked.append(turn[0])
                turn.rotate(-1)

        for _ in range(ahead * len(self.connections)):
            ask()
        while asked:
            worker = asked.popleft()
            if timeout > 0 and not self._talk(worker, Connection.poll, timeout):
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds, waiting for worker {worker}")
            kind, value = self._talk(worker, receive)
            if kind == "error":
                raise value
            if kind == "end" and worker in turn:
                turn.remove(worker)
            ask()
            if kind == "batch":
                yield value

    def _talk(self, worker: int, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(self.connections[worker], *arguments)
        except (EOFError, ConnectionError) as error:
            process = self.processes[worker]
            process.join(PATIENCE)
            raise RuntimeError(
                f"DataLoader worker {worker} (pid {process.pid}) exited unexpectedly, exit code "
                f"{process.exitcode}" + ("" if self.forked else f"; {GUARD}")
            ) from error

    def close(self) -> None:
        """End the workers."""
        self._finalizer()


def _end(connections: list[Connection], processes: list[Any]) -> None:
    """End workers, those that do not come to their end by force."""
    for connection in connections:
        with suppress(OSError):  # it may have ended already
            connection.send(None)
        connection.close()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    connections.clear()
    processes.clear()


def _pickled(task: Task) -> bytes:
    """What a worker unpickles where it can report an error, unlike the arguments of its process."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f"DataLoader: a worker is started while the script is imported in one; {GUARD}")
    try:
        return pickle.dumps(task, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            "DataLoader: dataset, collate_fn and worker_init_fn are sent to the workers and must be "
            f"picklable (functions and classes defined at the top of a module are): {error}"
        ) from error


@contextmanager
def _no_signals() -> Iterator[None]:
    """Hold signals back while a process starts, which then decides for itself what it does with one."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def send(connection: Connection, message: Any) -> None:
    """Send a message, the memory of its arrays beside the pickle instead of copied into it."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    memory = [buffer.raw() for buffer in buffers]
    connection.send((head, [view.nbytes for view in memory]))
    for view in memory:
        if view.nbytes:
            connection.send_bytes(view)


def receive(connection: Connection) -> Any:
    """What `send` sent, with arrays that can be written to."""
    head, sizes = connection.recv()
    memory = [bytearray(size) for size in sizes]
    for buffer in memory:
        if buffer:
            connection.recv_bytes_into(buffer)
    return pickle.loads(head, buffers=memory)


def seed_everything(seed: int) -> None:
    """Seed the global generators of minigrad, NumPy and Python."""
    manual_seed(seed)
    np.random.seed([seed % 2**32, seed >> 32])
    random.seed(seed)


def _run(
    connection: Connection,
    payload: Task | bytes,
    worker_id: int,
    num_workers: int,
    inherited: tuple[Connection, ...],
) -> None:
    """A worker's life."""
    # Ctrl-C, a closed terminal and the end of a cluster's job reach every process; the training process, which may
    # want some batches more, ends its workers.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    for other in inherited:
        other.close()
    # The workers share the cores with each other and with the training: one thread for each.
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = "1"
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        # What comes is read at once: else both ends could wait for the other one to read.
        try:
            while (request := connection.recv()) is not None:
                requests.put(request)
        except (EOFError, OSError):
            pass
        requests.put(None)

    threading.Thread(target=listen, daemon=True).start()
    with suppress(OSError):  # nobody listens any more
        _answer(connection, iter(requests.get, None), payload, worker_id, num_workers)


def _answer(
    connection: Connection, requests: Iterator[Any], payload: Task | bytes, worker_id: int, num_workers: int
) -> None:
    """Answer each request with ("batch", batch), ("end", None) or ("error", exception)."""
    seed, task, fetch = 0, None, None
    for kind, value in requests:
        if kind == "epoch":
            seed, fetch = value, None
            continue
        number, indices = value
        try:
            if task is None:
                task = _set_up(payload, worker_id, num_workers, seed)
            if fetch is None:
                seed_everything(seed + worker_id)
                fetch = fetcher(task.dataset, task.collate_fn, task.batched, task.drop_last)
            if not isinstance(task.dataset, IterableDataset):
                seed_everything(seed + FIRST_BATCH_SEED + number)
            batch = fetch(indices)
            send(connection, ("end", None) if batch is END else ("batch", batch))
        except Exception as error:
            send(connection, ("error", _portable(error, worker_id)))


def _set_up(payload: Task | bytes, worker_id: int, num_workers: int, seed: int) -> Task:
    global _worker_info
    task: Task = pickle.loads(payload) if isinstance(payload, bytes) else payload
    seed_everything(seed + worker_id)
    _worker_info = WorkerInfo(worker_id, num_workers, seed + worker_id, task.dataset)
    if task.worker_init_fn is not None:
        task.worker_init_fn(worker_id)
    return task


def _portable(error: Exception, worker_id: int) -> Exception:
    """The exception with a note of where it was raised; another one in its place if it does not pickle."""
    note = f"raised in DataLoader worker process {worker_id}:\n{traceback.format_exc()}"
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(note)
    return error
