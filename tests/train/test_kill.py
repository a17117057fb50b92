"""A training that is killed at random moments ends with the weights of one that never was."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import kill_me

import minigrad as mg

PROGRAM = [sys.executable, str(Path(kill_me.__file__))]


def same(a, b) -> bool:
    """Whether two checkpoints' values are equal to the last bit."""
    if isinstance(a, mg.Tensor):
        return a.dtype == b.dtype and mg.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a.keys() - {"seconds"})
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def lines(folder: Path) -> list[dict]:
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in event.items() if key != "seconds"} for event in events]


def test_killed_at_random_moments(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    # Twice: a process that compiles kernels may round differently from those that find them compiled.
    for folder in (tmp_path / "compiling", whole):
        subprocess.run([*PROGRAM, str(folder)], check=True, capture_output=True)

    kills, begun = 0, time.monotonic()
    while True:
        process = subprocess.Popen([*PROGRAM, str(killed)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"started\n"
        if kills < 3 and time.monotonic() - begun < 8:
            time.sleep(random.uniform(0.0, 0.5))
            if process.poll() is None:
                process.kill()
                kills += 1
        process.communicate()
        if (killed / "checkpoint.pt").exists():
            mg.load(killed / "checkpoint.pt")  # whole, whenever the process died
        if process.returncode == 0:
            break
    assert kills >= 1
    a, b = (mg.load(folder / "checkpoint.pt") for folder in (whole, killed))
    assert len(b["history"]) == 4
    for key in a:
        assert key == "seconds" or same(a[key], b[key]), key
    assert same(mg.load(whole / "best.safetensors"), mg.load(killed / "best.safetensors"))
    assert lines(whole) == lines(killed)
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}
