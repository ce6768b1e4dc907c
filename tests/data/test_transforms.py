"""Transforms against their definition: Pillow's own calls, NumPy, and torchvision's documented formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minidl
from minidl.data import transforms
from minidl.data.transforms import functional as F
from minidl.errors import ArgumentError, DTypeError, GradError, ShapeError
from minidl.tensor import Tensor


def picture(w=23, h=17, mode="RGB", seed=0):
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w, channels), dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode if mode != "HSV" else None)


def pixels(img):
    return np.asarray(img.array if isinstance(img, Tensor) else img)


# ---- Resize


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70))
def test_one_int_is_the_shorter_side(h, w, size):
    """torchvision: the longer side becomes int(size * long / short)."""
    resized = transforms.Resize(size)(picture(w, h))
    if h <= w:
        assert resized.size == (int(size * w / h), size)
    else:
        assert resized.size == (size, int(size * h / w))


@pytest.mark.parametrize(
    ("name", "method"),
    [("nearest", 0), ("lanczos", 1), ("bilinear", 2), ("bicubic", 3), ("box", 4), ("hamming", 5)],
)
def test_interpolations_are_pillows(name, method):
    img = picture()
    expected = np.asarray(img.resize((8, 12), method))
    for given_as in (name, method, Image.Resampling(method)):
        np.testing.assert_array_equal(pixels(transforms.Resize((12, 8), given_as)(img)), expected)
    assert transforms.Resize((12, 8), method).interpolation == name


def test_nearest_is_kerass():
    """Keras's flow_from_directory: the source of pixel x is floor((x + 0.5) * w / new_w)."""
    img = picture(30, 21)
    rows = np.floor((np.arange(14) + 0.5) * 21 / 14).astype(int)
    columns = np.floor((np.arange(44) + 0.5) * 30 / 44).astype(int)
    resized = transforms.Resize((14, 44), interpolation="nearest")(img)
    np.testing.assert_array_equal(pixels(resized), pixels(img)[rows][:, columns])


def test_bilinear_is_antialiased():
    """The triangle filter is stretched to the pixels that one pixel of the result covers."""
    img = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1, 64), dtype=np.uint8))
    resized = pixels(transforms.Resize((1, 16))(img))[0]
    source, centres = np.arange(64) + 0.5, (np.arange(16) + 0.5) * 4
    weights = np.maximum(0, 1 - abs(source - centres[:, None]) / 4)
    weights /= weights.sum(1, keepdims=True)
    assert abs(resized - weights @ pixels(img)[0]).max() <= 0.51


def test_max_size():
    assert transforms.Resize(20, max_size=30)(picture(100, 50)).size == (30, 15)
    assert transforms.Resize(20, max_size=50)(picture(100, 50)).size == (40, 20)
    assert transforms.Resize([20], max_size=50)(picture(50, 100)).size == (20, 40)


def test_a_picture_of_the_size_stays_itself():
    img = picture(20, 30)
    assert transforms.Resize(20)(img) is img
    assert transforms.Resize((30, 20))(img) is img


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), r"Resize: size must be a positive int, or \(height, width\), got 0"),
        (((1, 2, 3),), r"Resize: size must be a positive int, or \(height, width\), got \(1, 2, 3\)"),
        ((2.5,), "Resize: size must be a positive int"),
        (("big",), "Resize: size must be a positive int"),
        ((5, "cubic"), "Resize: interpolation must be one of 'nearest', 'bilinear', .*, got 'cubic'"),
        ((5, 17), "Resize: interpolation must be one of .*, got 17"),
        ((5, "nearest", 5), "Resize: max_size must be None, or greater than size, which is one int then"),
        (((5, 6), "nearest", 7), "Resize: max_size must be None, or greater than size, which is one int"),
        ((5, "nearest", None, "yes"), "Resize: antialias must be True, False or None, got 'yes'"),
    ],
)
def test_wrong_arguments_of_resize(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        transforms.Resize(*arguments)


def test_resize_takes_pictures_and_tensors_only():
    with pytest.raises(DTypeError, match=r"resize: img must be a PIL.Image or a Tensor, got ndarray"):
        transforms.Resize(5)(np.zeros((3, 4, 4)))


@pytest.mark.parametrize(
    ("mode", "antialias"), [("nearest", True), ("bilinear", True), ("bilinear", False), ("bicubic", True)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("shape", [(3, 20, 30), (20, 30), (2, 3, 20, 30)])
def test_resize_of_tensors_is_torchvisions(mode, antialias, dtype, shape):
    """torchvision: torch's interpolate, in floats; bytes are rounded, and where it is bicubic clamped."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    images = torch.from_numpy(x).float().reshape(-1, 1, 20, 30)
    options = {} if mode == "nearest" else {"antialias": antialias, "align_corners": False}
    expected = torch.nn.functional.interpolate(images, (12, 18), mode=mode, **options)
    if dtype == np.uint8:
        expected = expected.round().clamp(0, 255)
    resized = transforms.Resize(12, mode, antialias=antialias)(Tensor(x))
    assert resized.numpy().dtype == dtype
    difference = abs(resized.numpy().astype(float) - expected.reshape(*shape[:-2], 12, 18).numpy())
    assert difference.max() <= (1 if dtype == np.uint8 else 1e-3)  # a half may go to either side
    assert (difference > 0.01).mean() < 0.005


def test_interpolations_that_tensors_do_not_have():
    with pytest.raises(
        ArgumentError, match="resize: interpolation must be 'nearest', 'bilinear' or 'bicubic'"
    ):
        transforms.Resize(5, "box")(Tensor(np.zeros((3, 4, 4))))


# ---- flips


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_flips(mode):
    img = picture(mode=mode)
    np.testing.assert_array_equal(pixels(transforms.RandomHorizontalFlip(1)(img)), pixels(img)[:, ::-1])
    np.testing.assert_array_equal(pixels(transforms.RandomVerticalFlip(1)(img)), pixels(img)[::-1])
    assert transforms.RandomHorizontalFlip(0)(img) is img
    tensor = F.to_tensor(img)
    for flip, axis in ((transforms.RandomHorizontalFlip, 2), (transforms.RandomVerticalFlip, 1)):
        np.testing.assert_array_equal(pixels(flip(1)(tensor)), np.flip(tensor.numpy(), axis))
        assert flip(0)(tensor) is tensor


def test_how_often_they_flip():
    tensor = Tensor(np.arange(2.0).reshape(1, 1, 2))
    for p in (0.5, 0.2):
        flipped = sum(transforms.RandomHorizontalFlip(p)(tensor)[0, 0, 0].item() for _ in range(4000))
        assert abs(flipped - 4000 * p) < 5 * np.sqrt(4000 * p * (1 - p))


@pytest.mark.parametrize("p", [-0.1, 1.1, "0.5", None, True])
def test_wrong_probabilities(p):
    with pytest.raises(ArgumentError, match=r"RandomVerticalFlip: p must be in \[0, 1\], got"):
        transforms.RandomVerticalFlip(p)


def test_wrong_things_to_flip():
    with pytest.raises(
        DTypeError, match=r"RandomHorizontalFlip: img must be a PIL.Image or a Tensor, got ndarray"
    ):
        transforms.RandomHorizontalFlip()(np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"hflip: img must be of shape \(..., H, W\), got \(2,\)"):
        F.hflip(Tensor(np.zeros(2)))


# ---- tensors


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "LA"])
def test_bytes_become_floats_in_0_1(mode):
    torch = pytest.importorskip("torch")
    img = picture(mode=mode)
    array = np.array(img)
    array = array[:, :, None] if array.ndim == 2 else array
    expected = torch.from_numpy(array).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    for given_as in (img, np.array(img)):
        tensor = transforms.ToTensor()(given_as)
        assert tensor.dtype == minidl.float32
        np.testing.assert_array_equal(tensor.numpy(), expected.numpy())
        assert tensor.array.transpose(1, 2, 0).flags.c_contiguous
    np.testing.assert_array_equal(transforms.PILToTensor()(img).numpy(), array.transpose(2, 0, 1))


def test_other_modes_keep_their_values():
    values = np.array([[0, 1000], [40_000, 65_535]])
    assert transforms.ToTensor()(Image.fromarray(values.astype(np.uint16))).tolist() == [values.tolist()]
    assert transforms.ToTensor()(Image.fromarray(values.astype(np.int32))).tolist() == [values.tolist()]
    floats = transforms.ToTensor()(Image.fromarray(values.astype(np.float32)))
    assert (floats.dtype, floats.tolist()) == (minidl.float32, [values.tolist()])
    bits = transforms.ToTensor()(Image.fromarray(values > 500))
    assert (bits.dtype, bits.tolist()) == (minidl.float32, [[[0, 1], [1, 1]]])
    assert transforms.ToTensor()(np.arange(6.0).reshape(1, 2, 3)).shape == (3, 1, 2)


def test_to_tensor_copies():
    array = np.zeros((2, 2, 3))
    tensor = F.to_tensor(array)
    array[:] = 1
    assert not tensor.numpy().any()


def test_wrong_things_to_make_a_tensor_of():
    with pytest.raises(DTypeError, match=r"to_tensor: pic must be a PIL.Image or an array, got str"):
        transforms.ToTensor()("picture.jpg")
    with pytest.raises(
        ShapeError, match=r"to_tensor: pic must be of shape \(H, W\) or \(H, W, C\), got \(2,\)"
    ):
        transforms.ToTensor()(np.zeros(2))
    with pytest.raises(DTypeError, match=r"pil_to_tensor: pic must be a PIL.Image, got ndarray"):
        transforms.PILToTensor()(np.zeros((2, 2)))


MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 3, 5, 7)])
@pytest.mark.parametrize("channels_last", [True, False])
def test_normalize_is_torchvisions(shape, channels_last):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random(shape, np.float32)
    if channels_last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -3, -1)), -1, -3)
    mean, std = (torch.as_tensor(v, dtype=torch.float32)[:, None, None] for v in (MEAN, STD))
    expected = torch.from_numpy(x.copy()).sub_(mean).div_(std).numpy()
    original = x.copy()
    normalized = transforms.Normalize(MEAN, STD)(Tensor(x))
    np.testing.assert_array_equal(normalized.numpy(), expected)
    assert normalized.array.strides == x.strides
    np.testing.assert_array_equal(x, original)
    graph = transforms.Normalize(MEAN, STD)(Tensor(x, requires_grad=True))
    np.testing.assert_array_equal(graph.detach().numpy(), expected)
    assert graph.requires_grad
    tensor = Tensor(x)
    assert transforms.Normalize(MEAN, STD, inplace=True)(tensor) is tensor
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_compose_overwrites_only_what_it_made():
    """ToTensor and Normalize one after the other give the same bits in fewer arrays."""
    img = picture()
    steps = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    expected = steps[1](steps[0](img)).numpy()
    np.testing.assert_array_equal(transforms.Compose(steps)(img).numpy(), expected)
    again = transforms.Compose([transforms.Compose(steps[:1]), lambda x: x, steps[1]])(img)
    np.testing.assert_array_equal(again.numpy(), expected)
    mine = transforms.ToTensor()(img)
    before = mine.numpy().copy()
    transforms.Compose([transforms.RandomHorizontalFlip(0), steps[1]])(mine)
    transforms.Compose([steps[1]])(mine)
    np.testing.assert_array_equal(mine.numpy(), before)
    grey = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(0.5, 0.25), transforms.RandomErasing(0)]
    )
    np.testing.assert_array_equal(
        grey(picture(mode="L")).numpy(), (F.to_tensor(picture(mode="L")).numpy() - np.float32(0.5)) * 4
    )


def test_normalizing_in_place_is_noticed_by_backward():
    x = Tensor(np.ones((3, 2, 2), np.float32))
    w = Tensor(np.ones((3, 2, 2), np.float32), requires_grad=True)
    y = (w * x).sum()
    transforms.Normalize(MEAN, STD, inplace=True)(x)
    with pytest.raises(GradError, match="normalize"):
        y.backward()


def test_normalize_by_one_number_for_all_channels():
    x = Tensor(np.arange(12.0).reshape(3, 2, 2))
    np.testing.assert_array_equal(transforms.Normalize(1.0, 2.0)(x).numpy(), (x.numpy() - 1) / 2)
    np.testing.assert_array_equal(transforms.Normalize([1.0], [2.0])(x).numpy(), (x.numpy() - 1) / 2)


@pytest.mark.parametrize(
    ("tensor", "mean", "std", "kind", "message"),
    [
        (picture(), MEAN, STD, DTypeError, r"tensor must be a Tensor of floats \(ToTensor makes one\), got Image"),
        (Tensor(np.zeros((3, 2, 2), int)), MEAN, STD, DTypeError, "Tensor of floats .*, got int64"),
        (Tensor(np.zeros((2, 2))), MEAN, STD, ShapeError, r"of shape \(..., C, H, W\), got \(2, 2\)"),
        (Tensor(np.zeros((3, 2, 2))), MEAN, [1, 0, 1], ArgumentError, r"std must be nonzero as float64, got \[1"),
        (
            Tensor(np.zeros((1, 2, 2))), MEAN, STD, ShapeError,
            r"mean must be one number, or 1 as the tensor \(1, 2, 2\) has channels, got 3",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_normalized(tensor, mean, std, kind, message):
    with pytest.raises(kind, match=f"normalize: .*{message}"):
        transforms.Normalize(mean, std)(tensor)


# ---- put together


def test_compose_goes_through_all():
    both = transforms.Compose([lambda x: x + 1, lambda x: x * 10])
    assert both(1) == 20
    assert transforms.Compose([])(3) == 3


def test_random_apply():
    add = transforms.RandomApply([lambda x: x + 1, lambda x: x + 1], p=0.3)
    drawn = [add(0) for _ in range(4000)]
    assert set(drawn) == {0, 2}
    assert abs(drawn.count(2) - 1200) < 5 * np.sqrt(4000 * 0.3 * 0.7)


def test_random_choice_and_order():
    choice = transforms.RandomChoice([lambda _: 0, lambda _: 1, lambda _: 2], p=[1, 0, 3])
    drawn = [choice(None) for _ in range(4000)]
    assert drawn.count(1) == 0
    assert abs(drawn.count(0) - 1000) < 5 * np.sqrt(4000 * 0.25 * 0.75)
    order = transforms.RandomOrder([lambda x: x + "a", lambda x: x + "b"])
    assert {order("") for _ in range(50)} == {"ab", "ba"}
    assert {transforms.RandomChoice([abs, float])(-1) for _ in range(50)} == {1, -1.0}


def test_who_is_random():
    fixed = transforms.Compose([transforms.Resize(4), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    assert fixed.random is False
    assert transforms.Compose([fixed, transforms.RandomHorizontalFlip()]).random
    assert transforms.Compose([fixed, lambda x: x]).random
    assert transforms.Lambda(abs).random
    assert not transforms.Lambda(abs, random=False).random
    assert transforms.Lambda(abs)(-2) == 2


def test_what_they_show():
    assert repr(transforms.RandomApply([transforms.ToTensor()], p=0.1)) == (
        "RandomApply(\n    ToTensor()\n    p=0.1\n)"
    )
    inner = transforms.Compose([transforms.RandomVerticalFlip(0.25)])
    assert repr(transforms.Compose([inner])) == (
        "Compose(\n    Compose(\n        RandomVerticalFlip(p=0.25)\n    )\n)"
    )
    assert repr(transforms.Lambda(abs)) == "Lambda(abs, random=True)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: transforms.Compose(transforms.ToTensor()),
            "Compose: transforms must be a list of transforms, got To",
        ),
        (lambda: transforms.Compose([3]), "Compose: every transform must be callable, got int"),
        (lambda: transforms.Lambda(3), "Lambda: lambd must be callable, got int"),
    ],
)
def test_what_is_no_transform(make, message):
    with pytest.raises(DTypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("parts", "p", "message"),
    [
        ([abs], [1, 2], "RandomChoice: transforms and p must be of one length, one or more, got 1 and 2"),
        ([], None, "RandomChoice: transforms and p must be of one length, one or more, got 0 and none"),
        ([abs, abs], [1, -1], r"RandomChoice: p must be non-negative, and not all 0, got \[1, -1\]"),
        ([abs], [0], r"RandomChoice: p must be non-negative, and not all 0, got \[0\]"),
    ],
)
def test_wrong_choices(parts, p, message):
    with pytest.raises(ArgumentError, match=message):
        transforms.RandomChoice(parts, p)


def test_a_transform_must_define_its_call():
    with pytest.raises(NotImplementedError, match="Transform must define __call__"):
        transforms.Transform()(None)


def test_a_transform_is_random_unless_it_says_that_it_is_not():
    """A class of the user's own that draws must not have its results kept."""

    class Own(transforms.Transform):
        def __call__(self, img):
            return img

    fixed = [transforms.Resize(3), transforms.CenterCrop(3), transforms.Pad(1), transforms.Grayscale()]
    fixed += [transforms.ToTensor(), transforms.PILToTensor(), transforms.Normalize([0.5], [0.5])]
    drawing = [Own(), transforms.RandomCrop(3), transforms.RandomVerticalFlip(), transforms.RandomRotation(3)]
    drawing += [transforms.ColorJitter(0.1), transforms.RandomErasing(), transforms.RandomApply(fixed)]
    assert not any(transform.random for transform in fixed)
    assert not transforms.Compose(fixed).random
    assert all(transform.random for transform in drawing)
    assert all(transforms.Compose([*fixed, transform]).random for transform in drawing)
