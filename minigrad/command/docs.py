"""`minigrad docs` and `minigrad lesson N`: the site, built in a clone and served on this machine."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

from minigrad.command.arguments import count
from minigrad.command.console import say

CLONE = Path(__file__).resolve().parents[2]


def add_to(commands: Any) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "docs",
        help="open the documentation in a browser",
        description="Serve the site of this clone, which `python -m docs.build` builds, on this machine alone, and "
        "open it in a browser. Ctrl-C ends it.",
    )
    parser.set_defaults(run=open_docs, parser=parser)
    lesson = commands.add_parser(
        "lesson",
        help="open one of the six lessons in a browser, without Jupyter",
        description="Open a lesson as a page of the site: its text, code, results and pictures.",
    )
    lesson.add_argument("number", metavar="N", choices=list("123456"), help="1 to 6")
    lesson.set_defaults(run=open_lesson, parser=lesson)
    for command in (parser, lesson):
        command.add_argument(
            "--port", type=count(0), default=8000, help="of the address on this machine (default 8000)"
        )
        command.add_argument("--no-browser", action="store_true", help="print the address only")


def open_docs(args: Any) -> None:
    """Serve the site, from its first page."""
    _serve(_site(), "index.html", args)


def open_lesson(args: Any) -> None:
    """Serve the site, from a lesson."""
    site = _site()
    page = next(site.glob(f"learn/lessons/{args.number}_*.html"))
    _serve(site, str(page.relative_to(site)), args)


def _site() -> Path:
    """The built site, which is built now if that can be done."""
    site = CLONE / "docs" / "site"
    if (site / "index.html").exists():
        return site
    if not (CLONE / "docs" / "mkdocs.yml").exists():
        raise RuntimeError(
            "the documentation is built in a clone of the repository, and minigrad is installed without one"
        )
    say("building the site, once: about a minute")
    if subprocess.call([sys.executable, "-m", "docs.build"], cwd=CLONE):
        raise RuntimeError(f"the site could not be built; in {CLONE}: pip install -e '.[docs]' && python -m docs.build")
    return site


def _serve(site: Path, page: str, args: Any) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), handler)
    except OSError as error:
        raise RuntimeError(f"port {args.port} cannot be used ({error.strerror}); choose another with --port") from None
    with server:
        address = f"http://127.0.0.1:{server.server_port}/{page}"
        say(f"{address} (Ctrl-C ends it)")
        if not args.no_browser:
            webbrowser.open(address)
        server.serve_forever()
