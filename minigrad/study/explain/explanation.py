"""What `study.explain` returns: an explanation that prints as text, shows in a notebook and saves as a page."""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from minigrad.record.typeset import mathml, plain
from minigrad.serialize.files import write_text
from minigrad.study.draw.highlight import highlight
from minigrad.study.draw.im2col import picture
from minigrad.study.draw.window import Geometry
from minigrad.study.explain.differences import Differences

WIDTH = 100  # columns of the text


@dataclass
class Part:
    """One operation of the engine that the explained one is made of."""

    name: str
    formula: str
    forward: str  # source code
    backward: str


@dataclass
class Explanation:
    """An operation, layer or tensor explained; `print` it, show it in a notebook, or `save` it as a page.

    Args:
        title: what is explained.
        summary: its documentation.
        signature: how it is called.
        formulas: forward, then the gradients, in the markup of `minigrad.record.typeset`.
        shapes: name and shape of arguments, results and saved values.
        geometry: the window, of a convolution or pooling.
        source: the source of the function itself, if it is more than one operation.
        parts: the operations that it is made of.
        kernels: the reference kernels that these run: file and source.
        check: the comparison of its gradient with finite differences.
        no_check: why there is none.
        papers: the sources that its documentation names.

    Examples:
        >>> from minigrad import study
        >>> study.explain("relu").formulas[0]
        'y = max(x, 0)'
    """

    title: str
    summary: str
    signature: str = ""
    formulas: tuple[str, ...] = ()
    shapes: list[tuple[str, str]] = field(default_factory=list)
    geometry: Geometry | None = None
    source: str = ""
    parts: list[Part] = field(default_factory=list)
    kernels: dict[str, str] = field(default_factory=dict)
    check: Differences | None = None
    no_check: str = ""
    papers: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        sections = [self.title, "=" * len(self.title)]
        if self.signature:
            sections += [textwrap.fill(self.signature, WIDTH, subsequent_indent="    "), ""]
        sections.append(self.summary)
        if self.formulas:
            sections += ["", "Formula", *[f"    {plain(formula)}" for formula in self.formulas]]
        if self.shapes:
            width = max([len(name) for name, _ in self.shapes])
            sections += ["", "Shapes", *[f"    {name:{width}}  {shape}" for name, shape in self.shapes]]
        sections += ["", "Finite differences", *[f"    {line}" for line in self._check_lines()]]
        for heading, code in self._sources():
            sections += ["", heading, textwrap.indent(code, "    ")]
        if self.kernels:
            sections += ["", f"The kernel, in NumPy: {', '.join(self.kernels)}"]
        if self.papers:
            sections += ["", "Read", *[f"    {paper}" for paper in self.papers]]
        return "\n".join(sections)

    def _check_lines(self) -> list[str]:
        if self.check is None:
            return [self.no_check]
        width = max([len(comparison.name) for comparison in self.check.comparisons])
        return [
            self._verdict(),
            *[
                f"{c.name:{width}}  {c.entries} entries moved, gradients up to {c.largest:.3g}, error at most "
                f"{c.error:.1e}"
                for c in self.check.comparisons
            ],
        ]

    def _verdict(self) -> str:
        assert self.check is not None
        agree = "agree" if self.check.passed else "DISAGREE"
        return f"backward and differences {agree}: the largest error is {self.check.error:.1e}, just measured"

    def _sources(self) -> list[tuple[str, str]]:
        sources = [("Source", self.source)] if self.source else []
        for part in self.parts:
            if part.forward:
                sources.append((f"{part.name}: forward" if part.backward else part.name, part.forward))
            if part.backward:
                sources.append((f"{part.name}: backward", part.backward))
        return sources

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        signature = f"<pre class='signature'>{highlight(self.signature)}</pre>" if self.signature else ""
        pieces = [f"<h1>{escape(self.title)}</h1>{signature}<p class='summary'>{_paragraphs(self.summary)}</p>"]
        if self.formulas:
            first, *gradients = self.formulas
            back = "".join([f"<div>{mathml(formula)}</div>" for formula in gradients])
            label = "<span>backward</span>" if gradients else ""
            pieces.append(
                f"<section class='formulas'><div class='forward'><span>forward</span>{mathml(first)}</div>"
                f"<div class='gradients'>{label}{back}</div></section>"
            )
        if self.geometry is not None:
            pieces.append(f"<section class='windows'><h2>The windows</h2>{picture(self.geometry)}</section>")
        rows = "".join([f"<tr><th>{escape(name)}</th><td>{escape(shape)}</td></tr>" for name, shape in self.shapes])
        shapes = f"<div><h2>Shapes</h2><table>{rows}</table></div>" if rows else ""
        pieces.append(
            f"<section class='two'>{shapes}<div><h2>Finite differences</h2>{self._check_html()}</div></section>"
        )
        pieces.append(self._sources_html())
        if self.papers:
            papers = "".join([f"<li>{escape(paper)}</li>" for paper in self.papers])
            pieces.append(f"<section><h2>Read</h2><ul>{papers}</ul></section>")
        return f"<div class='minigrad-explain'><style>{_STYLE}</style>{''.join(pieces)}</div>"

    def _check_html(self) -> str:
        if self.check is None:
            return f"<p>{escape(self.no_check)}</p>"
        rows = "".join(
            [
                f"<tr><th>{escape(c.name)}</th><td>{c.entries}</td><td>{c.largest:.3g}</td><td>{c.error:.1e}</td></tr>"
                for c in self.check.comparisons
            ]
        )
        mark = "good" if self.check.passed else "bad"
        return (
            f"<p class='{mark}'>{escape(self._verdict())}.</p><table><tr><td></td><td>entries moved</td>"
            f"<td>largest gradient</td><td>largest error</td></tr>{rows}</table>"
        )

    def _sources_html(self) -> str:
        pieces = ["<section><h2>Source</h2>"]
        if self.source:
            pieces.append(f"<pre>{highlight(self.source)}</pre>")
            if self.parts:
                pieces.append("<h2>The operations that it is made of</h2>")
        for part in self.parts:
            columns = [("forward", part.forward), ("backward", part.backward)]
            cells = "".join(
                [f"<div><h3>{title}</h3><pre>{highlight(code)}</pre></div>" for title, code in columns if code]
            )
            if not part.backward:
                cells = cells.replace("<h3>forward</h3>", "<h3>value and derivative</h3>")
            opened = "" if self.source else " open"
            pieces.append(
                f"<details{opened}><summary><b>{escape(part.name)}</b> {escape(part.formula)}</summary>"
                f"<div class='two'>{cells}</div></details>"
            )
        for file, code in self.kernels.items():
            pieces.append(
                f"<details><summary><b>{escape(file)}</b> the kernel, in NumPy, to be read</summary>"
                f"<pre>{highlight(code)}</pre></details>"
            )
        return "".join(pieces) + "</section>" if len(pieces) > 1 else ""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the explanation as one page that needs no other file.

        Args:
            path: the file to write, .html.

        Raises:
            ValueError: the path has another suffix.
        """
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"save: an explanation is written as .html, got {os.fspath(path)!r}")
        page = (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
            f"content='width=device-width, initial-scale=1'><title>{escape(self.title)}</title>"
            f"<style>{_PAGE_STYLE}</style></head><body>{self._repr_html_()}</body></html>"
        )
        write_text(path, page)


def _paragraphs(text: str) -> str:
    """Documentation as HTML: paragraphs, and names between backquotes as code."""
    words = "<br><br>".join([escape(" ".join(paragraph.split())) for paragraph in text.split("\n\n")])
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", words)


_PAGE_STYLE = """
body { margin: 0; background: #fff; }
.minigrad-explain { max-width: 1000px; margin: 0 auto; padding: 28px 22px 60px; }
@media (prefers-color-scheme: dark) { body { background: #16181d; } }
"""

_STYLE = """
.minigrad-explain { font: 15px/1.55 system-ui, sans-serif; color: #1d2430; --soft: #f4f5f7; --line: #dfe2e7;
  --quiet: #5d6675; --good: #00734f; --bad: #b03a00; --word: #0b5a8a; --string: #7a4a00; }
.minigrad-explain h1 { font-size: 27px; margin: 0 0 6px; }
.minigrad-explain h2 { font-size: 16px; margin: 0 0 10px; }
.minigrad-explain pre + h2 { margin-top: 24px; }
.minigrad-explain h3 { font-size: 13px; margin: 6px 0; color: var(--quiet); font-weight: 600; }
.minigrad-explain section { margin-top: 30px; }
.minigrad-explain pre { font: 12.5px/1.5 ui-monospace, monospace; background: var(--soft); border-radius: 6px;
  padding: 12px 14px; margin: 0; overflow-x: auto; }
.minigrad-explain pre.signature { background: none; padding: 0; color: var(--quiet); white-space: pre-wrap; }
.minigrad-explain .summary { max-width: 75ch; margin: 12px 0 0; }
.minigrad-explain .formulas { display: flex; flex-wrap: wrap; gap: 14px; }
.minigrad-explain .formulas > div { background: var(--soft); border-radius: 8px; padding: 14px 20px; flex: 1 1 auto;
  box-sizing: border-box; max-width: 100%; }
.minigrad-explain .formulas > div:empty { display: none; }
.minigrad-explain .formulas span { font-size: 12px; color: var(--quiet); }
.minigrad-explain .formulas > div { overflow: auto hidden; }
.minigrad-explain .windows { overflow-x: auto; }
.minigrad-explain .windows svg { min-width: 720px; }
.minigrad-explain math { font-size: 19px; margin: 10px 0; }
.minigrad-explain .gradients math { font-size: 17px; }
.minigrad-explain .two { display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fit, minmax(min(330px, 100%), 1fr)); }
.minigrad-explain .two > div { min-width: 0; }
.minigrad-explain table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
.minigrad-explain th, .minigrad-explain td { text-align: left; padding: 4px 18px 4px 0; border: 0;
  border-bottom: 1px solid var(--line); background: none; font-weight: 400; color: inherit; }
.minigrad-explain th { font-family: ui-monospace, monospace; }
.minigrad-explain p { margin: 0 0 8px; }
.minigrad-explain .good { color: var(--good); } .minigrad-explain .bad { color: var(--bad); }
.minigrad-explain .good, .minigrad-explain .bad { font-weight: 600; }
.minigrad-explain code { font: 13px ui-monospace, monospace; background: var(--soft); padding: 1px 4px;
  border-radius: 4px; }
.minigrad-explain details { border-top: 1px solid var(--line); padding: 10px 0; }
.minigrad-explain summary { cursor: pointer; margin-bottom: 6px; }
.minigrad-explain ul { margin: 0; padding-left: 20px; }
.minigrad-explain .k { color: var(--word); font-weight: 600; } .minigrad-explain .s { color: var(--string); }
.minigrad-explain .c { color: var(--quiet); font-style: italic; } .minigrad-explain .d { font-weight: 700; }
@media (prefers-color-scheme: dark) { .minigrad-explain { color: #e4e7ec; --soft: #21252d; --line: #353b46;
  --quiet: #9aa4b2; --good: #4cc79b; --bad: #ff8f5a; --word: #7cc0ec; --string: #e0b070; } }
"""
