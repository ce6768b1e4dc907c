"""Samplers: in which order a DataLoader visits a dataset. PyTorch's ``torch.utils.data`` names and meaning."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from minidl.creation import as_tensor
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.ops.sampling import multinomial
from minidl.random import Generator, numpy_generator

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """The base of samplers: a subclass defines ``__iter__``, and ``__len__`` where there is a length."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")


class SequentialSampler(Sampler[int]):
    """The indices 0, 1, ... in order."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """The indices in random order, another one every epoch.

    Args:
        data_source: the dataset; only its length is read.
        replacement: draw each index independently of the others, instead of every index once.
        num_samples: how many to draw; more than there are starts over with another order. Default: all.
        generator: where the order comes from; default: ``minidl.random``'s default generator. The orders of all epochs
            follow from its state when the first begins.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise DTypeError(must("RandomSampler", "replacement", "a bool", replacement))
        if not _is_positive_int(self.num_samples):
            raise ArgumentError(must("RandomSampler", "num_samples", "a positive int", self.num_samples))

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has; by default the dataset's length, which may change."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        yield from self._draw()

    def _draw(self) -> list[int]:
        """The order of an epoch, drawn at once: what is drawn between its samples does not change it."""
        n, wanted = len(self.data_source), self.num_samples
        if n == 0:
            raise ArgumentError(must("RandomSampler", "data_source", "of one or more samples", "none"))
        random = numpy_generator(self.generator)
        if self.replacement:
            return random.integers(n, size=wanted).tolist()
        orders = [random.permutation(n) for _ in range(-(-wanted // n))]
        return np.concatenate(orders)[:wanted].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SeededSampler(RandomSampler):
    """All indices in random order: in each epoch the one that follows from ``seed`` and the epoch's number.

    The orders are those of a RandomSampler with ``Generator().manual_seed(seed)``, one epoch after the other.
    """

    def __init__(self, data_source: Sized, seed: int) -> None:
        super().__init__(data_source, generator=Generator().manual_seed(seed))
        self.seed = seed
        self._next = 0  # the epoch whose order comes next

    def set_epoch(self, epoch: int) -> None:
        """The order that is drawn next is that of this epoch."""
        if epoch != self._next:
            assert self.generator is not None
            self.generator.manual_seed(self.seed)
            for _ in range(epoch):
                self._draw()
        self._next = epoch

    def __iter__(self) -> Iterator[int]:
        self._next += 1
        yield from self._draw()


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, another one every epoch."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in numpy_generator(self.generator).permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """``num_samples`` indices, drawn with probabilities in proportion to ``weights``.

    Args:
        weights: one for each sample of the dataset, not negative; they need not sum to 1.
        num_samples: how many to draw.
        replacement: whether an index may come again in the same epoch.
        generator: where they come from; default: ``minidl.random``'s default generator.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        name = "WeightedRandomSampler"
        if not _is_positive_int(num_samples):
            raise ArgumentError(must(name, "num_samples", "a positive int", num_samples))
        if not isinstance(replacement, bool):
            raise ArgumentError(must(name, "replacement", "a bool", replacement))
        self.weights = as_tensor(weights, dtype=np.float64)
        if self.weights.ndim != 1:
            raise ShapeError(must(name, "weights", "of one dimension", f"shape {self.weights.shape}"))
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices from another sampler; ``drop_last`` leaves out a shorter last one."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not _is_positive_int(batch_size):
            raise ArgumentError(must("BatchSampler", "batch_size", "a positive int", batch_size))
        if not isinstance(drop_last, bool):
            raise ArgumentError(must("BatchSampler", "drop_last", "a bool", drop_last))
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def _is_positive_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
