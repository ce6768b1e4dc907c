"""Data: datasets, the way through them in batches, and MNIST. PyTorch's ``torch.utils.data`` names and meaning."""

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
from minidl.data.images import GreyImages
from minidl.data.loader import DataLoader, get_worker_info
from minidl.data.mnist import MNIST, mnist_or_synthetic
from minidl.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "Dataset", "IterableDataset", "TensorDataset", "Subset", "ConcatDataset", "ChainDataset", "StackDataset",
    "random_split", "DataLoader", "default_collate", "default_convert", "get_worker_info",
    "Sampler", "SequentialSampler", "RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler", "BatchSampler",
    "MNIST", "GreyImages", "SyntheticDigits", "synthetic_digits", "mnist_or_synthetic",
]  # fmt: skip
