"""MNIST's kin, and CIFAR's Python version: written here byte by byte, as the originals are."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import DataLoader
from minigrad.vision.datasets import CIFAR10, CIFAR100, EMNIST, KMNIST, QMNIST
from minigrad.vision.transforms import ToTensor

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (5, 28, 28), np.uint8)
CLASSES = np.array([1, 26, 3, 2, 0], np.uint8)


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def idx(array: np.ndarray) -> bytes:
    kind, dtype = (8, np.uint8) if array.dtype == np.uint8 else (12, ">i4")
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return head + array.astype(dtype).tobytes()


def put(folder: Path, **files: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", "-")).write_bytes(content)


def test_kmnist(tmp_path):
    put(tmp_path / "KMNIST/raw", t10k_images_idx3_ubyte=idx(PICTURES), t10k_labels_idx1_ubyte=idx(CLASSES))
    data = KMNIST(tmp_path, train=False, transform=ToTensor())
    assert mg.equal(data[1][0], mg.from_numpy(PICTURES[1:2] / np.float32(255))) and data[1][1] == 26
    assert data.class_to_idx["ki"] == 1 and len(next(iter(DataLoader(data, 5)))[0]) == 5
    with pytest.raises(RuntimeError, match="KMNIST: train-images-idx3-ubyte.gz .* is not in .*download=True"):
        KMNIST(tmp_path)


def test_emnist(tmp_path):
    put(tmp_path / "EMNIST/raw", **{"emnist-letters-test-images-idx3-ubyte": idx(PICTURES),
                                    "emnist-letters-test-labels-idx1-ubyte": idx(CLASSES)})  # fmt: skip
    data = EMNIST(tmp_path, split="letters", train=False)
    assert data[1][1] == 26 and data.classes[26] == "z" and len(data.classes) == 27
    assert {split: len(names) for split, names in EMNIST.classes_split_dict.items()} == {
        "byclass": 62, "bymerge": 47, "balanced": 47, "letters": 27, "digits": 10, "mnist": 10
    }  # fmt: skip
    with pytest.raises(ValueError, match="EMNIST: split must be one of byclass, .*, got 'greek'"):
        EMNIST(tmp_path, split="greek")


def test_emnist_takes_its_files_out_of_the_archive(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        for part, array in (("images-idx3", PICTURES), ("labels-idx1", CLASSES)):
            files.writestr(f"gzip/emnist-digits-train-{part}-ubyte.gz", gzip.compress(idx(array)))
    server = tmp_path / "server"
    put(server, **{"gzip.zip": buffer.getvalue()})
    members = {"mirrors": [server.as_uri()], "checksum": "md5:" + hashlib.md5(buffer.getvalue()).hexdigest()}
    kind = type("EMNIST", (EMNIST,), members)
    data = kind(tmp_path / "d", split="digits", download=True)
    np.testing.assert_array_equal(data.data.numpy(), PICTURES)
    with pytest.raises(RuntimeError, match=r"gzip.zip is damaged .*emnist-mnist-train-images"):
        kind(tmp_path / "d", split="mnist", download=True)
    kind.checksum = "md5:" + "0" * 32
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        kind(tmp_path / "e", split="digits", download=True)


def test_qmnist(tmp_path):
    labels = np.arange(40).reshape(5, 8).astype(np.int32) * 100_000
    raw = tmp_path / "QMNIST/raw"
    put(raw, qmnist_test_images_idx3_ubyte=idx(PICTURES))
    put(raw, **{"qmnist-test-labels-idx2-int.gz": gzip.compress(idx(labels))})
    data = QMNIST(tmp_path, train=False)
    assert data[2][1] == 1_600_000 and data.targets.shape == (5, 8) and data.targets.dtype == mg.int64
    _, target = QMNIST(tmp_path, what="test", compat=False)[2]
    assert target.tolist() == labels[2].tolist()
    assert len(QMNIST(tmp_path, what="test10k")) == 5 and len(QMNIST(tmp_path, what="test50k")) == 0
    images, targets = next(iter(DataLoader(QMNIST(tmp_path, train=False, transform=ToTensor()), 5)))
    assert images.shape == (5, 1, 28, 28) and targets.tolist() == labels[:, 0].tolist()
    put(raw, **{"xnist-images-idx3-ubyte.xz": lzma.compress(idx(PICTURES))}, xnist_labels_idx2_int=idx(labels))
    assert "Split: nist" in repr(QMNIST(tmp_path, what="nist"))
    with pytest.raises(ValueError, match="QMNIST: what must be one of train, .*, got 'all'"):
        QMNIST(tmp_path, what="all")
    put(raw, xnist_images_idx3_ubyte=b"\xfd7zXZ nonsense")
    with pytest.raises(RuntimeError, match="is damaged"):
        QMNIST(tmp_path, what="nist")
    put(raw, xnist_images_idx3_ubyte=idx(PICTURES), xnist_labels_idx2_int=idx(CLASSES))
    with pytest.raises(RuntimeError, match="is not an IDX file of 32-bit integers"):
        QMNIST(tmp_path, what="nist")


def text(value: str | bytes) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value


def pickled(value) -> bytes:
    """What Python 2's cPickle wrote in protocol 2: strings of bytes, and NumPy's array by its old names."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return b"K" + bytes([value])
    if isinstance(value, list):
        return b"](" + b"".join(map(pickled, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(pickled(key) + pickled(item) for key, item in value.items()) + b"u"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
    dtype = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|") + b"NNN" + b"J\xff\xff\xff\xff" * 2
    shape = b"M" + struct.pack("<H", value.shape[0]) + b"M" + struct.pack("<H", value.shape[1]) + b"\x86"
    return empty + b"(K\x01" + shape + dtype + b"K\x00tb\x89" + text(value.tobytes()) + b"tb"


def dumped(value) -> bytes:
    return b"\x80\x02" + pickled(value) + b"."


PIXELS = RNG.integers(0, 256, (12, 3072), np.uint8)


def put_cifar(folder: Path) -> None:
    batches = {f"data_batch_{n}": [2 * n - 2, 2 * n - 1] for n in range(1, 6)} | {"test_batch": [10, 11]}
    for name, rows in batches.items():
        entry = {"batch_label": "a batch", "labels": [row % 10 for row in rows], "data": PIXELS[rows],
                 "filenames": [f"{row}.png" for row in rows]}  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(dumped(entry))
    (folder / "batches.meta").write_bytes(dumped({"label_names": ["airplane", "automobile"], "num_vis": 255}))


def test_the_pickles_here_are_pythons(tmp_path):
    put_cifar(tmp_path)
    entry = pickle.loads((tmp_path / "test_batch").read_bytes(), encoding="latin1")
    np.testing.assert_array_equal(entry["data"], PIXELS[10:])
    assert entry["labels"] == [0, 1] and entry["filenames"][0] == "10.png"


@pytest.mark.parametrize("place", ["cifar-10-batches-py", ""])
def test_cifar10_of_the_python_version(tmp_path, place):
    put_cifar(tmp_path / place)
    data = CIFAR10(tmp_path)
    np.testing.assert_array_equal(data.data.transpose(0, 3, 1, 2).reshape(10, -1), PIXELS[:10])
    assert data.targets == list(range(10)) and data.classes == ["airplane", "automobile"]
    image, target = CIFAR10(tmp_path, train=False)[1]
    np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1).ravel(), PIXELS[11])
    assert target == 1


def test_cifar100_of_the_python_version_in_its_archive(tmp_path):
    buffer = io.BytesIO()
    entry = {"fine_labels": [77], "coarse_labels": [4], "data": PIXELS[:1], "filenames": ["x.png"]}
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in (("train", entry), ("test", entry), ("meta", {"fine_label_names": ["apple"]})):
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(dumped(content))
            tar.addfile(info, io.BytesIO(dumped(content)))
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(buffer.getvalue())
    data = CIFAR100(tmp_path)
    assert data.targets == [77] and data.classes == ["apple"] and (tmp_path / "cifar-100-python/meta").is_file()


class Evil:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(Evil(), 2), "asks for"),
        (b"nonsense", "is damaged"),
        (dumped([1]), "holds no dictionary"),
        (dumped({"data": PIXELS[:2], "labels": [1]}), "no images and labels that fit"),
        (dumped({"data": PIXELS[:2, :5], "labels": [1, 2]}), "no images and labels that fit"),
    ],
)
def test_a_damaged_pickle_is_one_clear_error_and_runs_nothing(tmp_path, content, words, capsys):
    put_cifar(tmp_path)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(RuntimeError, match=words) as caught:
        CIFAR10(tmp_path, train=False)
    assert "\n" not in str(caught.value) and "this ran" not in capsys.readouterr().out
