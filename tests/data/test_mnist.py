"""MNIST: real files, damaged files, the order in which places are searched, and the way out without a network."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import socket
import struct
import threading
import time

import numpy as np
import pytest
from PIL import Image

from minidl.data import MNIST, SyntheticDigits, mnist, mnist_or_synthetic
from minidl.data.mnist import read_idx
from minidl.errors import DataError, DownloadError, MinidlError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def sample_files(n: int = 12) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    files = {}
    for part in ("train", "t10k"):
        files[f"{part}-images-idx3-ubyte"] = idx(random.integers(256, size=(n, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx((np.arange(n) % 10).astype(np.uint8))
        n -= 2
    return files


def write(folder, files, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of its own, and no network but loopback's."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MINIDL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(MNIST, "mirrors", ())
    return tmp_path / "home" / "MNIST"


# ---- what is in it


def test_the_real_files(test_data):
    """The published md5 of the uncompressed files, computed from what was read."""
    train = MNIST(test_data("mnist"), download=False)
    test = MNIST(test_data("mnist"), train=False, download=False)
    for dataset, images, labels in [
        (train, "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
        (test, "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
    ]:
        assert hashlib.md5(idx(dataset.data.numpy())).hexdigest() == images
        assert hashlib.md5(idx(dataset.targets.numpy().astype(np.uint8))).hexdigest() == labels
    assert (len(train), len(test)) == (60_000, 10_000)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("place", [".", "MNIST/raw"])
def test_files_in_a_folder(tmp_path, zipped, place):
    files = sample_files()
    write(tmp_path / "mine" / place, files, zipped)
    for train, n in (True, 12), (False, 10):
        dataset = MNIST(tmp_path / "mine", train=train, download=False)
        assert dataset.data.shape == (n, 28, 28)
        assert dataset.data.dtype == np.uint8
        assert dataset.targets.dtype == np.int64
        part = "train" if train else "t10k"
        assert idx(dataset.data.numpy()) == files[f"{part}-images-idx3-ubyte"]
        assert dataset.targets.tolist() == [i % 10 for i in range(n)]


def test_a_sample_is_a_picture_and_a_label_as_in_torchvision(tmp_path):
    dataset = MNIST(write(tmp_path, sample_files()))
    picture, label = dataset[7]
    assert isinstance(picture, Image.Image)
    assert picture.mode == "L"
    assert (np.asarray(picture) == dataset.data.numpy()[7]).all()
    assert type(label) is int
    assert label == 7
    assert dataset.classes[label] == "7 - seven"
    assert dataset.class_to_idx["7 - seven"] == 7
    assert len(list(dataset)) == len(dataset) == 12


def test_transforms(tmp_path):
    dataset = MNIST(write(tmp_path, sample_files()), True, lambda picture: picture.size, lambda label: -label)
    assert dataset[5] == ((28, 28), -5)


def test_all_of_it_as_tensors(tmp_path):
    dataset = MNIST(write(tmp_path, sample_files()))
    images, labels = dataset.tensor_dataset().tensors
    assert images.shape == (12, 1, 28, 28)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images.numpy()[:, 0], dataset.data.numpy().astype(np.float32) / 255)
    assert labels is dataset.targets


# ---- damaged files


def damaged(name, content):
    """A case: the file ``name``, what it holds, and what the message says of it."""
    return pytest.param(name, *content, id=f"{name.split('-')[1]}: {content[1][:40]}")


FILES = sample_files()
ZIPPED = gzip.compress(FILES[IMAGES])
TOO_LARGE = struct.pack(">BBBB3I", 0, 0, 8, 3, 2**32 - 1, 28, 28) + bytes(784)
CASES = [
    (IMAGES, FILES[LABELS], "must be an IDX file that begins with 00000803, got 00000801"),
    (IMAGES, b"", "must be an IDX file that begins with 00000803, got an empty file"),
    (IMAGES, b"<html>not found</html>", "must be an IDX file that begins with 00000803, got 3c68746d"),
    (IMAGES, FILES[IMAGES][:10], "must be at least 16 bytes long, got 10"),
    (IMAGES, idx(np.zeros((2, 32, 32), np.uint8)), r"must be of shape N x 28 x 28, got \(2, 32, 32\)"),
    (IMAGES, idx(np.zeros((0, 28, 28), np.uint8)), r"must be of shape N x 28 x 28, got \(0, 28, 28\)"),
    (IMAGES, FILES[IMAGES][:-1], r"must be of 9,408 bytes after its header, for shape .*, got 9,407"),
    (IMAGES, FILES[IMAGES] + b"!", r"must be of 9,408 bytes after its header, for shape .*, got more"),
    (IMAGES, TOO_LARGE, r"must be of 3,367,254,359,280 bytes after its header.*, got far fewer"),
    (IMAGES, ZIPPED[:-100], "is a damaged gzip file: Compressed file ended"),
    (IMAGES, ZIPPED[:5000] + bytes(100) + ZIPPED[5100:], "is a damaged gzip file"),
    (IMAGES, ZIPPED[:-8] + bytes(8), "is a damaged gzip file: CRC check failed"),
    (IMAGES, ZIPPED[:-4] + b"abcd", "is a damaged gzip file: Incorrect length of data"),
    (IMAGES, ZIPPED + b"more", "is a damaged gzip file: Not a gzipped file"),
    (IMAGES, gzip.compress(FILES[IMAGES] + b"!"), "bytes after its header, for shape .*, got more"),
    (IMAGES, gzip.compress(FILES[IMAGES][:-1]), "bytes after its header, for shape .*, got 9,407"),
    (LABELS, FILES[LABELS][:-1] + b"\x0a", "must be labels below 10, got 10"),
    (LABELS, idx(np.zeros(11, np.uint8)), f"must be of 12 labels, as .*{IMAGES} has images, got 11"),
]


@pytest.mark.parametrize(("name", "content", "message"), CASES, ids=[case[2][:60] for case in CASES])
def test_damage_is_named(tmp_path, name, content, message):
    write(tmp_path, FILES | {name: content})
    with pytest.raises(DataError, match=message) as caught:
        MNIST(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_no_flipped_byte_goes_unnoticed_or_ends_in_another_error(tmp_path, zipped):
    """A flipped byte of the header is always found; one of a gzip file's data too, by its check sum."""
    content = gzip.compress(FILES[LABELS], mtime=0) if zipped else FILES[LABELS]
    path = tmp_path / "file"
    for i in (
        range(10, len(content)) if zipped else range(8)
    ):  # before: gzip's own header, partly without meaning
        path.write_bytes(content[:i] + bytes([content[i] ^ 0x41]) + content[i + 1 :])
        with pytest.raises(DataError, match="file"):
            read_idx(path, ())


def test_missing_files_are_named(tmp_path):
    (tmp_path / IMAGES).write_bytes(FILES[IMAGES])
    with pytest.raises(DataError, match=f"MNIST: found no {IMAGES} and {LABELS} .* in {tmp_path} or "):
        MNIST(tmp_path, download=False)
    with pytest.raises(DataError, match=r"found no t10k-images.*home"):
        MNIST(train=False, download=False)


# ---- the cache and the network


def test_the_cache_serves_without_a_folder(cache):
    write(cache, FILES, zipped=True)
    assert len(MNIST(download=False)) == 12
    assert len(MNIST()) == 12


def test_the_cache_stands_in_for_a_folder_only_where_downloading_is_allowed(cache, tmp_path):
    write(cache, FILES)
    assert len(MNIST(tmp_path / "elsewhere")) == 12
    with pytest.raises(DataError, match="elsewhere"):
        MNIST(tmp_path / "elsewhere", download=False)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror on loopback that serves the folder which is returned, after one that is not there."""
    folder = write(tmp_path / "mirror", FILES, zipped=True)
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(MNIST, "mirrors", (url + "moved/", url))
    digests = {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    monkeypatch.setattr(MNIST, "md5", digests)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


def test_downloads_into_the_cache(mirror, cache):
    assert len(MNIST()) == 12
    assert sorted(p.name for p in cache.iterdir()) == [f"{IMAGES}.gz", f"{LABELS}.gz"]
    for path in mirror.iterdir():
        path.unlink()
    assert len(MNIST()) == 12  # and takes them from there from then on


def test_a_download_that_is_not_mnist_is_refused(mirror, cache):
    (mirror / f"{LABELS}.gz").write_bytes(gzip.compress(b"something else"))
    with pytest.raises(DownloadError, match=rf"(?s)no source delivered {LABELS}\.gz.*404.*md5 is"):
        MNIST()


def test_the_published_archives_and_where_they_are():
    published = type.__getattribute__(mnist.MNIST, "md5")
    assert set(published) == {f"{name}.gz" for name in FILES}
    assert all(len(digest) == 32 for digest in published.values())


# ---- without any of it


@pytest.fixture
def few_digits(monkeypatch):
    monkeypatch.setattr(mnist, "SyntheticDigits", functools.partial(SyntheticDigits, n=10))


@pytest.fixture
def nobody(monkeypatch):
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(MNIST, "mirrors", (f"http://127.0.0.1:{unused.getsockname()[1]}/",))
        yield


def test_an_example_gets_mnist_where_it_can(cache, few_digits, capsys):
    write(cache, FILES)
    train, test = mnist_or_synthetic()
    assert isinstance(train, MNIST)
    assert (len(train), len(test)) == (12, 10)
    assert capsys.readouterr().err == ""


def test_an_example_gets_drawn_digits_otherwise_and_one_line_says_so(nobody, few_digits, capsys):
    train, test = mnist_or_synthetic()
    assert isinstance(train, SyntheticDigits)
    assert (train.train, test.train) == (True, False)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "refused" in printed.err
    assert "--data DIR" in printed.err


def test_no_place_to_write_is_no_obstacle(tmp_path, nobody, few_digits, capsys):
    (tmp_path / "home").write_text("a file where the cache should be")
    assert isinstance(mnist_or_synthetic()[0], SyntheticDigits)


def test_a_given_folder_is_not_replaced_by_drawn_digits(tmp_path, nobody, few_digits):
    with pytest.raises(MinidlError, match="found no train-images"):
        mnist_or_synthetic(tmp_path / "wrong")


def test_a_network_that_hangs_is_given_up_within_ten_seconds(monkeypatch, few_digits):
    # It is for all mirrors of the first file that fails, which is the last that is tried.
    assert mnist.NETWORK_TIMEOUT < 10
    monkeypatch.setattr(mnist, "NETWORK_TIMEOUT", 0.6)
    monkeypatch.setattr(MNIST, "mirrors", ("http://a.invalid/", "https://b.invalid/", "http://c.invalid/"))
    hung = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: hung.wait(10) and [])
    begin = time.monotonic()
    assert isinstance(mnist_or_synthetic()[0], SyntheticDigits)
    assert time.monotonic() - begin < 5  # one look-up alone takes twice as long
    hung.set()
