"""The process group: who takes part, and what they do together.

Every operation must be called by all processes, in the same order. A process that fails takes the others with it, since
they would wait for it for ever.
"""

from __future__ import annotations

import atexit
import os
import sys
from datetime import timedelta
from types import TracebackType
from typing import Any

import numpy as np

from minigrad.device import set_num_threads
from minigrad.distributed.communicator import Alone, Communicator, DistributedError, Work
from minigrad.pending import finish
from minigrad.tensor import Tensor

__all__ = [
    "DistributedError",
    "ReduceOp",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "get_backend",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_available",
    "is_initialized",
]

# What the launchers of MPICH and Intel, Open MPI and PRRTE, and Slurm, and ours, tell a process.
STARTED_BY = ("PMI_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "SLURM_PROCID", "MINIGRAD_PROCESSES")


class ReduceOp:
    """How the values of all processes are combined: SUM, AVG (the mean), MIN, MAX or PRODUCT.

    Examples:
        >>> x = mg.ones(2)
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.all_reduce(x, op=mg.distributed.ReduceOp.AVG)
        >>> mg.distributed.destroy_process_group()
    """

    SUM, AVG, MIN, MAX, PRODUCT = "sum", "avg", "min", "max", "product"


_group: Communicator | None = None
_shown_before = sys.excepthook  # what showed an error that nobody has caught, before there was a group


def is_available() -> bool:
    """Tell whether this module can be used: always.

    Examples:
        >>> mg.distributed.is_available()
        True
    """
    return True


def init_process_group(backend: str | None = None, *, timeout: timedelta | float = 600.0) -> None:
    """Meet the other processes that a launcher has started.

    A program that none has started is a group of one. Each process computes with its share of the machine's cores,
    unless NUMBA_NUM_THREADS is set. From here on an error that is not caught ends all processes.

    Args:
        backend: "mpi", or None for the same. "gloo", PyTorch's for CPUs, is taken for it.
        timeout: after so long, in seconds or as a timedelta, a process that waits for another gives up.

    Raises:
        ValueError: the backend is unknown, or `timeout` is not positive.
        RuntimeError: there is a group already, or MPI is not installed.
        DistributedError: a launcher started several processes, but MPI knows of one.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.get_rank(), mg.distributed.get_world_size()
        (0, 1)
        >>> mg.distributed.destroy_process_group()
    """
    global _group, _shown_before
    if backend not in (None, "mpi", "gloo"):
        raise ValueError(f"init_process_group: backend must be 'mpi' (or None), got {backend!r}; processes use CPUs")
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not seconds > 0:
        raise ValueError(f"init_process_group: timeout must be positive, got {timeout}")
    if _group is not None:
        raise RuntimeError("init_process_group: trying to initialize the default process group twice")
    _group = _meet(seconds)
    if _group.size > 1:
        _shown_before, sys.excepthook = sys.excepthook, _abort_all
        atexit.register(_group.leave)


def _meet(seconds: float) -> Communicator:
    if not any([name in os.environ for name in STARTED_BY]):
        return Alone()
    try:
        from minigrad.distributed.mpi import MpiCommunicator
    except (ImportError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise RuntimeError(f"init_process_group: needs MPI; pip install 'minigrad[mpi]' ({words})") from None
    group = MpiCommunicator(seconds)
    expected = os.environ.get("MINIGRAD_PROCESSES")
    if expected is not None and int(expected) != group.size:
        raise DistributedError(
            f"init_process_group: {expected} processes were started, but MPI knows of {group.size}; mpiexec belongs to "
            f"another MPI than the one that mpi4py has loaded ({group.library})"
        )
    if "NUMBA_NUM_THREADS" not in os.environ:
        set_num_threads(group.threads_for_each())
    return group


def _abort_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody has caught ends all processes, not only this one."""
    group = process_group()
    words = f"process {group.rank} of {group.size} has failed"
    if isinstance(error, DistributedError):  # about another process: where this one stood says nothing
        words = str(error)
    elif not isinstance(error, KeyboardInterrupt):
        _shown_before(kind, error, trace)
    sys.stderr.write(f"minigrad: {words}; all are ended\n")
    sys.stderr.flush()
    group.abort()


def process_group() -> Communicator:
    """The group; RuntimeError before `init_process_group`."""
    if _group is None:
        raise RuntimeError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )
    return _group


def is_initialized() -> bool:
    """Tell whether `init_process_group` was called.

    Examples:
        >>> mg.distributed.is_initialized()
        False
    """
    return _group is not None


def destroy_process_group() -> None:
    """Forget the group; nothing if there is none. Other processes that wait for this one are told.

    Examples:
        >>> mg.distributed.destroy_process_group()
    """
    global _group
    if _group is not None:
        if sys.excepthook is _abort_all:
            sys.excepthook = _shown_before
        atexit.unregister(_group.leave)
        _group.leave()
        _group = None


def get_rank() -> int:
    """The number of this process, from 0 to the number of processes less one.

    Raises:
        RuntimeError: there is no group.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.get_rank()
        0
        >>> mg.distributed.destroy_process_group()
    """
    return process_group().rank


def get_world_size() -> int:
    """The number of processes.

    Raises:
        RuntimeError: there is no group.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.get_world_size()
        1
        >>> mg.distributed.destroy_process_group()
    """
    return process_group().size


def get_backend() -> str:
    """The name of what carries the messages.

    Raises:
        RuntimeError: there is no group.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.get_backend()
        'mpi'
        >>> mg.distributed.destroy_process_group()
    """
    return process_group().name


def all_reduce(tensor: Tensor, op: str = ReduceOp.SUM, async_op: bool = False) -> Work | None:
    """Combine the tensors of all processes, in place; all get the same bits.

    Args:
        tensor: of one shape and dtype everywhere, on the CPU.
        op: one of `ReduceOp`.
        async_op: return at once; ``wait()`` on the result before the tensor is used.

    Raises:
        RuntimeError: there is no group, or the tensor is expanded or not on the CPU.
        ValueError: `op` is none of ReduceOp, or the mean of integers.
        DistributedError: another process has ended, or does not answer in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> x = mg.tensor([1.0, 2.0])
        >>> mg.distributed.all_reduce(x)
        >>> x
        tensor([1., 2.])
        >>> mg.distributed.destroy_process_group()
    """
    group, array = process_group(), _array("all_reduce", tensor)
    if op not in ("sum", "avg", "min", "max", "product"):
        raise ValueError(f"all_reduce: op must be one of ReduceOp's, got {op!r}")
    if op == "avg" and array.dtype.kind != "f":
        raise ValueError(f"all_reduce: the mean needs a floating-point tensor, got {tensor.dtype}")
    return _written(tensor, group.all_reduce(array, op), async_op)


def broadcast(tensor: Tensor, src: int, async_op: bool = False) -> Work | None:
    """Overwrite the tensor with that of one process.

    Args:
        tensor: of one shape and dtype everywhere, on the CPU.
        src: the number of the process whose values all get.
        async_op: return at once; ``wait()`` on the result before the tensor is used.

    Raises:
        RuntimeError: there is no group, or the tensor is expanded or not on the CPU.
        ValueError: there is no process `src`.
        DistributedError: another process has ended, or does not answer in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.broadcast(mg.ones(3), src=0)
        >>> mg.distributed.destroy_process_group()
    """
    group, array = process_group(), _array("broadcast", tensor)
    _check_source("broadcast", src, group)
    return _written(tensor, group.broadcast(array, src), async_op)


def all_gather(tensor_list: list[Tensor], tensor: Tensor) -> None:
    """Write the tensor of process i to ``tensor_list[i]``, in all processes.

    Args:
        tensor_list: as many tensors as there are processes, of the shape of `tensor`.
        tensor: of one shape and dtype everywhere, on the CPU.

    Raises:
        RuntimeError: there is no group, or a tensor is expanded or not on the CPU.
        ValueError: the list has another length, or a tensor in it another shape.
        DistributedError: another process has ended, or does not answer in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> gathered = [mg.empty(2)]
        >>> mg.distributed.all_gather(gathered, mg.ones(2))
        >>> gathered
        [tensor([1., 1.])]
        >>> mg.distributed.destroy_process_group()
    """
    group, array = process_group(), _array("all_gather", tensor)
    if len(tensor_list) != group.size:
        raise ValueError(f"all_gather: expected {group.size} tensors, one for each process, got {len(tensor_list)}")
    for target in tensor_list:
        if _array("all_gather", target).shape != array.shape:
            raise ValueError(f"all_gather: expected tensors of shape {list(array.shape)}, got {list(target.shape)}")
    for target, values in zip(tensor_list, group.all_gather(array), strict=True):
        target.array[...] = values
        target._bump_version()


def all_gather_object(object_list: list[Any], obj: Any) -> None:
    """Put a picklable value of process i into ``object_list[i]``, in all processes.

    Args:
        object_list: a list as long as there are processes.
        obj: this process's value.

    Raises:
        RuntimeError: there is no group.
        ValueError: the list has another length.
        DistributedError: another process has ended, or does not answer in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> names = [None]
        >>> mg.distributed.all_gather_object(names, "node-7")
        >>> names
        ['node-7']
        >>> mg.distributed.destroy_process_group()
    """
    group = process_group()
    if len(object_list) != group.size:
        raise ValueError(f"all_gather_object: expected a list of {group.size}, got {len(object_list)}")
    object_list[:] = group.all_gather_object(obj)


def broadcast_object_list(object_list: list[Any], src: int = 0) -> None:
    """Replace the values in the list by those of one process.

    Args:
        object_list: picklable values, as many in every process.
        src: the number of the process whose values all get.

    Raises:
        RuntimeError: there is no group.
        ValueError: there is no process `src`.
        DistributedError: another process has ended, or does not answer in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> run = ["runs/3"]
        >>> mg.distributed.broadcast_object_list(run)
        >>> mg.distributed.destroy_process_group()
    """
    group = process_group()
    _check_source("broadcast_object_list", src, group)
    object_list[:] = group.all_gather_object(list(object_list) if group.rank == src else None)[src]


def barrier() -> None:
    """Wait until all processes have come here.

    Raises:
        RuntimeError: there is no group.
        DistributedError: another process has ended, or does not come in time.

    Examples:
        >>> mg.distributed.init_process_group()
        >>> mg.distributed.barrier()
        >>> mg.distributed.destroy_process_group()
    """
    process_group().all_gather_object(None)


def _array(operation: str, tensor: Tensor) -> np.ndarray:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{operation}: argument 'tensor' must be Tensor, not {type(tensor).__name__}")
    finish(tensor)  # what is still to be computed from it as it is
    array = tensor.array
    if not isinstance(array, np.ndarray):
        raise RuntimeError(f"{operation}: MPI carries tensors on the cpu, got one on {tensor.device}; use .cpu()")
    repeated = any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True))
    if repeated or not array.flags.writeable:
        raise RuntimeError(f"{operation}: the tensor is expanded or read-only; send its clone()")
    return array


def _check_source(operation: str, source: int, group: Communicator) -> None:
    if not 0 <= source < group.size:
        raise ValueError(f"{operation}: src must lie in [0, {group.size - 1}], got {source}")


def _written(tensor: Tensor, work: Work, async_op: bool) -> Work | None:
    tensor._bump_version()
    if async_op:
        return work
    work.wait()
    return None
