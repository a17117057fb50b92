"""The process group on MPI, through mpi4py: arrays in the host's memory."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import numpy as np
from mpi4py import MPI

from minigrad.distributed.communicator import DistributedError

OPERATIONS = {"sum": MPI.SUM, "avg": MPI.SUM, "min": MPI.MIN, "max": MPI.MAX, "product": MPI.PROD}
CARRIED_AS = {"float16": np.float32, "bool": np.int32}  # numbers that MPI cannot combine, and what travels for them
EMPTY = np.empty(0)
LOOK = 1.0  # seconds of waiting after which to look whether somebody has left
SPIN = 2e-3  # seconds of polling without a pause: a sleeping process takes 60 us to wake, and most waits are short
TICK = 2e-4  # seconds between two looks in the background: 25 KB come in meanwhile over 1 Gbit/s


class MpiCommunicator:
    """MPI.COMM_WORLD, or a copy of it: what is sent in one does not meet what is sent in another."""

    name = "mpi"
    _farewells = MPI.COMM_WORLD.Dup()  # where a process that ends tells the others

    def __init__(self, timeout: float, comm: Any = MPI.COMM_WORLD):
        self._comm, self.timeout = comm.Dup(), timeout
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.library = MPI.Get_library_version().split("\n")[0].strip("\0 ")

    def duplicate(self) -> MpiCommunicator:
        return MpiCommunicator(self.timeout, self._comm)

    def threads_for_each(self) -> int:
        """The cores that a process may use, divided by the processes on this machine that may use the same."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]
        here = self._comm.Split_type(MPI.COMM_TYPE_SHARED)
        return max(1, len(cores) // here.allgather(cores).count(cores))

    def all_reduce(self, array: np.ndarray, op: str = "sum", background: bool = False) -> MpiWork:
        """Begin to combine the arrays of all; `background` has a thread see to it until it is over."""
        buffer = _travelling(array)
        if op == "avg":
            buffer = buffer / self.size
        work = MpiWork(self, "all_reduce", self._comm.Iallreduce(MPI.IN_PLACE, buffer, OPERATIONS[op]), array, buffer)
        return _background.take(work) if background else work

    def broadcast(self, array: np.ndarray, source: int) -> MpiWork:
        buffer = _travelling(array)
        return MpiWork(self, "broadcast", self._comm.Ibcast(buffer, source), array, buffer)

    def all_gather(self, array: np.ndarray) -> np.ndarray:
        mine = _travelling(array)
        gathered = np.empty((self.size, *mine.shape), mine.dtype)
        MpiWork(self, "all_gather", self._comm.Iallgather(mine, gathered), gathered, gathered).wait()
        return gathered.astype(array.dtype, copy=False)

    def all_gather_object(self, value: Any) -> list[Any]:
        MpiWork(self, "all_gather_object", self._comm.Ibarrier(), EMPTY, EMPTY).wait()  # here the time-out counts
        return self._comm.allgather(value)

    def abort(self) -> None:
        self._comm.Abort(1)

    def leave(self) -> None:
        """Tell the others that this process takes part in nothing any more, and wait until they say so too."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        sent = [self._farewells.Isend(EMPTY, rank) for rank in others]
        began = time.perf_counter()
        for request in [*sent, *[self._farewells.Irecv(EMPTY, rank) for rank in others]]:
            while not request.Test():
                if time.perf_counter() - began > self.timeout:
                    sys.stderr.write(
                        f"minigrad: the others have not ended within {self.timeout:g} s of process {self.rank} of "
                        f"{self.size}; all are ended\n"
                    )
                    sys.stderr.flush()
                    self.abort()
                time.sleep(1e-3)

    def check(self, operation: str, waited: float) -> None:
        """DistributedError where there is nothing to wait for any more."""
        status = MPI.Status()
        if self._farewells.Iprobe(status=status):
            words = f"process {status.Get_source()} has ended and cannot take part"
        elif waited > self.timeout:
            words = f"no answer from the others for {waited:.0f} s"
        else:
            return
        raise DistributedError(f"{operation}: {words} (this is process {self.rank} of {self.size})")


class MpiWork:
    """An operation that has begun. MPI goes on with it only while somebody looks."""

    def __init__(self, of: MpiCommunicator, name: str, request: Any, array: np.ndarray, buffer: np.ndarray):
        self._of, self._name, self.request, self._array, self._buffer = of, name, request, array, buffer
        self.over: threading.Event | None = None  # set by the background, which alone looks then

    def wait(self) -> None:
        """Come back when it is over; DistributedError where it never will be, or not within the group's time-out."""
        began = looked = time.perf_counter()
        while not (self.request.Test() if self.over is None else self.over.wait(LOOK)):
            now = time.perf_counter()
            if self.over is None and now - began > SPIN:
                time.sleep(min((now - began) / 100, 1e-3))
            else:
                time.sleep(0)  # there may be more processes than cores
            if now - looked > LOOK / 2:
                looked = now
                self._of.check(self._name, now - began)
        if self._buffer is not self._array:
            self._array[...] = self._buffer


class Background:
    """A thread that looks after what has begun while others compute; Numba's kernels let it, and it sleeps in between.

    MPI's own way would be to have a thread spin, for which there is no core to spare. With VGG-11-BN at 1 Gbit/s this
    one hides 70 % of the traffic of two processes, and looking between the layers of the backward pass 15 %.
    """

    def __init__(self) -> None:
        self._works: list[MpiWork] = []
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, work: MpiWork) -> MpiWork:
        work.over = threading.Event()
        self._works.append(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="minigrad-mpi", daemon=True)
            self._thread.start()
        self._more.set()
        return work

    def _run(self) -> None:
        while self._more.wait():
            self._more.clear()
            while self._works:
                for work in list(self._works):
                    if work.request.Test() and work.over is not None:
                        self._works.remove(work)
                        work.over.set()
                time.sleep(TICK)


def _travelling(array: np.ndarray) -> np.ndarray:
    """What MPI is given for `array`: itself, or a contiguous copy, of numbers that MPI can combine."""
    dense = np.ascontiguousarray(array, CARRIED_AS.get(array.dtype.name))
    return dense if dense.shape == array.shape else dense.reshape(array.shape)  # it gives 0-d arrays a dimension


_background = Background()
