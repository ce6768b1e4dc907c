"""CIFAR-10 and CIFAR-100: 60,000 small photos each, from the archives that their author publishes.

(Krizhevsky, "Learning multiple layers of features from tiny images", 2009.)
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minidl.data.images import ColourImages
from minidl.data.pickles import read_pickle
from minidl.errors import DataError, must

PIXELS = 3 * 32 * 32
LARGEST = 1 << 28  # bytes: more than any file in these archives has
NETWORK_TIMEOUT = 8.0  # seconds of silence after which to give up


class CIFAR10(ColourImages):
    """50,000 photos to train on, or 10,000 to test on, 32x32, of ten classes; see :class:`ColourImages`.

    The python version and the binary version are read, unpacked or as archives. They are looked for in ``root``; if
    they are not there and ``download`` is true, or without a ``root``, the python version comes from the cache
    (:func:`minidl.hub.home`), which is filled from the network if need be. Pickles are read without running code.

    Raises:
        DataError: the files are missing, or one of them is damaged or holds something else; it names the file.
        DownloadError: no source delivered them.
    """

    name = "CIFAR10"
    classes: ClassVar[list[str]] = [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ]  # fmt: skip
    mirrors: ClassVar[tuple[str, ...]] = ("https://www.cs.toronto.edu/~kriz/",)
    python = ("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", "cifar-10-batches-py")
    binary = ("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin")
    parts: ClassVar[dict[bool, list[str]]] = {
        True: [f"data_batch_{i}" for i in range(1, 6)],
        False: ["test_batch"],
    }
    label_key = "labels"
    label_bytes = 1  # before each picture in the binary version, the label last

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = True,
    ) -> None:
        self.train = train
        place, binary = self._place(root, download)
        suffix = ".bin" if binary else ""
        names = [part + suffix for part in self.parts[train]]
        contents = _read(place, names, self.name)
        read = self._from_binary if binary else self._from_pickle
        pairs = [read(contents[name], f"{place}, {name}") for name in names]
        pixels = np.concatenate([images for images, _ in pairs]).reshape(-1, 3, 32, 32)
        labels = np.concatenate([labels for _, labels in pairs])
        super().__init__(
            np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels, transform, target_transform
        )

    def _place(self, root: str | os.PathLike[str] | None, download: bool) -> tuple[Path, bool]:
        """The folder or archive that holds the data, and whether it is the binary version."""
        from minidl import hub  # when it is needed, because it takes half as long to import as all of minidl

        cache = hub.home() / self.name
        folders = [] if root is None else [Path(root)]
        if root is None or download:
            folders.append(cache)
        for folder in folders:
            for (archive, _, inner), binary in ((self.python, False), (self.binary, True)):
                for place in (folder / inner, folder / archive):
                    if place.exists():
                        return place, binary
                if folder.name == inner and folder.is_dir():
                    return folder, binary
        if not download:
            names = f"{self.python[2]}, {self.binary[2]}, {self.python[0]} or {self.binary[0]}"
            raise DataError(f"{self.name}: found no {names} in {' or '.join(map(str, folders))}")
        archive, md5, _ = self.python
        urls = [mirror + archive for mirror in self.mirrors]
        return hub.download(urls, cache / archive, md5=md5, timeout=NETWORK_TIMEOUT), False

    def _from_pickle(self, content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
        found = read_pickle(content, f"{self.name}: {where}")
        images, labels = found.get("data"), found.get(self.label_key)
        if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != PIXELS:
            got = getattr(images, "shape", type(images).__name__)
            raise DataError(must(self.name, f"{where}: data", f"an array (N, {PIXELS})", got))
        if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
            raise DataError(
                must(self.name, f"{where}: {self.label_key}", "a list of ints", type(labels).__name__)
            )
        return images, self._checked(np.array(labels, np.int64), len(images), where)

    def _from_binary(self, content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
        row = self.label_bytes + PIXELS
        if not content or len(content) % row:
            expected = f"of one or more records of {row} bytes"
            raise DataError(must(self.name, where, expected, f"{len(content):,} bytes"))
        records = np.frombuffer(content, np.uint8).reshape(-1, row)
        labels = records[:, self.label_bytes - 1]
        return records[:, self.label_bytes :], self._checked(labels, len(records), where)

    def _checked(self, labels: np.ndarray, count: int, where: str) -> np.ndarray:
        if len(labels) != count:
            raise DataError(
                must(self.name, where, f"of {count:,} labels, as it has images", f"{len(labels):,}")
            )
        if count and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise DataError(must(self.name, where, f"labels below {len(self.classes)}", labels.max()))
        return labels


class CIFAR100(CIFAR10):
    """50,000 photos to train on, or 10,000 to test on, 32x32, of a hundred classes; see :class:`CIFAR10`."""

    name = "CIFAR100"
    classes: ClassVar[list[str]] = [
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
        "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
        "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
        "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
        "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
        "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
        "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger",
        "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ]  # fmt: skip
    python = ("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python")
    binary = ("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary")
    parts: ClassVar[dict[bool, list[str]]] = {True: ["train"], False: ["test"]}
    label_key = "fine_labels"
    label_bytes = 2  # of the superclass, and of the class


def _read(place: Path, names: list[str], op: str) -> dict[str, bytes]:
    """The files of these names in a folder or an archive.

    Raises:
        DataError: one is missing, or the archive is damaged.
    """
    if place.is_dir():
        missing = [name for name in names if not (place / name).is_file()]
        found = {} if missing else {name: (place / name).read_bytes() for name in names}
    else:
        found = _read_archive(place, set(names), op)
        missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{op}: there is no {', '.join(missing)} in {place}")
    return found


def _read_archive(path: Path, names: set[str], op: str) -> dict[str, bytes]:
    """Files of an archive by their last name; nothing is written anywhere."""
    import tarfile  # when it is needed, as hub is

    found = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if name in names and member.isreg() and member.size <= LARGEST:
                    file = archive.extractfile(member)
                    found[name] = file.read() if file is not None else b""
                if len(found) == len(names):
                    break
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{op}: {path} is a damaged archive: {error}") from error
    return found
