"""ImageFolder: folders of real files, whole and broken."""

from __future__ import annotations

import os
import random
import unicodedata

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl.data import DataLoader, ImageFolder, Subset, transforms
from minidl.errors import ArgumentError, DataError
from minidl.nn import CrossEntropyLoss

RED, GREEN = (255, 0, 0), (0, 255, 0)


def save(path, colour=RED, size=(8, 6), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


@pytest.fixture
def root(tmp_path):
    for name, colour, n in (("cats", RED, 3), ("dogs", GREEN, 1)):
        for i in range(n):
            save(tmp_path / name / f"{i}.png", colour)
    return tmp_path


def names(dataset):
    return [os.path.relpath(path, dataset.root) for path in dataset.files]


# ---- what it is


def test_attributes_are_torchvisions(root):
    dataset = ImageFolder(root)
    assert dataset.classes == ["cats", "dogs"]
    assert dataset.class_to_idx == {"cats": 0, "dogs": 1}
    assert dataset.samples == dataset.imgs
    assert dataset.samples[3] == (str(root / "dogs" / "0.png"), 1)
    assert dataset.targets == [0, 0, 0, 1]
    assert names(dataset) == ["cats/0.png", "cats/1.png", "cats/2.png", "dogs/0.png"]
    assert len(dataset) == 4
    picture, target = dataset[3]
    assert (picture.mode, picture.size, picture.getpixel((0, 0)), target) == ("RGB", (8, 6), GREEN, 1)
    assert dataset[-1][1] == 1
    assert repr(dataset) == f"ImageFolder({str(root)!r}): 4 pictures in 2 classes (cats 3, dogs 1)"


def test_transforms_are_applied(root):
    dataset = ImageFolder(root, transforms.ToTensor(), lambda target: target + 10)
    picture, target = dataset[0]
    assert picture.shape == (3, 6, 8)
    assert picture[:, 2, 3].tolist() == [1, 0, 0]
    assert target == 10
    images, labels = next(iter(DataLoader(dataset, 4)))
    assert images.shape == (4, 3, 6, 8)
    assert images.array.transpose(0, 2, 3, 1).flags.c_contiguous
    assert labels.tolist() == [10, 10, 10, 11]


def test_counts_and_weights(root):
    dataset = ImageFolder(root)
    assert dataset.class_counts() == {"cats": 3, "dogs": 1}
    np.testing.assert_allclose(dataset.class_weights().numpy(), [4 / (2 * 3), 4 / (2 * 1)], rtol=1e-6)
    CrossEntropyLoss(weight=dataset.class_weights())
    part = Subset(dataset, [0, 3])
    assert (part.classes, part.targets, part.files) == (
        dataset.classes,
        [0, 1],
        [dataset.files[0], dataset.files[3]],
    )
    assert part.class_counts() == {"cats": 1, "dogs": 1}
    assert part.class_weights().tolist() == [1, 1]


def test_weights_of_a_class_without_pictures(root):
    (root / "apes").mkdir()
    dataset = ImageFolder(root, allow_empty=True)
    assert dataset.class_counts() == {"apes": 0, "cats": 3, "dogs": 1}
    np.testing.assert_allclose(dataset.class_weights().numpy(), [0, 4 / 6, 4 / 2], rtol=1e-6)


def test_order_nested_folders_and_names(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Übung")
    for name in ("b/x.png", "b/deep/er/y.png", "b/a.png", "Ä/ö 1.png", f"{decomposed}/é.png", "数/图.png"):
        save(tmp_path / name)
    for hidden in (".git/x.png", "b/.x.png", "b/.hidden/x.png", "__MACOSX/b/x.png"):
        save(tmp_path / hidden)
    (tmp_path / "b" / "Thumbs.db").write_bytes(b"no picture")
    (tmp_path / "README.txt").write_text("lies beside the classes")
    dataset = ImageFolder(tmp_path)
    assert dataset.classes == sorted(["b", "Ä", decomposed, "数"])
    inner = [name.removeprefix("b/") for name in names(dataset) if name.startswith("b/")]
    assert inner == ["a.png", "x.png", "deep/er/y.png"]
    assert len(dataset) == 6


def test_the_same_pictures_with_another_transform(root):
    dataset = ImageFolder(root, transforms.RandomHorizontalFlip())
    other = dataset.with_transform(transforms.ToTensor())
    assert other.samples is dataset.samples
    assert isinstance(other[0][0], minidl.Tensor)
    assert (dataset.deterministic, other.deterministic) == (False, True)


def test_a_loader_and_a_filter_of_ones_own(root):
    (root / "cats" / "notes.txt").write_text("1")
    dataset = ImageFolder(
        root,
        loader=lambda path: os.path.basename(path),
        is_valid_file=lambda path: not path.endswith("1.png"),
    )
    assert [dataset[i][0] for i in range(4)] == ["0.png", "2.png", "notes.txt", "0.png"]


# ---- what it depends on


def test_who_is_deterministic(root):
    flip, resize = transforms.RandomHorizontalFlip(), transforms.Resize(4)
    assert ImageFolder(root).deterministic
    assert ImageFolder(root, transforms.Compose([resize, transforms.ToTensor()])).deterministic
    assert not ImageFolder(root, transforms.Compose([resize, flip])).deterministic
    assert not ImageFolder(root, lambda image: image).deterministic
    assert ImageFolder(root, transforms.Lambda(lambda image: image, random=False)).deterministic
    assert not ImageFolder(root, resize, target_transform=lambda target: target).deterministic


def test_a_loader_of_ones_own_may_be_random(root):
    def load(path):
        return Image.open(path)

    assert not ImageFolder(root, loader=load).deterministic
    load.random = False
    assert ImageFolder(root, loader=load).deterministic


def test_a_transform_of_ones_own_is_told_apart_by_its_attributes(root):
    class Turn(transforms.Transform):
        def __init__(self, degrees):
            self.degrees = degrees

        def __call__(self, img):
            return img.rotate(self.degrees)

    prints = [
        ImageFolder(root, transforms.Compose([Turn(degrees)])).fingerprint() for degrees in (90, 180, 90)
    ]
    assert prints[0] == prints[2] != prints[1]


def test_what_the_fingerprint_tells_apart(root, monkeypatch):
    first = ImageFolder(root, transforms.Resize(4)).fingerprint()
    assert ImageFolder(str(root), transforms.Resize(4)).fingerprint() == first
    assert ImageFolder(root, transforms.Resize(5)).fingerprint() != first
    assert ImageFolder(root, transforms.Resize(4, "nearest")).fingerprint() != first
    assert ImageFolder(root, transforms.Resize(4), loader=Image.open).fingerprint() != first
    monkeypatch.setattr("PIL.__version__", "1.0")
    assert ImageFolder(root, transforms.Resize(4)).fingerprint() != first
    monkeypatch.undo()
    path = root / "cats" / "0.png"
    os.utime(path, (1, 1))
    touched = ImageFolder(root, transforms.Resize(4)).fingerprint()
    assert touched != first
    path.rename(root / "cats" / "00.png")
    assert ImageFolder(root, transforms.Resize(4)).fingerprint() not in (first, touched)


def test_random_transforms_belong_to_the_sample(root):
    for path in root.rglob("*.png"):
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    transform = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomVerticalFlip()])
    dataset = ImageFolder(root, transforms.Compose([transform, transforms.ToTensor()]), seed=1)

    def corners(epoch, order=range(4)):
        dataset.set_epoch(epoch)
        found = {i: dataset[i][0][0, 0, 0].item() for i in order}
        return [found[i] for i in range(4)]

    epochs = [corners(e) for e in range(8)]
    assert [corners(e, [3, 1, 0, 2]) for e in range(8)] == epochs
    assert len({value for epoch in epochs for value in epoch}) == 4
    loader = DataLoader(dataset, 2, seed=17)  # the dataset's own seed goes before the loader's
    assert [[v for x, _ in loader for v in x[:, 0, 0, 0].tolist()] for _ in range(8)] == epochs
    dataset.seed = None
    assert [[v for x, _ in loader for v in x[:, 0, 0, 0].tolist()] for _ in range(8)] != epochs


# ---- wrong folders


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"ImageFolder: .*/none cannot be read as a folder: No such file"):
        ImageFolder(tmp_path / "none")
    save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x.png cannot be read as a folder: Not a directory"):
        ImageFolder(tmp_path / "x.png")


def test_no_classes(tmp_path):
    with pytest.raises(
        DataError, match=r"has no folder per class, nothing is in it \(ROOT/CLASS/FILE is expected"
    ):
        ImageFolder(tmp_path)
    save(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"has no folder per class; 1 files lie directly in it"):
        ImageFolder(tmp_path)


def test_classes_without_pictures(root):
    for name in ("apes", "bees", ".hidden"):
        (root / name).mkdir()
    with pytest.raises(
        DataError, match=r"ImageFolder: no pictures in the folders apes, bees of .*allow_empty=True"
    ):
        ImageFolder(root)
    assert ImageFolder(root, allow_empty=True).classes == ["apes", "bees", "cats", "dogs"]


def test_wrong_on_error(root):
    with pytest.raises(
        ArgumentError, match='ImageFolder: on_error must be "raise" or "skip", got \'ignore\''
    ):
        ImageFolder(root, on_error="ignore")


# ---- broken files


def noise(path, size=(200, 150), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def test_broken_files_are_all_named(root):
    cats = root / "cats"
    (cats / "notes.txt").write_text("buy milk")
    (cats / "empty.jpg").touch()
    (cats / "dangling.jpg").symlink_to(root / "nothing.jpg")
    for ending in ("jpg", "png", "gif", "webp", "bmp", "tif"):
        cut(noise(cats / f"cut.{ending}"), 0.6)
    with pytest.raises(DataError) as caught:
        ImageFolder(root)
    first, *lines = str(caught.value).splitlines()
    assert first == f'ImageFolder: 9 of the files in {root} are not usable (on_error="skip" leaves them out):'
    found = {os.path.basename(line.split(": ")[0]): line.split(": ", 1)[1] for line in lines}
    assert found["notes.txt"] == "not a picture, or damaged at its beginning"
    assert found["empty.jpg"] == "empty"
    assert found["dangling.jpg"] == "a link that leads nowhere"
    for ending in ("jpg", "png", "gif", "webp", "bmp", "tif"):
        assert "damaged" in found[f"cut.{ending}"], ending
    with pytest.warns(UserWarning, match=r"ImageFolder: 9 files are left out:\n  .*cut.bmp: damaged"):
        dataset = ImageFolder(root, on_error="skip")
    assert names(dataset) == ["cats/0.png", "cats/1.png", "cats/2.png", "dogs/0.png"]


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "bmp", "tif", "ppm", "jp2"])
def test_every_cut_is_found(tmp_path, ending):
    """Where the scan lets a cut file pass, it must be one that decodes to the whole picture."""
    path = noise(tmp_path / "a" / f"x.{ending}", (60, 50))
    data = path.read_bytes()
    whole = np.asarray(minidl.data.load_picture(path))
    ImageFolder(tmp_path)
    for share in (0.02, 0.1, 0.5, 0.9, 0.99):
        cut(path, share)
        with pytest.raises(DataError, match="1 of the files"):
            ImageFolder(tmp_path)
        path.write_bytes(data)
    path.write_bytes(data[:-1])
    try:
        ImageFolder(tmp_path)
    except DataError:
        return
    np.testing.assert_array_equal(np.asarray(minidl.data.load_picture(path)), whole)


def test_a_pipe_is_named_and_not_waited_for(root):
    os.mkfifo(root / "cats" / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg: no file with content: a pipe, a socket or a device"):
        ImageFolder(root)


def test_a_class_of_broken_files_is_empty(root):
    (root / "apes").mkdir()
    (root / "apes" / "x.jpg").write_bytes(b"no picture")
    with (
        pytest.warns(UserWarning, match="1 files are left out"),
        pytest.raises(DataError, match="no pictures in the folders apes"),
    ):
        ImageFolder(root, on_error="skip")


def test_many_problems_are_counted_where_they_are_skipped(root):
    for i in range(40):
        (root / "cats" / f"{i}.jpg").touch()
    with pytest.warns(UserWarning, match="and 10 more"):
        ImageFolder(root, on_error="skip")
    with pytest.raises(DataError) as caught:
        ImageFolder(root)
    assert len(str(caught.value).splitlines()) == 41


def test_a_picture_of_absurd_size(root, monkeypatch):
    """A PNG of 300 KB that would take 300 MB as pixels."""
    Image.new("1", (20_000, 15_000)).save(root / "cats" / "bomb.png")
    with pytest.raises(
        DataError, match=r"bomb.png: many more pixels, more than the 89,478,485 that PIL.Image.MAX"
    ):
        ImageFolder(root)
    Image.new("1", (10_000, 9_000)).save(root / "cats" / "bomb.png")  # Pillow itself would only warn
    with pytest.raises(
        DataError, match=r"bomb.png: 10000 x 9000 pixels, more than the 89,478,485 that PIL.Image"
    ):
        ImageFolder(root)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert len(ImageFolder(root)) == 5


def test_photos_with_something_behind_them(root):
    """Some cameras write on behind the picture's end; others fill up with zeros."""
    path = noise(root / "cats" / "x.jpg")
    data = path.read_bytes()
    for behind in (b"\0" * 3000, b"some camera's own data", b"\0" * 100_000):
        path.write_bytes(data + behind)
        assert len(ImageFolder(root)) == 5


def test_a_damaged_png_in_the_middle(root):
    path = noise(root / "cats" / "x.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x.png: damaged"):
        ImageFolder(root)


def test_random_damage_never_ends_the_scan(tmp_path):
    """Whatever is in a file, the scan names it or takes it, and a file that it takes is read or named by reading."""
    chance = random.Random(0)
    for ending in ("jpg", "png", "gif", "webp", "bmp", "tif"):
        data = noise(tmp_path / "whole" / f"x.{ending}", (40, 30)).read_bytes()
        for i in range(30):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                damaged[min(int(chance.expovariate(0.01)), len(data) - 1)] = chance.randrange(256)
            path = tmp_path / "damaged" / f"{i}.{ending}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(damaged)
    with pytest.warns(UserWarning, match="files are left out"):
        dataset = ImageFolder(tmp_path, on_error="skip")
    for index in range(len(dataset)):
        try:
            image, _ = dataset[index]
        except DataError as raised:
            error = raised
        else:
            assert image.mode == "RGB"
            continue
        assert dataset.files[index] in str(error)


def test_a_file_that_breaks_after_the_scan(root):
    dataset = ImageFolder(root)
    (root / "cats" / "1.png").write_bytes(b"now it is broken")
    with pytest.raises(
        DataError, match=r"ImageFolder: .*cats/1.png \(sample 1\) cannot be read: cannot identify"
    ):
        dataset[1]
    (root / "cats" / "2.png").unlink()
    with pytest.raises(DataError, match=r"cats/2.png \(sample 2\) cannot be read: .*No such file"):
        dataset[2]


def test_names_that_are_no_text(root):
    path = os.path.join(os.fsencode(root), b"cats", b"\xff\xfe.jpg")
    with open(path, "wb"):
        pass
    with pytest.raises(DataError, match=r"cats/\\udcff\\udcfe.jpg: empty"):
        ImageFolder(root)
    noise(root / "y.jpg").rename(os.fsdecode(path))
    dataset = ImageFolder(root)
    assert len(dataset) == 5
    assert dataset.fingerprint()


# ---- links and permissions


def test_links_are_followed(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "x.png")
    save(elsewhere / "more" / "y.png")
    (root / "apes").symlink_to(elsewhere)
    (root / "cats" / "link.png").symlink_to(elsewhere / "x.png")
    dataset = ImageFolder(root)
    assert dataset.class_counts() == {"apes": 2, "cats": 4, "dogs": 1}


def test_links_in_a_circle_are_named(root):
    (root / "cats" / "back").symlink_to(root / "cats")
    (root / "dogs" / "up").symlink_to(root)
    with pytest.raises(DataError) as caught:
        ImageFolder(root)
    message = str(caught.value)
    assert "cats/back: a link that leads back to a folder above it" in message
    with pytest.warns(UserWarning, match="a link that leads back"):
        dataset = ImageFolder(root, on_error="skip")
    assert names(dataset) == ["cats/0.png", "cats/1.png", "cats/2.png", "dogs/0.png"]
    (root / "loop").symlink_to(root / "loop")  # a link to itself is no folder
    with pytest.warns(UserWarning, match="a link that leads back"):
        assert ImageFolder(root, on_error="skip").classes == ["cats", "dogs"]


@pytest.fixture
def nobody():
    """Permissions do not hold for root: what follows runs as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_what_may_not_be_read_is_named(root, request):
    for folder in (root, *root.parents):
        if str(folder).startswith("/tmp/pytest"):
            folder.chmod(0o755)
    (root / "cats" / "0.png").chmod(0)
    (root / "dogs" / "inner").mkdir()
    (root / "dogs" / "inner").chmod(0)
    request.getfixturevalue("nobody")
    with pytest.raises(DataError) as caught:
        ImageFolder(root)
    assert "cats/0.png: cannot be read: Permission denied" in str(caught.value)
    assert "dogs/inner: the folder cannot be read: Permission denied" in str(caught.value)
    with pytest.warns(UserWarning, match="2 files are left out"):
        assert len(ImageFolder(root, on_error="skip")) == 3


# ---- speed


def test_a_thousand_photos_are_looked_at_within_a_second(test_data):
    folder = test_data("pets") / "train"
    best = min(_seconds(lambda: ImageFolder(folder)) for _ in range(3))
    assert best < 1
    assert ImageFolder(folder).class_counts() == {"cats": 500, "dogs": 500}


def _seconds(work):
    import time

    start = time.perf_counter()
    work()
    return time.perf_counter() - start
