"""The geometry of a convolution's or pooling's window, read from a record of a trace or from a node."""

from __future__ import annotations

from ast import literal_eval
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd.node import Node
from minigrad.record.records import Operation

Pair = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """A window over an input: the operation, its sizes, and the values where they are known."""

    operation: str  # "Conv2d", "MaxPool2d", "AvgPool2d" or "Unfold"
    input_shape: tuple[int, ...]  # (N, C, H, W)
    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)
    groups: int = 1
    out_channels: int = 1
    output_size: Pair | None = None  # where ceil_mode or the like decides otherwise
    x: np.ndarray | None = None
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None

    @property
    def channels(self) -> int:
        """The channels that one window reaches over."""
        return 1 if self.operation.endswith("Pool2d") else self.input_shape[1] // self.groups

    @property
    def taps(self) -> int:
        """The elements of one window."""
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def output(self) -> Pair:
        """The size of the output plane."""
        if self.output_size is not None:
            return self.output_size
        sizes = zip(self.input_shape[2:], self.kernel, self.stride, self.padding, self.dilation, strict=True)
        height, width = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sizes]
        return height, width

    def pixel(self, place: Pair, tap: Pair) -> Pair:
        """The pixel of the unpadded image under a tap of the window of output pixel `place`."""
        parts = zip(place, tap, self.stride, self.padding, self.dilation, strict=True)
        row, column = [i * s - p + t * d for i, t, s, p, d in parts]
        return row, column

    def inside(self, row: int, column: int) -> bool:
        """True for a pixel of the image, False for padding."""
        return 0 <= row < self.input_shape[2] and 0 <= column < self.input_shape[3]

    def value(self, channel: int, row: int, column: int) -> float | None:
        """The number at a pixel of the first image; None if numbers are not known."""
        if self.x is None:
            return None
        if self.inside(row, column):
            return float(self.x[0, channel, row, column])
        return -np.inf if self.operation == "MaxPool2d" else 0.0


def record_geometry(record: Operation) -> Geometry | None:
    """The geometry of a convolution, a pooling or an unfolding that a trace with values has recorded."""
    if record.name not in ("Conv2d", "MaxPool2d", "AvgPool2d", "Unfold"):
        return None
    settings = {key: literal_eval(text) for key, text in record.arguments.items() if text[0] in "(0123456789FTN"}
    inputs = {value.role: value for value in record.inputs}
    x, weight, bias = inputs["x"], inputs.get("weight"), inputs.get("bias")
    output = record.outputs[0].shape
    return Geometry(
        record.name,
        x.shape,
        weight.shape[2:] if weight is not None else settings["kernel_size"],  # type: ignore[arg-type]
        settings["stride"],
        settings["padding"],
        settings.get("dilation", (1, 1)),
        settings.get("groups", 1),
        output[1],
        None if record.name == "Unfold" else (output[2], output[3]),
        x.array,
        weight.array if weight is not None else None,
        bias.array if bias is not None else None,
    )


def node_geometry(node: Node, output: tuple[int, ...]) -> Geometry | None:
    """The geometry that a convolution's or pooling's node keeps for its backward; None if it was freed."""
    name, kept = type(node).__name__, vars(node)
    if name not in ("Conv2d", "MaxPool2d", "AvgPool2d") or "geometry" not in kept or "input_shape" not in kept:
        return None
    geometry: Any = kept["geometry"]
    sizes: dict[str, Any] = {"out_channels": output[1], "output_size": output[2:]}
    if name == "Conv2d":
        kernel, (stride, padding, dilation, groups) = kept["kernel_size"], geometry
        sizes |= {"dilation": dilation, "groups": groups}
    else:
        kernel, stride, padding = geometry[:3]
        sizes |= {"dilation": geometry[3]} if name == "MaxPool2d" else {}
    return Geometry(name, kept["input_shape"], kernel, stride, padding, **sizes)
