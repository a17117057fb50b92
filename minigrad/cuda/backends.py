"""How exact products are on a GPU: ``backends.cuda.matmul.allow_tf32`` and ``backends.cuda.conv.allow_tf32``.

TensorFloat-32 keeps float32's range and rounds the factors to 11 significant bits; sums stay float32. On tensor cores
this is several times faster. The defaults are PyTorch's: off for matrix products (`Linear` too), on for convolutions,
where PyTorch's switch is called ``backends.cudnn.allow_tf32``; cuDNN is not used here. float64 is never rounded.
"""

from __future__ import annotations


class _Products:
    """The switch of one kind of products."""

    def __init__(self, kind: str):
        self._kind = kind

    @property
    def allow_tf32(self) -> bool:
        """True if float32 factors may be rounded to TF32."""
        from minigrad.kernels import cuda

        return cuda.precision.allow_tf32(self._kind)

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        from minigrad.kernels import cuda

        cuda.precision.set_allow_tf32(self._kind, value)


class cuda:
    """The switches of the CUDA kernels.

    Examples:
        >>> mg.backends.cuda.matmul.allow_tf32, mg.backends.cuda.conv.allow_tf32
        (False, True)
    """

    matmul = _Products("matmul")
    conv = _Products("conv")
