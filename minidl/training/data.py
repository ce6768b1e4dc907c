"""What a Trainer is given to go through: a DataLoader, a Dataset or arrays, as batches of input and target."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minidl.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.tensor import Tensor

EXPECTED = "a DataLoader, a Dataset, or arrays (x, y)"


def as_loader(
    op: str, data: Any, batch_size: int, dtype: np.dtype, shuffle: bool = False, seed: int | None = None
) -> DataLoader:
    """``data`` as a DataLoader: itself if it is one, which keeps its own batch size and order.

    Arrays' floats become ``dtype``, their other numbers int64 for classes (N,); NumPy's and PyTorch's defaults differ.

    Raises:
        DTypeError: it is something else.
        ShapeError: arrays of different lengths, or there is no sample.
    """
    if not isinstance(data, DataLoader):
        dataset = _dataset(op, data, dtype)
        if isinstance(dataset, IterableDataset):
            data = DataLoader(dataset, batch_size)
        else:
            if len(dataset) == 0:
                raise ShapeError(must(op, "data", "at least one sample", "none"))
            # What comes from files is read ahead.
            workers = min(4, os.cpu_count() or 1) if getattr(dataset, "files", None) is not None else 0
            seed = seed if shuffle else None
            data = DataLoader(dataset, batch_size, shuffle=shuffle, num_workers=workers, seed=seed)
    if batches_of(data) == 0:
        raise ShapeError(must(op, "data", "a loader of at least one batch", "an empty one"))
    return data


def _dataset(op: str, data: Any, dtype: np.dtype) -> Any:
    if isinstance(data, (Tensor, np.ndarray)):
        return TensorDataset(_tensor(op, "data", data, dtype))
    lists = isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, list) for part in data)
    if lists or (isinstance(data, (tuple, list)) and not (data and isinstance(data[0], (tuple, list)))):
        if len(data) != 2 or not all(isinstance(part, (Tensor, np.ndarray)) for part in data):
            got = f"a {type(data).__name__} of {', '.join(type(part).__name__ for part in data[:4]) or 'nothing'}"
            raise DTypeError(must(op, "data", EXPECTED, got))
        x, y = (_tensor(op, name, part, dtype) for name, part in zip("xy", data, strict=True))
        if x.shape[0] != y.shape[0]:
            raise ShapeError(must(op, "y", f"one target for each of {x.shape[0]} inputs", f"{y.shape[0]}"))
        return TensorDataset(x, y)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, (str, bytes, dict)):
        return data
    if isinstance(data, IterableDataset):
        return data
    raise DTypeError(must(op, "data", EXPECTED, named(data)))


def named(value: Any) -> str:
    """What an error calls it: its class, with its module where another library may have one of the same name."""
    cls = type(value)
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def _tensor(op: str, name: str, array: Any, dtype: np.dtype) -> Tensor:
    tensor = array.detach() if isinstance(array, Tensor) else None
    values = tensor.array if tensor is not None else array
    if values.dtype.kind not in "biuf":
        raise DTypeError(must(op, name, "an array of numbers", f"dtype {values.dtype}"))
    if values.ndim == 0:
        raise ShapeError(must(op, name, "an array of samples along its first dimension", "one number"))
    if values.dtype.kind == "f":
        wanted = dtype
    elif values.ndim == 1:
        wanted = np.dtype(np.int64)
    else:
        wanted = values.dtype
    if tensor is not None and values.dtype == wanted:
        return tensor
    return Tensor(np.asarray(values, wanted))


def batches_of(loader: DataLoader) -> int | None:
    """How many batches an epoch has, if that is known."""
    try:
        return len(loader)
    except TypeError:
        return None


def samples_of(loader: DataLoader) -> int | None:
    """How many samples an epoch has, if that is known."""
    batches, size = batches_of(loader), loader.batch_size
    try:
        samples = len(loader.dataset if isinstance(loader.dataset, IterableDataset) else loader.sampler)  # type: ignore[arg-type]
    except TypeError:
        return None
    if batches is None or (loader.batch_sampler is not None and size is None):
        return None
    return min(samples, batches * (size or 1))


def unpack(op: str, batch: Any) -> tuple[Any, Any]:
    """Input and target of a batch.

    Raises:
        DTypeError: it is no pair.
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    got = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
    raise DTypeError(must(op, "a batch", "an input and its target", got))


def inputs(batch: Any) -> tuple[Any, Any]:
    """Input of a batch, and its target or None."""
    if isinstance(batch, (tuple, list)) and batch:
        return batch[0], batch[1] if len(batch) > 1 else None
    return batch, None


def count(x: Any) -> int:
    """How many samples the batch with the input ``x`` has."""
    if isinstance(x, dict):
        x = next(iter(x.values()))
    if isinstance(x, (tuple, list)):
        x = x[0]
    return x.shape[0] if getattr(x, "ndim", 1) else 1


def unshuffled(loader: DataLoader) -> DataLoader:
    """The loader's samples in an order that is known: the dataset's own, each once, where the loader's is random."""
    dataset, batches = loader.dataset, loader.batch_sampler
    sampler: Any = loader.sampler
    if isinstance(dataset, IterableDataset):
        return _with_order(loader, sampler=None) if loader.drop_last else loader
    if batches is not None and loader.batch_size is None:  # the user's own batches
        sampler = getattr(batches, "sampler", None)
        if not isinstance(sampler, (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)):
            return _with_order(loader, batch_sampler=[list(indices) for indices in batches])
    if isinstance(sampler, (RandomSampler, WeightedRandomSampler)):
        return _with_order(loader, sampler=SequentialSampler(dataset))
    if isinstance(sampler, SubsetRandomSampler):
        return _with_order(loader, sampler=list(sampler.indices))
    if isinstance(sampler, SequentialSampler) and not loader.drop_last:
        return loader
    return _with_order(loader, sampler=list(sampler))


def _with_order(loader: DataLoader, **order: Any) -> DataLoader:
    if "batch_sampler" not in order:
        size = getattr(loader.batch_sampler, "batch_size", 32)
        order["batch_size"] = loader.batch_size if loader.batch_sampler is None else loader.batch_size or size
    return DataLoader(loader.dataset, num_workers=loader.num_workers, collate_fn=loader.collate_fn, **order)


def classes_of(loader: Any) -> list[str] | None:
    """The names of the data's classes, if it has them."""
    classes = getattr(loader.dataset, "classes", None)
    return None if classes is None else [str(name) for name in classes]


def files_of(loader: DataLoader) -> list[Any] | None:
    """The files that the samples come from, in the loader's order, if the data knows them."""
    files = getattr(loader.dataset, "files", None)
    if files is None:
        return None
    if loader.batch_size is None and loader.batch_sampler is not None:
        return [files[index] for indices in loader.batch_sampler for index in indices]
    return [files[index] for index in loader.sampler]


def check_batch_size(op: str, batch_size: Any) -> None:
    """Raise unless it is a positive int."""
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ArgumentError(must(op, "batch_size", "a positive int", repr(batch_size)))
