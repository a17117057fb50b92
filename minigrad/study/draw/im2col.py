"""The drawing of im2col: the image, its windows as columns, and the product that gives one output pixel."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.study.draw.window import Geometry, Pair

WIDTH = 960  # of the picture; a page scales it down
CHANNEL_COLORS = ("#0072b2", "#009e73")  # Okabe and Ito's blue and green
WINDOW, RESULT = "#d55e00", "#cc79a7"  # their vermilion and purple
SHOWN_TAPS = 24  # of a window in the row of products: more are hinted at


def picture(geometry: Geometry) -> str:
    """The picture as an SVG element; its lines and words take the colour of the text around it."""
    place = geometry.output[0] // 2, geometry.output[1] // 2
    drawing = _Drawing()
    below = max(_image(drawing, geometry, place), _columns(drawing, geometry, place))
    if geometry.operation != "Unfold":
        below = _products(drawing, geometry, place, below + 46)
    return drawing.svg(below + 12)


class _Drawing:
    """Collects the parts of an SVG."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, fill: str = "none", opacity: float = 1) -> None:
        shade = f' fill-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"{shade}/>'
        )

    def frame(self, x: float, y: float, width: float, height: float, color: str, thick: float = 2.5) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="none" stroke="{color}" '
            f'stroke-width="{thick}" rx="2"/>'
        )

    def grid(self, x: float, y: float, rows: int, columns: int, height: float, width: float) -> None:
        """The lines between cells, if they stand far enough apart to be told from each other."""
        path = f"M{x:.1f} {y:.1f}h{columns * width:.1f}v{rows * height:.1f}h{-columns * width:.1f}z"
        if height >= 4:
            path += "".join([f"M{x:.1f} {y + r * height:.1f}h{columns * width:.1f}" for r in range(1, rows)])
        if width >= 4:
            path += "".join([f"M{x + c * width:.1f} {y:.1f}v{rows * height:.1f}" for c in range(1, columns)])
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity=".28" stroke-width=".8"/>'
        )

    def text(self, x: float, y: float, words: str, size: float = 12.5, anchor: str = "start", **style: str) -> None:
        more = "".join([f' {key.replace("_", "-")}="{value}"' for key, value in style.items()])
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="{anchor}" fill="currentColor"{more}>'
            f"{html.escape(words)}</text>"
        )

    def number(self, x: float, y: float, width: float, height: float, value: float | None, bold: bool = False) -> None:
        """A number in the middle of a cell, if it fits in there."""
        if value is None or min(width, height) < 13:
            return
        words = _short(value)
        size = min(12.0, height * 0.62, width * 1.55 / max(len(words), 2))
        self.text(
            x + width / 2, y + height / 2 + size * 0.36, words, size, "middle", font_weight="700" if bold else "400"
        )

    def arrow(self, x: float, y: float, end: float, color: str) -> None:
        self.parts.append(
            f'<path d="M{x:.1f} {y:.1f}H{end - 7:.1f}" fill="none" stroke="{color}" stroke-width="1.8"/>'
            f'<path d="M{end:.1f} {y:.1f}l-9 -4.5v9z" fill="{color}"/>'
        )

    def svg(self, height: float) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            'style="width: 100%; height: auto; font-family: system-ui, sans-serif" '
            f'aria-label="a sliding window as a matrix product">{"".join(self.parts)}</svg>'
        )


def _short(value: float) -> str:
    value = value or 0.0  # not -0
    if not np.isfinite(value):
        return "−∞" if value < 0 else "∞"
    if value == round(value):
        return f"{value:.0f}".replace("-", "−")
    words = f"{value:.1f}" if abs(value) >= 0.1 else f"{value:.2f}".replace("0.", ".")  # as short, and not 0.0
    return words.replace("-", "−")


def _shade(geometry: Geometry, value: float | None) -> float:
    """The opacity that stands for a number: the larger, the darker."""
    if value is None or geometry.x is None or not np.isfinite(value):
        return 0.14
    low, high = float(geometry.x[0].min()), float(geometry.x[0].max())
    return 0.08 + 0.5 * min(max((value - low) / max(high - low, 1e-9), 0), 1)


TOP = 44  # of the upper row of pictures, under its captions


def _planes(geometry: Geometry) -> int:
    return min(geometry.channels, 2)


def _pair(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]} x {pair[1]}"


def _cell(geometry: Geometry) -> float:
    """The side of a pixel of the image."""
    rows, columns = [n + 2 * p for n, p in zip(geometry.input_shape[2:], geometry.padding, strict=True)]
    return min(26.0, 340 / _planes(geometry) / columns, 200 / rows)


def _image(drawing: _Drawing, geometry: Geometry, place: Pair) -> float:
    """The planes of the image with its padding, and the window on them; returns where they end."""
    (height, width), (pad_h, pad_w) = geometry.input_shape[2:], geometry.padding
    rows, columns = height + 2 * pad_h, width + 2 * pad_w
    planes, cell = _planes(geometry), _cell(geometry)
    channels = geometry.input_shape[1]
    more = f", the first {planes} shown" if planes < channels else ""
    drawing.text(0, 16, "the image", 14, font_weight="600")
    padded = f", padding {_pair(geometry.padding)}" if pad_h or pad_w else ""
    dilated = f", dilation {_pair(geometry.dilation)}" if geometry.dilation != (1, 1) else ""
    count = f"{channels} channel{'s' if channels > 1 else ''}"
    words = f"{count} of {height} x {width}{padded}, stride s = {_pair(geometry.stride)}{dilated}{more}"
    drawing.text(0, 33, words, 11.5, opacity=".75")
    for plane in range(planes):
        left = plane * (columns * cell + 14)
        if geometry.x is not None and rows * columns <= 400:  # beyond that a cell is too small for a number
            for row, column in itertools.product(range(rows), range(columns)):
                value = geometry.value(plane, row - pad_h, column - pad_w)
                x, y = left + column * cell, TOP + row * cell
                if geometry.inside(row - pad_h, column - pad_w):
                    drawing.rect(x, y, cell, cell, CHANNEL_COLORS[plane], _shade(geometry, value))
                    drawing.number(x, y, cell, cell, value)
        else:
            drawing.rect(
                left + pad_w * cell, TOP + pad_h * cell, width * cell, height * cell, CHANNEL_COLORS[plane], 0.2
            )
        drawing.grid(left, TOP, rows, columns, cell, cell)
        x = left + place[1] * geometry.stride[1] * cell
        y = TOP + place[0] * geometry.stride[0] * cell
        if geometry.dilation == (1, 1):
            drawing.frame(x, y, geometry.kernel[1] * cell, geometry.kernel[0] * cell, WINDOW)
            continue
        for p, q in itertools.product(range(geometry.kernel[0]), range(geometry.kernel[1])):
            drawing.frame(
                x + q * geometry.dilation[1] * cell, y + p * geometry.dilation[0] * cell, cell, cell, WINDOW, 2
            )
    return TOP + rows * cell


def _columns(drawing: _Drawing, geometry: Geometry, place: Pair) -> float:
    """All windows as the columns of a matrix, and the way from the window into its column."""
    left, room = 470.0, WIDTH - 470.0
    out_h, out_w = geometry.output
    count, taps = out_h * out_w, geometry.taps
    width, height = min(26.0, room / count), min(20.0, 240 / taps)
    chosen = place[0] * out_w + place[1]
    drawing.text(left, 16, "its windows, each stood up as a column (im2col)", 14, font_weight="600")
    drawing.text(left, 33, f"{taps} pixels of a window down, {count} windows across", 11.5, opacity=".75")
    per_plane = geometry.kernel[0] * geometry.kernel[1]
    if geometry.x is not None and taps * count <= 900:
        for tap, window in itertools.product(range(taps), range(count)):
            channel, (p, q) = tap // per_plane, divmod(tap % per_plane, geometry.kernel[1])
            pixel = geometry.pixel(divmod(window, out_w), (p, q))
            value = geometry.value(channel, *pixel)
            x, y = left + window * width, TOP + tap * height
            if geometry.inside(*pixel):
                drawing.rect(x, y, width, height, CHANNEL_COLORS[channel % 2], _shade(geometry, value))
            drawing.number(x, y, width, height, value, bold=window == chosen)
    else:
        for channel in range(geometry.channels):
            band = per_plane * height
            drawing.rect(left, TOP + channel * band, count * width, band, CHANNEL_COLORS[channel % 2], 0.2)
    drawing.grid(left, TOP, taps, count, height, width)
    drawing.frame(left + chosen * width - 1, TOP - 1, max(width, 3) + 2, taps * height + 2, WINDOW)
    end = _planes(geometry) * ((geometry.input_shape[3] + 2 * geometry.padding[1]) * _cell(geometry) + 14) - 14
    drawing.arrow(end + 8, TOP + 60, left - 10, WINDOW)
    return TOP + taps * height


def _products(drawing: _Drawing, geometry: Geometry, place: Pair, top: float) -> float:
    """One column against the weights of one output channel (or its maximum, or mean), and the pixel it gives."""
    taps, kernel_w = geometry.taps, geometry.kernel[1]
    per_plane = geometry.kernel[0] * kernel_w
    shown = list(range(taps)) if taps <= SHOWN_TAPS else [*range(SHOWN_TAPS - 6), None, *range(taps - 5, taps)]
    cell = min(27.0, 620 / len(shown))
    pixels = [(t // per_plane, *geometry.pixel(place, divmod(t % per_plane, kernel_w))) for t in range(taps)]
    values = [geometry.value(*pixel) for pixel in pixels]
    weights = [None if geometry.weight is None else float(w) for w in _weights(geometry)]
    how = {"Conv2d": "times the weights of one output channel, summed", "MaxPool2d": "and its largest element"}
    drawing.text(0, top, f"one column, {how.get(geometry.operation, 'and its mean')}", 14, font_weight="600")
    y = top + 14
    _row(drawing, geometry, shown, values, y, cell, lambda tap: CHANNEL_COLORS[tap // per_plane % 2])
    drawing.frame(0, y, len(shown) * cell, cell, WINDOW)
    result: float | None = None
    if geometry.operation == "Conv2d":
        drawing.text(len(shown) * cell + 10, y + cell * 0.68, "the window", 12)
        y += cell + 5
        _row(drawing, geometry, shown, weights, y, cell, lambda tap: "#e69f00", tint=True)
        drawing.text(len(shown) * cell + 10, y + cell * 0.68, "its weights", 12)
        y += cell + 5
        products = [None if v is None or w is None else v * w for v, w in zip(values, weights, strict=True)]
        _row(drawing, geometry, shown, products, y, cell, lambda tap: "none")
        drawing.text(len(shown) * cell + 10, y + cell * 0.68, "the products", 12)
        if geometry.x is not None and geometry.weight is not None:
            total = sum([p for p in products if p is not None])
            bias = 0.0 if geometry.bias is None else float(geometry.bias[0])
            result = total + bias
            words = f"their sum {_short(total)}"
            if geometry.bias is not None:
                words += f" + bias {bias:.2f} = {result:.2f}".replace("-", "−")
            drawing.text(0, y + cell + 24, words, 13.5, font_weight="600")
    elif geometry.x is not None:
        known = [value for value in values if value is not None]
        result = max(known) if geometry.operation == "MaxPool2d" else sum(known) / len(known)
        winner = values.index(result) if geometry.operation == "MaxPool2d" else None
        if winner is not None and winner in shown:
            drawing.frame(shown.index(winner) * cell, y, cell, cell, RESULT, 3)
        drawing.text(
            0, y + cell + 24, f"{'largest' if winner is not None else 'mean'}: {result:.2f}", 13.5, font_weight="600"
        )
    return max(y + cell + 30, _output(drawing, geometry, place, top, result, max(len(shown) * cell + 100, 150)))


def _weights(geometry: Geometry) -> Sequence[float]:
    return [0.0] * geometry.taps if geometry.weight is None else geometry.weight[0].ravel().tolist()


def _row(
    drawing: Any, geometry: Any, shown: Any, values: Any, y: Any, cell: Any, color: Any, tint: bool = False
) -> None:
    for position, tap in enumerate(shown):
        x = position * cell
        if tap is None:
            drawing.text(x + cell / 2, y + cell * 0.65, "…", 13, "middle")
            continue
        value = values[tap]
        strength = 0.22 if tint else _shade(geometry, value)
        if color(tap) != "none":
            drawing.rect(x, y, cell, cell, color(tap), strength)
        drawing.number(x, y, cell, cell, value)
    drawing.grid(0, y, 1, len(shown), cell, cell)


def _output(
    drawing: _Drawing, geometry: Geometry, place: Pair, top: float, result: float | None, start: float
) -> float:
    """The plane of the output with its pixel."""
    left, (out_h, out_w) = 770.0, geometry.output
    cell = min(26.0, (WIDTH - left) / out_w, 150 / out_h)
    drawing.text(left, top, "one pixel of the output", 14, font_weight="600")
    planes = geometry.out_channels if geometry.operation == "Conv2d" else geometry.input_shape[1]
    count = f"{planes} channel{'s' if planes > 1 else ''}"
    y = top + 24
    drawing.text(left, top + 16, f"{count} of {out_h} x {out_w}", 11.5, opacity=".75")
    drawing.rect(left, y, out_w * cell, out_h * cell, RESULT, 0.12)
    drawing.grid(left, y, out_h, out_w, cell, cell)
    x, row = left + place[1] * cell, y + place[0] * cell
    drawing.rect(x, row, cell, cell, RESULT, 0.6)
    drawing.number(x, row, cell, cell, result, bold=True)
    drawing.frame(x, row, cell, cell, RESULT)
    drawing.arrow(start, row + cell / 2, x - 4, RESULT)
    return y + out_h * cell
