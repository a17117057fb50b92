"""Ctrl-C as a request to stop, obeyed at the next step."""

from __future__ import annotations

import signal
import threading
from typing import Any


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped the training; the message says what is saved and how to resume.

    Examples:
        >>> from minigrad.train import TrainingInterrupted
        >>> issubclass(TrainingInterrupted, KeyboardInterrupt)  # whoever catches that catches it too
        True
    """


class CtrlC:
    """Within it the first Ctrl-C only sets `pressed`; a second one interrupts at once, as always.

    Signals come to the main thread; in any other nothing changes.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._before: Any = None

    def __enter__(self) -> CtrlC:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: Any) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
