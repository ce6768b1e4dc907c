"""ImageFolder: photos in a folder per class."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minidl.data import scan
from minidl.data.dataset import Dataset, Subset
from minidl.data.labels import Labelled
from minidl.data.pictures import load_picture
from minidl.data.randomness import digest, is_random
from minidl.data.splitting import split
from minidl.errors import ArgumentError, DataError, must, warn
from minidl.random import sample_stream

Path_ = str | os.PathLike[str]
SAME = object()  # stands for the transform that there is
NAMED = 30  # problems that a message lists before it only counts


class ImageFolder(Labelled, Dataset[tuple[Any, Any]]):
    """Photos in a folder per class, ``root/CLASS/.../FILE``; a sample is ``(picture, number of its class)``.

    The classes are the names of the folders in ``root``, sorted; their folders may hold folders and links. Names that
    begin with a dot, and what systems leave behind (``Thumbs.db``), do not count. All files are looked at first (see
    :mod:`minidl.data.scan`), so that one that is no picture does not end a long run in the middle.

    Args:
        root: the folder.
        transform: what is made of a picture (a ``PIL.Image``); see :mod:`minidl.data.transforms`.
        target_transform: what is made of the class's number.
        loader: reads a path; by default :func:`load_picture`, which gives RGB, whatever the file holds. With another
            loader, or ``is_valid_file``, files are not looked at first. Of another loader it is not known that it gives
            the same every time, unless its attribute ``random`` is False.
        is_valid_file: says of a path whether it belongs to the data.
        allow_empty: let a class have no pictures.
        on_error: "raise" one error that names all files that are no whole pictures, or "skip" them with a warning.
        seed: what the random transforms depend on, beside the epoch and the sample's index. Default: the DataLoader's
            seed, or else the default generator's (``minidl.manual_seed``).

    Attributes:
        classes: the classes' names. class_to_idx: their numbers by name.
        samples: pairs (path, number of the class); also as ``imgs``. targets: the numbers. files: the paths.

    Raises:
        DataError: ``root`` is no folder, has no classes, or a class has no pictures; files are no pictures, empty,
            truncated, too large, or cannot be read.
    """

    def __init__(
        self,
        root: Path_,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        loader: Callable[[str], Any] = load_picture,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
        *,
        on_error: str = "raise",
        seed: int | None = None,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ArgumentError(must("ImageFolder", "on_error", '"raise" or "skip"', repr(on_error)))
        self.root = os.fspath(root)
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader
        self.seed = seed
        self.epoch = 0
        self.classes = scan.class_folders(Path(root), "ImageFolder")
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        look = loader is load_picture and is_valid_file is None
        self.samples = self._find(is_valid_file, look, on_error)
        self.imgs = self.samples
        self.targets = [target for _, target in self.samples]
        self._check_classes(allow_empty)

    def _find(self, is_valid: Callable[[str], bool] | None, look: bool, on_error: str) -> list[Any]:
        problems: dict[str, str] = {}
        found = [
            (path, target)
            for target, name in enumerate(self.classes)
            for path in scan.files_below(os.path.join(self.root, name), problems)
            if is_valid is None or is_valid(path)
        ]
        if look:
            problems |= scan.broken(path for path, _ in found)
        if problems:
            self._complain(problems, on_error)
        return [sample for sample in found if sample[0] not in problems]

    def _complain(self, problems: dict[str, str], on_error: str) -> None:
        lines = [f"  {scan.printable(path)}: {problem}" for path, problem in problems.items()]
        if on_error == "raise":
            end = 'on_error="skip" leaves them out'
            message = f"ImageFolder: {len(lines)} of the files in {scan.printable(self.root)} are not usable"
            raise DataError("\n".join([f"{message} ({end}):", *lines]))
        more = [f"  and {len(lines) - NAMED} more"] if len(lines) > NAMED else []
        warn("\n".join([f"ImageFolder: {len(lines)} files are left out:", *lines[:NAMED], *more]))

    def _check_classes(self, allow_empty: bool) -> None:
        empty = [scan.printable(name) for name, count in self.class_counts().items() if count == 0]
        if empty and not allow_empty:
            where = scan.printable(self.root)
            raise DataError(
                f"ImageFolder: no pictures in the folders {', '.join(empty)} of {where} "
                "(allow_empty=True keeps such classes)"
            )

    # ---- samples ----

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        with sample_stream(self.seed, self.epoch, range(len(self.samples))[index]):
            try:
                image = self.loader(path)
            except Exception as error:
                where = f"ImageFolder: {scan.printable(path)} (sample {index}) cannot be read"
                raise DataError(f"{where}: {error}") from error
            if self.transform is not None:
                image = self.transform(image)
            if self.target_transform is not None:
                target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.class_counts().items())
        return f"ImageFolder({self.root!r}): {len(self)} pictures in {len(self.classes)} classes ({counts})"

    def set_epoch(self, epoch: int) -> None:
        """Random transforms draw anew for each epoch. (A DataLoader counts epochs itself.)"""
        self.epoch = epoch

    @property
    def files(self) -> list[str]:
        """The pictures' paths."""
        return [path for path, _ in self.samples]

    @property
    def deterministic(self) -> bool:
        """Whether a sample is the same every time: no transform is random, nor unknown, and no loader unknown."""
        known = self.loader is load_picture or not is_random(self.loader)
        return known and not (is_random(self.transform) or is_random(self.target_transform))

    def with_transform(
        self, transform: Callable[[Any], Any] | None, target_transform: Callable[[int], Any] | None = None
    ) -> ImageFolder:
        """The same pictures with another transform; files are not looked at again."""
        other = copy.copy(self)
        other.transform, other.target_transform = transform, target_transform
        return other

    def split(
        self, fraction: float, seed: int = 0, validation_transform: Any = SAME, check_duplicates: bool = True
    ) -> tuple[Subset[Any], Subset[Any]]:
        """Two parts, to train on and to validate with ``fraction`` of each class; see :func:`minidl.data.split`.

        ``validation_transform`` replaces the transform of the second part, which wants no random ones.
        """
        first, second = split(self, fraction, seed, check_duplicates=check_duplicates)
        if validation_transform is not SAME:
            second = Subset(self.with_transform(validation_transform, self.target_transform), second.indices)
        return first, second

    def fingerprint(self) -> str:
        """What the samples depend on, hashed: names, sizes and times of the files, loader, Pillow and transforms."""
        import PIL  # whose decoders and filters change from version to version

        files = []
        for path, target in self.samples:
            status = os.stat(path)
            files.append((os.path.relpath(path, self.root), target, status.st_size, status.st_mtime_ns))
        loader = f"{self.loader.__module__}.{getattr(self.loader, '__qualname__', self.loader)}"
        return digest(files, self.classes, loader, PIL.__version__, self.transform, self.target_transform)
