"""Transforms, judged by Pillow, by NumPy, by PyTorch's interpolation, and by their own distributions."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

import minigrad as mg
from minigrad.data import DataLoader
from minigrad.tensor import Tensor, from_array
from minigrad.vision import transforms as T
from minigrad.vision.datasets import CIFAR10, FashionMNISTSample, ImageFolder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (13, 17, 3), np.uint8)
RGB = Image.fromarray(PIXELS)
GREY = RGB.convert("L")


def kinds(picture: Image.Image) -> dict[str, object]:
    """The same picture as every kind that transforms take."""
    array = np.asarray(picture)
    chw = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return {"pillow": picture, "array": array, "tensor": from_array(chw.copy())}


def as_hwc(picture) -> np.ndarray:
    """Any kind of picture as (H, W, C)."""
    if isinstance(picture, Tensor):
        return picture.array.transpose(1, 2, 0)
    array = np.asarray(picture)
    return array[:, :, None] if array.ndim == 2 else array


def assert_all_kinds(transform, picture: Image.Image, expected, atol=0):
    """Every kind comes back as itself, and as `expected`."""
    for name, before in kinds(picture).items():
        original = as_hwc(before).copy()
        after = transform(before)
        assert isinstance(after, (Image.Image if name == "pillow" else type(before)))
        np.testing.assert_allclose(as_hwc(after).astype(float), as_hwc(expected).astype(float), atol=atol)
        np.testing.assert_array_equal(as_hwc(before), original)  # the input is left alone


@pytest.mark.parametrize("picture", [RGB, GREY], ids=["RGB", "L"])
@pytest.mark.parametrize(
    ("transform", "judge"),
    [
        (T.Pad(2), lambda p: ImageOps.expand(p, 2)),
        (T.Pad((1, 2), fill=7), lambda p: ImageOps.expand(p, (1, 2, 1, 2), (7,) * len(p.getbands()))),
        (T.CenterCrop((5, 8)), lambda p: p.crop((4, 4, 12, 9))),
        (T.CenterCrop(15), lambda p: ImageOps.expand(p, (0, 1, 0, 1)).crop((1, 0, 16, 15))),
        (T.Resize((7, 9)), lambda p: p.resize((9, 7), Image.BILINEAR)),
        (T.Resize((30, 9), Image.BICUBIC), lambda p: p.resize((9, 30), Image.BICUBIC)),
        (T.Resize(26), lambda p: p.resize((34, 26), Image.BILINEAR)),
        (T.Resize([26], max_size=30), lambda p: p.resize((30, 22), Image.BILINEAR)),
        (T.RandomHorizontalFlip(p=1), ImageOps.mirror),
        (T.RandomHorizontalFlip(p=0), lambda p: p),
        (T.RandomRotation((90, 90), expand=True), lambda p: p.transpose(Image.Transpose.ROTATE_90)),
        (T.RandomRotation((20, 20), Image.BILINEAR, center=(3, 4)),
         lambda p: p.rotate(20, Image.BILINEAR, center=(3, 4))),
        (T.RandomCrop((13, 17)), lambda p: p),
        (T.RandomResizedCrop((6, 5), scale=(1, 1), ratio=(17 / 13, 17 / 13)),
         lambda p: p.resize((5, 6), Image.BILINEAR)),
        (T.Lambda(lambda p: p), lambda p: p),
    ],
)  # fmt: skip
def test_geometry_is_pillows(transform, judge, picture):
    assert_all_kinds(transform, picture, judge(picture))


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
def test_padding_modes_are_numpys(mode):
    expected = np.pad(PIXELS, ((2, 4), (1, 3), (0, 0)), mode=mode)
    assert_all_kinds(T.Pad((1, 2, 3, 4), padding_mode=mode), RGB, expected)


def test_fill_for_each_channel():
    expected = np.full((15, 19, 3), (1, 2, 3), np.uint8)
    expected[1:-1, 1:-1] = PIXELS
    assert_all_kinds(T.Pad(1, fill=(1, 2, 3)), RGB, expected)
    turned = T.RandomRotation((45, 45), expand=True, fill=(1, 2, 3))(RGB)
    assert turned.getpixel((0, 0)) == (1, 2, 3)
    with pytest.raises(ValueError, match="2 values do not fit a picture of 3 channels"):
        T.Pad(1, fill=(1, 2))(RGB)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 9), (20, 33), (13, 40)])
def test_resizing_floats_is_torch_interpolate(size, mode, antialias):
    torch = pytest.importorskip("torch")
    x = RNG.random((2, 3, 13, 17), np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x), size=size, mode=mode, align_corners=False, antialias=antialias
    )
    # without antialiasing PyTorch's cubic has Keys' a = -0.75, Pillow's always a = -0.5: alike, not equal
    tolerance = 0.2 if mode == "bicubic" and not antialias else 1e-5
    got = T.Resize(size, T.InterpolationMode(mode), antialias=antialias)(from_array(x))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.array, expected.numpy(), atol=tolerance)


def test_resizing_keeps_dtypes():
    for dtype in (np.float64, np.float16, np.int64, np.uint8):
        got = T.Resize(6)(from_array(np.full((1, 9, 9), 5, dtype)))
        assert got.dtype == dtype and (got.array == 5).all()


def in_mode(mode: str) -> Image.Image:
    """The picture in any of Pillow's modes."""
    if mode in ("I;16", "I;16B"):
        wide = PIXELS[:, :, 0].astype(">u2" if mode == "I;16B" else "<u2") * 257
        return Image.frombytes(mode, RGB.size, wide.tobytes())
    if mode in ("LA", "PA", "RGBA"):
        alpha = RGB.convert("RGBA")
        alpha.putalpha(Image.fromarray(PIXELS[:, :, 1]))
        return alpha.convert(mode)
    if mode == "P, RGBA palette":
        image = Image.fromarray(PIXELS[:, :, 0])
        image.putpalette([n % 256 for n in range(1024)], "RGBA")
        return image
    return RGB.convert(mode)


MODES = ["1", "P", "P, RGBA palette", "PA", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F",
         "I;16", "I;16B"]  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("transform", "judge"),
    [
        (T.Pad(2), lambda p: ImageOps.expand(p, 2)),
        (T.CenterCrop((5, 8)), lambda p: p.crop((4, 4, 12, 9))),
        (T.RandomCrop((13, 17)), lambda p: p),
        (T.RandomHorizontalFlip(p=1), ImageOps.mirror),
        (T.Resize((7, 9)), lambda p: p.resize((9, 7), Image.BILINEAR)),
        (T.Resize((30, 9), Image.BICUBIC), lambda p: p.resize((9, 30), Image.BICUBIC)),
        (T.Resize((7, 9), Image.NEAREST), lambda p: p.resize((9, 7), Image.NEAREST)),
        (T.RandomRotation((20, 20)), lambda p: p.rotate(20)),
        (T.RandomRotation((20, 20), Image.BILINEAR, expand=True), lambda p: p.rotate(20, Image.BILINEAR, expand=True)),
        (T.RandomResizedCrop((6, 5), scale=(1, 1), ratio=(17 / 13, 17 / 13)),
         lambda p: p.resize((5, 6), Image.BILINEAR)),
        (T.RandomErasing(p=0), lambda p: p),
    ],
)  # fmt: skip
def test_pictures_of_all_modes_come_back_in_theirs(transform, judge, mode):
    picture = in_mode(mode)
    picture.info["note"] = "kept"
    # Pillow averages the bytes of I;16B, not its numbers
    got, wanted = transform(picture), judge(in_mode("I;16") if mode == "I;16B" else picture)
    assert got.mode == picture.mode and got.size == wanted.size and got.info == picture.info
    kind = picture.palette.mode if picture.palette else None
    if kind:
        assert got.palette.mode == kind and got.getpalette(kind) == picture.getpalette(kind)
    np.testing.assert_array_equal(np.asarray(got), np.asarray(wanted))


def test_a_segmentation_mask_keeps_its_classes():
    classes = np.zeros((40, 40), np.uint8)
    classes[10:30, 10:30] = 7
    classes[20:25, 5:35] = 250
    mask = Image.fromarray(classes)
    mask.putpalette([0, 0, 0] * 7 + [255, 0, 0] + [0, 255, 0] * 248)
    transform = T.Compose([T.Resize(23), T.RandomRotation(30, Image.BILINEAR), T.RandomHorizontalFlip(), T.Pad(2)])
    for _ in range(5):
        assert set(np.unique(np.asarray(transform(mask)))) == {0, 7, 250}
    assert transform(mask).convert("RGB").getpixel((14, 14)) in ((255, 0, 0), (0, 255, 0))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize(
    ("arguments", "judge"),
    [
        ({"brightness": (1.4, 1.4)}, lambda p: ImageEnhance.Brightness(p).enhance(1.4)),
        ({"contrast": (0.5, 0.5)}, lambda p: ImageEnhance.Contrast(p).enhance(0.5)),
        ({"saturation": (1.8, 1.8)}, lambda p: ImageEnhance.Color(p).enhance(1.8)),
        ({"hue": (0.5, 0.5)}, lambda p: hue_turned(p, 127)),
        ({"hue": (-0.25, -0.25)}, lambda p: hue_turned(p, -63)),
    ],
)
def test_colours_of_other_modes_are_pillows(arguments, judge, mode):
    picture = in_mode(mode)
    got = T.ColorJitter(**arguments)(picture)
    assert got.mode == mode
    np.testing.assert_array_equal(np.asarray(got), np.asarray(judge(picture)))


def hue_turned(picture, steps):
    hue, saturation, value = picture.convert("HSV").split()
    hue = hue.point([(n + steps) % 256 for n in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert(picture.mode)


@pytest.mark.parametrize("mode", ["1", "P", "PA", "I", "F", "I;16"])
def test_what_is_no_colour_is_not_jittered(mode):
    with pytest.raises(ValueError, match=r"adjust_\w+: pixels of mode .* are no colours; expected a mode of L, RGB"):
        T.ColorJitter(0.5)(in_mode(mode))


@pytest.mark.parametrize("mode", MODES)
def test_to_tensor(mode):
    picture = in_mode(mode)
    got = T.ToTensor()(picture)
    pixels = np.asarray(picture)
    expected = as_hwc(pixels).transpose(2, 0, 1)
    if pixels.dtype == np.uint8:
        expected = expected.astype(np.float32) / np.float32(255)
    wanted = {"I": np.int32, "I;16": np.int32, "I;16B": np.int32}.get(mode, np.float32)
    assert got.dtype == wanted and got.array.flags.c_contiguous
    np.testing.assert_array_equal(got.array, expected.astype(wanted))


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [(">f4", "f4"), (">f8", "f8"), (">i2", "i2"), ("<i8", "i8"), ("u2", "i4"), (">u2", "i4"), ("u4", "i8"), ("?", "?"),
     ("i1", "i1"), ("f2", "f2")],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 1), (1, 2, 2, 1)])
def test_to_tensor_of_other_dtypes_keeps_the_numbers(dtype, wanted, shape):
    array = np.array([0, 1, 100, 60000 if dtype[-2:] in ("u2", "u4") else 3]).astype(dtype).reshape(shape)
    got = T.ToTensor()(array)
    assert got.dtype == np.dtype(wanted) and got.dtype.isnative
    assert got.array.ravel().tolist() == array.ravel().tolist()


def test_to_tensor_makes_floats_of_the_default_dtype():
    mg.set_default_dtype(mg.float64)
    try:
        got = T.ToTensor()(RGB)
    finally:
        mg.set_default_dtype(mg.float32)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got.array, PIXELS.transpose(2, 0, 1) / 255)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_a_16_bit_file(tmp_path, suffix):
    wide = np.array([[0, 257, 40000, 65535]], np.uint16)
    (tmp_path / "class").mkdir()
    Image.fromarray(wide).save(tmp_path / "class" / f"wide.{suffix}")
    with Image.open(tmp_path / "class" / f"wide.{suffix}") as picture:
        assert T.ToTensor()(picture).tolist() == [wide.tolist()]
    picture, _ = ImageFolder(tmp_path)[0]
    assert picture.mode == "RGB" and np.asarray(picture)[0, :, 0].tolist() == [0, 1, 156, 255]


def test_to_tensor_of_arrays():
    got = T.ToTensor()(np.stack([PIXELS, PIXELS]))
    assert got.shape == (2, 3, 13, 17)
    np.testing.assert_array_equal(got.array[1], T.ToTensor()(RGB).array)
    floats = np.ones((4, 5, 2))
    got = T.ToTensor()(floats)
    assert got.dtype == np.float64 and got.shape == (2, 4, 5) and (got.array == 1).all()
    got.array[:] = 0
    assert (floats == 1).all()


def test_normalize():
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    x = RNG.random((4, 3, 5, 6))
    expected = np.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    for dtype, tolerance in ((np.float64, 1e-15), (np.float32, 1e-6)):
        for batch, wanted in ((x, expected), (x[0], expected[0])):
            got = T.Normalize(mean, std)(from_array(batch.astype(dtype)))
            assert got.dtype == dtype
            np.testing.assert_allclose(got.array, wanted, rtol=1e-5, atol=tolerance)
            hwc = np.moveaxis(batch, -3, -1).astype(dtype)
            np.testing.assert_allclose(
                T.Normalize(mean, std)(hwc), np.moveaxis(wanted, -3, -1), rtol=1e-5, atol=tolerance
            )
    tensor, array = from_array(x.copy()), np.moveaxis(x, 1, -1).copy()
    T.Normalize(mean, std, inplace=True)(tensor)
    T.Normalize(mean, std, inplace=True)(array)
    np.testing.assert_allclose(tensor.array, expected)
    np.testing.assert_allclose(array, np.moveaxis(expected, 1, -1))


def test_gradients_pass_through_or_are_refused():
    x = mg.ones(1, 2, 2, requires_grad=True)
    T.Normalize((0.5,), (0.25,))(x).sum().backward()
    np.testing.assert_array_equal(x.grad.array, np.full((1, 2, 2), 4.0))
    with pytest.raises(RuntimeError, match=r"Resize: .*detach\(\)"):
        T.Resize(1)(x)


@pytest.mark.parametrize("kind", ["pillow", "array", "tensor"])
def test_random_crop_takes_every_place_equally(kind):
    picture = kinds(Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)))[kind]
    mg.manual_seed(0)
    counts = np.zeros((4, 5), int)
    for _ in range(600):
        got = as_hwc(T.RandomCrop((3, 3))(picture))[:, :, 0]
        corner = divmod(int(got[0, 0]), 5)
        np.testing.assert_array_equal(got, np.arange(20).reshape(4, 5)[corner[0] :, corner[1] :][:3, :3])
        counts[corner] += 1
    assert (counts[:2, :3] > 60).all() and counts[:2, :3].sum() == 600


def test_random_crop_of_a_batch_draws_for_each_picture():
    mg.manual_seed(1)
    batch = np.broadcast_to(np.arange(1, 37, dtype=np.float32).reshape(1, 6, 6), (500, 2, 6, 6))
    got = T.RandomCrop(6, padding=2)(from_array(batch)).array
    padded = np.pad(batch[0, 0], 2)
    places = {padded[t : t + 6, left : left + 6].tobytes(): (t, left) for t in range(5) for left in range(5)}
    seen = [places[np.ascontiguousarray(picture[0]).tobytes()] for picture in got]
    assert len(set(seen)) == 25
    np.testing.assert_array_equal(got[:, 0], got[:, 1])  # the channels of a picture move together


def test_random_crop_padding():
    assert T.RandomCrop(20, pad_if_needed=True, fill=9)(RGB).size == (20, 20)
    assert T.RandomCrop(10, padding=(1, 2), padding_mode="reflect")(RGB).size == (10, 10)
    with pytest.raises(ValueError, match=r"size \(20, 20\) is larger than the picture's, \(13, 17\)"):
        T.RandomCrop(20)(RGB)


def test_flipping_a_batch_draws_for_each_picture():
    mg.manual_seed(2)
    batch = RNG.random((400, 1, 3, 4))
    got = T.RandomHorizontalFlip(0.25)(from_array(batch)).array
    flipped = (got == batch[..., ::-1]).all((1, 2, 3))
    assert ((got == batch).all((1, 2, 3)) ^ flipped).all()
    assert 70 < flipped.sum() < 130


def test_random_resized_crop_covers_what_it_says():
    mg.manual_seed(3)
    transform = T.RandomResizedCrop(8, scale=(0.2, 0.5), ratio=(0.5, 2.0))
    parts = np.array([transform.get_params(np.empty((60, 80)), transform.scale, transform.ratio) for _ in range(400)])
    top, left, height, width = parts.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 60).all() and (left + width <= 80).all()
    area, ratio = height * width / 4800, width / height
    assert 0.19 < area.min() < 0.25 and 0.45 < area.max() < 0.51
    assert 0.48 < ratio.min() < 0.6 and 1.7 < ratio.max() < 2.1 and 0.9 < np.median(ratio) < 1.1
    assert T.RandomResizedCrop((4, 5))(RGB).size == (5, 4)
    # a strip in which nothing fits: the middle, as wide as the ratio lets it be
    ratio = 3 / 4, 4 / 3
    assert T.RandomResizedCrop.get_params(np.empty((3, 300)), (1, 1), ratio) == (0, 148, 3, 4)
    assert T.RandomResizedCrop.get_params(np.empty((300, 3)), (1, 1), ratio) == (148, 0, 4, 3)


def test_random_rotation_draws_its_angle():
    mg.manual_seed(4)
    dot = np.zeros((1, 41, 41), np.float32)
    dot[0, 19:22, 36:39] = 1  # to the right of the middle: counter-clockwise is up
    angles = []
    for _ in range(60):
        rows, columns = np.nonzero(T.RandomRotation((10, 50))(from_array(dot)).array[0])
        angles.append(np.degrees(np.arctan2(20 - rows.mean(), columns.mean() - 20)))
    assert 8 < min(angles) < 15 and 45 < max(angles) < 52
    batch = T.RandomRotation(90)(from_array(np.broadcast_to(dot, (8, 1, 41, 41)))).array
    assert len({picture.tobytes() for picture in batch}) > 4


@pytest.mark.parametrize(
    ("arguments", "judge"),
    [
        ({"brightness": (1.4, 1.4)}, lambda p: ImageEnhance.Brightness(p).enhance(1.4)),
        ({"contrast": (0.5, 0.5)}, lambda p: ImageEnhance.Contrast(p).enhance(0.5)),
        ({"saturation": (1.8, 1.8)}, lambda p: ImageEnhance.Color(p).enhance(1.8)),
        ({"saturation": (0, 0)}, lambda p: p.convert("L").convert(p.mode)),
    ],
)
@pytest.mark.parametrize("picture", [RGB, GREY], ids=["RGB", "L"])
def test_colour_is_pillows(arguments, judge, picture):
    assert_all_kinds(T.ColorJitter(**arguments), picture, judge(picture), atol=1)


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.1, 0.4])
def test_hue_is_colorsys(shift):
    pixels = PIXELS.astype(np.float64) / 255
    pixels[0, 0] = pixels[0, 1] = 0.5  # grey has no hue
    expected = np.empty_like(pixels)
    for place in np.ndindex(pixels.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixels[place])
        expected[place] = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
    np.testing.assert_allclose(T.ColorJitter(hue=(shift, shift))(pixels), expected, atol=1e-12)


def test_color_jitter_draws_in_its_range_and_for_each_picture():
    mg.manual_seed(5)
    grey = from_array(np.full((300, 3, 2, 2), 0.5, np.float32))
    factors = T.ColorJitter(brightness=0.4)(grey).array[:, 0, 0, 0] / 0.5
    assert 0.6 <= factors.min() < 0.65 and 1.35 < factors.max() <= 1.4 and len(set(factors.tolist())) > 250
    assert T.ColorJitter(0.1, 0.1, 0.1, 0.1)(RGB).mode == "RGB"


def test_random_erasing():
    mg.manual_seed(6)
    ones = np.ones((200, 3, 20, 30), np.float32)
    got = T.RandomErasing(p=0.6, scale=(0.05, 0.3), value=(0.1, 0.2, 0.3))(from_array(ones)).array
    shares = []
    for picture in got:
        erased = picture[0] != 1
        if not erased.any():
            continue
        rows, columns = np.flatnonzero(erased.any(1)), np.flatnonzero(erased.any(0))
        assert erased[np.ix_(rows, columns)].all() and np.ptp(rows) + 1 == len(rows)
        assert [picture[c][erased].max() for c in range(3)] == [np.float32(v) for v in (0.1, 0.2, 0.3)]
        shares.append(erased.mean())
    assert 95 < len(shares) < 145 and min(shares) > 0.03 and 0.2 < max(shares) < 0.33
    assert (ones == 1).all()
    noise = T.RandomErasing(p=1, value="random")(from_array(np.ones((1, 40, 40)))).array
    assert abs(noise[noise != 1].mean()) < 0.5 and noise.min() < -1
    tensor = from_array(np.ones((1, 20, 20)))
    T.RandomErasing(p=1, inplace=True)(tensor)
    assert (tensor.array == 0).any()


@pytest.mark.parametrize(
    "transform",
    [
        T.RandomCrop(9, padding=2), T.RandomHorizontalFlip(), T.RandomResizedCrop(7), T.RandomRotation(40),
        T.ColorJitter(0.4, 0.4, 0.4, 0.4), T.RandomErasing(1.0),
    ],
)  # fmt: skip
def test_the_seed_governs(transform):
    def draws(seed):
        mg.manual_seed(seed)
        return [as_hwc(transform(RGB)).tobytes() for _ in range(8)]

    assert draws(7) == draws(7) != draws(8)


@pytest.mark.parametrize("kind", ["tensor", "array"])
@pytest.mark.parametrize(
    "transform",
    [
        T.Pad(1), T.CenterCrop(5), T.Resize(6), T.RandomCrop(9), T.RandomResizedCrop(7),
        T.RandomHorizontalFlip(), T.RandomRotation(30), T.RandomErasing(), T.ColorJitter(0.2, 0.2, 0.2, 0.2),
        T.Compose([T.Pad(2), T.RandomCrop(13)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [0, 1, 3])
def test_batches_have_the_shape_of_their_pictures(transform, kind, count):
    one = kinds(RGB)[kind]
    array = one.array if kind == "tensor" else one
    batch = np.repeat(array[None], count, 0)
    got = transform(from_array(batch) if kind == "tensor" else batch)
    assert got.shape == (count, *transform(one).shape) and got.dtype == one.dtype and transform.batched


def test_compose_and_reprs():
    transform = T.Compose(
        [
            T.RandomCrop(28, padding=2), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize((0.5,), (0.5,)),
            T.Resize(9), T.Pad(1), T.CenterCrop(5), T.RandomRotation(10), T.RandomErasing(),
            T.RandomResizedCrop(3), T.ColorJitter(brightness=0.5, hue=0.25), T.Lambda(abs),
            T.Compose([T.ToTensor()]),
        ]
    )  # fmt: skip
    assert repr(transform) == (
        "Compose(\n"
        "    RandomCrop(size=(28, 28), padding=2)\n"
        "    RandomHorizontalFlip(p=0.5)\n"
        "    ToTensor()\n"
        "    Normalize(mean=(0.5,), std=(0.5,))\n"
        "    Resize(size=9, interpolation=bilinear, max_size=None, antialias=True)\n"
        "    Pad(padding=1, fill=0, padding_mode=constant)\n"
        "    CenterCrop(size=(5, 5))\n"
        "    RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)\n"
        "    RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)\n"
        "    RandomResizedCrop(size=(3, 3), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, "
        "antialias=True)\n"
        "    ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.25, 0.25))\n"
        "    Lambda()\n"
        "    Compose(\n"
        "        ToTensor()\n"
        "    )\n"
        ")"
    )
    assert T.Compose([T.ToTensor(), T.Lambda(lambda x: x + 1)])(RGB).array.min() >= 1
    assert not transform.batched and not T.Compose([abs]).batched


BAD = [
    (lambda: T.Resize(0), ValueError, "Resize: size must be a positive int or a pair"),
    (lambda: T.CenterCrop((1, 2, 3)), ValueError, r"CenterCrop: size .*\(1, 2, 3\)"),
    (lambda: T.Resize(8, max_size=8), ValueError, "max_size=8 needs an int size that is smaller"),
    (lambda: T.Resize(8, interpolation="bilinear"), TypeError, "InterpolationMode"),
    (lambda: T.Pad(-1), ValueError, "Pad: padding must be 1, 2 or 4 ints"),
    (lambda: T.Pad((1, 2, 3)), ValueError, "Pad: padding must be 1, 2 or 4 ints"),
    (lambda: T.Pad(1, padding_mode="zero"), ValueError, "constant, edge, reflect, symmetric, got 'zero'"),
    (lambda: T.RandomHorizontalFlip(1.5), ValueError, "between 0 and 1, got 1.5"),
    (lambda: T.RandomRotation(-5), ValueError, "at least 0, got -5"),
    (lambda: T.RandomRotation((1, 2, 3)), ValueError, "pair"),
    (lambda: T.RandomRotation(5, Image.LANCZOS), ValueError, "nearest, bilinear or bicubic, got lanczos"),
    (lambda: T.RandomResizedCrop(5, scale=(0, 1)), ValueError, "scale must be"),
    (lambda: T.RandomResizedCrop(5, ratio=(2, 1)), ValueError, "ratio must be"),
    (lambda: T.RandomErasing(2), ValueError, "p must be between"),
    (lambda: T.RandomErasing(value="noise"), ValueError, '"random", got \'noise\''),
    (lambda: T.RandomErasing(1, value=(1, 2))(from_array(np.ones((3, 9, 9)))), ValueError, "2 values .* 3"),
    (lambda: T.ColorJitter(hue=0.6), ValueError, "hue must lie in"),
    (lambda: T.ColorJitter(brightness=-1), ValueError, "at least 0, got -1"),
    (lambda: T.ColorJitter(0.1)(from_array(np.ones((2, 4, 4)))), ValueError, "1 or 3 channels .* got 2"),
    (lambda: T.Lambda(3), TypeError, "callable, got int"),
    (lambda: T.ToTensor()([1, 2]), TypeError, "ToTensor: .*got list"),
    (lambda: T.ToTensor()(np.ones(3)), ValueError, r"got shape \(3,\)"),
    (lambda: T.Normalize((0,), (0,)), ValueError, "std must not hold 0"),
    (lambda: T.Normalize((0,), (1,))(RGB), TypeError, "put ToTensor before it"),
    (lambda: T.Normalize((0,), (1,))(from_array(PIXELS)), TypeError, "expected floats, got uint8"),
    (lambda: T.Normalize((0, 0), (1, 1))(from_array(np.ones((3, 2, 2)))), ValueError, "do not fit 3 channels"),
    (lambda: T.Pad(1)("picture"), TypeError, "Pillow image, a NumPy array or a tensor, got str"),
    (lambda: T.Pad(1)(from_array(np.ones(3))), ValueError, r"Pad: .*got shape \(3,\)"),
    (lambda: T.ColorJitter(0.5)(RGB.convert("P")), ValueError, "pixels of mode 'P' are no colours"),
    (lambda: T.ToTensor()(np.ones((2, 2), complex)), TypeError, "got complex128"),
    (lambda: T.ToTensor()(np.array([["a"]])), TypeError, "got <U1"),
    (lambda: T.ToTensor()(np.ones((2, 2), object)), TypeError, "got object"),
    (lambda: T.ToTensor()(np.ones((2, 2), np.uint64)), TypeError, "got uint64"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD)
def test_bad_inputs(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_loader_makes_batches_of_the_sample_at_once():
    transform = T.Compose([T.Resize(20), T.ToTensor(), T.Normalize((0.28,), (0.35,))])
    data = FashionMNISTSample(train=False, transform=transform)
    images, targets = next(iter(DataLoader(data, batch_size=64)))
    assert images.shape == (64, 1, 20, 20) and images.dtype == np.float32 and targets.dtype == np.int64
    for index in (0, 17, 63):  # what the items are, one by one
        np.testing.assert_array_equal(images.array[index], data[index][0].array)
        assert int(targets.array[index]) == data[index][1]


def test_batches_at_once_only_where_they_are_the_items():
    class Noisy(FashionMNISTSample):
        def __getitem__(self, index):
            return super().__getitem__(index)[0], -1

    plain = FashionMNISTSample(train=False, transform=T.ToTensor())
    assert len(plain.__getbatch__([3, 1])) == 2
    assert Noisy(train=False, transform=T.ToTensor()).__getbatch__([0]) is NotImplemented
    plain.target_transform = str
    assert plain.__getbatch__([0]) is NotImplemented
    plain.target_transform, plain.transform = None, T.Lambda(np.asarray)
    assert plain.__getbatch__([0]) is NotImplemented
    plain.transform = None
    assert plain.__getbatch__([0]) is NotImplemented


def test_a_loader_makes_batches_of_cifar_at_once(tmp_path):
    pixels = RNG.integers(0, 256, (4, 3, 32, 32), np.uint8)
    records = b"".join(bytes([c]) + picture.tobytes() for c, picture in enumerate(pixels))
    (tmp_path / "test_batch.bin").write_bytes(records)
    (tmp_path / "batches.meta.txt").write_text("a\nb\nc\nd\n")
    data = CIFAR10(tmp_path, train=False, transform=T.ToTensor())
    images, targets = next(iter(DataLoader(data, batch_size=4)))
    np.testing.assert_array_equal(images.array, pixels.astype(np.float32) / np.float32(255))
    assert targets.tolist() == [0, 1, 2, 3]
