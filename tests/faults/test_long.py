"""What takes hours: signals at random moments of many runs, one long run, a clock that jumps."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from faults import scenarios, tiny
from needs import HANGS, posix_signals

import minigrad as mg

SIGNAL_SECONDS = float(os.environ.get("MINIGRAD_SIGNAL_SECONDS", "900"))
LONG_SECONDS = float(os.environ.get("MINIGRAD_LONG_SECONDS", "1800"))


@posix_signals
@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="as many moments are tried on one system")
def test_signals_at_random_moments_of_many_runs(tmp_path):
    program = [sys.executable, tiny.__file__, "train"]
    whole = tmp_path / "whole"
    begun = time.monotonic()
    subprocess.run([*program, *tiny.OPTIONS, "--run-dir", str(whole)], check=True, capture_output=True)
    takes = time.monotonic() - begun
    wanted = mg.load(whole / "checkpoint.pt")
    signals, runs, until = 0, 0, time.monotonic() + SIGNAL_SECONDS
    while time.monotonic() < until:
        runs += 1
        folder = tmp_path / f"run{runs}"
        for attempt in range(100):
            begun_here = (folder / "checkpoint.pt").exists()
            words = ["--resume"] if begun_here else tiny.OPTIONS
            workers = ["--workers", random.choice("02")]
            process = subprocess.Popen(
                [*program, *words, *workers, "--run-dir", str(folder)],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip
            number = random.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
            if attempt < 4:
                time.sleep(random.uniform(0.0, 1.2 * takes))
                os.killpg(process.pid, number)
                signals += 1
            _, said = process.communicate(timeout=HANGS)
            code = process.returncode
            assert code in (0, -number, 128 + number), (code, said)
            if code == 128 + number and "all is saved" in said:
                assert (folder / "checkpoint.pt").exists() and said.count("\n") == 1, said
            if (folder / "checkpoint.pt").exists():
                mg.load(folder / "checkpoint.pt")
            with pytest.raises(ProcessLookupError):  # no worker is left, or it is about to go
                for _ in range(20 * HANGS):
                    os.killpg(process.pid, 0)
                    time.sleep(0.05)
            if code == 0:
                break
        assert scenarios.same(mg.load(folder / "checkpoint.pt")["model"], wanted["model"])
        assert not list(folder.glob(".*.part"))
    print(f"{signals} signals in {runs} runs, in {SIGNAL_SECONDS:.0f} s")


def usage() -> tuple[int, int, int]:
    """Resident bytes, open files and threads of this process."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resident, len(os.listdir("/proc/self/fd")), threading.active_count()


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc")
def test_a_long_run_keeps_memory_files_and_threads_flat(tmp_path):
    seen, until, begun = [], time.monotonic() + LONG_SECONDS, time.monotonic()

    def watch(trainer, event) -> None:
        if event == "epoch" and len(trainer.history) % 100 == 20:
            seen.append(usage())
        if time.monotonic() > until and len(seen) >= 3:
            trainer.stop("the time is over")

    fitting, loader, validation = scenarios.make(tmp_path / "run", callbacks=[watch], checkpoint_every=None)
    fitting.scheduler = None
    history = fitting.fit(loader, validation, epochs=10**9)
    first, last = seen[1], seen[-1]  # the history grows: some hundred bytes an epoch
    assert last[0] < first[0] + 30_000_000 + 2_000 * len(history) and last[1:] == first[1:], (seen[:3], seen[-3:])
    hours = (time.monotonic() - begun) / 3600
    print(f"{hours:.2f} hours, {len(history):,} epochs, {fitting.step:,} steps: {first} to {last}")


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process is POSIX's")
def test_a_clock_and_a_time_zone_that_jump_change_nothing(tmp_path, monkeypatch):
    whole = scenarios.train(tmp_path / "whole")
    real = time.time

    def jump(trainer, event) -> None:
        monkeypatch.setenv("TZ", random.choice(["Asia/Tokyo", "America/Anchorage", "UTC"]))
        time.tzset()
        monkeypatch.setattr(time, "time", lambda: real() + random.choice([-86_400.0, 0.0, 3_600.0]))

    jumped = scenarios.train(tmp_path / "jumped", callbacks=[jump])
    monkeypatch.undo()
    time.tzset()
    assert scenarios.same(jumped.model.state_dict(), whole.model.state_dict())
    assert all(row["seconds"] >= 0 for row in jumped.history)
