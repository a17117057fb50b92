"""Image files: Pillow reads what is written, and the other way round."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad.vision import io as vio

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 6, 7), np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_without_loss(tmp_path, channels):
    image = mg.from_numpy(PIXELS[:channels])
    vio.write_png(image, tmp_path / "a.png", compression_level=0)
    assert mg.equal(vio.read_image(tmp_path / "a.png"), image)
    assert mg.equal(vio.decode_png(vio.encode_png(image)), image)
    assert mg.equal(vio.decode_image(str(tmp_path / "a.png")), image)
    theirs = np.atleast_3d(np.asarray(Image.open(tmp_path / "a.png"))).transpose(2, 0, 1)
    np.testing.assert_array_equal(theirs, PIXELS[:channels])
    assert len(vio.encode_png(image.repeat(1, 9, 9), 0)) > len(vio.encode_png(image.repeat(1, 9, 9), 9))


def test_jpeg(tmp_path):
    image = mg.full((3, 16, 16), 100, dtype=mg.uint8)
    vio.write_jpeg(image, tmp_path / "a.jpg", quality=95)
    assert Image.open(tmp_path / "a.jpg").format == "JPEG"
    assert (vio.read_image(tmp_path / "a.jpg").float() - 100).abs().max() <= 2
    assert vio.decode_jpeg(vio.encode_jpeg(image), mode="GRAY").shape == (1, 16, 16)
    assert vio.decode_image(vio.encode_jpeg(image), vio.ImageReadMode.RGB_ALPHA).shape == (4, 16, 16)


def test_files_are_bytes(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS.transpose(1, 2, 0)).save(buffer, "BMP")
    (tmp_path / "a.bmp").write_bytes(buffer.getvalue())
    data = vio.read_file(tmp_path / "a.bmp")
    assert data.numpy().tobytes() == buffer.getvalue() and mg.equal(vio.decode_image(data), mg.from_numpy(PIXELS))
    vio.write_file(tmp_path / "b.bmp", data)
    assert (tmp_path / "b.bmp").read_bytes() == buffer.getvalue()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: vio.encode_png(mg.ones(3, 2, 2)), ValueError, r"encode_png: .*got float32 of shape \(3, 2, 2\)"),
        (
            lambda: vio.encode_png(mg.ones(4, 2, 2).byte()),
            ValueError,
            r"expected a uint8 tensor \(1, H, W\) or \(3, H, W\)",
        ),
        (lambda: vio.encode_png(mg.ones(3, 2, 2).byte(), 10), ValueError, "between 0 and 9, got 10"),
        (lambda: vio.encode_jpeg(mg.ones(3, 2, 2).byte(), 0), ValueError, "between 1 and 100, got 0"),
        (lambda: vio.decode_image(mg.ones(9)), ValueError, "decode_image: expected a uint8 tensor of one dimension"),
        (lambda: vio.decode_image(mg.ones(9).byte()), RuntimeError, "not a picture that Pillow can read"),
        (lambda: vio.write_file("x", mg.ones(2, 2)), ValueError, "write_file: expected"),
        (lambda: vio.read_image("nowhere.png"), FileNotFoundError, "nowhere.png"),
    ],
)
def test_bad_calls(call, error, words):
    with pytest.raises(error, match=words):
        call()
