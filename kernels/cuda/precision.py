"""Whether float32 factors of products may be rounded to TF32, for matrix products and for convolutions.

The engine shows these as ``backends.cuda.matmul.allow_tf32`` and ``backends.cuda.conv.allow_tf32``.
"""

from __future__ import annotations

_allowed = {"matmul": False, "conv": True}  # PyTorch's defaults


def allow_tf32(kind: str) -> bool:
    """The switch of "matmul" or "conv"."""
    return _allowed[kind]


def set_allow_tf32(kind: str, value: bool) -> None:
    """Set the switch of "matmul" or "conv"; TypeError if `value` is no bool."""
    if not isinstance(value, bool):
        raise TypeError(f"allow_tf32: expected True or False, got {value!r}")
    _allowed[kind] = value
