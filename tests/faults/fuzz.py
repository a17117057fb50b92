"""Files from strangers: every reader is fed bytes that nobody wrote.

`python tests/faults/fuzz.py READER SECONDS [FOLDER]`. With a FOLDER atheris is guided by what the reader's code does
with an input, and keeps there what is new; else sound files are changed at random. A reader may only answer, or raise
the one line of error that its users see.
"""

from __future__ import annotations

import atexit
import gzip
import io
import json
import pickle
import random
import resource
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import minigrad as mg

PLACE = Path(tempfile.mkdtemp(prefix="minigrad-fuzz-"))
atexit.register(shutil.rmtree, PLACE, ignore_errors=True)
MEMORY = 2 << 30  # bytes that a reader may take more than it has: an input is of a few kilobytes
SLOW = 20.0  # seconds after which an input is a bomb, on a machine however busy


def as_file(name: str, content: bytes) -> Path:
    path = PLACE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def load(content: bytes) -> None:
    mg.load(as_file("a.pt", content))


def load_skipping(content: bytes) -> None:
    mg.load(as_file("a.pt", content), skip_unknown=True)


def idx(content: bytes) -> None:
    from minigrad.vision.datasets.files import read_idx

    read_idx(as_file("a-idx3-ubyte", content))


def cifar(content: bytes) -> None:
    from minigrad.vision.datasets import CIFAR10

    as_file("cifar/cifar-10-batches-bin/batches.meta.txt", b"a b c d e f g h i j")
    as_file("cifar/cifar-10-batches-bin/test_batch.bin", content)
    CIFAR10(PLACE / "cifar", train=False)


def cifar_python(content: bytes) -> None:
    from minigrad.vision.datasets.cifar_python import read_batch

    read_batch(as_file("test_batch", content), "labels")


def cifar_archive(content: bytes) -> None:
    from minigrad.vision.datasets.cifar import CIFAR10

    CIFAR10.__new__(CIFAR10)._unpack(as_file("archive/cifar.tar.gz", content), False)


def picture(content: bytes) -> None:
    from minigrad.vision.io import decode_image

    decode_image(mg.from_numpy(np.frombuffer(bytearray(content), np.uint8)))


def configuration(content: bytes) -> None:
    from minigrad.command.runs import Config

    as_file("run/config.json", content)
    Config.load(PLACE / "run")


def notebook(content: bytes) -> None:
    from minigrad.command.notebook import code_cells

    code_cells(as_file("a.ipynb", content))


def log(content: bytes) -> None:
    from minigrad.train.logs import Logs

    as_file("log/log.jsonl", content)
    Logs(PLACE / "log").rewind([], 3)


def saved(value: object, suffix: str) -> bytes:
    mg.save(value, PLACE / f"seed{suffix}")
    return (PLACE / f"seed{suffix}").read_bytes()


def legacy(value: object) -> bytes:
    """PyTorch's old format, of a value without tensors."""
    from minigrad.serialize.pytorch import LEGACY_MAGIC_NUMBER, LEGACY_PROTOCOL

    parts = (LEGACY_MAGIC_NUMBER, LEGACY_PROTOCOL, {"little_endian": True}, value, [])
    return b"".join(pickle.dumps(part, 2) for part in parts)


def seeds(reader: str) -> list[bytes]:
    """Sound files, made anew: none is kept."""
    state = {"w": mg.arange(6.0).reshape(2, 3), "n": [1, 2.5, "x", None, (True, {3})], "b": mg.ones(2).bool()}
    if reader.startswith("load"):
        plain = {"a": [1, (2, "x")], "b": b"y" * 9, "c": np.arange(4), "d": {1, 2}}
        weights = {"w": mg.ones(2, 2), "v": mg.ones(3).double()}
        return [saved(state, ".pt"), saved(weights, ".safetensors"), legacy(plain), legacy([])]
    if reader == "idx":
        plain_idx = bytes([0, 0, 8, 3]) + struct.pack(">3i", 2, 3, 4) + bytes(24)
        return [plain_idx, gzip.compress(plain_idx)]
    if reader == "cifar":
        return [bytes(3073), bytes(2 * 3073)]
    if reader == "cifar_python":
        return [pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [3]}, 2)]
    if reader == "cifar_archive":
        return [archive({f"cifar-10-batches-bin/{name}": bytes(99) for name in ("test_batch.bin", "batches.meta.txt")})]
    if reader == "picture":
        pictures = []
        for kind in ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP", "GIF"):
            file = io.BytesIO()
            Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(file, format=kind)
            pictures.append(file.getvalue())
        return pictures
    if reader == "configuration":
        fields = dict(model="lenet5", data="sample", recipe="quick-lenet", epochs=2, batch_size=32, lr=0.1, seed=0,
                      classes=["a"], input_shape=[1, 28, 28], trainer={"ema": 0.9})  # fmt: skip
        return [json.dumps(fields).encode()]
    if reader == "notebook":
        return [json.dumps({"cells": [{"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"]}]}).encode()]
    return [b'{"event": "step", "step": 1}\n{"event": "epoch", "step": 2, "epoch": 1}\n']


def archive(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


# The reader, and what its users see of a bad file.
READERS: dict[str, tuple[Callable[[bytes], None], tuple[type[Exception], ...]]] = {
    "load": (load, (RuntimeError,)),
    "load_skipping": (load_skipping, (RuntimeError,)),
    "idx": (idx, (RuntimeError,)),
    "cifar": (cifar, (RuntimeError,)),
    "cifar_python": (cifar_python, (RuntimeError,)),
    "cifar_archive": (cifar_archive, (RuntimeError,)),
    "picture": (picture, (RuntimeError,)),
    "configuration": (configuration, (RuntimeError,)),
    "notebook": (notebook, (RuntimeError,)),
    "log": (log, ()),
}


def feed(reader: str, content: bytes) -> None:
    """Give a reader an input; any other exception than its own comes out, and so does what takes long."""
    function, own = READERS[reader]
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function(content)
    except own as error:
        assert "\n" not in str(error), error
    taken = time.process_time() - begun
    assert taken < SLOW, f"{reader} took {taken:.0f} s for {len(content)} bytes"


def changed(content: bytes, others: list[bytes]) -> bytes:
    """A file with a few bytes changed, taken out, repeated, or taken from another."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 8))):
        at, length = random.randrange(len(data) + 1), random.choice((1, 1, 2, 4, 8, 64))
        match random.randrange(7):
            case 0:
                data[at : at + length] = random.randbytes(length)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length] * random.choice((1, 2, 50))
            case 3:
                data[at : at + 1] = bytes([random.choice((0, 1, 127, 128, 255))])
            case 4:
                other = random.choice(others)
                start = random.randrange(len(other) + 1)
                data[at:at] = other[start : start + length]
            case 5:
                data[at : at + 4] = struct.pack("<I", random.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
            case _:
                for place in range(at, min(at + 1, len(data))):
                    data[place] ^= 1 << random.randrange(8)
    return bytes(data)


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))


def at_random(reader: str, seconds: float, seed: int | None = None) -> int:
    """Feed a reader for some seconds; how many inputs it got."""
    random.seed(seed)
    files = seeds(reader)
    for content in files:
        feed(reader, content)
    limit_memory()
    tried, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        content = changed(random.choice(files), files)
        if reader.startswith("load") and content.startswith(b"PK") and random.random() < 0.5:
            content = with_pickle(content, files)
        try:
            feed(reader, content)
        except BaseException:
            print(f"{reader}: {len(content)} bytes: {content[:400]!r}", file=sys.stderr)
            raise
        tried += 1
    return tried


def with_pickle(content: bytes, files: list[bytes]) -> bytes:
    """A zip archive whose sums are right, with a changed pickle: the sums would keep the changes from the reader."""
    sound = next(file for file in files if file.startswith(b"PK"))
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound)) as old, zipfile.ZipFile(whole, "w") as new:
        for name in old.namelist():
            member = old.read(name)
            new.writestr(name, changed(member, [member]) if name.endswith(".pkl") else member)
    return whole.getvalue()


def guided(reader: str, seconds: float, folder: Path) -> None:
    """The same by atheris, which ends the process when an input fails."""
    import atheris

    for number, content in enumerate(seeds(reader)):
        (folder / f"seed-{number}").write_bytes(content)
    feed(reader, seeds(reader)[0])
    atheris.instrument_all()
    options = [f"-max_total_time={int(seconds)}", "-max_len=8192", "-timeout=60", f"-rss_limit_mb={4096}", str(folder)]
    atheris.Setup([sys.argv[0], *options], lambda content: feed(reader, content))
    atheris.Fuzz()


def main() -> None:
    reader, seconds = sys.argv[1], float(sys.argv[2])
    if len(sys.argv) > 3:
        Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
        guided(reader, seconds, Path(sys.argv[3]))
        return
    print(f"{reader}: {at_random(reader, seconds):,} inputs")


if __name__ == "__main__":
    main()
