"""Which kernels have passed their tests on a GPU: a record by the hash of each file's text, headers included.

    python -m minigrad.kernels.cuda.verified     names those that have not

`benchmarks.gpu` writes verified.json. A kernel that changes, or whose headers do, is unverified until it passes again.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable

from .source import KERNELS, all_files, load

RECORD = KERNELS / "cuda" / "verified.json"


def read() -> dict[str, dict[str, str]]:
    """For each kernel file that has passed: the hash of its text then, the date, and the device."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def write(files: Iterable[str], device: str, forget: Iterable[str] = ()) -> None:
    """Record that `files` have passed on `device` today, as they are; and nothing of those to `forget`."""
    today = datetime.date.today().isoformat()
    new = {file: {"digest": load(file).digest, "passed": today, "device": device} for file in files}
    kept = {file: entry for file, entry in (read() | new).items() if (KERNELS / file).exists()}
    for file in forget:
        kept.pop(file, None)
    whole = RECORD.with_suffix(".new")
    whole.write_text(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")
    whole.replace(RECORD)


def unverified() -> list[str]:
    """The kernel files that have not passed on a GPU as they now are."""
    record = read()
    return [file for file in all_files() if record.get(file, {}).get("digest") != load(file).digest]


if __name__ == "__main__":
    files = unverified()
    print(f"not yet verified on a GPU, as they are now: {', '.join(files) or 'none'}")
