"""Layers that enlarge images."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resize images: (N, C, H, W) to (N, C, OH, OW); signals (N, C, L) and volumes (N, C, D, H, W) too.

    Args:
        size: the spatial sizes of the result; this or `scale_factor`.
        scale_factor: the result's size over the input's, rounded down.
        mode: as in `F.interpolate`.
        align_corners: of the smooth modes: whether the corner pixels' centres stay in place.
        recompute_scale_factor: find positions by the sizes, not by `scale_factor`.

    Examples:
        >>> nn.Upsample(scale_factor=2)(mg.zeros(8, 16, 7, 7)).shape
        (8, 16, 14, 14)
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        what = f"size={self.size}" if self.scale_factor is None else f"scale_factor={_as_floats(self.scale_factor)}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Enlarge images by repeating pixels: (N, C, H, W) to (N, C, OH, OW).

    Args:
        size: height and width of the result; this or `scale_factor`.
        scale_factor: the result's size over the input's.

    Examples:
        >>> nn.UpsamplingNearest2d(scale_factor=2)(mg.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Enlarge images (N, C, H, W) to (N, C, OH, OW), bilinear, the corner pixels' centres staying in place.

    Args:
        size: height and width of the result; this or `scale_factor`.
        scale_factor: the result's size over the input's.

    Examples:
        >>> nn.UpsamplingBilinear2d((1, 3))(mg.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(
        self, size: int | Sequence[int] | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


def _as_floats(factor: float | Sequence[float]) -> float | tuple[float, ...]:
    """PyTorch's way to print a scale factor."""
    return tuple(map(float, factor)) if isinstance(factor, (list, tuple)) else float(factor)  # type: ignore[arg-type]
