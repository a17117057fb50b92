"""Several processes with the same files, several threads with the same model, and forks beside both."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from faults import scenarios
from needs import HANGS

import minigrad as mg
from minigrad.train.lock import RunLock

COMPILE = """
import sys
import numpy as np
import made_up_kernels
kind = np.dtype(sys.argv[1]).type
for size in range(1, 4):
    x = np.arange(6, dtype=kind).reshape((1,) * (size - 1) + (6,))
    assert made_up_kernels.double(x).dtype == kind and (made_up_kernels.double(x) == x + x).all(), kind
print(sum(made_up_kernels.double.stats.cache_hits.values()))
"""
KERNELS = """
from minigrad.kernels.cpu.jit import jit

@jit
def double(x):
    return x + x
"""


def test_processes_that_compile_one_kernel_for_several_types_at_once(tmp_path):
    (tmp_path / "made_up_kernels.py").write_text(KERNELS)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def run() -> list[str]:
        kinds = ["float32", "float64", "int64", "int32"]
        running = [
            subprocess.Popen(
                [sys.executable, "-c", COMPILE, kind],
                env=environment | {"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for kind in kinds
        ]  # fmt: skip
        said = [process.communicate(timeout=HANGS) for process in running]
        assert [process.returncode for process in running] == [0] * 4, said
        return [out.strip() for out, _ in said]

    run()
    run()  # of indices written at once one may be lost: what it named is compiled again
    files = [file.name for file in (tmp_path / "__pycache__").iterdir()]
    assert len([name for name in files if name.endswith(".nbc")]) == 12 and not [n for n in files if ".tmp" in n]


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file cannot be replaced")
def test_a_checkpoint_is_read_while_it_is_written(tmp_path):
    states = [{"step": step, "w": mg.full((200, 200), float(step))} for step in range(40)]
    mg.save(states[0], tmp_path / "a.pt")
    read, done = [], threading.Event()

    def reader() -> None:
        while not done.is_set():
            found = mg.load(tmp_path / "a.pt")
            assert (found["w"] == found["step"]).all().item()
            read.append(found["step"])

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    for state in states:
        mg.save(state, tmp_path / "a.pt")
    done.set()
    for thread in threads:
        thread.join(HANGS)
    assert len(read) >= 2 and [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_thread_trains_while_another_evaluates_and_both_are_exact(tmp_path):
    whole, loader, validation = scenarios.make(None, checkpoint_every=None, mixup=None)
    whole.fit(loader, validation, epochs=2)
    other, _, _ = scenarios.make(None, checkpoint_every=None)
    batches = list(
        validation
    )  # a loader draws from the generator that all threads share, and so would change the training
    wanted = other.evaluate(batches)["loss"]
    fitting, loader, validation = scenarios.make(None, checkpoint_every=None, mixup=None)
    found, done = [], threading.Event()

    def evaluate() -> None:
        while not done.is_set() or not found:
            found.append(other.evaluate(batches)["loss"])

    thread = threading.Thread(target=evaluate)
    thread.start()
    fitting.fit(loader, validation, epochs=2)
    done.set()
    thread.join(HANGS)
    assert set(found) == {wanted}
    assert scenarios.same(fitting.model.state_dict(), whole.model.state_dict())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork is not safe beside the system's libraries")
def test_a_fork_after_kernels_have_run_computes_and_trains():
    from faults.inject import in_child

    whole, loader, validation = scenarios.make(None, checkpoint_every=None)
    losses = [row["loss"] for row in whole.fit(loader, validation, epochs=2)]

    def again() -> list[float]:
        fitting, loader, validation = scenarios.make(None, checkpoint_every=None)
        return [row["loss"] for row in fitting.fit(loader, validation, epochs=2)]

    for _ in range(3):
        state, found = in_child(again)
        assert state == "done" and found == pytest.approx(losses, rel=1e-6)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_a_lock_goes_with_its_process_and_is_not_inherited(tmp_path):
    code = f"""
import os, sys, time
from pathlib import Path
from minigrad.train.lock import RunLock
lock = RunLock(Path({str(tmp_path)!r}))
lock.acquire()
if os.fork() == 0:
    sys.stdout.close()
    time.sleep({HANGS})
    os._exit(0)
print("held", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "held\n"
    lock = RunLock(tmp_path)
    with pytest.raises(RuntimeError, match=f"{tmp_path} is in use: process {process.pid} on .* trains there"):
        lock.acquire()
    process.kill()
    process.wait()
    lock.acquire()  # though the fork lives
    os.killpg(process.pid, 9)
    assert lock.path.read_text().startswith(f"process {os.getpid()} on ")
    lock.release()
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize("error", [38, 37, 95])
def test_where_there_are_no_locks_a_run_trains_all_the_same(tmp_path, monkeypatch, error):
    def none(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("minigrad.train.lock._lock", none)
    scenarios.train(Path(tmp_path))
    assert (tmp_path / "run/checkpoint.pt").exists()
