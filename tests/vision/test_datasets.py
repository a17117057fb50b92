"""Data sets: where files are looked for, what downloads survive, and that the arrays are the files' own."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigrad.vision.datasets import (
    CIFAR10,
    CIFAR100,
    MNIST,
    DatasetFolder,
    FakeData,
    FashionMNIST,
    FashionMNISTSample,
    ImageFolder,
)
from minigrad.vision.datasets.files import read_idx
from minigrad.vision.datasets.make_sample import first_of_each_class, make_sample

FULL = Path("/usr/share/datasets/fashion-mnist")
needs_full_set = pytest.mark.skipif(not FULL.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    """No test sees the user's cache, the system's data sets, or a proxy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "minigrad"


def idx(array: np.ndarray) -> bytes:
    """An IDX file as its specification has it, written independently of the package."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


PICTURES = np.arange(3 * 28 * 28, dtype=np.uint32).reshape(3, 28, 28).astype(np.uint8)
CLASSES = np.array([7, 0, 2], np.uint8)


def put(folder: Path, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((IMAGES, PICTURES), (LABELS, CLASSES)):
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("folder", ["MNIST/raw", "MNIST", ""])
def test_mnist_is_found_under_root(tmp_path, folder, packed):
    put(tmp_path / "data" / folder, packed)
    data = MNIST(tmp_path / "data", train=False)
    assert len(data) == 3
    assert data.data.dtype == np.uint8 and data.targets.dtype == np.int64
    np.testing.assert_array_equal(data.data.array, PICTURES)
    image, target = data[1]
    assert isinstance(image, Image.Image) and image.mode == "L" and type(target) is int and target == 0
    np.testing.assert_array_equal(np.asarray(image), PICTURES[1])
    assert data.class_to_idx["7 - seven"] == 7
    assert [target for _, target in data] == [7, 0, 2]


def test_the_cache_comes_after_root(tmp_path, no_cache):
    put(no_cache / "MNIST" / "raw")
    assert len(MNIST(train=False)) == 3
    other = tmp_path / "root"
    other.mkdir()
    (other / f"{IMAGES}.gz").write_bytes(gzip.compress(idx(PICTURES[:1])))
    (other / LABELS).write_bytes(idx(CLASSES[:1]))
    assert len(MNIST(other, train=False)) == 1
    assert len(MNIST(tmp_path / "elsewhere", train=False)) == 3


def test_transforms_and_repr(tmp_path):
    put(tmp_path)
    data = MNIST(str(tmp_path), train=False, transform=lambda i: i.size, target_transform=lambda t: -t)
    assert data[0] == ((28, 28), -7)
    lines = repr(data).splitlines()
    assert lines[:4] == [
        "Dataset MNIST",
        "    Number of datapoints: 3",
        f"    Root location: {tmp_path}",
        "    Split: Test",
    ]
    assert "Transform: " in lines[4] and "Target transform: " in lines[5]


def test_nothing_found_says_where_was_looked_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "system_folders", (tmp_path / "system",))
    with pytest.raises(RuntimeError) as caught:
        FashionMNIST(tmp_path / "root")
    message = str(caught.value)
    assert "\n" not in message
    for part in (tmp_path / "root" / "FashionMNIST" / "raw", tmp_path / "cache", tmp_path / "system"):
        assert str(part) in message
    for part in (
        "download=True",
        "apt-get install dataset-fashion-mnist",
        "FashionMNISTSample",
        "train-images",
    ):
        assert part in message
    assert not (tmp_path / "root").exists()


def test_the_system_folder_is_the_last_place(tmp_path, monkeypatch):
    monkeypatch.setattr(FashionMNIST, "system_folders", (put(tmp_path / "system"),))
    assert len(FashionMNIST(tmp_path / "root", train=False)) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(idx(PICTURES))[:-20], "damaged"),
        (gzip.compress(idx(PICTURES))[:40] + b"xx" + gzip.compress(idx(PICTURES))[42:], "damaged"),
        (idx(PICTURES)[:-1], "damaged: shape"),
        (idx(PICTURES) + b"x", "damaged: shape"),
        (b"", "not an IDX file"),
        (b"<html>moved</html>", "not an IDX file"),
        (b"\0\0\x0d\x01" + b"\0" * 8, "not an IDX file of unsigned bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "damaged"),
    ],
)
def test_damaged_files_are_one_clear_error(tmp_path, content, words):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(RuntimeError, match=words) as caught:
        read_idx(tmp_path / "x")
    assert "\n" not in str(caught.value) and str(tmp_path / "x") in str(caught.value)


def test_images_and_labels_must_fit(tmp_path):
    put(tmp_path)
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(idx(CLASSES[:2])))
    with pytest.raises(RuntimeError, match=r"\(3, 28, 28\).*\(2,\)"):
        MNIST(tmp_path, train=False)


@pytest.fixture
def server():
    """A web server on this machine; `pages` maps a path to bytes, or to (status, promised length, bytes)."""
    pages: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path)
            if page is None:
                return self.send_error(404)
            status, length, body = page if isinstance(page, tuple) else (200, len(page), page)
            self.send_response(status)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    httpd.pages = pages
    httpd.url = f"http://127.0.0.1:{httpd.server_port}"
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def small_mnist(server, mirrors: list[str]) -> type[MNIST]:
    """MNIST whose files are PICTURES and CLASSES, at /good on the server."""
    resources = []
    for name, array in ((IMAGES, PICTURES), (LABELS, CLASSES)):
        body = gzip.compress(idx(array))
        server.pages[f"/good/{name}.gz"] = body
        resources.append((f"{name}.gz", hashlib.sha256(body).hexdigest()))
    members = {"mirrors": [f"{server.url}/{m}/" for m in mirrors], "resources": [("", "")] * 2 + resources}
    return type("MNIST", (MNIST,), members)


def test_bad_mirrors_are_passed_over_and_said(tmp_path, server, capsys):
    kind = small_mnist(server, ["gone", "changed", "short", "error", "good"])
    name = f"{IMAGES}.gz"
    body = server.pages[f"/good/{name}"]
    server.pages[f"/changed/{name}"] = body[:-1] + b"?"
    server.pages[f"/short/{name}"] = (200, len(body), body[:100])
    server.pages[f"/error/{name}"] = (500, 0, b"")
    kind.mirrors = ["http://127.0.0.1:9/", "nonsense", *kind.mirrors]
    data = kind(tmp_path, train=False, download=True)
    np.testing.assert_array_equal(data.data.array, PICTURES)
    np.testing.assert_array_equal(data.targets.array, CLASSES)
    said = capsys.readouterr().err
    for words in ("404", "wrong checksum", "broke off after 100 of", "500", "refused", "unknown url type"):
        assert words in said
    raw = tmp_path / "MNIST" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    server.pages.clear()
    assert len(kind(tmp_path, train=False, download=True)) == 3  # what is there is not fetched again


def test_a_length_that_is_not_promised_is_still_checked(tmp_path, server):
    kind = small_mnist(server, ["endless", "good"])
    for name in (f"{IMAGES}.gz", f"{LABELS}.gz"):
        server.pages[f"/endless/{name}"] = (200, None, server.pages[f"/good/{name}"][:50])
    assert len(kind(tmp_path, train=False, download=True)) == 3


def test_no_mirror_left_is_one_clear_error_and_leaves_nothing(tmp_path, server):
    kind = small_mnist(server, ["gone", "alsogone"])
    with pytest.raises(RuntimeError, match="could not be downloaded from any of.*gone.*alsogone"):
        kind(tmp_path, train=False, download=True)
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_download_without_root_goes_to_the_cache(no_cache, server):
    small_mnist(server, ["good"])(train=False, download=True)
    assert (no_cache / "MNIST" / "raw" / f"{IMAGES}.gz").is_file()


def test_the_bundled_sample():
    for train, count in ((True, 600), (False, 100)):
        data = FashionMNISTSample(train=train)
        assert data.data.shape == (10 * count, 28, 28) and data.data.dtype == np.uint8
        np.testing.assert_array_equal(np.bincount(data.targets.array), [count] * 10)
    folder = Path(read_idx.__code__.co_filename).parent / "fashion_mnist_sample"
    assert "Copyright (c) 2017 Zalando SE" in (folder / "NOTICE").read_text()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3.5e6


@needs_full_set
@pytest.mark.parametrize("old", ["train_data", "test_data", "train_labels", "test_labels"])
def test_the_old_names_of_data_and_targets(old):
    data = FashionMNISTSample(train=False)
    with pytest.warns(UserWarning, match=f"{old} has been renamed"):
        value = getattr(data, old)
    assert value is (data.targets if "labels" in old else data.data)


def test_the_sample_is_made_from_the_real_files(tmp_path, capsys):
    make_sample(str(FULL), tmp_path)
    full = FashionMNIST(FULL, train=False)
    assert len(full) == 10_000 and full.classes[9] == "Ankle boot"
    chosen = first_of_each_class(full.targets.array, 100)
    bundled = FashionMNISTSample(train=False)
    np.testing.assert_array_equal(bundled.data.array, full.data.array[chosen])
    np.testing.assert_array_equal(bundled.targets.array, full.targets.array[chosen])
    for name in (IMAGES, LABELS, IMAGES.replace("t10k", "train"), LABELS.replace("t10k", "train")):
        np.testing.assert_array_equal(read_idx(tmp_path / f"{name}.gz"), read_idx(bundled.root / f"{name}.gz"))


def cifar_record(coarse: list[int], label: int, seed: int) -> bytes:
    planes = np.random.default_rng(seed).integers(0, 256, (3, 32, 32), np.uint8)
    return bytes([*coarse, label]) + planes.tobytes()


def put_cifar10(folder: Path) -> None:
    folder.mkdir(parents=True)
    for n in range(1, 6):
        (folder / f"data_batch_{n}.bin").write_bytes(cifar_record([], n, n) + cifar_record([], 9, 10 + n))
    (folder / "test_batch.bin").write_bytes(cifar_record([], 3, 0))
    (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\n\n")


def test_cifar10(tmp_path):
    put_cifar10(tmp_path / "cifar-10-batches-bin")
    data = CIFAR10(tmp_path)
    assert data.data.shape == (10, 32, 32, 3) and data.targets == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]
    assert data.classes == ["airplane", "automobile", "bird"] and data.class_to_idx["bird"] == 2
    planes = np.random.default_rng(2).integers(0, 256, (3, 32, 32), np.uint8)
    image, target = data[2]
    assert image.mode == "RGB" and target == 2
    for channel in range(3):
        np.testing.assert_array_equal(np.asarray(image)[:, :, channel], planes[channel])
    assert len(CIFAR10(tmp_path, train=False)) == 1
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(RuntimeError, match="damaged: 3 bytes"):
        CIFAR10(tmp_path, train=False)


def test_cifar100_takes_the_fine_label_and_downloads(tmp_path, server):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {
            "cifar-100-binary/train.bin": cifar_record([4], 77, 1),
            "cifar-100-binary/test.bin": cifar_record([5], 99, 2),
            "cifar-100-binary/fine_label_names.txt": b"apple\naquarium_fish\n",
            "../evil.txt": b"outside",
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    server.pages[f"/{CIFAR100.archive}"] = buffer.getvalue()
    with pytest.raises(
        RuntimeError, match=r"CIFAR100: neither train.bin \(binary version\) nor train .* is in .*download=True"
    ):
        CIFAR100(tmp_path / "c")
    kind = type("CIFAR100", (CIFAR100,), {})
    kind.mirrors, kind.sha256 = [server.url], hashlib.sha256(buffer.getvalue()).hexdigest()
    data = kind(tmp_path / "c", download=True)
    assert data.targets == [77] and data.classes == ["apple", "aquarium_fish"]
    assert CIFAR100(tmp_path / "c", train=False).targets == [99]
    assert not (tmp_path / "evil.txt").exists()


def test_a_damaged_cifar_archive_is_one_clear_error(tmp_path):
    (tmp_path / CIFAR10.archive).write_bytes(b"not an archive")
    with pytest.raises(RuntimeError, match="damaged"):
        CIFAR10(tmp_path)


def test_image_folder(tmp_path):
    for name, colour in (
        ("dog/b.png", (255, 0, 0)),
        ("dog/deep/a.PNG", (0, 255, 0)),
        ("cat/c.bmp", (0, 0, 255)),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), colour).save(tmp_path / name)
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    data = ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert [Path(path).name for path, _ in data.samples] == ["c.bmp", "b.png", "a.PNG"] and data.targets == [
        0,
        1,
        1,
    ]
    image, target = data[0]
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (0, 0, 255) and target == 0
    assert len(ImageFolder(tmp_path, is_valid_file=lambda path: path.endswith(("png", "bmp")))) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file of class empty"):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path, allow_empty=True).classes == ["cat", "dog", "empty"]
    with pytest.raises(FileNotFoundError, match="no class folders"):
        ImageFolder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        ImageFolder(tmp_path / "nowhere")


def test_dataset_folder(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "one.npy", np.full(2, ord(name)))
    (tmp_path / "a" / "notes.txt").write_text("no array")
    data = DatasetFolder(tmp_path, np.load, (".npy",), transform=lambda x: int(x[0]), target_transform=str)
    assert [data[i] for i in range(3)] == [(97, "0"), (98, "1"), (99, "2")] and data.targets == [0, 1, 2]
    assert "Number of datapoints: 3" in repr(data)

    class Two(DatasetFolder):
        def find_classes(self, directory):
            return ["b", "c"], {"b": 5, "c": 7}

    assert Two(tmp_path, np.load, is_valid_file=lambda path: path.endswith("npy")).targets == [5, 7]
    for arguments in ({}, {"extensions": (".npy",), "is_valid_file": str.isascii}):
        with pytest.raises(ValueError, match="either extensions or is_valid_file"):
            DatasetFolder(tmp_path, np.load, **arguments)
    with pytest.raises(FileNotFoundError, match="no file of class b, c in .*; expected one of .txt"):
        DatasetFolder(tmp_path, np.load, (".txt",))


@pytest.mark.parametrize(("size", "mode"), [((3, 5, 7), "RGB"), ((1, 5, 1), "L")])
def test_fake_data(size, mode):
    data = FakeData(20, size, num_classes=4)
    image, target = data[3]
    assert image.mode == mode and image.size == (size[2], size[1]) and 0 <= target < 4
    np.testing.assert_array_equal(np.asarray(image), np.asarray(data[3][0]))
    shifted = FakeData(20, size, num_classes=4, random_offset=1)
    np.testing.assert_array_equal(np.asarray(shifted[2][0]), np.asarray(image))
    assert len({target for _, target in data}) > 1 and len(list(data)) == 20
    with pytest.raises(ValueError, match="image_size"):
        FakeData(image_size=(5, 5))
