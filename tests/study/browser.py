"""A page in headless Chromium: a script is run in it, what it returns and what went wrong come back."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

WATCH = """<script>
window.trouble = [];
addEventListener("error", event => trouble.push(event.message || "a resource did not load"), true);
for (const level of ["error", "warn"]) console[level] = (...words) => trouble.push(words.join(" "));
</script>"""
REPORT = """<script>
addEventListener("load", async () => {
  const result = await (async () => { %s })();
  const report = document.createElement("pre");
  report.id = "report";
  report.textContent = JSON.stringify({ result, trouble: window.trouble });
  document.body.append(report);
});
</script>"""


def browse(page, script, fragment="", options=()):
    """Open a copy of the file `page`, run `script` (the body of a function), and return what it returns.

    The test fails if the page reports an error, or loads anything.
    """
    text = page.read_text(encoding="utf-8")
    assert "<head>" in text and "</body>" in text
    text = text.replace("<head>", f"<head>{WATCH}", 1)
    head, _, tail = text.rpartition("</body>")
    copy = page.with_name(f"watched_{page.name}")
    copy.write_text(f"{head}{REPORT % script}</body>{tail}", encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",  # a test may run as root, in a container
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={page.parent / 'profile'}",
        "--virtual-time-budget=10000",
        *options,
        "--dump-dom",
        f"file://{copy}{fragment}",
    ]
    dump = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="report">(.*?)</pre>', dump, re.DOTALL)
    assert found, dump[-2000:]
    report = json.loads(html.unescape(found[1]))
    assert report["trouble"] == []
    return report["result"]
