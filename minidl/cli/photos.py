"""What the commands about classifiers share: folders of photos, and the files that ``minidl finetune`` writes."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import ImageFolder, Subset
from minidl.errors import ArgumentError, DataError, WeightsError, must
from minidl.models import ImageClassifier
from minidl.random import stream
from minidl.serialization import load

VALIDATION = ("validation", "val", "valid", "test")  # how the folder beside train/ may be called


def find_photos(folder: Path, share: float, seed: int, on_error: str = "raise") -> tuple[Any, Any]:
    """The photos to train on, and those to validate with.

    They are in the folders ``train`` and ``validation`` (or ``val``, ``valid``, ``test``) of ``folder``; or ``folder``
    has a folder for each class itself, and ``share`` of each class is taken for validation, drawn by ``seed``.

    Raises:
        DataError: there are no such folders, or both have different classes; or as ImageFolder.
    """
    if not (folder / "train").is_dir():
        return _split(ImageFolder(folder, on_error=on_error), share, seed)
    train = ImageFolder(folder / "train", on_error=on_error)
    for name in VALIDATION:
        if (folder / name).is_dir():
            return train, relabelled(ImageFolder(folder / name, on_error=on_error), train.classes)
    return _split(train, share, seed)


def _split(photos: ImageFolder, share: float, seed: int) -> tuple[Any, Any]:
    targets = np.asarray(photos.targets)
    held_out: list[int] = []
    for label in range(len(photos.classes)):
        members = stream(seed, label).permutation(np.flatnonzero(targets == label))
        held_out += members[: max(1, round(share * len(members)))].tolist() if len(members) > 1 else []
    kept = sorted(set(range(len(photos))) - set(held_out))
    return Subset(photos, kept), Subset(photos, sorted(held_out))


def with_transform(photos: Any, transform: Any) -> Any:
    """The same photos with another transform."""
    if isinstance(photos, Subset):
        return Subset(photos.dataset.with_transform(transform), photos.indices)  # type: ignore[attr-defined]
    return photos.with_transform(transform)


def relabelled(photos: ImageFolder, classes: Sequence[str]) -> ImageFolder:
    """The same photos, with the numbers that their classes have in ``classes``.

    Raises:
        DataError: a folder has the name of none of them.
    """
    if unknown := [name for name in photos.classes if name not in classes]:
        known = ", ".join(classes)
        raise DataError(
            f"{photos.root}: the folder {unknown[0]!r} is none of the classes that are known: {known[:300]}"
        )
    other = copy.copy(photos)
    other.classes = list(classes)
    other.class_to_idx = {name: i for i, name in enumerate(classes)}
    other.samples = [(path, other.class_to_idx[photos.classes[target]]) for path, target in photos.samples]
    other.imgs, other.targets = other.samples, [target for _, target in other.samples]
    return other


def load_classifier(path: Path) -> ImageClassifier:
    """The classifier in a file that ``minidl finetune`` wrote.

    Raises:
        FileNotFoundError, WeightsError: there is none; the message says what there is.
    """
    model = load(path)
    if not isinstance(model, ImageClassifier):
        got = f"a {type(model).__name__}"
        raise WeightsError(must("load", str(path), "a classifier that minidl finetune wrote", got))
    return model.eval()


def positive(text: str) -> int:
    """An option's whole number, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, got {text!r}")
    return int(text)


def fraction(text: str) -> float:
    """An option's number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text!r}")
    return value


def per_class(result: dict[str, Any]) -> list[str]:
    """The accuracy of each class, a line each."""
    classes = result.get("per_class", {})
    width = max(map(len, map(str, classes)), default=0)
    return [
        f"  {name!s:<{width}}  {numbers['accuracy']:.4f} of {numbers['count']}"
        for name, numbers in classes.items()
    ]


def check_writable(path: Path) -> None:
    """Raise before any work if ``path`` cannot be written in the end.

    Raises:
        ArgumentError: its folder is missing, or it is a folder.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        got = "a folder" if path.is_dir() else f"one in {path.parent}, which is no folder"
        raise ArgumentError(must("minidl finetune", "--out", "a file in a folder that is there", got))
