"""Every kind of file that Pillow reads becomes RGB as a person would see it on white paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from minidl.data import load_picture
from minidl.data.pictures import to_rgb

RED, GREEN, BLUE, WHITE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128)


def stored(image, format, tmp_path, **options):
    """The picture, after a journey through a file."""
    path = tmp_path / f"x.{format.lower()}"
    image.save(path, format, **options)
    return load_picture(path)


def colours():
    """Four fields of 8 x 8: red, green, blue, white."""
    image = Image.new("RGB", (16, 16))
    for i, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        image.paste(colour, (8 * (i % 2), 8 * (i // 2), 8 * (i % 2) + 8, 8 * (i // 2) + 8))
    return image


def fields(image):
    assert image.mode == "RGB"
    return [image.getpixel(place) for place in ((4, 4), (12, 4), (4, 12), (12, 12))]


def near(found, expected, by):
    return np.abs(np.array(found, int) - np.array(expected, int)).max() <= by


FORMATS = ["PNG", "BMP", "GIF", "TIFF", "WEBP", "JPEG", "PPM", "TGA", "JPEG2000", "AVIF"]


@pytest.mark.parametrize("format", FORMATS)
def test_formats(format, tmp_path):
    optional = {"WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}
    if format in optional and not features.check(optional[format]):
        pytest.skip(f"this Pillow cannot write {format}")
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(format, {})
    exact = format in ("PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000")
    assert near(
        fields(stored(colours(), format, tmp_path, **options)), [RED, GREEN, BLUE, WHITE], 0 if exact else 8
    )


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_one_bit(format, tmp_path):
    image = Image.fromarray(np.array([[True, False], [False, True]]))
    assert image.mode == "1"
    found = np.asarray(stored(image, format, tmp_path))
    assert found[:, :, 0].tolist() == [[255, 0], [0, 255]]


@pytest.mark.parametrize("format", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_grey(format, tmp_path):
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    options = {"lossless": True} if format == "WEBP" else {}
    found = np.asarray(stored(image, format, tmp_path, **options))
    np.testing.assert_array_equal(found, np.repeat(np.asarray(image)[:, :, None], 3, 2))


# ---- transparency


def on_white(colour, alpha):
    return [255 + (c - 255) * alpha / 255 for c in colour]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "TGA"])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_alpha_lets_white_paper_through(format, alpha, tmp_path):
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    found = stored(Image.new("RGBA", (4, 4), (*RED, alpha)), format, tmp_path, **options)
    assert near(found.getpixel((1, 1)), on_white(RED, alpha), 1)


@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_grey_with_alpha(alpha, tmp_path):
    found = stored(Image.new("LA", (4, 4), (40, alpha)), "PNG", tmp_path)
    assert near(found.getpixel((1, 1)), on_white((40,) * 3, alpha), 1)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_colours_multiplied_by_alpha(mode):
    image = Image.new({"La": "LA", "RGBa": "RGBA"}[mode], (2, 2), (40, 100) if mode == "La" else (*RED, 100))
    expected = on_white((40,) * 3 if mode == "La" else RED, 100)
    assert near(to_rgb(image.convert(mode)).getpixel((0, 0)), expected, 2)


def test_palettes(tmp_path):
    palette = colours().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert near(fields(stored(palette, "PNG", tmp_path)), [RED, GREEN, BLUE, WHITE], 1)
    red = palette.getpixel((4, 4))
    for format in ("PNG", "GIF"):
        found = fields(stored(palette, format, tmp_path, transparency=red))
        assert near(found, [WHITE, GREEN, BLUE, WHITE], 1), format
    half = bytes(100 if i == red else 255 for i in range(4))  # an alpha for each colour of the palette
    found = fields(stored(palette, "PNG", tmp_path, transparency=half))
    assert near(found, [on_white(RED, 100), GREEN, BLUE, WHITE], 1)
    with_alpha = Image.new("PA", (2, 2))
    with_alpha.putpalette([*RED, *GREEN])
    assert to_rgb(with_alpha).getpixel((0, 0)) == WHITE


def test_one_transparent_colour(tmp_path):
    found = fields(stored(colours(), "PNG", tmp_path, transparency=GREEN))
    assert found == [RED, WHITE, BLUE, WHITE]
    grey = stored(Image.new("L", (2, 2), 7), "PNG", tmp_path, transparency=7)
    assert grey.getpixel((0, 0)) == WHITE


# ---- more than eight bits


def grey_of(image):
    found = np.asarray(image)
    np.testing.assert_array_equal(found, np.repeat(found[:, :, :1], 3, 2))
    return found[:, :, 0]


def sixteen():
    return np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", "JPEG2000"])
def test_sixteen_bits_are_scaled(format, tmp_path):
    if format == "JPEG2000" and not features.check("jpg_2000"):
        pytest.skip("this Pillow cannot write JPEG 2000")
    found = grey_of(stored(Image.fromarray(sixteen()), format, tmp_path))
    assert found.tolist() == np.rint(sixteen() / 257).astype(int).tolist()


def test_one_transparent_value_of_sixteen_bits(tmp_path):
    found = grey_of(stored(Image.fromarray(sixteen()), "PNG", tmp_path, transparency=int(sixteen()[3, 3])))
    expected = np.rint(sixteen() / 257).astype(int)
    expected[3, 3] = 255
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_orders_of_bytes(mode):
    values = sixteen()
    data = values.astype(">u2" if mode == "I;16B" else "<u2").tobytes()
    found = grey_of(to_rgb(Image.frombytes(mode, (16, 16), data)))
    assert found.tolist() == np.rint(values / 257).astype(int).tolist()


def test_integers_and_floats(tmp_path):
    values = sixteen().astype(np.int32)
    eight = np.rint(values / 257)
    assert grey_of(stored(Image.fromarray(values), "TIFF", tmp_path)).tolist() == eight.tolist()
    large = Image.fromarray(values * 32768)  # to 2**31
    assert near(grey_of(stored(large, "TIFF", tmp_path)), eight, 1)
    negative = Image.fromarray(np.array([[-5, 65535]], np.int32))
    assert grey_of(to_rgb(negative)).tolist() == [[0, 255]]
    for top in (1, 255, 65535):
        floats = (values / 65535 * top).astype(np.float32)
        assert near(grey_of(stored(Image.fromarray(floats), "TIFF", tmp_path)), eight, 1), top
    odd = np.array([[np.nan, -np.inf, np.inf, 0.5]], np.float32)
    assert grey_of(to_rgb(Image.fromarray(odd))).tolist() == [
        [0, 0, 255, 0]
    ]  # infinity makes the range the largest


# ---- other colours


def test_cmyk(tmp_path):
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # red, as ink
    assert near(stored(ink, "JPEG", tmp_path, quality=95).getpixel((3, 3)), RED, 4)
    assert stored(ink, "TIFF", tmp_path).getpixel((3, 3)) == RED


def test_adobes_inverted_cmyk(tmp_path):
    """Photoshop stores 255 - ink and says so in an Adobe marker; so does Pillow. The marker is really there."""
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 0, 0, 255)).save(file, "JPEG")  # black ink
    assert b"Adobe" in file.getvalue()
    path = tmp_path / "x.jpg"
    path.write_bytes(file.getvalue())
    assert near(load_picture(path).getpixel((3, 3)), (0, 0, 0), 4)


def test_ycbcr_hsv_lab(tmp_path):
    assert near(fields(to_rgb(colours().convert("YCbCr"))), [RED, GREEN, BLUE, WHITE], 2)
    assert near(fields(to_rgb(colours().convert("HSV"))), [RED, GREEN, BLUE, WHITE], 2)
    rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.applyTransform(colours(), ImageCms.buildTransform(rgb, lab, "RGB", "LAB"))
    assert image.mode == "LAB"
    found = fields(stored(image, "TIFF", tmp_path))
    assert near(found, [RED, GREEN, BLUE, WHITE], 24)  # eight bits of L, a, b are coarse at the corners


# ---- frames and orientation


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame(format, tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if format == "WEBP" else {}
    found = stored(frames[0], format, tmp_path, save_all=True, append_images=frames[1:], **options)
    assert found.getpixel((4, 4)) == RED


# What a camera that was held so has stored: the transformation of the upright picture that EXIF's number undoes.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation(format, orientation, tmp_path):
    upright = np.asarray(colours().resize((24, 16), Image.Resampling.NEAREST))
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(format, {})
    found = stored(image, format, tmp_path, exif=exif, **options)
    assert found.size == (24, 16)
    assert near(np.asarray(found)[[4, 4, 12, 12], [6, 18, 6, 18]], [RED, GREEN, BLUE, WHITE], 8)


def test_what_is_read_needs_its_file_no_more(tmp_path):
    path = tmp_path / "x.png"
    colours().save(path)
    image = load_picture(str(path))
    path.unlink()
    assert fields(image) == [RED, GREEN, BLUE, WHITE]
