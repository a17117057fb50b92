"""A power cut at every moment of a run: `python tests/faults/powercut.py STRIDE`, with inject.c loaded.

inject.c keeps a journal of what a run writes, flushes, renames and removes. After each entry the power may fail. What
is then on the disk is not one folder but several: a journalling file system keeps the order of names (new files,
renames, removals) but may lose the last of them, up to the last flush of a folder; and of the bytes that no flush of
their file followed, all may be there, half, none, or zeros in their place. Every such folder is made, and the run
resumed in it.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """An entry of the journal."""

    operation: str
    path: str
    other: str
    offset: int
    data: bytes


@dataclass
class Inode:
    """A file: its bytes as of the last flush, and the writes since."""

    flushed: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)

    def content(self, unflushed: str) -> bytes:
        """The bytes, where of those not flushed "all", "half", "none" or "zeros" came to the disk."""
        content = bytearray(self.flushed)
        for offset, data in self.pending if unflushed != "none" else []:
            if unflushed == "half":
                data = data[: len(data) // 2]
            if unflushed == "zeros":
                data = bytes(len(data))
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        return bytes(content)


def read_journal(path: Path) -> list[Entry]:
    entries, content, at = [], path.read_bytes(), 0
    while at < len(content):
        end = content.index(b"\n", at)
        operation, name, other, offset, size = content[at:end].decode().split("\t")
        at = end + 1 + int(size)
        entries.append(Entry(operation, name, other, int(offset), content[end + 1 : at]))
    return entries


def states(entries: list[Entry]) -> Iterator[tuple[dict[str, bytes], str]]:
    """Every folder {path: bytes} that a power cut may leave, and what the run had said by then."""
    names: dict[str, Inode] = {}
    history: list[dict[str, Inode]] = [{}]  # the names after each change since the last flush of a folder
    said = ""
    for entry in entries:
        if entry.operation == "create":
            names = names | {entry.path: Inode()}
        elif entry.operation == "truncate":
            names[entry.path].pending.clear()
            names[entry.path].flushed.clear()
        elif entry.operation == "write":
            names[entry.path].pending.append((entry.offset, entry.data))
        elif entry.operation == "cut":
            inode = names[entry.path]
            inode.flushed, inode.pending = bytearray(inode.content("all")[: entry.offset]), []
        elif entry.operation == "fsync" and entry.path in names:
            inode = names[entry.path]
            inode.flushed, inode.pending = bytearray(inode.content("all")), []
        elif entry.operation == "fsync":
            history = []
        elif entry.operation == "rename":
            moved = names[entry.path]
            names = {name: inode for name, inode in names.items() if name != entry.path} | {entry.other: moved}
        elif entry.operation == "unlink":
            names = {name: inode for name, inode in names.items() if name != entry.path}
        elif entry.operation == "said":
            said = entry.path
        if not history or history[-1] is not names:
            history.append(names)
        for kept in history:
            for unflushed in ("all", "half", "none", "zeros"):
                yield {name: inode.content(unflushed) for name, inode in kept.items()}, said


def record(folder: Path, journal: Path) -> None:
    """Train in `folder`, whose files are written down in `journal`, with what is said to be saved."""
    from faults import scenarios

    from minigrad.train.checkpoint import RunFolder

    library: Any = ctypes.CDLL(None)
    save = RunFolder.save

    def saying(self: RunFolder, state: dict[str, Any]) -> None:
        save(self, state)
        library.fault_note(b"said", str(state["step"]).encode(), b"", ctypes.c_long(0), None, ctypes.c_long(0))

    RunFolder.save = saying  # type: ignore[method-assign]
    descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    library.fault_record(os.fsencode(folder), descriptor)
    scenarios.train(folder)
    library.fault_record(b"", -1)


def judge(folder: Path, files: dict[str, bytes], start: str, said: str) -> None:
    """Put the files there, and resume."""
    from faults import scenarios

    import minigrad as mg

    run = folder / "run"
    run.mkdir()
    for name, content in files.items():
        Path(name.replace(start, str(folder))).write_bytes(content)
    if (run / "checkpoint.pt").exists():
        step = mg.load(run / "checkpoint.pt")["step"]
        assert said == "" or step >= int(said), f"step {said} was said to be saved, and {step} is there"
    else:
        assert said == "", f"step {said} was said to be saved, and nothing is there"
    scenarios.train(folder)
    scenarios.as_undisturbed(run)
    scenarios.no_remains(run)
    for line in (run / "log.jsonl").read_text().splitlines():
        json.loads(line)


def main() -> None:
    from faults import inject, scenarios

    stride = int(sys.argv[1])
    scenarios.warm()
    with tempfile.TemporaryDirectory() as place:
        start, journal = Path(place, "start"), Path(place, "journal")
        start.mkdir()
        state, why = inject.in_child(lambda: record(start, journal))
        assert state == "done", why
        entries = read_journal(journal)
        seen, problems, tried = set(), [], 0
        for files, said in states(entries):
            key = hashlib.sha256(repr((sorted(files.items()), said)).encode()).digest()
            if key in seen:
                continue
            seen.add(key)
            if len(seen) % stride:
                continue
            tried += 1
            with tempfile.TemporaryDirectory(dir=place) as folder:
                state, why = inject.in_child(
                    lambda files=files, said=said, folder=folder: judge(Path(folder), files, str(start), said)
                )
            if state == "failed":
                problems.append(f"state {len(seen)} ({said or 'nothing'} said to be saved): {why}")
        print(json.dumps({"scenario": "power cut", "tried": tried, "entries": len(entries), "states": len(seen),
                          "problems": problems}))  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
