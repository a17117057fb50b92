"""Making batches in advance, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any


def prefetch(items: Iterable[Any], depth: int) -> Generator[Any, Any, Any]:
    """The same items, computed in a thread that runs at most `depth` items ahead.

    An exception in the thread is raised here, after the items before it. The thread ends with the iteration,
    also with one that is broken off.
    """
    results: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    room = threading.Semaphore(depth)
    closed = threading.Event()

    def run() -> None:
        try:
            source = iter(items)
            while True:
                room.acquire()
                if closed.is_set():
                    return
                try:
                    results.put(("item", next(source)))
                except StopIteration:
                    results.put(("end", None))
                    return
        except BaseException as error:
            results.put(("error", error))

    thread = threading.Thread(target=run, name="minigrad-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = results.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            room.release()
            yield value
    finally:
        closed.set()
        room.release()
        thread.join()
