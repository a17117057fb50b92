"""The text of a printed tensor, character for character PyTorch's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minigrad import dtypes
from minigrad.tensor import Tensor

__all__ = ["set_printoptions"]


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed.

    Args:
        precision: digits after the point.
        threshold: a tensor with more elements is abbreviated.
        edgeitems: how many elements are shown at each end of an abbreviated dimension.
        linewidth: the characters in a line.
        profile: "default", "short" or "full", which the other arguments modify.
        sci_mode: scientific notation on or off; None means as the values need it.

    Raises:
        ValueError: the profile is unknown.

    Examples:
        >>> mg.set_printoptions(precision=2)
        >>> mg.tensor([3.14159])
        tensor([3.14])
        >>> mg.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {sorted(_PROFILES)}, got {profile!r}")
        vars(_options).update(vars(_PROFILES[profile]))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    vars(_options).update({name: value for name, value in given.items() if value is not None}, sci_mode=sci_mode)


def tensor_text(tensor: Tensor) -> str:
    """``tensor([1., 2.], requires_grad=True)``: the values, and what is not obvious from them."""
    array = tensor.detach().cpu().array
    prefix = "tensor("
    notes = []
    if tensor.is_cuda:
        notes.append(f"device='{tensor.device}'")
    obvious = [dtypes.get_default_dtype()]
    if array.size:
        values = Values(array).text(array, len(prefix))
        obvious += [dtypes.int64, dtypes.bool_]
    else:
        values = "[]"
        if array.ndim != 1:
            notes.append(f"size={array.shape}")
    if array.dtype not in obvious:
        notes.append(f"dtype={tensor.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn=<{tensor.grad_fn.name()}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    text = prefix + values
    # PyTorch counts two characters for the newline, or for the start of the only line.
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > _options.linewidth:
            text += ",\n" + " " * len(prefix) + note
            used = len(prefix) + len(note)
        else:
            text += ", " + note
            used += len(note) + 2
    return text + ")"


class Values:
    """The common format of all values of an array, which stand in columns of one width."""

    def __init__(self, array: np.ndarray):
        self.summarized = array.size > _options.threshold
        shown = array[np.ix_(*[self._shown(size) for size in array.shape])] if self.summarized else array
        self.floating = array.dtype.kind == "f"
        self.integral, self.scientific = True, False
        if self.floating:
            shown = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
            if shown.size:
                largest, smallest = np.abs(shown).max(), np.abs(shown).min()
                self.integral = bool((shown == np.ceil(shown)).all())
                needed = bool(largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4)
                self.scientific = needed if _options.sci_mode is None else _options.sci_mode
        self.width = 1
        self.width = max([1, *[len(self.value(value)) for value in shown.ravel().tolist()]])

    def value(self, value: float) -> str:
        """One value, filled up to the width of the column."""
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{value:.{_options.precision}e}"
        elif self.integral:
            text = f"{value:.0f}." if math.isfinite(value) else str(value)
        else:
            text = f"{value:.{_options.precision}f}"
        return text.rjust(self.width)

    def text(self, array: np.ndarray, indent: int) -> str:
        """The values in nested brackets; `indent` is the column of the first bracket."""
        if array.ndim == 0:
            return self.value(array.item())
        if array.ndim == 1:
            rows = [self.value(value) for value in array[self._shown(len(array))].tolist()]
            dots = " ..."
        else:
            rows = [self.text(array[i], indent + 1) for i in self._shown(len(array))]
            dots = "..."
        if self._hides(len(array)):
            rows.insert(_options.edgeitems, dots)
        margin = " " * (indent + 1)
        if array.ndim > 1:
            return "[" + ("," + "\n" * (array.ndim - 1) + margin).join(rows) + "]"
        per_line = max(1, (_options.linewidth - indent) // (self.width + 2))
        lines = [", ".join(rows[start : start + per_line]) for start in range(0, len(rows), per_line)]
        return "[" + f",\n{margin}".join(lines) + "]"

    def _hides(self, size: int) -> bool:
        return self.summarized and size > 2 * _options.edgeitems

    def _shown(self, size: int) -> list[int]:
        edge = _options.edgeitems
        return [*range(edge), *range(size - edge, size)] if self._hides(size) else list(range(size))
