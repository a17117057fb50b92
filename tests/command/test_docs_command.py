"""`minigrad docs` and `minigrad lesson N`: which page is opened, and what is said where there is none."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from minigrad.command import docs
from minigrad.command.main import main


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone whose site is built: two pages."""
    lessons = tmp_path / "docs" / "site" / "learn" / "lessons"
    lessons.mkdir(parents=True)
    (tmp_path / "docs" / "site" / "index.html").write_text("<title>minigrad</title>")
    (lessons / "3_convolution_as_im2col.html").write_text("<title>im2col</title>")
    monkeypatch.setattr(docs, "CLONE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command, title", [(["docs"], "<title>minigrad</title>"), (["lesson", "3"], "<title>im2col</title>")]
)
def test_the_page_is_served_and_opened(command, title, clone, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(docs.webbrowser, "open", opened.append)

    def once(server):
        import threading

        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with urllib.request.urlopen(opened[-1], timeout=30) as answer:
            assert answer.read().decode() == title
        thread.join()

    monkeypatch.setattr(docs.http.server.ThreadingHTTPServer, "serve_forever", once)
    assert main([*command, "--port", "0"]) == 0
    assert opened[0] in capsys.readouterr().out


def test_a_port_in_use_is_one_line(clone, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["docs", "--port", str(taken.getsockname()[1])]) == 1
    assert "cannot be used" in capsys.readouterr().err


def test_without_a_clone_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(docs, "CLONE", tmp_path)
    assert main(["docs"]) == 1
    assert "is built in a clone of the repository" in capsys.readouterr().err


def test_a_lesson_that_there_is_not(capsys):
    assert main(["lesson", "7"]) == 2
    assert "7" in capsys.readouterr().err
