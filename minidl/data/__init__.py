"""Data: datasets, the way through them in batches, and transforms. PyTorch's names and meaning."""

import importlib
from types import ModuleType

from minidl.data.cifar import CIFAR10, CIFAR100
from minidl.data.collate import default_collate, default_convert
from minidl.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from minidl.data.digits import SyntheticDigits, synthetic_digits
from minidl.data.duplicates import near_identical
from minidl.data.folder import ImageFolder
from minidl.data.images import ColourImages, GreyImages
from minidl.data.loader import DataLoader
from minidl.data.mixup import MixUp
from minidl.data.mnist import MNIST, FashionMNIST, mnist_or_synthetic
from minidl.data.pictures import load_picture
from minidl.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from minidl.data.splitting import split
from minidl.data.workers import WorkerInfo, get_worker_info
from minidl.random import current_generator, sample_stream

__all__ = [
    "Dataset", "IterableDataset", "TensorDataset", "Subset", "ConcatDataset", "ChainDataset", "StackDataset",
    "random_split", "split", "near_identical", "DataLoader", "default_collate", "default_convert", "MixUp",
    "get_worker_info", "WorkerInfo",
    "Sampler", "SequentialSampler", "RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler", "BatchSampler",
    "ImageFolder", "load_picture", "transforms", "current_generator", "sample_stream",
    "MNIST", "FashionMNIST", "CIFAR10", "CIFAR100", "GreyImages", "ColourImages",
    "SyntheticDigits", "synthetic_digits", "mnist_or_synthetic",
]  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """``minidl.data.transforms``, loaded when it is asked for, because it loads Pillow."""
    if name == "transforms":
        return importlib.import_module("minidl.data.transforms")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
