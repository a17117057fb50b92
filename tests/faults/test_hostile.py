"""Files from strangers: damaged at random, bombs, and links that lead elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import symbolic_links
from PIL import Image

from minigrad.vision.datasets import ImageFolder

HERE = Path(__file__).parent
READERS = (
    "load", "load_skipping", "idx", "cifar", "cifar_python", "cifar_archive", "picture", "configuration", "notebook",
    "log",
)  # fmt: skip
linux = pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")


def run(program: str, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(HERE / program), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@linux
def test_files_damaged_at_random_are_refused_in_one_line():
    assert sum(int(run("fuzz.py", reader, "2").split()[-2].replace(",", "")) for reader in READERS) > 1000


@linux
@pytest.mark.nightly
@pytest.mark.parametrize("reader", READERS)
def test_a_fuzzer_that_watches_the_code_finds_nothing(reader, tmp_path):
    seconds = float(os.environ.get("MINIGRAD_FUZZ_SECONDS", "600"))
    folder = Path(os.environ.get("MINIGRAD_FUZZ_CORPUS", tmp_path)) / reader
    if importlib.util.find_spec("atheris"):
        run("fuzz.py", reader, str(seconds), str(folder))
    else:
        print(run("fuzz.py", reader, str(seconds)))


@linux
def test_bombs_are_refused_before_memory_is_taken():
    results = [json.loads(line) for line in run("bombs.py").splitlines() if line.startswith("{")]
    assert len(results) >= 15
    for result in results:
        name, said = result["name"], result["said"]
        assert result["seconds"] < 20 and said.isprintable(), name
        assert said.startswith("RuntimeError: ") or name == "tensor of one element, 2^60 times", (name, said)


@symbolic_links
def test_links_that_go_round_in_a_folder_of_pictures_end(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name / "more").mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name / "more" / "1.png")
    for number, target in enumerate(("..", "../..", "../../dog", "../../cat", ".")):
        os.symlink(target, tmp_path / "dog" / "more" / f"round{number}")
    Image.new("RGB", (2, 2)).save(tmp_path / "shared.png")
    os.symlink("../shared.png", tmp_path / "cat" / "2.png")  # as torchvision does, a link is read
    data = ImageFolder(tmp_path)
    names = [os.path.relpath(path, tmp_path) for path, _ in data.samples]
    assert names == [
        "cat/2.png",
        "cat/more/1.png",
        "dog/more/1.png",
        "dog/more/round3/2.png",
        "dog/more/round3/more/1.png",
    ]
