"""What Markdown cannot say: parts of our own files, included by name, and formulas, which become MathML.

`{{ readme("On a GPU") }}` is a section of README.md, `{{ source("minigrad/autograd/backward.py", "backward_pass") }}` a
function, class or method as it stands in the code today, `{{ doc("kernels/conv2d/winograd.py") }}` a file's own
introduction, and `$x^2$` and `$$...$$` are TeX.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parent.parent
_CODE = re.compile(
    r"(^ *(?:```|~~~).*?^ *(?:```|~~~) *$|`[^`\n]+`|<(svg|style|script|math|pre)\b.*?</\2>)", re.M | re.S
)
_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^\s$][^$\n]*?)\$(?![\w$])", re.S)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for every page."""
    markdown = re.sub(r"^\{\{ (readme|source|doc)\((.*?)\) \}\}$", _included, markdown, flags=re.M)
    pieces = _CODE.split(markdown)
    # The pattern has two groups: text, code, the name of its tag, text, ...
    return "".join(
        _FORMULA.sub(_mathml, piece) if index % 3 == 0 else piece or "" if index % 3 == 1 else ""
        for index, piece in enumerate(pieces)
    )


def _mathml(found: re.Match[str]) -> str:
    if found["display"]:
        return convert(" ".join(found["display"].split()), display="block")
    return f"<span>{convert(found['inline'])}</span>"  # at the beginning of a line, Markdown takes <math> for a block


def _included(call: re.Match[str]) -> str:
    return {"readme": readme, "source": source, "doc": doc}[call[1]](*ast.literal_eval(f"({call[2]},)"))


def readme(heading: str) -> str:
    """A section of the README, without its heading and without pictures, which the site shows elsewhere."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise KeyError(f"README.md has no section {heading!r}")
    section = re.sub(r"^!\[.*?\]\(.*?\)\n", "", found[1], flags=re.M)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)([^)#]+)\)", _file_link, section).strip()


def _file_link(found: re.Match[str]) -> str:
    """A link into the repository becomes the file's name: the site has no other files."""
    words, file = found[1], found[2]
    return f"`{file}`" if words.strip("`") in file else f"{words} (`{file}`)"


def source(file: str, name: str = "") -> str:
    """The source of one definition of a file ("conv2d", "Module.__call__"), or of the whole file."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if not name:
        return f'```python title="{file}"\n{text}```'
    body: list[ast.stmt] = ast.parse(text).body
    node: Any = None
    for part in name.split("."):
        node = next((n for n in body if getattr(n, "name", None) == part or part in _assigned(n)), None)
        if node is None:
            raise KeyError(f"{file} defines no {name}")
        body = getattr(node, "body", [])
    first = min([node.lineno, *[decorator.lineno for decorator in getattr(node, "decorator_list", [])]])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    indent = len(lines[0]) - len(lines[0].lstrip())
    code = "\n".join([line[indent:] for line in lines])
    return f'```python title="{file}, line {first}"\n{code}\n```'


def doc(file: str) -> str:
    """The docstring at the top of a file; its drawings and tables, which are indented or aligned, keep their lines."""
    text = ast.get_docstring(ast.parse((ROOT / file).read_text(encoding="utf-8"))) or ""
    parts = [f"```text\n{part}\n```" if _drawn(part) else _escaped(part) for part in text.split("\n\n")]
    return f"From `{file}`:\n\n" + "\n\n".join([f"> {line}" for line in "\n\n".join(parts).splitlines()]).replace(
        "\n\n> ", "\n> "
    )


def _escaped(part: str) -> str:
    """Text that is no HTML, whatever it says of <a, b>."""
    pieces = part.split("`")
    return "`".join([piece if index % 2 else piece.replace("<", "&lt;") for index, piece in enumerate(pieces)])


def _drawn(part: str) -> bool:
    lines = part.splitlines()
    return any(line.startswith("   ") or "   " in line.strip() for line in lines) and not part.startswith("|")


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
