"""Ctrl-C, and the signals of a cluster and of a terminal that closes, as a request to stop, obeyed at the next step."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

# Ctrl-C; what a cluster sends some time before it kills; what a closed terminal sends, which Windows has not.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP stopped the training; the message says what is saved and how to resume.

    Args:
        message: the text.
        signal: the signal's number, which is kept as an attribute.

    Examples:
        >>> from minigrad.train import TrainingInterrupted
        >>> issubclass(TrainingInterrupted, KeyboardInterrupt)  # whoever catches that catches it too
        True
    """

    def __init__(self, message: str = "", signal: int = signal.SIGINT):
        super().__init__(message)
        self.signal = signal


class StopRequest:
    """Within it the first Ctrl-C, SIGTERM or SIGHUP only sets `signal`, the number of what came.

    A second Ctrl-C interrupts at once, as always. The other two come again, from a shell and from the system, and
    change nothing. A signal that the program ignores (under `nohup`) or handles itself is left to it; Ctrl-C, which
    Python handles, is not. Signals come to the main thread; in any other nothing changes.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                handler = signal.getsignal(number)
                if handler == signal.SIG_DFL or (number == signal.SIGINT and callable(handler)):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
