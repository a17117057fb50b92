"""A page for each operation, made by `study.explain`: formula, picture, source, paper, and a check of its gradient."""

from __future__ import annotations

import inspect

import mkdocs_gen_files

from minigrad.nn import functional as F
from minigrad.record.typeset import mathml
from minigrad.study import explain
from minigrad.study.draw.im2col import picture
from minigrad.study.explain.explanation import Explanation
from minigrad.study.explain.operation import functions


def page(explained: Explanation, name: str) -> str:
    """An explanation in Markdown."""
    parts = [f"# {explained.title}\n"]
    parts.append(
        "*What it computes, how its gradient is computed, and a check of that gradient made when this page was.* "
        f"Its arguments are in the [reference]({reference_of(name)}).\n"
    )
    parts.append(explained.summary.split("\n\n")[0] + "\n")
    if explained.formulas:
        forward, *gradients = explained.formulas
        parts.append("## Formula\n\nForward:\n\n" + mathml(forward) + "\n")
        if gradients:
            parts.append("Backward:\n\n" + "\n\n".join([mathml(formula) for formula in gradients]) + "\n")
    if explained.geometry is not None:
        parts.append("## The windows\n\n<div class='windows'>" + picture(explained.geometry) + "</div>\n")
    if explained.shapes:
        rows = "".join([f"| `{argument}` | {shape} |\n" for argument, shape in explained.shapes])
        parts.append(f"## Shapes, of an example\n\n| value | shape and dtype |\n| --- | --- |\n{rows}")
    parts.append("## Finite differences\n\n" + checked(explained))
    for heading, code in explained._sources():
        parts.append(f"## {heading}\n\n```python\n{code}\n```\n")
    for file, code in explained.kernels.items():
        parts.append(f"## The kernel, in NumPy: {file}\n\n```python\n{code}\n```\n")
    if explained.papers:
        parts.append("## Read\n\n" + "".join([f"- {paper}\n" for paper in explained.papers]))
    return "\n".join(parts)


def checked(explained: Explanation) -> str:
    """The comparison with finite differences as a table, or why there is none."""
    if explained.check is None:
        return explained.no_check + "\n"
    assert explained.check.passed, explained.title
    rows = "".join(
        [f"| `{c.name}` | {c.entries} | {c.largest:.3g} | {c.error:.1e} |\n" for c in explained.check.comparisons]
    )
    head = "| input | entries moved | largest gradient | largest error |\n| --- | --- | --- | --- |\n"
    return f"Backward and differences agree: the largest error is {explained.check.error:.1e}.\n\n{head}{rows}"


def reference_of(name: str) -> str:
    """Where the reference documents the operation: in the page of the file that defines it."""
    module = functions()[name].__module__
    return f"../../reference/{'functional' if hasattr(F, name) else 'operations'}/{module.rpartition('.')[2]}.md"


families: dict[str, list[str]] = {}
for name, function in sorted(functions().items()):
    if name in ("clone", "getitem"):
        continue
    explained = explain(name)
    if explained.check is None or not (explained.formulas or explained.parts):
        continue  # no gradient to explain
    with mkdocs_gen_files.open(f"learn/operations/{name}.md", "w") as file:
        file.write(page(explained, name))
    summary = inspect.getdoc(inspect.getmodule(function)).partition("\n")[0].rstrip(".:")
    families.setdefault(summary, []).append(name)

with mkdocs_gen_files.open("learn/operations/index.md", "w") as file:
    file.write(
        "# Operations\n\n*To look up how one operation and its gradient are computed; a page is five minutes.*\n\n"
        "`minigrad.study.explain` made these pages: `print(study.explain('conv2d'))` shows the same in a terminal.\n\n"
    )
    for family in sorted(families):
        file.write(f"**{family}**: " + ", ".join([f"[{name}]({name}.md)" for name in families[family]]) + "\n\n")
with mkdocs_gen_files.open("learn/operations/SUMMARY.md", "w") as file:
    file.write("* [Operations](index.md)\n")
    file.writelines([f"* [{name}]({name}.md)\n" for name in sorted(sum(families.values(), []))])
