"""Splitting by class, and finding pictures that are nearly the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minidl.data import ImageFolder, Subset, SyntheticDigits, near_identical, split, transforms
from minidl.data.labels import Labelled
from minidl.errors import ArgumentError


class Labels(Labelled):
    """A dataset of labels only."""

    def __init__(self, targets):
        self.targets, self.classes = targets, [str(i) for i in range(max(targets, default=-1) + 1)]

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.targets[index]


def photo(seed, size=(120, 90)):
    """A picture with large forms, as photos have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path):
    for c, name in enumerate(("cats", "dogs")):
        (tmp_path / name).mkdir()
        for i in range(10):
            photo(100 * c + i).save(tmp_path / name / f"{i}.jpg")
    return tmp_path


# ---- by class


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0.01, 0.99), st.integers(0, 3))
def test_every_class_keeps_its_share(targets, fraction, seed):
    dataset = Labels(targets)
    first, second = split(dataset, fraction, seed)
    assert sorted([*first.indices, *second.indices]) == list(range(len(targets)))
    for label in set(targets):
        n, apart = targets.count(label), second.targets.count(label)
        assert abs(apart - n * fraction) <= 1
        if n > 1:
            assert 1 <= apart <= n - 1
    again = split(dataset, fraction, seed)
    assert [part.indices for part in again] == [first.indices, second.indices]


def test_the_seed_decides():
    dataset = Labels([0, 1] * 50)
    assert split(dataset, 0.3, 1)[1].indices != split(dataset, 0.3, 2)[1].indices
    counts = np.zeros(100)
    for seed in range(300):
        counts[split(dataset, 0.3, seed)[1].indices] += 1
    assert abs(counts - 90).max() < 6 * np.sqrt(300 * 0.3 * 0.7)  # each sample as likely as the others


def test_parts_of_a_dataset_of_tensors():
    digits = SyntheticDigits(n=200)
    first, second = split(digits, 0.25)
    assert first.classes == digits.classes
    assert second.class_counts().keys() == digits.class_counts().keys()
    counts = digits.class_counts()
    assert all(abs(n - counts[name] / 4) <= 1 for name, n in second.class_counts().items())


def test_parts_of_a_folder(root):
    dataset = ImageFolder(root, transforms.RandomHorizontalFlip())
    first, second = dataset.split(0.2)
    assert (first.class_counts(), second.class_counts()) == ({"cats": 8, "dogs": 8}, {"cats": 2, "dogs": 2})
    assert first.class_weights().tolist() == [1, 1]
    assert second.dataset is dataset
    assert repr(first) == "Subset: 16 of 20 samples of ImageFolder (cats 8, dogs 8)"
    first, second = dataset.split(0.2, validation_transform=transforms.ToTensor())
    assert (first.deterministic, second.deterministic) == (False, True)
    assert second[0][0].shape == (3, 90, 120)
    assert dataset.split(0.2, validation_transform=None)[1][0][0].size == (120, 90)
    assert repr(Subset([1, 2, 3], [0])) == "Subset: 1 of 3 samples of list"


@pytest.mark.parametrize("fraction", [0, 1, -0.1, "0.5", True, None])
def test_wrong_fractions(fraction):
    with pytest.raises(ArgumentError, match="split: fraction must be between 0 and 1, got"):
        split(Labels([0, 1]), fraction)


def test_what_has_no_labels():
    with pytest.raises(ArgumentError, match="split: dataset must be one with targets, got list"):
        split([1, 2, 3], 0.5)


# ---- nearly the same


def changed(image, how):
    if how == "quality":
        file = io.BytesIO()
        image.save(file, "JPEG", quality=40)
        return Image.open(file)
    return {
        "smaller": lambda: image.resize((57, 44)),
        "larger": lambda: image.resize((300, 200)),
        "grey": lambda: image.convert("L"),
        "brighter": lambda: image.point(lambda v: min(255, v + 4)),
    }[how]()


@pytest.mark.parametrize("how", ["quality", "smaller", "larger", "grey", "brighter"])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_changed_copy_is_found(root, tmp_path_factory, how, ending):
    copies = tmp_path_factory.mktemp("copies")
    (copies / "a").mkdir()
    for i in range(10):
        changed(photo(i), how).save(copies / "a" / f"{i}.{ending}")
    pairs = near_identical(ImageFolder(root), ImageFolder(copies))
    assert pairs == [
        (str(root / "cats" / f"{i}.jpg"), str(copies / "a" / f"{i}.{ending}")) for i in range(10)
    ]


def test_others_are_not(root, tmp_path_factory):
    others = tmp_path_factory.mktemp("others")
    (others / "a").mkdir()
    photo(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(others / "a" / "flipped.png")
    photo(0).point(lambda v: v // 2).save(others / "a" / "dark.png")
    Image.new("RGB", (50, 50)).save(others / "a" / "black.png")
    Image.new("RGB", (50, 50), (255, 255, 255)).save(others / "a" / "white.png")
    for i in range(300):
        photo(1000 + i).save(others / "a" / f"{i}.png")
    other = ImageFolder(others)
    assert near_identical(ImageFolder(root), other) == []
    names = [[path for path in other.files if name in path] for name in ("black", "white")]

    class Files:
        def __init__(self, files):
            self.files = files

    assert (
        near_identical(Files(names[0]), Files(names[1])) == []
    )  # neither has a pair of neighbours that differ


@pytest.mark.parametrize("kind", ["sixteen bits", "alpha"])
def test_what_is_not_in_eight_bits_of_colour_is_told_apart(tmp_path, kind):
    random = np.random.default_rng(0)
    for name in "ab":
        shape = random.random((8, 8)).repeat(8, 0).repeat(8, 1)
        if kind == "alpha":
            pixels = np.zeros((64, 64, 4), np.uint8)
            pixels[..., 3] = shape * 255
        else:
            pixels = (3000 + shape * 60000).astype(np.uint16)
        (tmp_path / name / "x").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / name / "x" / "0.png")
    one, other = ImageFolder(tmp_path / "a"), ImageFolder(tmp_path / "b")
    assert near_identical(one, other) == []
    assert len(near_identical(one, one)) == 1


def test_a_split_warns_of_them(root):
    for i in range(6):
        photo(i).resize((100, 80)).save(root / "cats" / f"copy{i}.png")
    dataset = ImageFolder(root)
    with pytest.warns(
        UserWarning, match=r"split: \d+ pairs of pictures are nearly the same on both sides"
    ) as caught:
        first, second = dataset.split(0.5, seed=1)
    message = str(caught[0].message)
    sides = dict.fromkeys(first.files, "first") | dict.fromkeys(second.files, "second")
    expected = sum(
        sides[str(root / "cats" / f"{i}.jpg")] != sides[str(root / "cats" / f"copy{i}.png")] for i in range(6)
    )
    assert f"split: {expected} pairs" in message
    assert str(root / "cats") in message
    assert caught[0].filename == __file__
    dataset.split(0.5, seed=1, check_duplicates=False)


def test_files_that_cannot_be_read_are_passed_over(root):
    dataset = ImageFolder(root)
    (root / "cats" / "0.jpg").write_bytes(b"broken since")
    assert len(near_identical(dataset, dataset)) == 19


def test_photos_of_pets(test_data):
    """Two of the thousand are the same picture; no others are nearly the same."""
    dataset = ImageFolder(test_data("pets") / "train")
    pairs = near_identical(dataset, dataset)
    different = {tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]}
    assert [[path.rsplit("/", 1)[1] for path in pair] for pair in different] == [
        ["dog.180.jpg", "dog.74.jpg"]
    ]
