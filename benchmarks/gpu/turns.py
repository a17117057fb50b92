"""Measured programs that wait for their turn: one process a library, so that a crash or a hang costs that one only."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

from benchmarks.runner import ROOT


class Lost(RuntimeError):
    """The program can be asked no more; says why."""


class Program:
    """`benchmarks.gpu.program` in a process of its own; asked line by line, never waited for without an end."""

    def __init__(self, library: str, kind: str, task: dict, environment: dict[str, str]):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  open as long as the program
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu.program"],
            cwd=ROOT,
            env=os.environ | environment | {"BENCHMARK_LIBRARY": library},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._reason = ""
        self._write([kind, task])

    def ask(self, request: dict, until: float) -> dict:
        """The answer; RuntimeError with the program's own words, Lost if it died or took longer than `until`."""
        if self._reason:
            raise Lost(self._reason)
        self._write(request)
        try:
            line = self._answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            self._lose("out of time")
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().strip().splitlines()
            self._lose(f"exit status {status}: {words[-1][:400] if words else 'no word'}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            try:
                pipe.close()
            except OSError:  # what was not yet written to it
                continue

    def _read(self) -> None:
        try:
            for line in self._process.stdout:
                self._answers.put(line)
        except ValueError:  # closed
            return
        self._answers.put("")

    def _write(self, message: object) -> None:
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError:  # it died; the next answer says so
            return

    def _lose(self, reason: str) -> None:
        self._reason = reason
        self._process.kill()
        raise Lost(reason)
