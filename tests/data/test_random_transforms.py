"""Crops, borders, rotations, affine maps, colours and erasing, against their definitions."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minidl
from minidl.data import sample_stream, transforms
from minidl.data.transforms import functional as F
from minidl.data.transforms.geometry import inverse_affine
from minidl.errors import ArgumentError, DTypeError, ShapeError
from minidl.tensor import Tensor

sides = st.integers(1, 24)


def picture(w=23, h=17, mode="RGB", seed=0):
    bands = [
        Image.fromarray(np.random.default_rng([seed, i]).integers(0, 256, (h, w), dtype=np.uint8))
        for i in range(len(Image.new(mode, (1, 1)).getbands()))
    ]
    return bands[0] if len(bands) == 1 else Image.merge(mode, bands)


def array(img):
    """(H, W, C) of a picture or a tensor (C, H, W)."""
    if isinstance(img, Tensor):
        return img.numpy().transpose(1, 2, 0)
    values = np.asarray(img)
    return values if values.ndim == 3 else values[:, :, None]


def both(img):
    """A picture, and the same as a tensor of bytes."""
    return img, transforms.PILToTensor()(img)


# ---- crops


@given(sides, sides, sides, sides)
def test_center_crop(h, w, height, width):
    """torchvision: a smaller picture gets a border of 0, more at the right and bottom; halves round to even."""
    img = picture(w, h)
    padded = array(img)
    if height > h or width > w:
        dy, dx = max(height - h, 0), max(width - w, 0)
        padded = np.pad(padded, ((dy // 2, dy - dy // 2), (dx // 2, dx - dx // 2), (0, 0)))
    top, left = round((padded.shape[0] - height) / 2), round((padded.shape[1] - width) / 2)
    expected = padded[top : top + height, left : left + width]
    for given_as in both(img):
        np.testing.assert_array_equal(array(transforms.CenterCrop((height, width))(given_as)), expected)


@given(st.integers(-10, 30), st.integers(-10, 30), sides, sides)
def test_crops_may_reach_beyond(top, left, height, width):
    img = picture()
    wide = np.pad(array(img), ((10, 60), (10, 60), (0, 0)))
    expected = wide[top + 10 : top + 10 + height, left + 10 : left + 10 + width]
    for given_as in both(img):
        np.testing.assert_array_equal(array(F.crop(given_as, top, left, height, width)), expected)


def test_random_crop_takes_every_place():
    img = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for given_as in both(img):
        found = [array(transforms.RandomCrop((2, 2))(given_as))[:, :, 0] for _ in range(1200)]
        corners = [part[0, 0] for part in found]
        assert set(corners) == {0, 1, 2, 4, 5, 6}
        assert all(abs(corners.count(c) - 200) < 70 for c in set(corners))
        assert all((part == part[0, 0] + [[0, 1], [4, 5]]).all() for part in found)


def test_random_crop_with_a_border():
    img = picture(8, 8, "L")
    crop = transforms.RandomCrop(8, padding=4, padding_mode="reflect")
    wide = np.pad(np.asarray(img), 4, "reflect")
    windows = np.lib.stride_tricks.sliding_window_view(wide, (8, 8)).reshape(-1, 64).tolist()
    for given_as in both(img):
        assert all(array(crop(given_as)).ravel().tolist() in windows for _ in range(20))


def test_random_crop_pads_if_needed():
    img = picture(5, 20, "L")
    for given_as in both(img):
        part = array(transforms.RandomCrop((10, 9), pad_if_needed=True, fill=7)(given_as))[:, :, 0]
        assert part.shape == (10, 9)
        inside = [i for i in range(9) if (part[:, i] != 7).any()]
        assert len(inside) == 5
    message = r"RandomCrop: the picture must be of 10 x 9 or larger \(pad_if_needed=True .*, got 20 x 5"
    with pytest.raises(ShapeError, match=message):
        transforms.RandomCrop((10, 9))(img)


def test_random_resized_crop_draws_areas_and_proportions():
    img = Image.new("L", (400, 300))
    crop = transforms.RandomResizedCrop(32, scale=(0.1, 0.3), ratio=(0.5, 2))
    drawn = np.array([crop.get_params(img, crop.scale, crop.ratio) for _ in range(2000)])
    top, left, h, w = drawn.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= 300).all()
    assert (left + w <= 400).all()
    area, ratio = h * w / (400 * 300), w / h
    assert 0.098 < area.min() < 0.11
    assert 0.29 < area.max() < 0.302
    assert abs(area.mean() - 0.2) < 0.01
    assert abs(np.log(ratio).mean()) < 0.05
    assert ratio.max() < 2.02
    assert ratio.min() > 0.495
    assert crop(img).size == (32, 32)


def test_random_resized_crop_is_a_crop_resized():
    img = picture(60, 40)
    crop = transforms.RandomResizedCrop((9, 11), interpolation="bicubic")
    with sample_stream(1, 2, 3):
        result = crop(img)
    with sample_stream(1, 2, 3):
        top, left, h, w = crop.get_params(img, crop.scale, crop.ratio)
    expected = img.crop((left, top, left + w, top + h)).resize((11, 9), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(array(result), array(expected))
    tensor = transforms.ToTensor()(img)
    assert crop(tensor).shape == (3, 9, 11)


@pytest.mark.parametrize(
    ("size", "expected"), [((1000, 10), (13, 10)), ((10, 1000), (10, 13)), ((10, 10), (10, 10))]
)
def test_random_resized_crop_of_what_never_fits(size, expected):
    """The largest of allowed proportions in the middle: width = round(height * 4/3), and the other way."""
    img = Image.new("L", size)
    top, left, h, w = transforms.RandomResizedCrop.get_params(img, (30, 30), (3 / 4, 4 / 3))
    assert (w, h) == expected
    assert (left, top) == ((size[0] - w) // 2, (size[1] - h) // 2)


# ---- borders


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@given(st.lists(st.integers(0, 30), min_size=4, max_size=4), st.sampled_from(["RGB", "L", "LA", "CMYK"]))
def test_borders_are_numpys(mode, widths, colours):
    left, top, right, bottom = widths
    img = picture(9, 7, colours)
    expected = np.pad(array(img), ((top, bottom), (left, right), (0, 0)), mode)
    padded = transforms.Pad(widths, padding_mode=mode)(img)
    assert padded.mode == colours
    np.testing.assert_array_equal(array(padded), expected)
    np.testing.assert_array_equal(array(F.pad(both(img)[1], widths, padding_mode=mode)), expected)


def test_the_forms_of_a_border():
    img = picture(4, 3)
    assert transforms.Pad(2)(img).size == (8, 7)
    assert transforms.Pad([2])(img).size == (8, 7)
    assert transforms.Pad((2, 1))(img).size == (8, 5)
    assert transforms.Pad((1, 2, 3, 4))(img).size == (8, 9)
    filled = transforms.Pad(1, fill=(1, 2, 3))(img)
    assert filled.getpixel((0, 0)) == (1, 2, 3)
    assert transforms.Pad(1, fill=9)(img).getpixel((5, 4)) == (9, 9, 9)
    assert transforms.Pad(1, fill=0.5)(transforms.ToTensor()(img))[:, 0, 0].tolist() == [0.5] * 3
    for mode in ("constant", "edge"):
        cropped = F.pad(img, (-1, 1, 0, -1), padding_mode=mode)
        assert cropped.size == (3, 3)
        np.testing.assert_array_equal(array(cropped)[1:], array(img)[:2, 1:])


def test_borders_of_palette_pictures():
    img = picture(6, 5).quantize(16)
    colours = array(img.convert("RGB"))
    for mode in ("constant", "symmetric"):
        padded = F.pad(img, 2, padding_mode=mode)
        assert padded.mode == "P"
        np.testing.assert_array_equal(array(padded.convert("RGB"))[2:-2, 2:-2], colours)


# ---- moved and turned


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3)])
def test_right_angles(angle, turns):
    """Counter-clockwise, as np.rot90 turns."""
    img = picture(11, 11)
    np.testing.assert_array_equal(array(F.rotate(img, angle)), np.rot90(array(img), turns))
    wide = F.rotate(picture(), angle, expand=True)
    np.testing.assert_array_equal(array(wide), np.rot90(array(picture()), turns))


def sampled(img, matrix, fill=0):
    """By the definition of nearest: result (x, y) shows the pixel that holds matrix @ (x + 0.5, y + 0.5, 1)."""
    h, w = array(img).shape[:2]
    y, x = np.mgrid[:h, :w] + 0.5
    x, y = (m[0] * x + m[1] * y + m[2] for m in (matrix[0], matrix[1]))
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    column, row = (np.floor(v).clip(0, n - 1).astype(int) for v, n in ((x, w), (y, h)))
    return np.where(inside[:, :, None], array(img)[row, column], fill)


def affine_inverse(center, angle, translate, scale, shear):
    """Built of its parts, and inverted by NumPy."""

    def move(x, y):
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])

    def linear(a, b, c, d):
        return np.array([[a, b, 0], [c, d, 0], [0, 0, 1.0]])

    turn, sx, sy = np.radians([angle, *shear])
    rotation = linear(np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn))
    shears = linear(1, 0, -np.tan(sy), 1) @ linear(1, -np.tan(sx), 0, 1)
    forward = move(*translate) @ move(*center) @ rotation @ shears @ linear(scale, 0, 0, scale)
    return np.linalg.inv(forward @ move(*(-np.array(center))))


@given(
    st.floats(-180, 180), st.tuples(st.integers(-9, 9), st.integers(-9, 9)), st.floats(0.3, 3),
    st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    st.one_of(st.none(), st.tuples(st.floats(0, 20), st.floats(0, 20))),
)  # fmt: skip
def test_affine_by_its_definition(angle, translate, scale, shear, center):
    img = picture(30, 20)
    middle = (15, 10) if center is None else center
    matrix = affine_inverse(middle, angle, translate, scale, shear)
    ours = np.array(inverse_affine(middle, angle, translate, scale, shear)).reshape(2, 3)
    np.testing.assert_allclose(ours, matrix[:2], rtol=1e-9, atol=1e-9)
    moved = array(F.affine(img, angle, translate, scale, shear, center=center, fill=(9, 8, 7)))
    # Pillow counts in 16ths of thousands of a pixel: where a place lies on an edge, it may choose the neighbour
    assert (moved != sampled(img, matrix, (9, 8, 7))).any(2).mean() < 0.1


def test_one_angle_of_shear_in_a_list_is_that_of_both():
    expected = F.affine(picture(), 0, (0, 0), 1, (7, 7))
    assert F.affine(picture(), 0, (0, 0), 1, [7]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("angle", [17, -33, 140])
def test_rotation_by_its_definition(angle):
    img = picture(31, 20)
    turned = array(F.rotate(img, angle, fill=5))
    expected = sampled(img, affine_inverse((15.5, 10), -angle, (0, 0), 1, (0, 0)), 5)
    assert (turned != expected).any(2).mean() < 0.02


def test_a_corner_of_a_rotation():
    img = picture(9, 9)
    turned = F.rotate(img, 90, center=(0, 0))  # counter-clockwise about the corner: out of sight
    assert not array(turned)[1:].any()
    with_colour = F.rotate(img, 45, fill=(1, 2, 3), interpolation="bilinear")
    assert with_colour.getpixel((0, 0)) == (1, 2, 3)


def test_what_random_rotation_draws():
    angles = [transforms.RandomRotation.get_params((-10, 30)) for _ in range(2000)]
    assert -10 <= min(angles) < -9
    assert 29 < max(angles) <= 30
    assert abs(np.mean(angles) - 10) < 1.5
    assert transforms.RandomRotation(20).degrees == (-20, 20)
    img = picture()
    with sample_stream(0, 0, 0):
        angle = transforms.RandomRotation.get_params((-20, 20))
    with sample_stream(0, 0, 0):
        turned = transforms.RandomRotation(20, "bilinear", expand=True, fill=3)(img)
    expected = img.rotate(angle, Image.Resampling.BILINEAR, True, fillcolor=(3, 3, 3))
    np.testing.assert_array_equal(array(turned), array(expected))


def test_what_random_affine_draws():
    move = transforms.RandomAffine(10, (0.1, 0.2), (0.5, 2), (-5, 5, 20, 30))
    drawn = [
        move.get_params(move.degrees, move.translate, move.scale, move.shear, (100, 50)) for _ in range(3000)
    ]
    angles, moves, scales, shears = (np.array(v) for v in zip(*drawn, strict=True))
    for values, low, high in (
        (angles, -10, 10), (moves[:, 0], -10, 10), (moves[:, 1], -10, 10), (scales, 0.5, 2), (shears[:, 0], -5, 5),
        (shears[:, 1], 20, 30),
    ):  # fmt: skip
        assert low <= values.min() < low + (high - low) * 0.01
        assert high - (high - low) * 0.01 < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < (high - low) * 0.03
    still = transforms.RandomAffine(0)
    assert still.get_params(still.degrees, None, None, None, (9, 9)) == (0, (0, 0), 1, (0, 0))
    np.testing.assert_array_equal(array(still(picture())), array(picture()))
    assert transforms.RandomAffine(0, shear=7).shear == (-7, 7)
    assert transforms.RandomAffine(0, shear=(1, 7)).shear == (1, 7)


# ---- colours


@pytest.mark.parametrize("factor", [0, 0.4, 1, 1.7])
def test_brightness_contrast_saturation(factor):
    """Mixtures with black, with the rounded mean grey, and with the grey picture."""
    img = picture()
    pixels = array(img).astype(float)
    grey = array(img.convert("L")).astype(float)
    for change, other in (
        (F.adjust_brightness, np.zeros(1)),
        (F.adjust_contrast, np.floor(grey.mean() + 0.5)),
        (F.adjust_saturation, grey),
    ):
        expected = (other + factor * (pixels - other)).clip(0, 255)
        assert abs(array(change(img, factor)) - expected).max() <= 1
        if factor == 1:
            np.testing.assert_array_equal(array(change(img, 1)), pixels)


@pytest.mark.parametrize("factor", [-0.5, -0.2, 0, 0.1, 0.5])
def test_hue_goes_round(factor):
    rng = np.random.default_rng(0)
    hues = rng.random((12, 12))
    pixels = np.array([[colorsys.hsv_to_rgb(h, 0.9, 0.9) for h in row] for row in hues])
    img = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    moved = array(F.adjust_hue(img, factor)) / 255
    got = np.array([[colorsys.rgb_to_hsv(*rgb)[0] for rgb in row] for row in moved])
    away = abs((got - hues - factor + 0.5) % 1 - 0.5)
    assert away.max() < 0.012  # three 255ths
    grey = picture(mode="L")
    assert F.adjust_hue(grey, 0.3) is grey


def test_what_color_jitter_draws():
    jitter = transforms.ColorJitter(brightness=0.4, contrast=2, saturation=(0.5, 0.7), hue=0.1)
    assert jitter.brightness == pytest.approx((0.6, 1.4))
    assert jitter.contrast == (0, 3)
    assert jitter.saturation == (0.5, 0.7)
    assert jitter.hue == (-0.1, 0.1)
    img = picture()
    np.testing.assert_array_equal(array(transforms.ColorJitter()(img)), array(img))
    grey = Image.new("L", (1, 1), 100)
    drawn = np.array(
        [transforms.ColorJitter(brightness=(0.5, 1.5))(grey).getpixel((0, 0)) for _ in range(2000)]
    )
    assert 50 <= drawn.min() < 52
    assert 148 < drawn.max() <= 150
    assert abs(drawn.mean() - 100) < 3


def test_color_jitter_changes_the_order():
    """Contrast and brightness do not commute; both orders are seen."""
    img = picture()
    jitter = transforms.ColorJitter(brightness=(0.5, 0.5), contrast=(2, 2))
    one = F.adjust_contrast(F.adjust_brightness(img, 0.5), 2)
    other = F.adjust_brightness(F.adjust_contrast(img, 2), 0.5)
    results = [jitter(img).tobytes() for _ in range(200)]
    assert set(results) == {one.tobytes(), other.tobytes()}
    assert 60 < results.count(one.tobytes()) < 140


def test_grey():
    img = picture()
    luma = array(img) @ np.array([0.299, 0.587, 0.114])
    one, three = transforms.Grayscale()(img), transforms.Grayscale(3)(img)
    assert (one.mode, three.mode) == ("L", "RGB")
    assert abs(array(one)[:, :, 0] - luma).max() <= 0.51
    np.testing.assert_array_equal(array(three), np.repeat(array(one), 3, 2))
    results = [transforms.RandomGrayscale(0.3)(img) for _ in range(500)]
    changed = [r for r in results if r is not img]
    assert abs(len(changed) - 150) < 5 * math.sqrt(500 * 0.3 * 0.7)
    np.testing.assert_array_equal(array(changed[0]), array(three))
    assert transforms.RandomGrayscale(1)(picture(mode="L")).mode == "L"


# ---- erasing


def test_random_erasing_draws_rectangles():
    img = minidl.ones(3, 80, 100)
    erasing = transforms.RandomErasing(1, scale=(0.1, 0.2), ratio=(0.5, 2), value=0.25)
    areas, ratios = [], []
    for _ in range(600):
        erased = erasing(img).numpy()
        inside = erased[0] == 0.25
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        assert inside.sum() == len(rows) * len(columns) == (erased == 0.25).sum() / 3
        assert (erased[:, ~inside] == 1).all()
        areas.append(inside.mean())
        ratios.append(len(rows) / len(columns))
    assert 0.095 < min(areas) < 0.105
    assert 0.195 < max(areas) < 0.205
    assert abs(np.mean(areas) - 0.15) < 0.005
    assert abs(np.log(ratios).mean()) < 0.08
    assert max(ratios) < 2.2
    assert (img.numpy() == 1).all()


def test_how_often_and_with_what_it_erases():
    img = minidl.zeros(3, 20, 20)
    erased = [transforms.RandomErasing(0.3, value=1)(img).sum().item() > 0 for _ in range(1000)]
    assert abs(sum(erased) - 300) < 5 * math.sqrt(1000 * 0.3 * 0.7)
    values = transforms.RandomErasing(1, value=(1, 2, 3))(img).numpy()
    assert [sorted(set(channel.ravel())) for channel in values] == [[0, 1], [0, 2], [0, 3]]
    noise = transforms.RandomErasing(1, scale=(0.3, 0.33), value="random")(minidl.zeros(3, 200, 200)).numpy()
    noise = noise[noise != 0]
    assert abs(noise.mean()) < 0.05
    assert abs(noise.std() - 1) < 0.05
    batch = transforms.RandomErasing(1, value=1)(minidl.zeros(2, 3, 20, 20)).numpy()
    np.testing.assert_array_equal(batch[0], batch[1])
    assert transforms.RandomErasing(1, value=1, inplace=True)(img) is img
    assert img.sum().item() > 0
    assert transforms.RandomErasing(1, (1, 1), (1, 1))(img) is img  # no such rectangle is smaller than it


def test_erased_pictures_keep_their_memory_order():
    tensor = transforms.ToTensor()(picture())
    assert transforms.RandomErasing(1)(tensor).array.transpose(1, 2, 0).flags.c_contiguous


# ---- chance


RANDOM = [
    transforms.RandomCrop(8), transforms.RandomResizedCrop(8), transforms.RandomHorizontalFlip(),
    transforms.RandomRotation(90), transforms.RandomAffine(90, (0.3, 0.3), (0.5, 2), 20),
    transforms.ColorJitter(0.5, 0.5, 0.5, 0.5), transforms.RandomGrayscale(0.5), transforms.RandomVerticalFlip(),
    transforms.RandomApply([transforms.Grayscale(3)]), transforms.RandomChoice([abs, transforms.Grayscale()][1:] * 2),
    transforms.RandomOrder([transforms.ColorJitter(0.5), transforms.RandomHorizontalFlip()]),
    transforms.Compose([transforms.ToTensor(), transforms.RandomErasing(value="random")]),
]  # fmt: skip


@pytest.mark.parametrize("transform", RANDOM, ids=lambda t: type(t).__name__)
def test_random_transforms_belong_to_the_sample(transform):
    assert transform.random

    def made(epoch, index):
        with sample_stream(3, epoch, index):
            return array(transform(picture())).tobytes()

    numbers = [(epoch, index) for epoch in range(2) for index in range(12)]
    first = {key: made(*key) for key in numbers}
    state = minidl.get_rng_state()
    assert {key: made(*key) for key in reversed(numbers)} == first
    assert minidl.equal(minidl.get_rng_state(), state)
    if not isinstance(transform, transforms.RandomChoice):
        assert len(set(first.values())) > 1


@pytest.mark.parametrize("transform", RANDOM, ids=lambda t: type(t).__name__)
def test_they_can_be_told_apart_by_their_repr(transform):
    assert type(transform).__name__ in repr(transform)
    assert "0x" not in repr(transform)


def test_reprs():
    assert repr(transforms.RandomCrop(8, 4)) == (
        "RandomCrop(size=(8, 8), padding=(4, 4, 4, 4), pad_if_needed=False, fill=0, padding_mode='constant')"
    )
    assert repr(transforms.RandomRotation(5, 2)) == (
        "RandomRotation(degrees=(-5.0, 5.0), interpolation='bilinear', expand=False, center=None, fill=0)"
    )


# ---- wrong calls


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: transforms.CenterCrop(0), "CenterCrop: size must be a positive int, or .height, width., got 0"),
        (lambda: transforms.RandomCrop((1, 2, 3)), "RandomCrop: size must be a positive int"),
        (lambda: transforms.Pad("wide"), "Pad: padding must be an int, or 2 or 4 of them, got 'wide'"),
        (lambda: transforms.Pad((1, 2, 3)), r"Pad: padding must be an int, or 2 or 4 of them, got \(1, 2, 3\)"),
        (lambda: transforms.RandomCrop(2, 1.5), "RandomCrop: padding must be an int, or 2 or 4 of them, got 1.5"),
        (lambda: transforms.Pad(1, 0, "mirror"), "Pad: padding_mode must be one of 'constant', 'edge', 'reflect'"),
        (lambda: F.pad(picture(), 1, 0, "mirror"), "pad: padding_mode must be one of 'constant', 'edge', 'reflect'"),
        (lambda: F.pad(picture(), 1, (1, 2)), r"pad: fill must be a number, or 3 for mode RGB, got \(1, 2\)"),
        (lambda: F.pad(minidl.ones(1, 2, 2), 1, (1,)), r"pad: fill must be a number for a tensor, got \(1,\)"),
        (lambda: transforms.RandomResizedCrop(8, (0.5, 0.1)), r"scale must be two numbers within \[0, inf\]"),
        (lambda: transforms.RandomResizedCrop(8, ratio=(0, 1)), "RandomResizedCrop: ratio must be two numbers within"),
        (lambda: transforms.RandomRotation(-5), "RandomRotation: degrees must be non-negative, or two numbers, got -5"),
        (lambda: transforms.RandomRotation((5, 1)), r"degrees must be two numbers, the first not above .*got \(5, 1\)"),
        (lambda: transforms.RandomRotation(5, "box"), "interpolation must be 'nearest', 'bilinear' or 'bicubic'"),
        (lambda: transforms.RandomRotation(5, center=3), r"RandomRotation: center must be None, or \(x, y\), got 3"),
        (lambda: transforms.RandomAffine(5, (2, 0)), r"translate must be None, or two numbers in \[0, 1\], got"),
        (lambda: transforms.RandomAffine(5, 0.1), r"translate must be None, or two numbers in \[0, 1\], got 0.1"),
        (lambda: F.affine(picture(), 0, 3, 1, 0), "affine: translate must be two numbers, got 3"),
        (lambda: F.affine(picture(), 0, (0, 0), 1, (1, 2, 3)), "affine: shear must be two numbers, got .1, 2, 3."),
        (lambda: F.affine(picture(), 0, (0, 0), 1, 0, center=1), "affine: center must be two numbers, got 1"),
        (lambda: F.rotate(picture(), 5, center=2), "rotate: center must be two numbers, got 2"),
        (lambda: transforms.RandomAffine(5, scale=(0, 1)), r"RandomAffine: scale must be positive, got \(0, 1\)"),
        (lambda: transforms.RandomAffine(5, shear="x"), "RandomAffine: shear must be two numbers, the first .*got 'x'"),
        (lambda: F.affine(picture(), 0, (0, 0), 0, 0), "affine: scale must be positive, got 0"),
        (lambda: transforms.ColorJitter(-1), "ColorJitter: brightness must be non-negative, or two numbers, got -1"),
        (lambda: transforms.ColorJitter(0, (-1, 2)), r"ColorJitter: contrast must be two numbers within \[0, inf\]"),
        (lambda: transforms.ColorJitter(hue=0.7), r"ColorJitter: hue must be two numbers within \[-0.5, 0.5\]"),
        (lambda: F.adjust_brightness(picture(), -1), "brightness_factor must be a non-negative number, got -1"),
        (lambda: F.adjust_hue(picture(), 0.6), r"adjust_hue: hue_factor must be in \[-0.5, 0.5\], got 0.6"),
        (lambda: transforms.Grayscale(2), "Grayscale: num_output_channels must be 1 or 3, got 2"),
        (lambda: F.to_grayscale(picture(), 2), "to_grayscale: num_output_channels must be 1 or 3, got 2"),
        (lambda: transforms.RandomGrayscale(2), r"RandomGrayscale: p must be in \[0, 1\], got 2"),
        (lambda: transforms.RandomErasing(scale=(0, 2)), r"RandomErasing: scale must be two numbers within \[0, 1\]"),
        (lambda: transforms.RandomErasing(value="noise"), "RandomErasing: value must be numbers, or .random., got"),
    ],
)  # fmt: skip
def test_wrong_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("transform", [t for t in RANDOM if type(t).__name__ not in ("Compose", "RandomChoice")],
                         ids=lambda t: type(t).__name__)  # fmt: skip
def test_what_is_no_picture(transform):
    message = r"img must be a PIL.Image.*, got ndarray"
    if not isinstance(transform, transforms.RandomApply):  # which may leave it alone
        with pytest.raises(DTypeError, match=message):
            transform(np.zeros((9, 9, 3), np.uint8))


def test_erasing_is_for_tensors():
    with pytest.raises(DTypeError, match=r"RandomErasing: img must be a Tensor \(..., C, H, W\), got Image"):
        transforms.RandomErasing()(picture())
    with pytest.raises(DTypeError, match=r"RandomErasing: img must be a Tensor .*, got shape \(2, 2\)"):
        transforms.RandomErasing()(minidl.ones(2, 2))
    with pytest.raises(ShapeError, match="RandomErasing: value must be one number, or 3, got 2"):
        transforms.RandomErasing(value=(1, 2))(minidl.ones(3, 9, 9))
    with pytest.raises(DTypeError, match=r"erase: img must be a Tensor \(ToTensor makes one\), got Image"):
        F.erase(picture(), 0, 0, 1, 1, 0)
    with pytest.raises(ShapeError, match=r"erase: img must be of shape \(..., C, H, W\), got \(2, 2\)"):
        F.erase(minidl.ones(2, 2), 0, 0, 1, 1, 0)
