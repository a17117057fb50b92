"""How exact products of float32 are: PyTorch's switch, which here decides about convolutions too."""

from __future__ import annotations

from .cuda.precision import allow_tf32, set_allow_tf32

PRECISIONS = "highest", "high", "medium"
_asked = {"precision": ""}  # "": never


def exact() -> bool:
    """True if "highest" was asked for last: only algorithms that round as the plain sum does."""
    return _asked["precision"] == "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Choose how exact products and convolutions of float32 are, for the whole process.

    "highest" takes the exact algorithms: no Winograd convolutions on the CPU, and no TF32 on a GPU. "high" and "medium"
    take Winograd's and TF32 where they fit; on a CPU both are the default. Before the first call matrix products are as
    with "highest", and convolutions as with "high", as in PyTorch. float64 is always exact.

    Args:
        precision: "highest", "high" or "medium".

    Raises:
        ValueError: it is none of these.

    Examples:
        >>> mg.set_float32_matmul_precision("highest")
        >>> mg.get_float32_matmul_precision(), mg.backends.cuda.conv.allow_tf32
        ('highest', False)
        >>> mg.set_float32_matmul_precision("high")
        >>> mg.get_float32_matmul_precision(), mg.backends.cuda.conv.allow_tf32
        ('high', True)
        >>> mg.backends.cuda.matmul.allow_tf32 = False  # as before the first call
    """
    if precision not in PRECISIONS:
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    _asked["precision"] = precision
    for kind in "matmul", "conv":
        set_allow_tf32(kind, precision != "highest")


def get_float32_matmul_precision() -> str:
    """How exact matrix products of float32 are.

    Returns:
        "highest" unless TF32 is allowed for them; else what was asked for last, or "high".

    Examples:
        >>> mg.get_float32_matmul_precision() in ("highest", "high", "medium")
        True
    """
    if not allow_tf32("matmul"):
        return "highest"
    return "medium" if _asked["precision"] == "medium" else "high"
