"""Transforms of pictures, with torchvision's names, arguments and meaning.

They take ``PIL.Image`` pictures (those that torchvision also gives for tensors take tensors too), and are put
together with :class:`Compose`. Interpolation is chosen by name.
"""

from minidl.data.transforms import functional
from minidl.data.transforms.base import (
    Compose,
    Lambda,
    RandomApply,
    RandomChoice,
    RandomOrder,
    Transform,
)
from minidl.data.transforms.jitter import ColorJitter, Grayscale, RandomGrayscale
from minidl.data.transforms.moves import RandomAffine, RandomRotation
from minidl.data.transforms.sizes import (
    CenterCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
)
from minidl.data.transforms.tensors import Normalize, PILToTensor, RandomErasing, ToTensor

__all__ = [
    "Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "Transform",
    "Resize", "CenterCrop", "Pad", "RandomCrop", "RandomResizedCrop", "RandomHorizontalFlip", "RandomVerticalFlip",
    "RandomRotation", "RandomAffine", "ColorJitter", "Grayscale", "RandomGrayscale",
    "ToTensor", "PILToTensor", "Normalize", "RandomErasing", "functional",
]  # fmt: skip
