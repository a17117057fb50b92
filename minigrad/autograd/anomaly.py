"""Anomaly mode: find the forward call whose gradient became NaN."""

from __future__ import annotations

import threading
from typing import Any


class Anomaly(threading.local):
    """This thread's mode; while it is on, nodes remember where their forward was called."""

    enabled = False
    check_nan = True


anomaly = Anomaly()


class set_detect_anomaly:
    """Switch anomaly mode, as a function or as a context manager; see `detect_anomaly`.

    Args:
        mode: on or off.
        check_nan: raise for NaN gradients, not for errors only.

    Examples:
        >>> with mg.autograd.set_detect_anomaly(True):
        ...     mg.ones(1, requires_grad=True).exp().sum().backward()
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = anomaly.enabled, anomaly.check_nan
        anomaly.enabled, anomaly.check_nan = bool(mode), check_nan

    def __enter__(self) -> None: ...

    def __exit__(self, *exc_info: Any) -> None:
        anomaly.enabled, anomaly.check_nan = self._before


class detect_anomaly(set_detect_anomaly):
    """Find the operation that a NaN gradient or an error in backward comes from; slow.

    Within it, the error names the operation and the line of its forward call.

    Args:
        check_nan: raise for NaN gradients, not for errors only.

    Examples:
        >>> x = mg.tensor([0.0], requires_grad=True)
        >>> with mg.autograd.detect_anomaly():
        ...     try:
        ...         (x.sqrt() * 0).sum().backward()
        ...     except RuntimeError as error:
        ...         print("nan values" in str(error))
        True
    """

    def __init__(self, check_nan: bool = True):
        super().__init__(True, check_nan)
