"""Scale jitter and AlexNet's shifts of colour, judged by Pillow and by their distributions."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad.tensor import from_array
from minigrad.vision import transforms as T

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)


def test_random_resize_draws_every_length_and_keeps_the_proportions():
    mg.manual_seed(0)
    picture = Image.fromarray(PIXELS)
    drawn = [T.RandomResize(6, 10)(picture) for _ in range(100)]
    assert {image.size for image in drawn} == {(9, 6), (10, 7), (12, 8), (13, 9)}
    for image in drawn[:5]:
        assert image.tobytes() == picture.resize(image.size, Image.Resampling.BILINEAR).tobytes()
    assert not T.Compose([T.RandomResize(6, 10)]).batched
    with pytest.raises(ValueError, match="0 < min_size < max_size"):
        T.RandomResize(6, 6)


def test_random_lighting_shifts_each_picture_as_alexnet_did():
    mg.manual_seed(0)
    batch = mg.full((20_000, 3, 1, 1), 0.5, dtype=mg.float64)
    shifts = (T.RandomLighting(0.1)(batch) - 0.5).array.reshape(-1, 3)
    vectors, values = T.RandomLighting.EIGENVECTORS, T.RandomLighting.EIGENVALUES
    expected = vectors @ np.diag((0.1 * values) ** 2) @ vectors.T
    np.testing.assert_allclose(np.cov(shifts.T), expected, rtol=0.05, atol=2e-6)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=2e-3)


def test_random_lighting_moves_a_picture_as_a_whole():
    picture = from_array(np.random.default_rng(1).random((3, 4, 5), np.float32))
    moved = T.RandomLighting()(picture)
    assert moved.dtype == mg.float32
    assert np.ptp((moved - picture).array, axis=(1, 2)).max() < 1e-6
    grey = mg.rand(1, 4, 5)
    assert mg.equal(T.RandomLighting()(grey), grey)
    with pytest.raises(ValueError, match="1 or 3 channels of floats"):
        T.RandomLighting()(PIXELS)
    with pytest.raises(ValueError, match="std must be at least 0"):
        T.RandomLighting(-1)
