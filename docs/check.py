"""Looks at the built site in a browser, as people will: `python -m docs.check`, after `python -m docs.build`.

Every link and picture leads somewhere; and on a page of each kind, light, dark and on a phone: nothing is fetched from
another host, nothing is written to the console, no rule of accessibility (axe) is broken, and nothing sticks out
sideways. The search finds a function. Needs Chromium, and `pip install -e '.[docs]'`.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

SITE = Path(__file__).with_name("site")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

PAGES = [
    "index.html", "start/lenet.html", "start/troubleshooting.html", "learn/lessons/3_convolution_as_im2col.html",
    "learn/steppers/first.html", "learn/papers/resnet.html", "learn/operations/conv2d.html", "how/convolution.html",
    "reference/functional/conv.html", "reference/command-line.html", "measured/index.html",
]  # fmt: skip
SOME = ["index.html", "learn/operations/conv2d.html", "reference/functional/conv.html", "measured/index.html"]
LOOKS = {  # colours, the window, and which pages are looked at
    "light": ("light", 1300, 900, PAGES),
    "dark": ("dark", 1300, 900, SOME),
    "phone": ("light", 390, 844, SOME),
}


class Links(HTMLParser):
    """The places that a page links to, and the anchors that it has."""

    def __init__(self, text: str):
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.anchors.update(name for key in ("id", "name") if (name := found.get(key)))
        target = found.get("src" if tag in ("img", "script", "iframe") else "href")
        if target is not None:
            self.targets.append(target)


def broken_links() -> list[str]:
    """What leads nowhere, of all pages."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in SITE.rglob("*.html") if path.name != "404.html"}
    faults = []
    for path, page in pages.items():
        for target in page.targets:
            place, anchor = urldefrag(target)
            if urlsplit(place).scheme or place.startswith("//"):
                continue
            file = (path.parent / unquote(place)).resolve() if place else path
            file = file / "index.html" if file.is_dir() else file
            if not file.exists():
                faults.append(f"{path.relative_to(SITE)}: {target} does not exist")
            elif anchor and file in pages and anchor != "__skip" and unquote(anchor) not in pages[file].anchors:
                faults.append(f"{path.relative_to(SITE)}: {target} has no such place")
    return faults


@contextmanager
def served() -> Iterator[str]:
    """The site's address, on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def faults_of(page: Page, address: str) -> list[str]:
    """What is wrong with one page as it looks now."""
    said: list[str] = []
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else said.append(f"asks another host: {request.url}")
        ),
    )
    page.on("response", lambda response: None if response.ok else said.append(f"{response.status}: {response.url}"))
    return said


def look(browser: Browser, address: str) -> list[str]:
    """What is wrong with the pages in every look."""
    faults = []
    for look, (scheme, width, height, pages) in LOOKS.items():
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        for name in pages:
            page = context.new_page()
            said = faults_of(page, address)
            page.goto(address + name)
            page.wait_for_load_state("networkidle")
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                said.append("the page is wider than the window")
            for violation in Axe().run(page, context="body").response["violations"]:
                places = ", ".join([node["html"][:100] for node in violation["nodes"][:2]])
                said.append(f"{violation['id']} ({violation['impact']}): {violation['help']}: {places}")
            faults += [f"{name}, {look}: {words}" for words in said]
            page.close()
        context.close()
    return faults


def search(browser: Browser, address: str) -> list[str]:
    """What is wrong with the search."""
    page = browser.new_page()
    page.goto(address)
    page.get_by_role("textbox", name="Search").click()
    page.keyboard.type("conv2d")
    try:
        page.wait_for_selector(".md-search-result__link[href*=conv]", timeout=20_000)
    except Exception as error:
        return [f"the search finds no conv2d: {error}"]
    return []


def main() -> int:
    """Print every fault; 1 if there is one."""
    if not (SITE / "index.html").exists():
        print("docs.check: there is no site; run python -m docs.build", file=sys.stderr)
        return 2
    faults = broken_links()
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        faults += look(browser, address) + search(browser, address)
        browser.close()
    print("\n".join(faults) or f"{len(PAGES)} pages in {len(LOOKS)} looks, links and search: no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
