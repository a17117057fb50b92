r"""Formulas: a few marks of TeX, as MathML for a page and as plain text for a terminal.

Understood are ``x_{i}``, ``x^{2}``, ``\frac{a}{b}``, ``\sqrt{a}``, ``\text{words}``, letters, numbers and signs as
Unicode has them; and ``\grad{x}``, the gradient of the loss with respect to x. MathML is drawn by every browser,
without a script or a font to fetch.
"""

from __future__ import annotations

import html
import re

_TOKEN = re.compile(r"\\text\{[^}]*\}|\\[a-z]+|[A-Za-z]+|[^\W\d_]|\d+(?:\.\d+)?|\s+|.")
_LIMITS = {"Σ", "Π", "max", "min", "argmax", "argmin"}  # what they range over stands below them


def mathml(formula: str) -> str:
    """The formula as a MathML element."""
    return f'<math display="block">{_Reader(formula, html_marks=True).row()}</math>'


def plain(formula: str) -> str:
    """The formula as a line of text: ``dL/dx = dL/dy / (2 sqrt(x))``."""
    return re.sub(r" +", " ", _Reader(formula, html_marks=False).row()).strip()


class _Reader:
    """Reads a formula from left to right."""

    def __init__(self, formula: str, html_marks: bool):
        self.tokens = _TOKEN.findall(formula)
        self.html = html_marks

    def row(self) -> str:
        """Everything up to a closing brace, or the end."""
        parts = []
        while self.tokens and self.tokens[0] != "}":
            parts.append(self._scripted())
        return f"<mrow>{''.join(parts)}</mrow>" if self.html else "".join(parts)

    def _argument(self) -> str:
        while self.tokens and self.tokens[0].isspace():
            self.tokens.pop(0)
        if not self.tokens or self.tokens[0] != "{":
            return self._atom(self.tokens.pop(0))
        self.tokens.pop(0)
        inside = self.row()
        self.tokens.pop(0)
        return inside

    def _scripted(self) -> str:
        base = self.tokens.pop(0)
        made, below, above = self._atom(base), "", ""
        while self.tokens and self.tokens[0] in "_^":
            if self.tokens.pop(0) == "_":
                below = self._argument()
            else:
                above = self._argument()
        if not self.html:
            return made + (f"[{below}]" if below else "") + (f"^{_bracketed(above)}" if above else "")
        if base in _LIMITS and below:
            return f"<munder>{made}{below}</munder>"
        if below and above:
            return f"<msubsup>{made}{below}{above}</msubsup>"
        if below or above:
            tag = "msub" if below else "msup"
            return f"<{tag}>{made}{below}{above}</{tag}>"
        return made

    def _atom(self, token: str) -> str:
        if token == r"\frac":
            above, below = self._argument(), self._argument()
            return f"<mfrac>{above}{below}</mfrac>" if self.html else f"{_bracketed(above)} / {_bracketed(below)}"
        if token == r"\sqrt":
            inside = self._argument()
            return f"<msqrt>{inside}</msqrt>" if self.html else f"sqrt({inside})"
        if token == r"\grad":
            of = self._argument()
            return (
                f"<mfrac><mrow><mi>∂</mi><mi>L</mi></mrow><mrow><mi>∂</mi>{of}</mrow></mfrac>"
                if self.html
                else f"dL/d{of}"
            )
        if token == "{":
            self.tokens.insert(0, "{")
            return self._argument()
        if token.startswith(r"\text"):
            words = token[6:-1]
            return f"<mtext>{html.escape(words).replace(' ', '&nbsp;')}</mtext>" if self.html else words
        if not self.html:
            return {"Σ": " sum", "Π": " product", "·": "*", "−": "-", "≥": ">=", "≤": "<=", "√": "sqrt"}.get(
                token, token
            )
        if token.isspace():
            return '<mspace width="0.25em"/>' if len(token) == 1 else '<mspace width="1em"/>'
        if token in "ΣΠ":
            return f"<mo>{'∑' if token == 'Σ' else '∏'}</mo>"  # the signs that browsers draw large
        kind = "mn" if token[0].isdigit() else "mi" if token.isalpha() else "mo"
        return f"<{kind}>{html.escape(token)}</{kind}>"


def _bracketed(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+|dL/d\w+|\w+\[[^]]*\]|\w+\([^()]*\)", text.strip()) else f"({text.strip()})"
