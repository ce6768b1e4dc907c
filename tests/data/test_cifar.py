"""CIFAR from archives and folders in the published formats, damaged and hostile ones, and FashionMNIST."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidl import hub
from minidl.data import CIFAR10, CIFAR100, DataLoader, FashionMNIST, transforms
from minidl.data.pickles import read_pickle
from minidl.errors import DataError, DownloadError

N = 12  # pictures in a batch file


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of its own, and no network."""
    monkeypatch.setenv("MINIDL_HOME", str(tmp_path / "home"))
    for cls in (CIFAR10, CIFAR100, FashionMNIST):
        monkeypatch.setattr(cls, "mirrors", ())
    return tmp_path / "home"


@pytest.fixture(scope="module")
def photos() -> Iterator[np.ndarray]:
    """uint8 (6, N, 32, 32, 3): real ones if there are any, else noise."""
    archive = Path(os.environ.get("MINIDL_TEST_DATA", "")) / "cifar10-images.tar.xz"
    if not archive.is_file():
        yield np.random.default_rng(0).integers(0, 256, (6, N, 32, 32, 3), dtype=np.uint8)
        return
    found = []
    with tarfile.open(archive, "r|*") as files:
        for member in files:
            if member.name.endswith(".jpg"):
                file = files.extractfile(member)
                assert file is not None
                found.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
            if len(found) == 6 * N:
                break
    yield np.array(found).reshape(6, N, 32, 32, 3)


def labels_of(batch):
    return [(batch + i) % 10 for i in range(N)]


def rows(images):
    """(N, 3072): the red plane, the green one, the blue one."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


# ---- Python 2's pickles, written as Python 2 wrote them


def text2(value: bytes) -> bytes:
    """A str of Python 2."""
    return (
        b"U" + bytes([len(value)]) + value
        if len(value) < 256
        else b"T" + struct.pack("<i", len(value)) + value
    )


def array2(array: np.ndarray) -> bytes:
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text2(b"b") + b"\x87R"
    kind = b"cnumpy\ndtype\n" + text2(b"u1") + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + text2(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"".join(b"J" + struct.pack("<i", n) for n in array.shape) + b"\x86"
    return made + b"(K\x01" + shape + kind + b"\x89" + text2(array.tobytes()) + b"tb"


def pickle2(images: np.ndarray, labels: list[int], key: bytes = b"labels") -> bytes:
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    entries = text2(b"batch_label") + text2(b"training batch 1 of 5") + text2(key) + numbers
    entries += text2(b"data") + array2(rows(images))
    return b"\x80\x02}(" + entries + b"u."


def test_the_pickles_are_what_python_reads(photos):
    """The stock unpickler, with NumPy, reads the same from them."""
    found = pickle.loads(pickle2(photos[0], labels_of(0)), encoding="bytes")
    np.testing.assert_array_equal(found[b"data"], rows(photos[0]))
    assert found[b"labels"] == labels_of(0)


def python_files(photos):
    files = {f"data_batch_{i + 1}": pickle2(photos[i], labels_of(i)) for i in range(5)}
    files["test_batch"] = pickle2(photos[5], labels_of(5))
    return files | {"batches.meta": pickle.dumps({b"label_names": []}, 2), "readme.html": b"<html>"}


def binary_files(photos):
    def batch(i):
        return b"".join(
            bytes([label]) + row.tobytes() for label, row in zip(labels_of(i), rows(photos[i]), strict=True)
        )

    return {f"data_batch_{i + 1}.bin": batch(i) for i in range(5)} | {"test_batch.bin": batch(5)}


def archive(path, inner, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{inner}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def unpacked(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


FORMS = {
    "python archive": lambda root, p: archive(
        root / "cifar-10-python.tar.gz", "cifar-10-batches-py", python_files(p)
    ),
    "binary archive": lambda root, p: archive(
        root / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", binary_files(p)
    ),
    "python folder": lambda root, p: unpacked(root / "cifar-10-batches-py", python_files(p)),
    "binary folder": lambda root, p: unpacked(root / "cifar-10-batches-bin", binary_files(p)),
}


# ---- what is in it


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(tmp_path, photos, form):
    made = FORMS[form](tmp_path, photos)
    train, test = CIFAR10(tmp_path, download=False), CIFAR10(tmp_path, train=False, download=False)
    np.testing.assert_array_equal(train.data, photos[:5].reshape(-1, 32, 32, 3))
    np.testing.assert_array_equal(test.data, photos[5])
    assert train.targets == [label for i in range(5) for label in labels_of(i)]
    assert test.targets == labels_of(5)
    if made.is_dir():
        assert CIFAR10(made, train=False, download=False).targets == labels_of(5)


def test_samples_are_torchvisions(tmp_path, photos):
    FORMS["binary folder"](tmp_path, photos)
    dataset = CIFAR10(tmp_path, download=False)
    image, label = dataset[7]
    assert (image.mode, image.size, label) == ("RGB", (32, 32), 7)
    np.testing.assert_array_equal(np.asarray(image), photos[0][7])
    assert dataset.classes[3] == "cat"
    assert dataset.class_to_idx["ship"] == 8
    assert len(dataset) == 5 * N
    assert sum(dataset.class_counts().values()) == 5 * N
    changed = CIFAR10(tmp_path, True, transforms.ToTensor(), lambda label: -label, download=False)
    assert changed[7][0].shape == (3, 32, 32)
    assert changed[7][1] == -7
    assert dataset.deterministic
    assert not changed.deterministic


def test_what_is_assigned_is_used(tmp_path, photos):
    FORMS["binary folder"](tmp_path, photos)
    dataset = CIFAR10(tmp_path, download=False)
    dataset.data, dataset.targets = dataset.data[10:13], dataset.targets[10:13]
    assert len(dataset) == 3
    np.testing.assert_array_equal(np.asarray(dataset[0][0]), photos[0][10])
    assert dataset.tensor_dataset().tensors[1].tolist() == dataset.targets


def test_as_tensors(tmp_path, photos):
    FORMS["python folder"](tmp_path, photos)
    dataset = CIFAR10(tmp_path, False, download=False)
    images, labels = next(iter(DataLoader(dataset.tensor_dataset(), N)))
    assert images.shape == (N, 3, 32, 32)
    np.testing.assert_array_equal(images.numpy(), (photos[5] / np.float32(255)).transpose(0, 3, 1, 2))
    assert labels.tolist() == labels_of(5)


def test_a_hundred_classes(tmp_path, photos):
    labels = [(7 * i) % 100 for i in range(N)]
    python = {name: pickle2(photos[i], labels, b"fine_labels") for i, name in enumerate(("train", "test"))}
    binary = {
        f"{name}.bin": b"".join(
            bytes([label // 5, label]) + row.tobytes()
            for label, row in zip(labels, rows(photos[i]), strict=True)
        )
        for i, name in enumerate(("train", "test"))
    }
    archive(tmp_path / "a" / "cifar-100-python.tar.gz", "cifar-100-python", python)
    archive(tmp_path / "b" / "cifar-100-binary.tar.gz", "cifar-100-binary", binary)
    for root in ("a", "b"):
        dataset = CIFAR100(tmp_path / root, train=False, download=False)
        np.testing.assert_array_equal(dataset.data, photos[1])
        assert dataset.targets == labels
    assert len(set(CIFAR100.classes)) == 100
    assert CIFAR100.classes == sorted(CIFAR100.classes)


def test_the_published_labels_count(photos):
    assert len(CIFAR10.classes) == 10


# ---- where it is looked for


def test_the_cache_serves_without_a_root(cache, photos):
    FORMS["python archive"](cache / "CIFAR10", photos)
    assert CIFAR10(train=False).targets == labels_of(5)
    assert CIFAR10(cache / "elsewhere", train=False).targets == labels_of(5)
    with pytest.raises(
        DataError, match=r"CIFAR10: found no cifar-10-batches-py, cifar-10-batches-bin, .* in .*elsew"
    ):
        CIFAR10(cache / "elsewhere", download=False)


def test_a_download_goes_into_the_cache(cache, photos, monkeypatch, tmp_path):
    made = FORMS["python archive"](tmp_path / "web", photos)
    monkeypatch.setattr(CIFAR10, "mirrors", (f"file://{made.parent}/",))
    with pytest.raises(DownloadError, match="md5"):
        CIFAR10()
    md5 = hashlib.md5(made.read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "python", (made.name, md5, "cifar-10-batches-py"))
    assert len(CIFAR10()) == 5 * N
    assert (cache / "CIFAR10" / made.name).is_file()
    assert hub.home() == cache


# ---- damaged


def test_missing_and_damaged_files(tmp_path, photos):
    folder = FORMS["python folder"](tmp_path, photos)
    (folder / "data_batch_3").unlink()
    with pytest.raises(DataError, match=r"CIFAR10: there is no data_batch_3 in .*cifar-10-batches-py"):
        CIFAR10(tmp_path, download=False)
    (folder / "data_batch_3").write_bytes(b"")
    with pytest.raises(DataError, match=r"CIFAR10: .*-py, data_batch_3 is not a pickle of CIFAR's: EOFError"):
        CIFAR10(tmp_path, download=False)
    binary = FORMS["binary folder"](tmp_path / "b", photos)
    (binary / "test_batch.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(
        DataError, match=r"test_batch.bin must be of one or more records of 3073 bytes, got 5,000 byt"
    ):
        CIFAR10(tmp_path / "b", False, download=False)
    (binary / "test_batch.bin").write_bytes(b"\x0b" * 3073)
    with pytest.raises(DataError, match=r"test_batch.bin must be labels below 10, got 11"):
        CIFAR10(tmp_path / "b", False, download=False)


def test_a_damaged_archive(tmp_path, photos):
    made = FORMS["binary archive"](tmp_path, photos)
    data = made.read_bytes()
    for damaged in (data[: len(data) // 2], b"no archive", data[:500] + b"\xff" * 100 + data[600:]):
        made.write_bytes(damaged)
        with pytest.raises(
            DataError, match=r"cifar-10-binary.tar.gz is a damaged archive|there is no test_batch.bin in"
        ):
            CIFAR10(tmp_path, False, download=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({b"labels": [1], b"data": None}, r"data must be an array \(N, 3072\), got NoneType"),
        ({b"labels": [1]}, r"data must be an array \(N, 3072\), got NoneType"),
        ([1, 2], "is not a pickle of CIFAR's: list and not a dict"),
    ],
)
def test_pickles_of_something_else(tmp_path, photos, content, message):
    folder = FORMS["python folder"](tmp_path, photos)
    (folder / "test_batch").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(DataError, match=message):
        CIFAR10(tmp_path, False, download=False)


def test_pickles_whose_parts_do_not_fit(tmp_path, photos):
    folder = FORMS["python folder"](tmp_path, photos)
    for content, message in (
        (pickle2(photos[0], [1, 2]), "must be of 12 labels, as it has images, got 2"),
        (pickle2(photos[0], [200] * N), "must be labels below 10, got 200"),
        (pickle2(photos[0], [1] * N, b"names"), "labels must be a list of ints, got NoneType"),
        (pickle2(photos[0][:, :16], [1] * N), r"data must be an array \(N, 3072\), got \(12, 1536\)"),
        (
            pickle2(photos[0], [1] * N).replace(b"U\x02u1", b"U\x02O8"),
            "an array of O8, not of bytes in C order",
        ),
    ):
        (folder / "test_batch").write_bytes(content)
        with pytest.raises(DataError, match=message):
            CIFAR10(tmp_path, False, download=False)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_python_3(photos, protocol):
    """Whoever has written the files again with Python 3 and NumPy."""
    content = pickle.dumps({"data": rows(photos[0]), "labels": [1]}, protocol)
    if protocol == 5:  # NumPy then calls another function
        with pytest.raises(DataError, match=r"it asks for numpy._?core.numeric._frombuffer"):
            read_pickle(content, "x")
        return
    found = read_pickle(content, "x")
    np.testing.assert_array_equal(found["data"], rows(photos[0]))
    assert found["labels"] == [1]


# ---- hostile


class Evil:
    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, ("touch {}",)), "system"),
        ((eval, ("open({!r}, 'w')",)), "eval"),
        ((open, ("{}", "w")), "open"),
        ((getattr, (os, "sep")), "getattr"),
        ((np.load, ("{}",)), "load"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_code_runs(tmp_path, photos, call, name, protocol):
    mark = tmp_path / "ran"
    if name == "getattr":
        content = b"cbuiltins\ngetattr\n(cos\nsystem\nX\x01\x00\x00\x00xtR."
    else:
        function, args = call
        content = pickle.dumps({b"data": Evil((function, (args[0].format(str(mark)), *args[1:])))}, protocol)
    folder = FORMS["python folder"](tmp_path, photos)
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=rf"test_batch is not a pickle of CIFAR's: it asks for \w+\.{name}"):
        CIFAR10(tmp_path, False, download=False)
    assert not mark.exists()


def test_links_and_paths_in_an_archive_lead_nowhere(tmp_path, photos):
    made = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        outside = tarfile.TarInfo("../../outside.bin")
        outside.size = 4
        tar.addfile(outside, io.BytesIO(b"evil"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"there is no test_batch.bin in"):
        CIFAR10(tmp_path, False, download=False)
    assert sorted(tmp_path.rglob("*")) == before


def test_random_damage_is_an_error_of_data(photos):
    chance = random.Random(0)
    whole = pickle2(photos[0][:1], [3])
    for _ in range(3000):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(content)) if chance.random() < 0.3 else chance.randrange(120)
            content[place] = chance.randrange(256)
        try:
            read_pickle(bytes(content), "x")
        except DataError as error:
            assert str(error).startswith("x is not a pickle of CIFAR's: ")  # noqa: PT017


# ---- FashionMNIST


def test_fashion(tmp_path):
    def idx(array):
        return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()

    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    raw = tmp_path / "FashionMNIST" / "raw"  # where torchvision keeps them
    raw.mkdir(parents=True)
    (raw / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([9, 0, 1, 2, 3], np.uint8)))
    dataset = FashionMNIST(tmp_path, train=False, download=False)
    np.testing.assert_array_equal(dataset.data.numpy(), images)
    assert dataset.classes[dataset[0][1]] == "Ankle boot"
    assert len(FashionMNIST.classes) == 10
    with pytest.raises(DataError, match="FashionMNIST: found no train-images-idx3-ubyte and train-labels"):
        FashionMNIST(tmp_path, download=False)
