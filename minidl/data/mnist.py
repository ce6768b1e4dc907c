"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges), from IDX files in a folder, the cache or the network.

And FashionMNIST, which has its format.
"""

from __future__ import annotations

import gzip
import math
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from minidl.data.digits import SyntheticDigits
from minidl.data.images import GreyImages
from minidl.errors import DataError, must

DEFLATE_LIMIT = 1032  # bytes that one byte of a gzip file can stand for
NETWORK_TIMEOUT = 8.0  # seconds of silence after which to give up


class MNIST(GreyImages):
    """MNIST's 60,000 digits to train on, or its 10,000 to test on, 28x28; see :class:`GreyImages` for what it gives.

    The IDX files, gzipped or not, are looked for in ``root`` and in ``root/MNIST/raw``, where torchvision keeps them.
    If they are not there and ``download`` is true, or without a ``root``, they come from the cache
    (:func:`minidl.hub.home`), which is filled from the network if need be (``download``).

    Raises:
        DataError: the files are missing, or one of them is damaged or holds something else; it names the file.
        DownloadError: no source delivered them.
    """

    name = "MNIST"
    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip
    mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    md5: ClassVar[dict[str, str]] = {  # of the published archives
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
    ) -> None:
        self.train = train
        part = "train" if train else "t10k"
        paths = self._paths(root, [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"], download)
        images, labels = read_idx(paths[0], (28, 28)), read_idx(paths[1], ())
        if len(images) != len(labels):
            expected = f"of {len(images):,} labels, as {paths[0]} has images"
            raise DataError(must(self.name, str(paths[1]), expected, f"{len(labels):,}"))
        if labels.max() >= len(self.classes):
            raise DataError(must(self.name, str(paths[1]), f"labels below {len(self.classes)}", labels.max()))
        super().__init__(images, labels, transform, target_transform)

    def _paths(self, root: str | os.PathLike[str] | None, names: list[str], download: bool) -> list[Path]:
        """Where the files ``names`` are; all of them in one folder."""
        from minidl import hub  # when it is needed, because it takes half as long to import as all of minidl

        cache = hub.home() / self.name
        folders = [] if root is None else [Path(root), Path(root) / self.name / "raw"]
        if root is None or download:
            folders.append(cache)
        for folder in folders:
            found = [p for name in names for p in (folder / name, folder / f"{name}.gz") if p.is_file()]
            if {p.name.removesuffix(".gz") for p in found} == set(names):
                return [next(p for p in found if p.name.removesuffix(".gz") == name) for name in names]
        if not download:
            places = " or ".join(map(str, folders))
            raise DataError(f"{self.name}: found no {' and '.join(names)} (or .gz) in {places}")
        return [self._download(f"{name}.gz", cache) for name in names]

    def _download(self, name: str, folder: Path) -> Path:
        from minidl import hub

        urls = [mirror + name for mirror in self.mirrors]
        return hub.download(urls, folder / name, md5=self.md5[name], timeout=NETWORK_TIMEOUT)


class FashionMNIST(MNIST):
    """60,000 pictures of clothes to train on, or 10,000 to test on, 28x28, in MNIST's format; see :class:`MNIST`.

    (Xiao et al., "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.)
    """

    name = "FashionMNIST"
    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    )
    md5: ClassVar[dict[str, str]] = {  # of the published archives
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }


def mnist_or_synthetic(root: str | os.PathLike[str] | None = None) -> tuple[GreyImages, GreyImages]:
    """Training and test set for an example: MNIST from ``root``, or else from the cache or the network.

    Without ``root``, and where MNIST cannot be had within seconds, :class:`SyntheticDigits` take its place, and one
    line on stderr says so.
    """
    if root is not None:
        return MNIST(root, train=True, download=False), MNIST(root, train=False, download=False)
    try:
        return MNIST(train=True), MNIST(train=False)
    except OSError as error:  # DownloadError, or no place to write
        reason = str(error).splitlines()[-1].strip()
    print(
        f"MNIST cannot be downloaded ({reason}): taking digits drawn from a font instead. "
        "For MNIST, give the folder of its four files: --data DIR",
        file=sys.stderr,
    )
    return SyntheticDigits(train=True), SyntheticDigits(train=False)


def read_idx(path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    """Read a file of unsigned bytes in LeCun's IDX format, gzipped or not: uint8, N times ``item_shape``.

    The format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a big-endian
    32-bit integer, and the data in C order.

    Raises:
        DataError: it is something else, truncated, too long, or damaged; the message names the file.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            return _parse_idx(gzip.GzipFile(fileobj=file) if zipped else file, path, item_shape)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"read_idx: {path} is a damaged gzip file: {error}") from error


def _parse_idx(file: BinaryIO | gzip.GzipFile, path: Path, item_shape: tuple[int, ...]) -> np.ndarray:
    def check(right: bool, expected: str, got: object) -> None:
        if not right:
            raise DataError(must("read_idx", str(path), expected, got))

    ndim = 1 + len(item_shape)
    header = file.read(4 + 4 * ndim)
    magic = bytes([0, 0, 8, ndim])
    check(
        header[:4] == magic,
        f"an IDX file that begins with {magic.hex()}",
        header[:4].hex() or "an empty file",
    )
    check(len(header) == 4 + 4 * ndim, f"at least {4 + 4 * ndim} bytes long", len(header))
    shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
    check(
        shape[1:] == item_shape and shape[0] > 0,
        f"of shape {' x '.join(map(str, ('N', *item_shape)))}",
        shape,
    )
    size = math.prod(shape)
    # before the memory is asked for: what a damaged header claims may be anything
    plausible = size <= DEFLATE_LIMIT * path.stat().st_size
    data = bytearray(file.read(size) if plausible else b"")
    whole = f"of {size:,} bytes after its header, for shape {shape}"
    check(len(data) == size, whole, f"{len(data):,}" if plausible else "far fewer")
    check(file.read(1) == b"", whole, "more")
    return np.frombuffer(data, np.uint8).reshape(shape)
