"""Syntax highlighting: Python source as HTML, with a class for each kind of token.

The classes are k for a keyword, s a string, c a comment, n a number, d a name being defined.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from html import escape

_KINDS = {tokenize.STRING: "s", tokenize.COMMENT: "c", tokenize.NUMBER: "n"}


def highlight(source: str) -> str:
    """`source` escaped for HTML, with a <span> around each word of a kind; plain where it is no whole Python."""
    lines = source.splitlines(keepends=True)
    pieces: list[str] = []
    at = (1, 0)
    before = ""

    def copy(until: tuple[int, int]) -> None:
        nonlocal at
        while at < until:
            line = lines[at[0] - 1]
            end = until[1] if until[0] == at[0] else len(line)
            pieces.append(escape(line[at[1] : end]))
            at = until if until[0] == at[0] else (at[0] + 1, 0)

    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = _KINDS.get(token.type, "")
            if token.type == tokenize.NAME:
                kind = "k" if keyword.iskeyword(token.string) else "d" if before in ("def", "class") else ""
            before = token.string
            if kind:
                copy(token.start)
                pieces.append(f'<span class="{kind}">')
                copy(token.end)
                pieces.append("</span>")
        copy((len(lines), len(lines[-1]) if lines else 0))
    except (tokenize.TokenError, IndentationError):
        return escape(source)
    return "".join(pieces)
