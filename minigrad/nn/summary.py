"""A table of a model: output shape, parameters, multiply-adds, memory and receptive field of each layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import ceil
from typing import Any

from minigrad.autograd import enable_grad
from minigrad.display import BOX, html_table
from minigrad.nn.activation import ReLU, ReLU6, Sigmoid, Tanh
from minigrad.nn.conv import Conv2d, ConvTranspose2d
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from minigrad.ops.arguments import pair
from minigrad.ops.creation import zeros
from minigrad.tensor import Tensor

Pair = tuple[int, int]
Field = tuple[Pair, Pair]  # pixels of the input that an output pixel sees, and from one to the next


@dataclass(frozen=True)
class LayerSummary:
    """One call of one layer, for a single input. Memory is in bytes.

    forward_bytes: the output, which training keeps for the backward pass. 0 where it is the input's memory, and for
        ReLU, ReLU6, Sigmoid and Tanh: their derivative follows from the output, so the input need not be kept.
    backward_bytes: the output and its gradient.
    receptive_field: height and width of the input pixels that can change an output pixel, counted past the rim of
        the picture; None where the output has no places.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    forward_bytes: int
    backward_bytes: int
    receptive_field: Pair | None


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers in the order they ran, the input first, and their sums. Prints as a table."""

    model: str
    input_shape: tuple[int, ...]
    layers: list[LayerSummary]
    trainable_parameters: int
    parameters: int = field(init=False)
    multiply_adds: int = field(init=False)
    forward_bytes: int = field(init=False)
    backward_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        for name in ("parameters", "multiply_adds", "forward_bytes", "backward_bytes"):
            object.__setattr__(self, name, sum(getattr(layer, name) for layer in self.layers))

    def __repr__(self) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        header, rows, footer = self._cells()
        table = Table(title=self._title(), box=box.SIMPLE, show_footer=True)
        table.add_column(header[0], footer[0], overflow="fold")
        table.add_column(header[1])
        for title, total in zip(header[2:], footer[2:], strict=True):
            table.add_column(title, total, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        console = Console(width=160, color_system=None)
        with console.capture() as captured:
            console.print(table)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        note = self._frozen()
        return "\n".join(lines).rstrip() + (f"\n  {note}" if note else "")

    def _repr_html_(self) -> str:
        header, rows, footer = self._cells()
        table = html_table(header, rows, left=2, footer=footer)
        return f'<div style="{BOX}"><b>{escape(self._title())}</b>{table}{self._frozen()}</div>'

    def _title(self) -> str:
        return f"{self.model}, one input of {_shape(self.input_shape)}"

    def _frozen(self) -> str:
        frozen = self.parameters - self.trainable_parameters
        return f"{frozen:,} of the parameters are not trained" if frozen else ""

    def _cells(self) -> tuple[list[str], list[list[str]], list[str]]:
        """Titles, a row for each layer and the sums, as text."""
        titles = ["layer", "kind", "output", "parameters", "multiply-adds", "forward", "and backward", "sees"]
        rows = [
            [
                layer.name,
                layer.kind,
                _shape(layer.output_shape),
                _count(layer.parameters),
                _count(layer.multiply_adds),
                _memory(layer.forward_bytes),
                _memory(layer.backward_bytes),
                _window_text(layer.receptive_field),
            ]
            for layer in self.layers
        ]
        work = [_count(self.parameters), _count(self.multiply_adds)]
        sums = ["sum", "", "", *work, _memory(self.forward_bytes), _memory(self.backward_bytes), ""]
        return titles, rows, sums


def summary(model: Module, input_shape: tuple[int, ...]) -> Summary:
    """Run a model once in evaluation mode and list its layers; the model is left as it was.

    Printed, the result has a row for each call of a layer: output shape, parameters (of a layer called again, once),
    multiply-adds of convolutions and linear layers, memory of activations, receptive field. What a `forward`
    computes without a layer has no row.

    Args:
        model: the model.
        input_shape: the shape of one input, without the batch dimension.

    Raises:
        ValueError: `input_shape` is not a tuple of positive sizes.

    Examples:
        >>> table = mg.summary(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), (1, 2, 2))
        >>> table.parameters, table.multiply_adds
        (10, 8)
    """
    shape = tuple(input_shape)
    if not shape or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"summary: input_shape must be the positive sizes of one input, but got {input_shape}")
    weights = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    like: dict[str, Any] = {"dtype": weights[0].dtype, "device": weights[0].device} if weights else {}
    modes = [(module, module.training) for module in model.modules()]
    with enable_grad():  # the tape tells which layers a value came through
        x = zeros(1, *shape, requires_grad=True, **like).clone()
        recorder = _Recorder(x)
        handles = [
            module.register_forward_hook(lambda module, args, output, name=name: recorder(name, module, args, output))
            for name, module in model.named_modules()
            if not module._modules or module._parameters
        ]
        try:
            model.eval()
            model(x)
        finally:
            for handle in handles:
                handle.remove()
            for module, training in modes:
                module.training = training
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Summary(type(model).__name__, shape, recorder.layers, trainable)


class _Recorder:
    """Takes down each layer as it runs, and follows receptive fields from tensor to tensor."""

    def __init__(self, x: Tensor):
        start = (1, 1) if x.ndim == 4 else None
        self.fields: dict[Any, Field | None] = {x.grad_fn: (start, (1, 1)) if start else None}
        self.counted: set[int] = set()  # parameters
        self.layers = [LayerSummary("", "input", x.shape[1:], 0, 0, x.array.nbytes, x.array.nbytes, start)]

    def __call__(self, name: str, module: Module, args: tuple[Any, ...], output: Any) -> None:
        x = args[0] if args and isinstance(args[0], Tensor) else None
        y = output[0] if isinstance(output, tuple) else output
        if not isinstance(y, Tensor):
            return
        seen = self._follow(module, x, y)
        size = y.array.nbytes
        reused = x is not None and (x.array.nbytes == size and _shares_memory(x, y))
        if reused or module._modules or isinstance(module, (ReLU, ReLU6, Sigmoid, Tanh)):
            size = 0
        new = [p for p in module._parameters.values() if p is not None and id(p) not in self.counted]
        self.counted.update(map(id, new))
        parameters = sum(parameter.numel() for parameter in new)
        work = _multiply_adds(module, x, y)
        window = seen[0] if seen else None
        kind = type(module).__name__
        self.layers.append(LayerSummary(name, kind, y.shape[1:], parameters, work, size, 2 * size, window))

    def _follow(self, module: Module, x: Tensor | None, y: Tensor) -> Field | None:
        """The field of `y`, noted down for what is made of it."""
        known = self._find(x.grad_fn) if x is not None else None
        if known is None or y.ndim != 4 or x is None or x.ndim != 4 or isinstance(module, ConvTranspose2d):
            found = None
        else:
            (sees, step), found = known, known
            if not module._modules:
                window, stride = _window(module, x.shape[2:], y.shape[2:])
                sees = sees[0] + (window[0] - 1) * step[0], sees[1] + (window[1] - 1) * step[1]
                found = sees, (step[0] * stride[0], step[1] * stride[1])
        self.fields[y.grad_fn] = found
        return found

    def _find(self, node: Any) -> Field | None:
        """The field of what `node` made: its own, or the widest of those it was made of."""
        found, stack, visited = [], [node], set()
        while stack:
            node = stack.pop()
            if node in self.fields:
                found.append(self.fields[node])
            elif node is not None and node not in visited:
                visited.add(node)
                stack.extend(source for source, _ in node.edges)
        known = [entry for entry in found if entry is not None]
        if not known or len(known) < len(found):
            return None
        sees, steps = zip(*known, strict=True)
        # The finer step: the coarser is that of channel weights taken from the whole picture.
        return _each(max, sees), _each(min, steps)


def _each(choose: Any, pairs: tuple[Pair, ...]) -> Pair:
    heights, widths = zip(*pairs, strict=True)
    return choose(heights), choose(widths)


def _shares_memory(x: Tensor, y: Tensor) -> bool:
    return y is x or y._base is x or (x._base is not None and y._base is x._base)


def _window(module: Module, input_size: tuple[int, ...], output_size: tuple[int, ...]) -> tuple[Pair, Pair]:
    """Pixels of its own input that an output pixel of a layer sees, and the step from one window to the next."""
    if isinstance(module, (Conv2d, MaxPool2d, AvgPool2d)):
        kind = type(module).__name__
        kernel, stride = pair(kind, "kernel_size", module.kernel_size), pair(kind, "stride", module.stride)
        dilation = pair(kind, "dilation", getattr(module, "dilation", 1))
        return ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1), stride
    adaptive = isinstance(module, (AdaptiveAvgPool2d, AdaptiveMaxPool2d))

    def along(n: int, out: int) -> Pair:
        widest = max(ceil((i + 1) * n / out) - i * n // out for i in range(out)) if adaptive else 1
        return widest, max(1, round(n / out))

    (height, down), (width, across) = map(along, input_size, output_size)
    return (height, width), (down, across)


def _multiply_adds(module: Module, x: Tensor | None, y: Tensor) -> int:
    """Products that a convolution or linear layer sums, without its bias."""
    if isinstance(module, Conv2d):
        return y.numel() * (module.weight.numel() // module.out_channels)
    if isinstance(module, ConvTranspose2d) and x is not None:
        return x.numel() * (module.weight.numel() // module.in_channels)
    if isinstance(module, Linear):
        return y.numel() * module.in_features
    return 0


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _memory(size: int) -> str:
    if size < 1e6:
        return f"{size / 1e3:.1f} kB" if size else ""
    return f"{size / 1e6:,.2f} MB"


def _window_text(window: Pair | None) -> str:
    if window is None:
        return ""
    return str(window[0]) if window[0] == window[1] else f"{window[0]} x {window[1]}"
