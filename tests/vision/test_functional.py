"""The functional transforms: tensors and arrays against Pillow and the definitions; random classes against them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad.vision import transforms as T
from minigrad.vision.transforms import functional as F

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (13, 17, 3), np.uint8)
IMAGE = Image.fromarray(PIXELS)


def tensor_of(pixels: np.ndarray) -> mg.Tensor:
    return mg.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def pixels_of(picture) -> np.ndarray:
    if isinstance(picture, mg.Tensor):
        return picture.numpy().transpose(1, 2, 0)
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def close(found, expected, difference):
    found, expected = (pixels_of(picture).astype(float) for picture in (found, expected))
    assert found.shape == expected.shape and np.abs(found - expected).max() <= difference


VALUES = [
    (lambda x: F.adjust_brightness(x, 0.4), 1),
    (lambda x: F.adjust_brightness(x, 1.7), 1),
    (lambda x: F.adjust_contrast(x, 0.4), 1),
    (lambda x: F.adjust_contrast(x, 1.7), 2),
    (lambda x: F.adjust_saturation(x, 0.4), 1),
    (lambda x: F.adjust_saturation(x, 1.7), 2),
    (lambda x: F.adjust_hue(x, 0.2), 12),  # Pillow's hues are of 8 bits
    (lambda x: F.adjust_gamma(x, 0.5), 1),
    (lambda x: F.adjust_gamma(x, 2.0, gain=1.1), 1),
    (lambda x: F.adjust_sharpness(x, 0.3), 1),
    (F.invert, 0),
    (lambda x: F.posterize(x, 3), 0),
    (lambda x: F.solarize(x, 100), 0),
    (F.autocontrast, 1),
    (F.equalize, 0),
    (F.rgb_to_grayscale, 1),
    (lambda x: F.to_grayscale(x, 3), 1),
    (lambda x: F.gaussian_blur(x, (5, 3), 0.8), 0),
    (F.hflip, 0),
    (F.vflip, 0),
    (lambda x: F.pad(x, [1, 2, 3, 4], 5), 0),
    (lambda x: F.crop(x, -1, 3, 5, 20), 0),
    (lambda x: F.resized_crop(x, 1, 2, 7, 8, [5, 6]), 0),
    (lambda x: F.rotate(x, 30), 0),
    (lambda x: F.affine(x, 20, [2, -1], 1.2, [5.0, -7.0], T.InterpolationMode.BILINEAR), 1),
    (lambda x: F.perspective(x, [[0, 0], [16, 0], [16, 12], [0, 12]], [[2, 1], [14, 0], [15, 11], [1, 10]]), 1),
]


@pytest.mark.parametrize(("function", "difference"), VALUES)
def test_kinds_of_pictures_agree(function, difference):
    wanted = function(IMAGE)
    close(function(tensor_of(PIXELS)), wanted, difference)
    close(function(PIXELS), wanted, difference)
    batch = function(mg.stack([tensor_of(PIXELS)] * 2))
    assert mg.equal(batch[1], function(tensor_of(PIXELS)))


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 15, 17])
def test_floats_are_the_bytes_scaled(index):
    function = VALUES[index][0]
    floats = mg.from_numpy(tensor_of(PIXELS).numpy() / np.float32(255))
    assert np.abs(function(floats).numpy() * 255 - function(tensor_of(PIXELS)).numpy().astype(float)).max() < 2


def test_quarter_turns_and_shifts():
    x = tensor_of(PIXELS)
    close(F.rotate(x, 90, expand=True), np.rot90(PIXELS), 0)
    close(F.rotate(x, 180), PIXELS[::-1, ::-1], 0)
    close(F.affine(x, 180, [0, 0], 1.0, 0), PIXELS[::-1, ::-1], 0)
    moved = F.affine(x, 0, [3, 2], 1.0, 0, fill=7)
    close(moved[:, 2:, 3:], PIXELS[:-2, :-3], 0)
    assert (moved[:, :2] == 7).all() and (moved[:, :, :3] == 7).all()
    close(F.affine(x, 0, [0, 0], 2.0, 0, center=[0, 0]), PIXELS.repeat(2, 0).repeat(2, 1)[:13, :17], 0)
    corners = [[0, 0], [16, 0], [16, 12], [0, 12]]
    assert mg.equal(F.perspective(x, corners, corners, T.InterpolationMode.NEAREST), x)
    sheared = F.affine(x, 0, [0, 0], 1.0, [45.0, 0.0], center=[0, 0])  # each row one pixel further to the left
    shifts = [
        next(n for n in range(17) if sheared[0, y, : 17 - n].tolist() == PIXELS[y, n:, 0].tolist()) for y in (3, 4)
    ]
    assert shifts[1] == shifts[0] + 1


def test_blur_by_its_definition():
    x = RNG.normal(size=(2, 6, 7))
    weights = np.exp(-0.5 * (np.arange(-1, 2) / 0.7) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    wanted = sum(kernel[i, j] * padded[:, i : i + 6, j : j + 7] for i in range(3) for j in range(3))
    np.testing.assert_allclose(F.gaussian_blur(mg.from_numpy(x), 3, 0.7).numpy(), wanted, atol=1e-14)


def test_crops():
    x = tensor_of(PIXELS)
    parts = T.FiveCrop((5, 6))(x)
    wanted = [PIXELS[:5, :6], PIXELS[:5, -6:], PIXELS[-5:, :6], PIXELS[-5:, -6:], PIXELS[4:9, 6:12]]
    for part, pixels in zip(parts, wanted, strict=True):
        close(part, pixels, 0)
    ten = T.TenCrop((5, 6), vertical_flip=True)(x)
    assert all(mg.equal(a, b) for a, b in zip(ten[5:], F.five_crop(F.vflip(x), (5, 6)), strict=True))
    with pytest.raises(ValueError, match="five_crop: size"):
        F.five_crop(x, 14)


def test_conversions():
    assert mg.equal(F.pil_to_tensor(IMAGE), tensor_of(PIXELS))
    assert F.pil_to_tensor(Image.new("I;16", (2, 1), 60000)).tolist() == [[[60000, 60000]]]
    for picture in (IMAGE, IMAGE.convert("L"), IMAGE.convert("LA"), IMAGE.convert("RGBA")):
        back = F.to_pil_image(F.pil_to_tensor(picture))
        assert back.mode == picture.mode and back.tobytes() == picture.tobytes()
        assert F.to_pil_image(np.asarray(picture)).tobytes() == picture.tobytes()
        assert F.to_pil_image(F.to_tensor(picture)).tobytes() == picture.tobytes()
    assert F.to_pil_image(mg.tensor([[0.25]]), mode="F").getpixel((0, 0)) == 0.25
    assert F.to_pil_image(mg.tensor([[70000]], dtype=mg.int32)).getpixel((0, 0)) == 70000
    bytes_ = mg.tensor([0, 1, 254, 255], dtype=mg.uint8)
    assert mg.equal(F.convert_image_dtype(F.convert_image_dtype(bytes_, mg.float32), mg.uint8), bytes_)
    assert F.convert_image_dtype(bytes_, mg.int16).tolist() == [0, 128, 254 * 128, 255 * 128]
    assert F.convert_image_dtype(mg.tensor([127, 128], dtype=mg.int16), mg.uint8).tolist() == [0, 1]
    assert F.get_dimensions(IMAGE) == F.get_dimensions(PIXELS) == F.get_dimensions(tensor_of(PIXELS)) == [3, 13, 17]
    assert F.get_image_size(IMAGE) == [17, 13] and F.get_image_num_channels(IMAGE.convert("L")) == 1


def test_conversions_against_torchs():
    torch = pytest.importorskip("torch")
    x = RNG.random((3, 4, 5), np.float32)
    wanted = torch.from_numpy(x).mul(255).byte().numpy().transpose(1, 2, 0)
    close(F.to_pil_image(mg.from_numpy(x)), wanted, 0)


@pytest.mark.parametrize(
    "function",
    [
        F.hflip,
        F.vflip,
        lambda x: F.crop(x, -1, 2, 6, 9),
        lambda x: F.crop(x, 1, 2, 3, 4),
        lambda x: F.center_crop(x, (4, 20)),
        lambda x: F.pad(x, (1, 2, 3, 4), 0.5),
        lambda x: F.pad(x, 2, padding_mode="edge"),
        lambda x: F.pad(x, 2, padding_mode="reflect"),
        lambda x: F.five_crop(x, 3)[4],
        lambda x: F.normalize(x, [0.5], [0.2]),
    ],
)
@pytest.mark.parametrize("shape", [(3, 8, 7), (2, 3, 8, 7)])
def test_gradients_go_through_the_geometry_of_tensors(function, shape):
    x = mg.from_numpy(RNG.random(shape, np.float32))
    wanted = function(x)
    x.requires_grad_()
    found = function(x)
    np.testing.assert_allclose(found.numpy(force=True), wanted.numpy(), atol=2e-6)
    pull = mg.from_numpy(RNG.random(found.shape, np.float32))
    (found * pull).sum().backward()
    way = mg.from_numpy(RNG.random(shape, np.float32))  # all of them are affine: the difference is exact
    with mg.no_grad():
        difference = ((function(x + way) - function(x)) * pull).sum().item()
    assert (x.grad * way).sum().item() == pytest.approx(difference, rel=1e-3, abs=1e-3)


def test_erase():
    x = mg.ones(3, 4, 4)
    erased = F.erase(x, 1, 2, 2, 2, mg.zeros(1))
    assert erased.sum().item() == 36 and x.sum().item() == 48
    F.erase(x, 1, 2, 2, 2, 5.0, inplace=True)
    assert x[:, 1:3, 2:].unique().tolist() == [5.0]


@pytest.mark.parametrize(
    ("transform", "changed"),
    [
        (T.RandomVerticalFlip(p=1.0), F.vflip),
        (T.RandomInvert(p=1.0), F.invert),
        (T.RandomPosterize(3, p=1.0), lambda x: F.posterize(x, 3)),
        (T.RandomSolarize(100, p=1.0), lambda x: F.solarize(x, 100)),
        (T.RandomAdjustSharpness(2.0, p=1.0), lambda x: F.adjust_sharpness(x, 2.0)),
        (T.RandomAutocontrast(p=1.0), F.autocontrast),
        (T.RandomEqualize(p=1.0), F.equalize),
        (T.RandomGrayscale(p=1.0), lambda x: F.rgb_to_grayscale(x, 3)),
        (T.Grayscale(3), lambda x: F.rgb_to_grayscale(x, 3)),
        (T.GaussianBlur(3, 0.8), lambda x: F.gaussian_blur(x, 3, 0.8)),
        (T.RandomAffine((20, 20), scale=(1.5, 1.5), shear=(3, 3)), lambda x: F.affine(x, 20, [0, 0], 1.5, [3, 0])),
        (T.RandomPerspective(0, 1.0, T.InterpolationMode.NEAREST), lambda x: x),
    ],
)
def test_random_transforms_are_the_functions(transform, changed):
    for picture in (IMAGE, PIXELS, tensor_of(PIXELS)):
        close(transform(picture), changed(picture), 0)
    assert type(transform).__name__ in repr(transform)


@pytest.mark.parametrize("kind", [T.RandomVerticalFlip, T.RandomInvert, T.RandomEqualize, T.RandomGrayscale])
def test_never_is_never(kind):
    np.testing.assert_array_equal(np.asarray(kind(p=0.0)(IMAGE)), PIXELS)


def test_each_of_a_batch_is_drawn_anew():
    batch = mg.stack([tensor_of(PIXELS)] * 64)
    flipped = T.RandomVerticalFlip()(batch)
    kept = [mg.equal(one, batch[0]) for one in flipped]
    assert 16 < sum(kept) < 48
    assert all(mg.equal(one, F.vflip(batch[0])) for one, same in zip(flipped, kept, strict=True) if not same)
    for transform in (T.RandomAffine(30, (0.1, 0.1)), T.RandomPerspective(p=1.0), T.GaussianBlur(3), T.RandomInvert()):
        images = transform(batch)
        assert images.shape == batch.shape and len({one.numpy().tobytes() for one in images}) > 1
        assert transform(batch[:0]).shape == (0, 3, 13, 17)


def test_ranges_of_get_params():
    for _ in range(50):
        top, left, height, width = T.RandomCrop.get_params(IMAGE, output_size=(5, 6))
        assert 0 <= top <= 8 and 0 <= left <= 11 and (height, width) == (5, 6)
        angle, shift, scale, shear = T.RandomAffine.get_params((-5, 5), (0.1, 0.2), (0.5, 2), (-1, 1, 3, 4), [100, 50])
        assert abs(angle) <= 5 and abs(shift[0]) <= 10 and abs(shift[1]) <= 10 and 0.5 <= scale <= 2
        assert abs(shear[0]) <= 1 and 3 <= shear[1] <= 4
        start, end = T.RandomPerspective.get_params(20, 10, 0.5)
        assert start == [[0, 0], [19, 0], [19, 9], [0, 9]] and np.abs(np.subtract(start, end)).max() <= 5
        order, brightness, contrast, *_ = T.ColorJitter.get_params((0.5, 1.5), None, None, None)
        assert sorted(order.tolist()) == [0, 1, 2, 3] and 0.5 <= brightness <= 1.5 and contrast is None
        i, j, h, w, value = T.RandomErasing.get_params(mg.ones(3, 32, 32), (0.1, 0.2), (0.5, 2.0))
        assert i + h <= 32 and j + w <= 32 and value.shape == (3, h, w)
        assert 2 <= T.RandomRotation.get_params((2, 3)) <= 3 and 1 <= T.GaussianBlur.get_params(1, 2) <= 2
    assert T.RandomErasing.get_params(mg.ones(1, 4, 4), (0.1, 0.2), (0.5, 2.0), [3.0])[4].item() == 3
    with pytest.raises(ValueError, match="RandomCrop: size"):
        T.RandomCrop.get_params(mg.ones(1, 4, 4), (5, 5))


def test_compositions():
    double, negative = T.Lambda(lambda x: x * 2), T.Lambda(lambda x: x + 1)
    both = {T.RandomOrder([double, negative])(3) for _ in range(64)}
    assert both == {7, 8}
    assert {T.RandomApply([double, negative], p=0.5)(3) for _ in range(64)} == {3, 7}
    assert {T.RandomChoice([double, negative])(3) for _ in range(64)} == {6, 4}
    assert {T.RandomChoice([double, negative], p=[0, 1])(3) for _ in range(64)} == {4}
    with pytest.raises(TypeError, match="RandomApply: transforms must be a sequence"):
        T.RandomApply(double)
    with pytest.raises(ValueError, match="RandomChoice: 1 probabilities for 2"):
        T.RandomChoice([double, negative], p=[1])


@pytest.mark.parametrize("transform", [T.TrivialAugmentWide(), T.RandAugment(), T.RandAugment(3, 30)])
def test_policies(transform):
    mg.manual_seed(0)
    results = {np.asarray(transform(IMAGE)).tobytes() for _ in range(40)}
    assert len(results) > 15
    mg.manual_seed(1)
    first = transform(tensor_of(PIXELS))
    mg.manual_seed(1)
    assert mg.equal(transform(tensor_of(PIXELS)), first) and first.shape == (3, 13, 17)


BAD = [
    (lambda: F.adjust_hue(IMAGE, 0.6), ValueError, r"hue_factor must lie in \[-0.5, 0.5\], got 0.6"),
    (lambda: F.adjust_gamma(IMAGE, -1), ValueError, "gamma must be at least 0, got -1"),
    (lambda: F.posterize(mg.ones(3, 2, 2), 3), ValueError, "posterize: expected pixels of uint8, got float32"),
    (lambda: F.solarize(mg.ones(3, 2, 2), 3), ValueError, "threshold must be at most 1, got 3"),
    (lambda: F.equalize(mg.ones(3, 2, 2)), ValueError, "equalize: expected pixels of uint8, got float32"),
    (lambda: F.gaussian_blur(IMAGE, 4), ValueError, "kernel_size must be odd and positive, got 4"),
    (lambda: F.gaussian_blur(IMAGE, 3, -1.0), ValueError, "sigma must be above 0"),
    (lambda: F.affine(IMAGE, 0, [1], 1, 0), ValueError, r"affine: expected translate=\(right, down\)"),
    (lambda: F.perspective(IMAGE, [], []), ValueError, "four points each, got 0 and 0"),
    (lambda: F.rotate(IMAGE, 3, T.InterpolationMode.BOX), ValueError, "must be nearest, bilinear or bicubic, got box"),
    (lambda: F.to_pil_image(mg.ones(5, 2, 2)), ValueError, "expected 1 to 4 channels, got 5"),
    (lambda: F.to_pil_image(mg.ones(1, 2, 2), mode="RGB"), ValueError, "mode 'RGB' does not fit; expected L"),
    (lambda: F.to_pil_image([1]), TypeError, "expected a tensor or a NumPy array, got list"),
    (lambda: F.pil_to_tensor(mg.ones(1)), TypeError, "expected a Pillow image, got Tensor"),
    (lambda: F.convert_image_dtype(mg.ones(1), mg.int32), RuntimeError, "float32 has too few digits for int32"),
    (lambda: F.get_image_size("x"), TypeError, "got str"),
    (lambda: T.RandomAffine(-1), ValueError, "a single number of degrees must be at least 0, got -1"),
    (lambda: T.RandomAffine(1, translate=(2, 0)), ValueError, "translate must be a pair of numbers between 0 and 1"),
    (lambda: T.RandomPerspective(2), ValueError, "distortion_scale=2"),
    (lambda: T.RandomVerticalFlip(2), ValueError, "RandomVerticalFlip: p must be between 0 and 1, got 2"),
    (lambda: T.RandomInvert(2), ValueError, "RandomInvert: p must be between 0 and 1, got 2"),
    (lambda: T.Grayscale(2), ValueError, "num_output_channels must be 1 or 3, got 2"),
    (lambda: T.GaussianBlur(2), ValueError, "GaussianBlur: kernel_size must be odd"),
    (lambda: T.RandAugment(magnitude=31), ValueError, "magnitude must be between 0 and 30, got 31"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_calls(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
