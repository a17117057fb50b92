"""The findings of `study.check`, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from minigrad.display import BOX, FAINT, ORANGE

SEVERITIES = ("error", "warning", "note")  # training cannot work; will suffer; look whether it is meant


@dataclass(frozen=True)
class Finding:
    """One mistake: how grave, of which `kind`, at which module or parameter, what was seen, and what to do."""

    severity: str
    kind: str
    place: str
    seen: str
    advice: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.place}: {self.seen}. {self.advice}"


class Report(tuple[Finding, ...]):
    """The findings, the gravest first. Prints as a list; empty, and so false, when all is well."""

    def __new__(cls, findings: Any = ()) -> Report:
        return super().__new__(cls, sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))

    def __repr__(self) -> str:
        if not self:
            return "nothing found"
        lines = []
        for finding in self:
            lines += [f"{finding.severity:8}{finding.place}: {finding.seen}.", f"{'':8}{finding.advice}"]
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if not self:
            return f'<div style="{BOX}">nothing found</div>'
        edges = {"error": f"rgb({ORANGE})", "warning": f"rgba({ORANGE},.45)", "note": "rgba(128,128,128,.5)"}
        rows = [
            f'<div style="margin:6px 0;padding-left:10px;border-left:4px solid {edges[finding.severity]}">'
            f"<div><b>{finding.severity}</b> <code>{escape(finding.place)}</code>: {escape(finding.seen)}.</div>"
            f'<div style="{FAINT}">{escape(finding.advice)}</div></div>'
            for finding in self
        ]
        return f'<div style="{BOX}">{"".join(rows)}</div>'
