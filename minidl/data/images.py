"""Pictures with labels that fit in memory: what MNIST, and the digits that stand in for it, have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minidl.data.dataset import Dataset, TensorDataset
from minidl.data.labels import Labelled
from minidl.data.randomness import digest, is_random
from minidl.random import sample_stream
from minidl.tensor import Tensor


class GreyImages(Labelled, Dataset[tuple[Any, Any]]):
    """Grey pictures, each with the number of its class; a sample is ``(picture, label)`` as in torchvision.

    The picture is a ``PIL.Image``, or what ``transform`` makes of it; the label an int, or what ``target_transform``
    makes of it. A picture at a time is slow: to train on the pictures as they are, take :meth:`tensor_dataset`.

    Attributes:
        data: uint8 (N, H, W), 0 is black.
        targets: int64 (N,), which index ``classes``.
    """

    classes: ClassVar[list[str]]
    seed: int | None = None  # what random transforms depend on, beside epoch and index; see ImageFolder
    epoch = 0

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.data = Tensor(images)
        self.targets = Tensor(labels.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image  # loaded when a picture is asked for

        image: Any = Image.fromarray(self.data.array[index])
        target: Any = int(self.targets.array[index])
        with sample_stream(self.seed, self.epoch, range(len(self))[index]):
            if self.transform is not None:
                image = self.transform(image)
            if self.target_transform is not None:
                target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self.data)

    def set_epoch(self, epoch: int) -> None:
        """Random transforms draw anew for each epoch. (A DataLoader counts epochs itself.)"""
        self.epoch = epoch

    @property
    def deterministic(self) -> bool:
        """Whether a sample is the same every time: no transform is random, nor unknown."""
        return not (is_random(self.transform) or is_random(self.target_transform))

    def fingerprint(self) -> str:
        """What the samples depend on, hashed: the pictures, their labels, and the transforms."""
        return digest(self.data.array, self.targets.array, repr((self.transform, self.target_transform)))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class by its name."""
        return {name: i for i, name in enumerate(self.classes)}

    def tensor_dataset(self) -> TensorDataset:
        """All of it as tensors: float32 pictures (N, 1, H, W) in [0, 1], int64 labels (N,); no transform is applied.

        Batches of it cost one copy each, where going through pictures costs some 30 times as much.
        """
        images = np.divide(self.data.array[:, None], np.float32(255))
        return TensorDataset(Tensor(images), self.targets)
