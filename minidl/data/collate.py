"""Making one batch of many samples, with the meaning of PyTorch's ``default_collate`` and ``default_convert``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from minidl.errors import DimensionError, DTypeError, ShapeError, must
from minidl.ops.joining import stack
from minidl.tensor import Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Make a batch of a list of samples, by what the first of them is.

    - Tensors and NumPy arrays of one shape (...) become one tensor (N, ...). Pictures (C, H, W) in channels-last
      memory, as ``ToTensor`` makes them, become a batch (N, C, H, W) in channels-last memory.
    - Python numbers become a tensor (N,): float64 for floats, int64 for ints, bool for bools. NumPy's keep their dtype.
    - Strings and bytes stay a list.
    - Mappings, lists, tuples and named tuples of such become the same of batches (a tuple becomes a list).

    Raises:
        DTypeError: a sample is, or contains, something else (None, a picture).
        ShapeError: tensors or sequences of different sizes.
    """
    if not batch:
        raise DimensionError(must("default_collate", "batch", "at least one sample", "none"))
    first = batch[0]
    if isinstance(first, Tensor):
        return _stack(batch)
    if isinstance(first, (np.ndarray, np.generic)) and not isinstance(first, (str, bytes)):
        return _stack([Tensor(np.asarray(sample)) for sample in batch])
    if isinstance(first, float):
        return Tensor(np.array(batch, dtype=np.float64))
    if isinstance(first, int):
        return Tensor(np.array(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(
            first, {key: default_collate([sample[key] for sample in batch]) for key in first}
        )
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            lengths = sorted({len(sample) for sample in batch})
            raise ShapeError(must("default_collate", "every sequence in the batch", "of one length", lengths))
        return _like_sequence(first, [default_collate(samples) for samples in zip(*batch, strict=True)])
    expected = "of tensors, arrays, numbers, strings, or mappings and sequences of these"
    got = type(first).__name__
    if type(first).__module__.startswith("PIL."):
        got += (
            ". Give the dataset a transform that makes a tensor of a picture, for instance transform=lambda image: "
            "minidl.tensor(numpy.array(image)); MNIST has all of its pictures as tensors in .tensor_dataset()"
        )
    raise DTypeError(must("default_collate", "batch", expected, got))


def _stack(batch: Sequence[Tensor]) -> Tensor:
    first = batch[0].array
    if first.ndim != 3 or first.flags.c_contiguous or not first.transpose(1, 2, 0).flags.c_contiguous:
        return stack(batch)
    like = (first.shape, first.dtype)
    if any((x.array.shape, x.array.dtype) != like or x.requires_grad for x in batch):
        return stack(batch)  # it is differentiated, or words the error
    c, h, w = first.shape
    out = np.empty((len(batch), h, w, c), first.dtype).transpose(0, 3, 1, 2)  # (N, C, H, W)
    for row, sample in zip(out, batch, strict=True):
        row[:] = sample.array
    return Tensor(out)


def default_convert(data: Any) -> Any:
    """A sample with its NumPy arrays and scalars as tensors: what ``batch_size=None`` gives instead of batches."""
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        return Tensor(np.asarray(data)) if data.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def _like_mapping(original: Mapping[Any, Any], values: dict[Any, Any]) -> Any:
    """``values`` in a mapping of the original's type, with whatever else that carries; a dict if it cannot be made."""
    if isinstance(original, MutableMapping):
        return _or_plain(lambda: _updated(copy.copy(original), values.items()), values)
    return _or_plain(lambda: type(original)(values), values)  # type: ignore[call-arg]


def _like_sequence(original: Sequence[Any], values: list[Any]) -> Any:
    """``values`` in a sequence of the original's type; a list for a plain tuple, as in PyTorch."""
    if isinstance(original, tuple):
        return type(original)(*values) if hasattr(original, "_fields") else values
    if isinstance(original, MutableSequence):
        return _or_plain(lambda: _updated(copy.copy(original), enumerate(values)), values)
    return _or_plain(lambda: type(original)(values), values)  # type: ignore[call-arg]


def _updated(container: Any, entries: Any) -> Any:
    for key, value in entries:
        container[key] = value
    return container


def _or_plain(make: Callable[[], Any], plain: Any) -> Any:
    """What ``make`` makes; ``plain`` for types that cannot be made so (``range``, say)."""
    try:
        return make()
    except TypeError:
        return plain
