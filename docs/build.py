"""Builds the site into docs/site: `python -m docs.build`, after `pip install -e '.[docs]'`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CONFIG = Path(__file__).with_name("mkdocs.yml")


def build() -> int:
    """Build strictly: a broken link, or a public name without documentation, is an error."""
    quiet = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    return subprocess.call(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", str(CONFIG)],
        env=os.environ | quiet,
        cwd=CONFIG.parent,
    )


if __name__ == "__main__":
    sys.exit(build())
