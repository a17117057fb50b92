"""Damaged files in a folder of pictures: left out and counted, or refused; the same for any number of workers."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad.data import DataLoader
from minigrad.vision import transforms as T
from minigrad.vision.datasets import ImageFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pictures of each of two classes, of which four are damaged, each in its own way."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, suffix in (("cat", "jpg"), ("dog", "png")):
        (root / name).mkdir()
        for index in range(6):
            Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(root / name / f"{index}.{suffix}")
    cut = root / "cat" / "0.jpg"
    cut.write_bytes(cut.read_bytes()[:900])
    (root / "cat" / "1.jpg").write_bytes(b"")
    (root / "dog" / "0.png").write_bytes(b"<html>404</html>")
    bits = bytearray((root / "dog" / "1.png").read_bytes())
    bits[300] ^= 1
    (root / "dog" / "1.png").write_bytes(bits)
    return root


def test_damaged_files_are_left_out_and_counted(folder):
    assert len(ImageFolder(folder)) == 12  # nothing is read before it is asked for
    with pytest.warns(UserWarning, match=r"4 of 12 files cannot be read as pictures and are left out: cat.0.jpg \("):
        data = ImageFolder(folder, strict=False)
    assert [Path(path).name for path, _ in data.samples] == [f"{i}.{s}" for s in ("jpg", "png") for i in range(2, 6)]
    assert data.targets == [0, 0, 0, 0, 1, 1, 1, 1] and len(list(data)) == 8


def test_strict_refuses_in_one_line(folder):
    with pytest.raises(
        RuntimeError, match=r"4 of 12 files cannot be read as pictures; the first is cat.0.jpg"
    ) as error:
        ImageFolder(folder, strict=True)
    assert "\n" not in str(error.value)


def test_a_sound_folder_is_silent_and_a_class_of_damage_is_empty(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    for path in (tmp_path / "copy" / "dog").iterdir():
        path.write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="8 of 12.*, ...$"), pytest.raises(FileNotFoundError, match="of class dog"):
        ImageFolder(tmp_path / "copy", strict=False)
    for name in ("cat/0.jpg", "cat/1.jpg", "dog"):
        path = tmp_path / "copy" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ImageFolder(tmp_path / "copy", strict=True)) == 4


def test_workers_go_on_in_the_middle_of_an_epoch(folder):
    transform = T.Compose([T.RandomResizedCrop(8), T.RandomHorizontalFlip(), T.ToTensor()])
    with pytest.warns(UserWarning, match="are left out"):
        data = ImageFolder(folder, transform, strict=False)

    def loader() -> DataLoader:
        mg.manual_seed(3)
        return DataLoader(data, 2, shuffle=True, num_workers=1)

    whole = list(loader())
    first = loader()
    for _ in zip(range(2), first, strict=False):
        state, rng = first.state_dict(), mg.get_rng_state()
    again = loader()
    mg.manual_seed(99)
    again.load_state_dict(state)
    mg.set_rng_state(rng)
    rest = list(again)
    assert len(whole) == 4 and len(rest) == 2
    for (images, labels), (expected, classes) in zip(rest, whole[2:], strict=True):
        assert mg.equal(images, expected) and mg.equal(labels, classes)
