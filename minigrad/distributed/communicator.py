"""What carries the messages between processes: what the group and DistributedDataParallel ask of it."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Alone", "Communicator", "DistributedError", "Work"]


class DistributedError(RuntimeError):
    """What concerns several processes: one is missing, too slow, or does something else.

    Examples:
        >>> issubclass(mg.distributed.DistributedError, RuntimeError)
        True
    """


class Work(Protocol):
    """An operation that has begun."""

    def wait(self) -> Any:
        """Come back when it is over."""
        ...


class Communicator(Protocol):
    """What a backend offers; arrays are written in place."""

    rank: int
    size: int
    name: str

    def duplicate(self) -> Communicator:
        """The same processes, whose messages do not meet those of this one."""
        ...

    def all_reduce(self, array: Any, op: str = "sum", background: bool = False) -> Work: ...
    def broadcast(self, array: Any, source: int) -> Work: ...
    def all_gather(self, array: Any) -> Any:
        """The arrays of all, in a new first dimension."""
        ...

    def all_gather_object(self, value: Any) -> list[Any]: ...
    def leave(self) -> None:
        """This process takes part in nothing any more."""
        ...

    def abort(self) -> None:
        """End all processes."""
        ...


class _Done:
    def wait(self) -> None:
        pass


class Alone:
    """The group of a program that no launcher has started."""

    rank, size, name = 0, 1, "mpi"

    def duplicate(self) -> Alone:
        return self

    def all_reduce(self, array: Any, op: str = "sum", background: bool = False) -> Work:
        return _Done()

    def broadcast(self, array: Any, source: int) -> Work:
        return _Done()

    def all_gather(self, array: Any) -> Any:
        return array[None].copy()

    def all_gather_object(self, value: Any) -> list[Any]:
        return [value]

    def leave(self) -> None:
        pass

    def abort(self) -> None:
        pass
