"""Assertions about values on a GPU: checked and noted there, raised at the next synchronisation.

Checking a label, an index or a probability on the host would stall the GPU at every step. PyTorch's device-side
assertion does not, but it ends the program: nothing on the GPU can be used afterwards. Here each check is a kernel that
notes a wrong value in a table in the GPU's memory; whatever brings values to the host (`item`, `cpu`, `print`,
`cuda.synchronize`) reads the table too, and raises the error that the CPU raises at once. The kernels that used
the wrong value in the meantime left their results undefined; the tensors that they did not write are sound.
"""

from __future__ import annotations

from typing import Any

from . import check

NO_EXCEPTION = -(2**63)  # a value that stands for nothing
CHECKS = 1024  # words in the table, one for each different message; what is more shares the last


class _Table:
    """The words of all checks on the GPU, and what each has to say."""

    def __init__(self) -> None:
        self.words: Any = None
        self.errors: dict[tuple[type[Exception], str], Any] = {}  # class and message -> its word on the GPU
        self.counters: dict[tuple[type[Exception], str], Any] = {}  # likewise, of kernels that check by themselves
        # The checks asked for since the host last looked, in order: a wrong label is wrong as an index too, later.
        self.asked: dict[tuple[type[Exception], str], None] = {}

    def word(self, like: Any, error: type[Exception], message: str) -> Any:
        """The word of a check, which stays the same: a captured graph goes on writing to it."""
        self.asked.setdefault((error, message))
        found = self.errors.get((error, message))
        if found is None:
            if self.words is None:
                self.words = check.words(like, CHECKS)
            place = min(len(self.errors), CHECKS - 1)
            found = self.errors[error, message] = self.words[place : place + 1]
        return found


_table = _Table()


def expect_range(
    values: Any, low: int, high: int, error: type[Exception], message: str, exception: int = NO_EXCEPTION
) -> None:
    """Raise at the next synchronisation if an integer of an array on a GPU is outside [low, high].

    Args:
        values: the array.
        low, high: the bounds, included.
        error, message: what is raised; "{value}" in the message is replaced by a wrong integer.
        exception: an integer that is accepted too.
    """

    check.check_range(values, low, high, exception, _table.word(values, error, message))


def expect_none(wrong: Any, error: type[Exception], message: str) -> None:
    """Raise at the next synchronisation if any element of a boolean array on a GPU is true.

    Args:
        wrong: the array.
        error, message: what is raised.
    """

    check.check_none(wrong, _table.word(wrong, error, message))


def watch(counter: Any, error: type[Exception], message: str) -> None:
    """Raise at the next synchronisation if a counter on the GPU is not 0; a kernel increments it at an error.

    Args:
        counter: the array of one integer.
        error, message: what is raised.
    """
    _table.counters.setdefault((error, message), counter)


def raise_noted() -> None:
    """Wait for the GPU, and raise the first error that its checks found since the last call, if any."""
    for (error, message), counter in _table.counters.items():
        if counter.get().any():
            counter.fill(0)
            raise error(message)
    if _table.words is None:
        return

    words = _table.words.get()
    places = {key: place for place, key in enumerate(_table.errors)}
    noted = [key for key in [*_table.asked, *places] if words[min(places[key], CHECKS - 1)]]
    _table.asked.clear()
    if not noted:
        return
    _table.words.fill(0)
    error, message = noted[0]
    word = words[min(places[noted[0]], CHECKS - 1)]
    value = check.noted_value(int(word))
    raise error(message.replace("{value}", str(value)))
