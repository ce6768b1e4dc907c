"""Datasets: what has samples by index and a length. PyTorch's ``torch.utils.data`` names and meaning."""

from __future__ import annotations

import bisect
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

import numpy as np

from minidl.data.collate import default_collate
from minidl.data.labels import Labelled
from minidl.data.randomness import digest, fingerprint, is_deterministic, set_epoch
from minidl.data.workers import give_up_if_stopped
from minidl.errors import ArgumentError, DimensionError, ShapeError, must, warn
from minidl.ops.arguments import check_tensor
from minidl.random import Generator, loading, numpy_generator, sample_stream
from minidl.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """The base of all datasets: a subclass defines ``__getitem__(index)`` and ``__len__()``.

    Two methods are optional, and make batches faster:

    - ``__getitems__(indices)`` returns the list of these samples, and reads them together;
    - ``get_batch(indices)`` returns what ``default_collate`` would make of these samples. DataLoader calls it only if
      it is defined by the class that defines ``__getitem__``, or a subclass: a ``__getitem__`` that is overridden
      later is never passed by.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """The base of datasets that have no index: a subclass defines ``__iter__``, which gives the samples of an epoch.

    It may define ``__len__`` too. A DataLoader of one takes neither ``shuffle`` nor samplers.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the tuple of each tensor's entry i along its first dimension.

    Raises:
        ShapeError: the tensors differ in their first dimension, or have none.
    """

    def __init__(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            check_tensor("TensorDataset", "every argument", tensor)
        if not tensors or any(
            tensor.shape[:1] != tensors[0].shape[:1] or tensor.ndim == 0 for tensor in tensors
        ):
            shapes = ", ".join(str(tensor.shape) for tensor in tensors) or "none"
            raise ShapeError(must("TensorDataset", "tensors", "of the same first dimension", shapes))
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """The samples at ``indices``, stacked: one gather per tensor."""
        rows = np.asarray(indices, dtype=np.int64)
        return [tensor[rows] for tensor in self.tensors]

    @property
    def deterministic(self) -> bool:
        """True: a sample is the same every time."""
        return True

    def fingerprint(self) -> str:
        """The tensors' content, hashed."""
        return digest(*[tensor.array for tensor in self.tensors])


class Subset(Labelled, Dataset[T_co]):
    """The samples of ``dataset`` at ``indices``, in their order.

    It has ``classes``, and ``targets`` and ``files`` for its samples, if ``dataset`` has them.
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        return get_samples(self.dataset, [self.indices[i] for i in indices])

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The samples at ``indices``, collated; in one go if ``dataset`` can."""
        return get_collated(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def classes(self) -> Any:
        """The classes' names."""
        return self.dataset.classes  # type: ignore[attr-defined]

    @property
    def targets(self) -> list[int]:
        """The numbers of the samples' classes."""
        return self._part("targets")

    @property
    def files(self) -> list[str]:
        """The samples' files."""
        return self._part("files")

    def _part(self, name: str) -> list[Any]:
        whole = getattr(self.dataset, name)
        whole = whole.tolist() if hasattr(whole, "tolist") else whole
        return [whole[i] for i in self.indices]

    @property
    def deterministic(self) -> bool:
        """Whether ``dataset`` declares that its samples are the same every time."""
        return is_deterministic(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Tell ``dataset`` which epoch it is."""
        set_epoch(self.dataset, epoch)

    def __repr__(self) -> str:
        whole = f"{len(self)} of {len(self.dataset)} samples of {type(self.dataset).__name__}"  # type: ignore[arg-type]
        if not (hasattr(self.dataset, "classes") and hasattr(self.dataset, "targets")):
            return f"Subset: {whole}"
        counts = ", ".join(f"{name} {count}" for name, count in self.class_counts().items())
        return f"Subset: {whole} ({counts})"

    def fingerprint(self) -> str | None:
        """What the samples depend on, hashed; None if ``dataset`` does not say."""
        whole = fingerprint(self.dataset)
        return None if whole is None else digest(whole, list(self.indices))


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError(must("ConcatDataset", "datasets", "at least one dataset", "none"))
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise ArgumentError(
                must("ConcatDataset", "datasets", "datasets with an index", "an IterableDataset")
            )
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> T_co:
        n = len(self)
        if not -n <= index < n:
            raise DimensionError(must("ConcatDataset", "index", f"in [{-n}, {n})", index))
        index %= n
        which = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    @property
    def deterministic(self) -> bool:
        """Whether all datasets declare that their samples are the same every time."""
        return all(map(is_deterministic, self.datasets))

    def set_epoch(self, epoch: int) -> None:
        """Tell all datasets which epoch it is."""
        for dataset in self.datasets:
            set_epoch(dataset, epoch)

    def fingerprint(self) -> str | None:
        """What the samples depend on, hashed; None if one of the datasets does not say."""
        parts = [fingerprint(dataset) for dataset in self.datasets]
        return None if None in parts else digest(parts)


class ChainDataset(IterableDataset[T_co]):
    """The samples of several IterableDatasets, one after the other."""

    def __init__(self, datasets: Iterable[Dataset[T_co]]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                got = type(dataset).__name__
                raise ArgumentError(must("ChainDataset", "every dataset", "an IterableDataset", got))
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self._checked())

    def __len__(self) -> int:
        return sum(map(len, self._checked()))


class StackDataset(Dataset[Any]):
    """Several datasets side by side: sample i is the tuple of their samples i, or a dict if they are given by name.

    Raises:
        ArgumentError: datasets are given both ways, or none, or of different lengths.

    >>> pairs = StackDataset(picture=["a", "b"], label=[0, 1])
    >>> pairs[1]
    {'picture': 'b', 'label': 1}
    """

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            got = "both" if args else "none"
            raise ArgumentError(must("StackDataset", "datasets", "given by position or by name", got))
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(lengths)) > 1:
            raise ArgumentError(must("StackDataset", "datasets", "of one length", lengths))
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        named = isinstance(self.datasets, dict)
        columns = [get_samples(d, indices) for d in (self.datasets.values() if named else self.datasets)]
        rows = zip(*columns, strict=True)
        return [dict(zip(self.datasets, row, strict=True)) for row in rows] if named else list(rows)

    def __len__(self) -> int:
        return self._length


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[Any]]:
    """Split a dataset at random into parts of the given lengths.

    ``lengths`` may be fractions that sum to 1: each part then has ``floor(fraction * len(dataset))`` samples, and what
    is left over goes one by one to the first parts.

    Raises:
        ArgumentError: the lengths do not sum to the dataset's, or a fraction is not in [0, 1].
    """
    counts = list(lengths)
    if math.isclose(sum(counts), 1) and sum(counts) <= 1:
        if not all(0 <= fraction <= 1 for fraction in counts):
            raise ArgumentError(must("random_split", "every fraction", "in [0, 1]", list(lengths)))
        counts = [math.floor(len(dataset) * fraction) for fraction in counts]
        left_over = len(dataset) - sum(counts)
        counts = [count + (left_over + len(counts) - 1 - i) // len(counts) for i, count in enumerate(counts)]
        if 0 in counts:
            warn(f"random_split: a part of the split {counts} is empty")
    if sum(counts) != len(dataset) or any(count < 0 or count != int(count) for count in counts):
        expected = f"counts that sum to the dataset's length {len(dataset)}, or fractions that sum to 1"
        raise ArgumentError(must("random_split", "lengths", expected, list(lengths)))
    order = numpy_generator(generator).permutation(len(dataset)).tolist()
    ends = itertools.accumulate(map(int, counts))
    return [Subset(dataset, order[end - int(count) : end]) for count, end in zip(counts, ends, strict=True)]


# ---- fetching, for Subset and DataLoader ----


def get_samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """The list of samples at ``indices``, read together if the dataset can."""
    if _speaks_for_getitem(dataset, "__getitems__"):
        return dataset.__getitems__(indices)
    samples = []
    for i in indices:
        give_up_if_stopped()
        try:
            with sample_stream(None, 0, _number(i)) if loading() else nullcontext():
                samples.append(dataset[i])
        except Exception as error:
            error.add_note(f"while sample {i!r} of {type(dataset).__name__} was loaded")
            raise
    return samples


def _number(index: Any) -> int:
    """The number of a sample's random stream: its index, which may be anything that a sampler gives."""
    return int(index) if isinstance(index, (int, np.integer)) else zlib.crc32(repr(index).encode())


def get_collated(dataset: Any, indices: Sequence[int]) -> Any:
    """What ``default_collate`` makes of the samples at ``indices``, in one go if the dataset can."""
    if _speaks_for_getitem(dataset, "get_batch"):
        return dataset.get_batch(indices)
    return default_collate(get_samples(dataset, indices))


def _speaks_for_getitem(dataset: Any, method: str) -> bool:
    """Whether ``method`` is defined where ``__getitem__`` is, or in a subclass: else it knows an older one."""
    classes = [cls for cls in type(dataset).__mro__ if method in vars(cls) or "__getitem__" in vars(cls)]
    return bool(classes) and method in vars(classes[0])
