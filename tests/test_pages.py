"""Every snippet of the site's pages runs, and what its comments promise comes out."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from minigrad.command.main import build_parser

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted((DOCS / "pages").rglob("*.md"))
TEXTS = {page: page.read_text(encoding="utf-8") for page in [*PAGES, DOCS / "generate" / "troubleshooting.py"]}
SNIPPETS = [
    pytest.param(snippet, id=f"{page.stem}-{number}")
    for page, text in TEXTS.items()
    for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
]


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_snippet(snippet, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snippet.py").write_text(snippet, encoding="utf-8")
    runpy.run_path("snippet.py")
    promised = re.findall(r"^print\(.*\) +# (.*)$", snippet, re.M)
    assert capsys.readouterr().out.splitlines()[: len(promised)] == promised


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_says_at_its_top_what_it_is_for(page):
    if page.name not in ("index.md", "SUMMARY.md") or page.parent.name != "pages":
        assert re.match(r"# .+\n\n\*[^*]+\*\n", TEXTS[page])


def test_the_commands_of_the_pages_exist():
    _, commands = build_parser()
    for text in TEXTS.values():
        for command in re.findall(r"^minigrad (\w+)", text, re.M):
            assert command in commands
