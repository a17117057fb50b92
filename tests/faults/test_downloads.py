"""Mirrors that answer with anything: a download ends with the right file, or in one line."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from minigrad.vision.datasets import download as module
from minigrad.vision.datasets.download import download

BODY = bytes(range(256)) * 2000  # half a megabyte
SUM = hashlib.sha256(BODY).hexdigest()


class Mirrors(BaseHTTPRequestHandler):
    """Each answers in its own way to /NAME/file."""

    def do_GET(self):
        way = self.path.split("/")[1]
        wanted = self.headers.get("Range")
        self.server.asked.append((way, wanted))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        getattr(self, way)(start)

    def answer(self, status, body, length=None, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body) if length is None else length, **headers}.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, start, end=None):
        body, headers = BODY[start:end], {"Content_Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        self.answer(206 if start else 200, body, len(BODY) - start, **(headers if start else {}))

    def good(self, start):
        self.part(start)

    def whole(self, start):  # it knows of no parts
        self.answer(200, BODY)

    def half(self, start):  # 100,000 bytes at a time
        self.part(start, start + 100_000)

    def begins_wrong(self, start):
        self.answer(200, b"x" * 1000, len(BODY))

    def wrong(self, start):
        self.answer(200, b"x" * len(BODY))

    def missing(self, start):
        self.send_error(404)

    def loop(self, start):
        self.answer(302, b"", Location=self.path)

    def elsewhere(self, start):
        self.answer(302, b"", Location="file:///etc/passwd")

    def silent(self, start):
        time.sleep(4)

    def drip(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        for byte in BODY:
            self.wfile.write(bytes([byte]))
            time.sleep(0.02)

    def endless(self, start):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def lies(self, start):  # it answers with another part
        self.answer(206 if start else 200, BODY, Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that hangs up
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "TIMEOUT", 1)
    monkeypatch.setattr(module, "PATIENCE", 1)
    monkeypatch.setattr(module, "MOST_BYTES", 5_000_000)
    server = Server(("127.0.0.1", 0), Mirrors)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        (["missing", "good"], "404"),
        (["loop", "good"], "infinite loop"),
        (["elsewhere", "good"], "not allowed"),
        (["silent", "good"], "timed out"),
        (["drip", "good"], "slower than 1000 bytes a second"),
        (["endless", "good"], "more than 5,000,000 bytes"),
        (["wrong", "good"], "wrong checksum"),
        (["begins_wrong", "good"], "broke off after 1000 of 512000 bytes"),
        (["begins_wrong", "whole"], "broke off"),
        (["half", "lies", "good"], "another part of the file"),
        (["half", "good"], "broke off after 500000 of 512000 bytes"),
    ],
)
def test_the_right_file_comes_of_the_mirror_that_has_it(server, tmp_path, capsys, ways, said):
    path = download("file", SUM, [f"{server.url}/{way}" for way in ways], tmp_path)
    assert path.read_bytes() == BODY and [entry.name for entry in tmp_path.iterdir()] == ["file"]
    told = capsys.readouterr().err
    assert said in told and told.count("trying the next mirror") == len(ways) - 1


def test_what_has_come_is_not_asked_for_again(server, tmp_path):
    download("file", SUM, [f"{server.url}/half", f"{server.url}/good"], tmp_path, progress=False)
    starts = [None, *(f"bytes={size}-" for size in range(100_000, 500_001, 100_000))]
    assert server.asked == [("half", start) for start in starts[:5]] + [("good", starts[5])]


def test_one_line_where_no_mirror_has_it_and_nothing_remains(server, tmp_path):
    (tmp_path / "file").write_bytes(b"of yesterday")
    with pytest.raises(RuntimeError, match="^file could not be downloaded from any of: http.*missing, http.*wrong$"):
        download("file", SUM, [f"{server.url}/missing", f"{server.url}/wrong"], tmp_path, progress=False)
    assert (tmp_path / "file").read_bytes() == b"of yesterday" and len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_is_full_is_not_the_mirrors_fault(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "cannot write 'file': No space left on device")

    monkeypatch.setattr(module._Arriving, "add", full)
    with pytest.raises(OSError, match="No space left"):
        download("file", SUM, [f"{server.url}/good", f"{server.url}/whole"], tmp_path, progress=False)
    assert server.asked == [("good", None)] and not list(tmp_path.iterdir())


def test_two_processes_that_download_one_file(server, tmp_path):
    code = f"""
from pathlib import Path
from minigrad.vision.datasets.download import download
download("file", {SUM!r}, ["{server.url}/half", "{server.url}/good"], Path({str(tmp_path)!r}), progress=False)
"""
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "file").read_bytes() == BODY and len(list(tmp_path.iterdir())) == 1
