"""HTML for notebooks: a tensor's description, and its values as a table (few), a histogram (many) or an image (bytes).

The HTML uses the page's own text colour and background, so that it is legible on light and dark pages.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np

from minigrad.printing import Values
from minigrad.tensor import Tensor

BOX = "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;color:inherit"
TABLE = "font-size:inherit;border-collapse:collapse;margin:4px 0;font-variant-numeric:tabular-nums;color:inherit"
CELL = "padding:1px 7px;text-align:{};background:{};color:inherit;white-space:nowrap"
FAINT = "opacity:.65"
# Okabe and Ito's blue and vermilion, lightened until both stand out from black and from white.
BLUE, ORANGE = "47,143,208", "226,106,20"

MOST_COLUMNS, MOST_VALUES = 16, 160  # a table that is seen whole on a laptop, without scrolling
BINS = 48
MANY_ZEROS = 0.05  # of the values: more than a bar or two, they would flatten the others (ReLU, dropout)
WIDTH, HEIGHT = 384, 84  # of a histogram, in pixels: 8 for a bin
SMALLEST_PICTURE, LARGEST_SIDE = 8, 320  # bytes of fewer pixels are numbers to read; more pixels would not be seen


def tensor_html(tensor: Tensor) -> str:
    """The tensor as HTML: a line that says what it is, and what is in it."""
    array = tensor.detach().cpu().array
    facts = [_shape(tensor.shape), str(tensor.dtype), str(tensor.device)]
    if tensor.grad_fn is not None:
        facts.append(f"grad_fn {tensor.grad_fn.name()}")
    elif tensor.requires_grad:
        facts.append("requires grad")
    if tensor._grad is not None:
        facts.append(f"norm of grad {_norm(tensor._grad):.4g}")
    head = f"<b>{escape(type(tensor).__name__)}</b> " + f'<span style="{FAINT}">{escape(" · ".join(facts))}</span>'
    return f'<div style="{BOX}"><div>{head}</div>{_content(array)}</div>'


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, footer: Sequence[str] = ()) -> str:
    """Rows of text as a table; the first `left` columns flush left, numbers flush right."""

    def row(tag: str, cells: Sequence[str], style: str = "") -> str:
        aligned = [CELL.format("left" if place < left else "right", "none") for place in range(len(cells))]
        inner = "".join(
            f'<{tag} style="{look};{style}">{escape(cell)}</{tag}>' for look, cell in zip(aligned, cells, strict=True)
        )
        return f'<tr style="background:none">{inner}</tr>'

    line = "1px solid rgba(128,128,128,.5)"
    parts = [row("th", header, f"border-bottom:{line}"), *[row("td", cells) for cells in rows]]
    if footer:
        parts.append(row("th", footer, f"border-top:{line}"))
    return f'<table style="{TABLE}">{"".join(parts)}</table>'


def _content(array: np.ndarray) -> str:
    if array.size == 0:
        return f'<div style="{FAINT}">no elements</div>'
    if array.ndim == 0:
        return f'<div style="font-size:20px">{escape(Values(array).value(array.item()).strip())}</div>'
    if _is_picture(array):
        return _picture(array) + _statistics(array)
    if array.size <= MOST_VALUES and array.shape[-1] <= MOST_COLUMNS:
        return _tables(array)
    if (array == array.flat[0]).all():
        return f'<div style="{FAINT}">every element is {array.flat[0].item():.4g}</div>'
    return _statistics(array) + _histogram(array)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "scalar"


def _norm(tensor: Tensor) -> float:
    array = tensor.detach().cpu().array.astype(np.float64)
    return float(np.sqrt((array * array).sum()))


def _tables(array: np.ndarray) -> str:
    """Every value; beyond two dimensions a table for each index of the leading ones."""
    values = Values(array)
    finite = np.isfinite(array) & (array.dtype.kind == "f")
    largest = np.abs(array[finite].astype(np.float64)).max(initial=0.0)

    def cell(value: float) -> str:
        # A tint by sign and size, faint enough for the text over it.
        strength = 0.45 * abs(value) / largest if largest and np.isfinite(value) else 0.0
        tint = f"rgba({ORANGE if value > 0 else BLUE},{strength:.2f})" if strength else "none"
        return f'<td style="{CELL.format("right", tint)}">{escape(values.value(value).strip())}</td>'

    def label(index: int) -> str:
        return f'<th style="{CELL.format("right", "none")};font-weight:normal;opacity:.5">{index}</th>'

    tables = []
    for index in np.ndindex(array.shape[:-2]):
        rows = array[index] if array.ndim > 1 else array[None]
        corner = "<th></th>" if array.ndim > 1 else ""
        lines = [corner + "".join(map(label, range(rows.shape[1])))]
        for place, row in enumerate(rows.tolist()):
            lines.append((label(place) if array.ndim > 1 else "") + "".join(map(cell, row)))
        body = "".join(f'<tr style="background:none">{line}</tr>' for line in lines)
        caption = f'<div style="{FAINT}">[{", ".join(map(str, index))}]</div>' if index else ""
        tables.append(f'<div>{caption}<table style="{TABLE}">{body}</table></div>')
    return f'<div style="display:flex;flex-wrap:wrap;gap:4px 20px">{"".join(tables)}</div>'


def _statistics(array: np.ndarray) -> str:
    """Mean, deviation, extremes and zeros of the finite values; how many are not finite."""
    if array.dtype.kind == "b":
        return f'<div style="{FAINT}">{array.mean():.1%} True</div>'
    finite = array[np.isfinite(array)].astype(np.float64)
    facts = []
    if finite.size:
        with np.errstate(all="ignore"):  # the largest floats' squares are infinite
            facts.append(f"mean {finite.mean():.4g}")
            if finite.size > 1:
                facts.append(f"std {finite.std(ddof=1):.4g}")
        facts += [f"min {finite.min():.4g}", f"max {finite.max():.4g}"]
        if share := np.mean(finite == 0):
            facts.append(f"{share:.1%} zeros")
    words = f'<span style="{FAINT}">{" · ".join(facts)}</span>'
    broken = [f"{np.isnan(array).sum():,} NaN"] * bool(np.isnan(array).any())
    broken += [f"{np.isinf(array).sum():,} infinite"] * bool(np.isinf(array).any())
    if broken:
        words += f' <b style="color:rgb({ORANGE})">{" · ".join(broken)}</b>'
    return f"<div>{words}</div>"


def _histogram(array: np.ndarray) -> str:
    """How often finite values occur, as an inline SVG; a tooltip names each bar's range and count."""
    if array.dtype.kind == "b":
        return ""  # its share of True says all
    values = array[np.isfinite(array)].astype(np.float64)
    many_zeros = array.dtype.kind == "f" and bool(np.mean(values == 0) > MANY_ZEROS) if values.size else False
    if many_zeros:
        values = values[values != 0]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    half = high / 2 - low / 2  # the whole width could overflow
    if half == 0:
        return ""
    whole = array.dtype.kind != "f" and half < BINS / 2
    bins = int(2 * half) + 1 if whole else BINS
    places = values - low if whole else (values / 2 - low / 2) * (bins / half)
    counts = np.bincount(np.minimum(places.astype(int), bins - 1), minlength=bins)
    step, base = WIDTH / bins, HEIGHT - 16
    bars = []
    for place, count in enumerate(counts.tolist()):
        tall = count / counts.max() * (base - 2)
        edges = [low + 2 * (half * (place + end) / bins) for end in (0, 1)]
        name = f"{low + place:g}" if whole else f"{edges[0]:.4g} to {edges[1]:.4g}"
        shown = max(tall, 1.0 if count else 0.0)  # one value among millions is still seen
        bars.append(
            f'<rect x="{place * step:.1f}" y="{base - shown:.1f}" width="{max(step - 1, 1):.1f}" height="{shown:.1f}">'
            f"<title>{name}: {count:,}</title></rect>"
        )
    texts = [(0.0, "start", f"{low:.4g}"), (float(WIDTH), "end", f"{high:.4g}")]
    zero = -low / 2 / half * WIDTH
    if many_zeros:
        texts.append((WIDTH / 2, "middle", "without the zeros"))
    elif 60 < zero < WIDTH - 60:  # away from the other two labels
        texts.append((zero, "middle", "0"))
    labels = "".join(
        f'<text x="{x:.1f}" y="{HEIGHT - 3}" text-anchor="{anchor}">{text}</text>' for x, anchor, text in texts
    )
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'style="display:block;max-width:100%;margin:4px 0"><g fill="rgb({BLUE})">{"".join(bars)}</g>'
        f'<path d="M0 {base + 0.5}H{WIDTH}" stroke="currentColor" stroke-opacity=".4"/>'
        f'<g fill="currentColor" fill-opacity=".75" font-size="11">{labels}</g></svg>'
    )


def _is_picture(array: np.ndarray) -> bool:
    """Bytes (H, W) or (C, H, W) of a grey or coloured picture."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[0] in (1, 3))
    return array.dtype == np.uint8 and fits and min(array.shape[-2:]) >= SMALLEST_PICTURE


def _picture(array: np.ndarray) -> str:
    from PIL import Image

    longest = max(array.shape[-2:])
    every = -(-longest // LARGEST_SIDE)
    pixels = array[..., ::every, ::every]
    if pixels.ndim == 3:
        pixels = pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    enlarged = max(1, LARGEST_SIDE // 2 // longest)  # pixels of a digit are to be seen
    size = f"width:{pixels.shape[1] * enlarged}px;height:{pixels.shape[0] * enlarged}px"
    source = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img src="data:image/png;base64,{source}" alt="" '
        f'style="{size};image-rendering:pixelated;display:block;margin:4px 0"/>'
    )
