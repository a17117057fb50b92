"""A run that a signal, a closed terminal or a broken pipe stops, and a second one in its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import tiny
from needs import HANGS, posix_signals

import minigrad as mg

pytestmark = posix_signals
PROGRAM = [sys.executable, tiny.__file__, "train"]


def run(*words, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=HANGS, **options)


class Gated:
    """A process that trains in `folder`, stopped in its first step until `go`."""

    def __init__(self, folder: Path, *words, **options):
        self.gate = folder.with_name(f"{folder.name}-gate")
        self.gate.mkdir()
        environment = os.environ | {"TINY_GATE": str(self.gate)}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        self.process = subprocess.Popen([*PROGRAM, *map(str, words)], text=True, env=environment, **options)
        deadline = time.monotonic() + HANGS
        while not (self.gate / "waiting").exists():
            assert self.process.poll() is None and time.monotonic() < deadline, self.process.communicate()
            time.sleep(0.02)

    def go(self) -> tuple[int, str]:
        """Let it run to its end: the exit code and what it said on standard error."""
        (self.gate / "go").touch()
        _, said = self.process.communicate(timeout=HANGS)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run(*tiny.OPTIONS, "--run-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


def assert_same(folder: Path, whole: Path) -> None:
    assert (folder / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()
    own, other = (mg.load(place / "checkpoint.pt") for place in (folder, whole))
    assert all(mg.equal(own["model"][name], other["model"][name]) for name in other["model"])
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}


@pytest.mark.parametrize(("name", "workers"), [("SIGINT", 0), ("SIGTERM", 0), ("SIGHUP", 0), ("SIGTERM", 2)])
def test_a_signal_to_all_processes_saves(tmp_path, whole, name, workers):
    folder, number = tmp_path / "run", getattr(signal, name)
    options = [*tiny.OPTIONS, "--run-dir", folder, "--workers", workers]
    running = Gated(folder, *options, start_new_session=True, preexec_fn=ctrl_c_works)
    os.killpg(running.process.pid, number)
    code, said = running.go()
    assert code == 128 + number and said.count("\n") == 1, said
    assert "stopped in epoch 1" in said and f"train --resume --run-dir {folder}\n" in said
    done = run("--resume", "--run-dir", folder)
    assert done.returncode == 0 and "going on in epoch 1" in done.stdout
    assert_same(folder, whole)


def ctrl_c_works() -> None:
    """Programs that a shell starts in the background have SIGINT ignored, and hand that on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_terminal_that_closes_saves(tmp_path, whole):
    folder = tmp_path / "run"
    ours, theirs = os.openpty()
    options = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    running = Gated(folder, *tiny.OPTIONS, "--run-dir", folder, **options, preexec_fn=takes_the_terminal)
    os.close(theirs)
    os.close(ours)  # the kernel sends SIGHUP; what is written from now on is EIO
    assert running.go()[0] == 128 + signal.SIGHUP
    assert run("--resume", "--run-dir", folder).returncode == 0
    assert_same(folder, whole)


def takes_the_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_a_pipe_that_nobody_reads_does_not_stop_a_run(tmp_path, whole, closed):
    folder = tmp_path / "run"
    running = Gated(folder, *tiny.OPTIONS, "--run-dir", folder)
    process = running.process
    for name in ("stdout", "stderr") if closed == "both" else (closed,):
        getattr(process, name).close()
        setattr(process, name, None)
    assert running.go()[0] == 0
    assert_same(folder, whole)


def test_no_output_at_all_does_not_stop_a_run(tmp_path, whole):
    folder = tmp_path / "run"
    command = " ".join(map(str, [*PROGRAM, *tiny.OPTIONS, "--run-dir", folder]))
    done = subprocess.run(["sh", "-c", f"exec {command} >&- 2>&-"], timeout=HANGS, check=False)
    assert done.returncode == 0
    assert_same(folder, whole)


def test_a_second_process_is_refused_while_the_first_lives(tmp_path, whole):
    folder = tmp_path / "run"
    running = Gated(folder, *tiny.OPTIONS, "--run-dir", folder)
    files = {path: path.read_bytes() for path in folder.iterdir()}
    refused = run("--resume", "--run-dir", folder)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert f"{folder} is in use: process {running.process.pid} on " in refused.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == files
    running.process.kill()
    running.process.communicate(timeout=HANGS)
    done = run("--resume", "--run-dir", folder)
    assert done.returncode == 0, done.stderr
    assert_same(folder, whole)


def test_of_two_that_begin_at_once_one_is_refused(tmp_path, whole):
    folder = tmp_path / "run"
    command = [*PROGRAM, *tiny.OPTIONS, "--run-dir", str(folder)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=HANGS)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) in ([0, 1], [0, 2]), said  # in use, or a run already
    assert " is in use: " in "".join(said) or "holds a run already" in "".join(said)
    assert_same(folder, whole)
