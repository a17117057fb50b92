"""`torch.amp` and `torch.cuda.amp` as they are where mixed precision is switched off: minigrad computes in float32.

PyTorch itself disables both, with a warning, where there is no GPU.
"""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

from minigrad.torch.facade import face


class autocast(ContextDecorator):
    """Changes no dtype."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        pass


class GradScaler:
    """Scales by 1."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def scale(self, outputs: Any) -> Any:
        """`outputs`, as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing to do."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing to do."""

    def get_scale(self) -> float:
        """1."""
        return 1.0

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to do."""


__getattr__, __dir__ = face(__name__)
