"""Anomaly mode: find the forward call whose gradient became NaN."""

from __future__ import annotations

import threading


class Anomaly(threading.local):
    """This thread's mode; while it is on, nodes remember where their forward was called."""

    enabled = False
    check_nan = True


anomaly = Anomaly()


class set_detect_anomaly:
    """Switch anomaly mode, as a function or as a context manager; see `detect_anomaly`."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = anomaly.enabled, anomaly.check_nan
        anomaly.enabled, anomaly.check_nan = bool(mode), check_nan

    def __enter__(self) -> None: ...

    def __exit__(self, *exc_info) -> None:
        anomaly.enabled, anomaly.check_nan = self._before


class detect_anomaly(set_detect_anomaly):
    """Run forward and backward inside it to see which operation a NaN gradient or an error comes from.

    A NaN (unless `check_nan` is False) or an error in a backward rule is then raised with the operation's name
    and the line of its forward call. Slow; for looking, not for training.
    """

    def __init__(self, check_nan: bool = True):
        super().__init__(True, check_nan)
