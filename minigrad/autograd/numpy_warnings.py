"""NumPy's warnings of overflow, division by zero and NaN: in tensors these are results like any other."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np


class _Warnings(threading.local):
    ignored: bool = False  # in this thread, by `ignored_warnings`


warnings = _Warnings()


class ignored_warnings(np.errstate):
    """Within it NumPy does not warn. Every operation sees to that; around many of them it is done once."""

    __slots__ = ("_outer",)

    def __init__(self) -> None:
        super().__init__(all="ignore")

    def __enter__(self) -> None:
        super().__enter__()
        self._outer, warnings.ignored = warnings.ignored, True

    def __exit__(self, *exc_info: Any) -> None:
        warnings.ignored = self._outer
        super().__exit__(*exc_info)
