"""Notebooks, run cell by cell."""

from __future__ import annotations

import ast
import json
import linecache
import os
import re
import sys
from pathlib import Path
from typing import Any

from minigrad.serialize.files import read_bytes

# How a line of IPython's own begins; the `%(epoch, loss)` or `!= 0` of a statement of several lines is Python's.
IPYTHONS_OWN = re.compile(r"%[A-Za-z%]|!(?!=)|\?|\w+\?$")


def run_notebook(path: Path, names: dict[str, Any]) -> None:
    """Run the code cells of a notebook in order, in the namespace `names`.

    The value of a cell's last line is printed, as a notebook shows it. Lines for IPython alone (`%matplotlib inline`,
    `!pip install ...`) are left out, and said on standard error. Figures are drawn to no screen.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    names["display"] = lambda *values: print(*map(_text, values))
    for number, source in enumerate(code_cells(path), 1):
        name = f"{path}[{number}]"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)  # for tracebacks
        tree = ast.parse(source, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
            if value is not None and not source.rstrip().endswith(";"):
                print(_text(value))


def code_cells(path: Path) -> list[str]:
    """The Python of each code cell; a line of IPython's own becomes `pass`, so that the numbers of lines stay."""
    return [_python(source) for source in sources(path)]


def sources(path: Path) -> list[str]:
    """The code cells as they stand in the file; RuntimeError for one that is no notebook."""
    try:
        cells = json.loads(read_bytes(path))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RuntimeError(f"{path} is not a notebook: {type(error).__name__}: {error}") from None


def _python(source: str) -> str:
    if source.lstrip().startswith("%%"):  # a cell in another language, or one that is timed
        kind, _, rest = source.lstrip().partition("\n")
        if kind.split()[0] not in ("%%time", "%%capture", "%%timeit"):
            _left_out(kind)
            return ""
        source = f"pass\n{rest}"
    lines = []
    for line in source.splitlines():
        code = line.lstrip()
        if IPYTHONS_OWN.match(code):
            _left_out(code)
            line = line[: len(line) - len(code)] + "pass"
        lines.append(line)
    return "\n".join(lines)


def _left_out(line: str) -> None:
    print(f"minigrad: left out: {line}", file=sys.stderr)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and "\n" in value else repr(value)
