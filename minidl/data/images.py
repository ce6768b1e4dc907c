"""Pictures with labels that fit in memory: what MNIST, the digits that stand in for it, and CIFAR have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minidl.data.dataset import Dataset, TensorDataset
from minidl.data.labels import Labelled
from minidl.data.randomness import digest, is_random
from minidl.random import sample_stream
from minidl.tensor import Tensor


class MemoryImages(Labelled, Dataset[tuple[Any, Any]]):
    """Pictures, each with the number of its class; a sample is ``(picture, label)`` as in torchvision.

    The picture is a ``PIL.Image``, or what ``transform`` makes of it; the label an int, or what ``target_transform``
    makes of it. A picture at a time is slow: to train on the pictures as they are, take :meth:`tensor_dataset`.
    """

    classes: ClassVar[list[str]]
    seed: int | None = None  # what random transforms depend on, beside epoch and index; see ImageFolder
    epoch = 0

    data: Any
    targets: Any
    transform: Callable[[Any], Any] | None
    target_transform: Callable[[int], Any] | None

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from PIL import Image  # loaded when a picture is asked for

        image: Any = Image.fromarray(_plain(self.data)[index])
        target: Any = int(_plain(self.targets)[index])
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
        parts = (np.asarray(_plain(part)) for part in (self.data, self.targets))
        return digest(*parts, repr((self.transform, self.target_transform)))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class by its name."""
        return {name: i for i, name in enumerate(self.classes)}

    def tensor_dataset(self) -> TensorDataset:
        """All of it as tensors: float32 pictures (N, C, H, W) in [0, 1], int64 labels (N,); no transform is applied.

        Batches of it cost one copy each, where going through pictures costs some 30 times as much.
        """
        images = _plain(self.data)
        images = images if images.ndim == 4 else images[..., None]  # (N, H, W, C)
        values = np.divide(images, np.float32(255)).transpose(0, 3, 1, 2)  # (N, C, H, W)
        labels = (
            self.targets if isinstance(self.targets, Tensor) else Tensor(np.array(self.targets, np.int64))
        )
        return TensorDataset(Tensor(values), labels)


def _plain(values: Any) -> Any:
    """A tensor's array; an array or a list as it is."""
    return getattr(values, "array", values)


class GreyImages(MemoryImages):
    """Grey pictures with labels.

    Attributes:
        data: uint8 (N, H, W), 0 is black.
        targets: int64 (N,), which index ``classes``.
    """

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


class ColourImages(MemoryImages):
    """Coloured pictures with labels.

    Attributes:
        data: a NumPy array, uint8 (N, H, W, 3).
        targets: a list of ints, which index ``classes``.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self.data = images
        self.targets = labels.tolist()
        self.transform = transform
        self.target_transform = target_transform
