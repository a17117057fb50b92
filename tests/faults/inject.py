"""Every call to the system fails once: `python tests/faults/inject.py STRIDE SCENARIO...`, with inject.c loaded.

A scenario does something with files in a folder. It is done again and again, in a forked process each time, while the
k-th call of a kind fails, for k = 1, 2, 3, ... until it ends undisturbed. After each a fresh process judges what is
left. A STRIDE of 0 lets each call fail in all ways; of 1 in one of them, by turns; of n every n-th call.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

SHORT = -1  # half of what was asked for is written or read
# Which calls can fail how; each error but EINTR once, and from then on.
CALLS = {
    "open": [errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.EIO, errno.EROFS],
    "write": [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EINTR, SHORT],
    "fsync": [errno.EIO, errno.ENOSPC, errno.EINTR],
    "rename": [errno.EACCES, errno.ENOSPC, errno.EIO],
    "read": [errno.EIO, errno.EINTR, SHORT],
    "unlink": [errno.EACCES, errno.EIO],
    "mkdir": [errno.ENOSPC, errno.EACCES],
    "ftruncate": [errno.EIO],
    "mmap": [errno.ENOMEM],
}


@dataclass
class Outcome:
    """How a scenario ended: what it raised or returned, and the warnings it gave."""

    error: str = ""  # the class
    message: str = ""
    value: Any = None
    warned: list[str] = field(default_factory=list)


@dataclass
class Scenario:
    """What is done, and what must hold afterwards; `prepare` makes the folder once."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], Any]
    judge: Callable[[Path, Outcome], None]  # raises AssertionError
    under: str = ""  # only calls on files below this folder count


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked process; its exception as text after "failed"."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = ["done", work()]
        except BaseException:
            answer = ["failed", traceback.format_exc()]
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return json.loads(text) if text else ["failed", f"it died with status {status}"]


def perform(scenario: Scenario, folder: Path, call: str, k: int, error: int, persistent: bool) -> Any:
    library: Any = ctypes.CDLL(None)

    def work() -> Any:
        outcome = Outcome()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            library.fault_arm(
                os.fsencode(folder / scenario.under), call.encode(), ctypes.c_long(k), error, int(persistent)
            )
            try:
                outcome.value = scenario.act(folder)
            except (Exception, SystemExit) as raised:
                outcome.error, outcome.message = type(raised).__name__, str(raised)
            seen = library.fault_seen()
            library.fault_arm(b"", b"", ctypes.c_long(0), 0, 0)
        outcome.warned = [str(warning.message) for warning in caught]
        return [seen, vars(outcome)]

    return in_child(work)


def campaign(name: str, scenario: Scenario, stride: int) -> dict[str, Any]:
    """Let every call fail: how many did, and what was wrong."""
    tried, problems, said = 0, [], set()
    with tempfile.TemporaryDirectory() as place:
        start, folder = Path(place, "start"), Path(place, "work")
        start.mkdir()
        in_child(lambda: scenario.prepare(start))
        for call, errors in CALLS.items():
            every = [(error, lasting) for error in errors for lasting in (False, True)]
            every.remove((errno.EINTR, True)) if (errno.EINTR, True) in every else None
            for turn, k in enumerate(count(1, max(stride, 1))):
                ways = [every[turn % len(every)]] if stride else every
                over = False
                for error, lasting in ways:
                    shutil.rmtree(folder, ignore_errors=True)
                    shutil.copytree(start, folder)
                    state, result = perform(scenario, folder, call, k, error, lasting)
                    what = f"{name}: {call} {k} {'short' if error == SHORT else errno.errorcode[error]} {lasting}"
                    if state == "failed":
                        problems.append(f"{what}: {result}")
                        continue
                    seen, outcome = result
                    if seen < k:
                        over = True
                        break
                    tried += 1
                    said.add(outcome["message"].replace(str(folder), "DIR"))
                    judged = in_child(lambda found=outcome: scenario.judge(folder, Outcome(**found)))
                    if judged[0] == "failed":
                        problems.append(f"{what}: {outcome}\n{judged[1]}")
                if over:
                    break
    return {"scenario": name, "tried": tried, "problems": problems, "said": sorted(said)}


def main() -> None:
    from faults.scenarios import SCENARIOS, warm

    warm()
    for name in sys.argv[2:] or SCENARIOS:
        print(json.dumps(campaign(name, SCENARIOS[name], int(sys.argv[1]))), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
