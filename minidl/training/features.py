"""Features of a frozen base, computed once for each image and kept: later epochs train the head alone.

A step on a frozen VGG16 with a new head spends nearly all its time in the base, which computes the same each time. With
``Trainer.fit(..., cache_features=True)`` it runs once per image. The head is then trained on what it returned, with the
same weights in the end, to the last bit: a sample's result depends neither on its batch nor on the number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from minidl import nn, random
from minidl.data import DataLoader, Dataset, IterableDataset, default_collate
from minidl.data.randomness import fingerprint
from minidl.errors import ArgumentError, must, warn
from minidl.grad_mode import no_grad
from minidl.tensor import Tensor
from minidl.training.rows import Rows
from minidl.training.splitting import CannotCache, Parts, obstacle, split

Progress = Callable[[Any, str], Any]

LIMIT = 1 << 30  # bytes

_FORWARDED = ("classes", "class_to_idx", "class_counts", "targets", "files", "fingerprint", "transform")


class Features(Dataset[tuple[Tensor, Tensor]]):
    """Sample i is what the base made of sample i of ``source``, and its target.

    ``classes``, ``targets``, ``files`` and the like are the source's.
    """

    deterministic = True

    def __init__(self, source: Any, inputs: Rows, targets: np.ndarray) -> None:
        self.source, self.inputs, self._targets = source, inputs, targets

    def __getattr__(self, name: str) -> Any:
        if name in _FORWARDED:
            return getattr(self.source, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        inputs, targets = self.get_batch([index])
        return inputs[0], targets[0]

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """The samples at ``indices``, stacked: one gather each for features and targets."""
        index = np.asarray(indices, np.int64)
        return [Tensor(self.inputs.take(index)), Tensor(np.take(self._targets, index, axis=0))]

    def __len__(self) -> int:
        return len(self._targets)


class Pass(NamedTuple):
    """What one pass over data calls, and the loader whose batches it calls it with."""

    network: nn.Module
    loader: Any
    cached: bool = False


class FeatureCache:
    """Keeps what the frozen bottom of a network makes of each sample of one or more datasets.

    Args:
        limit: how many bytes of features are kept in memory, for each dataset; more are written to a file, which the
            operating system brings into memory as far as there is room for it.
        folder: where that file is; default: ``features`` in minidl's cache folder. It is gone when the cache is, or
            the process, however that ends.

    >>> import minidl
    >>> from minidl.data import TensorDataset
    >>> net = nn.Sequential(nn.Linear(4, 8).freeze(), nn.ReLU(), nn.Linear(8, 2))
    >>> loader = DataLoader(TensorDataset(minidl.rand(20, 4), minidl.zeros(20)), batch_size=5, shuffle=True)
    >>> head, features, cached = FeatureCache().apply(net, loader)
    >>> [tuple(x.shape) for x, y in features]
    [(5, 8), (5, 8), (5, 8), (5, 8)]
    """

    def __init__(self, limit: int = LIMIT, folder: str | PathLike[str] | None = None) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise ArgumentError(must("FeatureCache", "limit", "a number of bytes", repr(limit)))
        self.limit, self.folder = limit, folder
        self._kept: dict[Any, Features] = {}
        self._base = ""  # the fingerprint of the base that they are of
        self._parts: Parts | None = None
        self._written: list[Any] = []

    def clear(self) -> None:
        """Forget all features, and free their memory and files."""
        self._kept.clear()
        self._parts = None

    def apply(self, model: nn.Module, loader: DataLoader, progress: Progress | None = None) -> Pass:
        """What to call with which batches instead of ``model`` with those of ``loader``: the head, with features.

        Features that were computed before are used again if the base's weights, the dataset's ``fingerprint()`` and
        what the base makes of the first batch are the same as then. If the model or the data does not allow it, a
        warning says why, and the two come back as they are. ``progress(batches, title)`` wraps the batches of the pass
        in which features are computed, to show how far it is.
        """
        try:
            parts = split(model)
            self._use_base(parts)
            features = self._features(model, parts, loader, progress)
        except CannotCache as reason:
            warn(f"cache_features: training without kept features, because {reason}")
            return Pass(model, loader)
        return Pass(parts.head, _with_dataset(loader, features), True)

    def is_valid(self) -> bool:
        """Whether the base has stayed as it was when :meth:`apply` was called: frozen, and of the same weights."""
        if self._parts is None:
            return False
        return obstacle(self._parts.base) is None and self._written == _clocks(self._parts.base)

    def _use_base(self, parts: Parts) -> None:
        fingerprint = _fingerprint(parts.base)
        if fingerprint != self._base:
            self.clear()
        self._base, self._parts, self._written = fingerprint, parts, _clocks(parts.base)

    @no_grad()
    def _features(
        self, model: nn.Module, parts: Parts, loader: DataLoader, progress: Progress | None
    ) -> Features:
        dataset = _check_loader(loader)
        key = fingerprint(dataset)
        modes = [(part, part.training) for part in model.modules()]
        try:
            with random.fork_rng():
                first = _trial(model, parts, loader)
                model.eval()
                kept = None if key is None else self._kept.get(key)
                if kept is None or not _begins_with(kept, first):
                    kept = self._compute(parts.base, loader, progress)
        finally:
            for part, training in modes:
                part.training = training
        if key is not None:
            self._kept[key] = kept
        return kept

    def _compute(self, base: nn.Module, loader: DataLoader, progress: Progress | None) -> Features:
        """Run the base once for each sample of the loader's dataset."""
        dataset = loader.dataset
        targets: list[np.ndarray] = []
        batches: Any = _in_order(loader)
        if progress is not None:
            batches = progress(batches, "features")
        with Rows(len(dataset), self.limit, self.folder) as rows:
            for x, y in batches:
                rows.append(base(x).array)
                targets.append(np.array(y.array))
            rows.finish()
        return Features(dataset, rows, np.concatenate(targets))


def _check_loader(loader: DataLoader) -> Any:
    """The loader's dataset, if its samples can be told apart by an index, and are the same every time."""
    dataset = loader.dataset
    kind = type(dataset).__name__
    if isinstance(dataset, IterableDataset):
        raise CannotCache(f"the samples of the {kind} have no index")
    if loader.batch_sampler is None or loader.collate_fn is not default_collate:
        raise CannotCache("the DataLoader does not make its batches with default_collate")
    if not getattr(dataset, "deterministic", False):
        raise CannotCache(
            f"the {kind} does not say that its samples are the same every time (its attribute deterministic is not "
            "True): random transforms change them"
        )
    return dataset


def _in_order(loader: DataLoader) -> DataLoader:
    """Batches of all samples of the loader's dataset, in the dataset's order."""
    size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", 32)
    return DataLoader(loader.dataset, size, num_workers=loader.num_workers)


def _trial(model: nn.Module, parts: Parts, loader: DataLoader) -> np.ndarray:
    """The features of the first batch, if they are as they must be to be kept.

    What a module of the user's does is not known, so it is tried: whether the halves make the whole, whether training
    mode, the batch and random numbers matter.
    """
    size = min(4, len(loader.dataset))  # few: it costs three to four times as many runs of the base
    batch = default_collate([loader.dataset[i] for i in range(size)])
    if not (isinstance(batch, (tuple, list)) and [type(part) for part in batch] == [Tensor, Tensor]):
        raise CannotCache("the samples are not pairs of one tensor and one target")
    x, before = batch[0], random.get_rng_state().tolist()
    model.train()
    training = _array(parts.base(x))
    model.eval()
    first = _array(parts.base(x))
    alone = _array(parts.base(x[size // 2 :]))
    if random.get_rng_state().tolist() != before:
        raise CannotCache("the frozen part draws random numbers")
    if not _same(training, first):
        raise CannotCache("the frozen part does not compute the same in training as in evaluation")
    if not _same(alone, first[size // 2 :]):
        raise CannotCache("what the frozen part makes of a sample depends on others in its batch")
    if not _same(_array(model(x)), _array(parts.head(Tensor(first)))):
        raise CannotCache("what the model computes is not what its head makes of what its base computes")
    return first


def _array(value: Any) -> np.ndarray:
    if not isinstance(value, Tensor):
        raise CannotCache(f"a part of the model returns no tensor, but a {type(value).__name__}")
    return value.array


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal to the last bit: nan is equal to itself, and -0 is not 0."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _begins_with(features: Features, first: np.ndarray) -> bool:
    return _same(features.inputs.take(np.arange(len(first))), first)


def _with_dataset(loader: DataLoader, dataset: Dataset[Any]) -> DataLoader:
    """A loader like ``loader``, its samplers and random numbers shared, whose samples are those of ``dataset``."""
    other = DataLoader.__new__(type(loader))
    vars(other).update(vars(loader) | {"dataset": dataset, "num_workers": 0})
    return other


def _fingerprint(base: nn.Module) -> str:
    """A hash of the base's structure and of all its values."""
    digest = hashlib.blake2b(repr(base).encode())
    for name, tensor in base.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor.array).data)
    return digest.hexdigest()


def _clocks(base: nn.Module) -> list[Any]:
    """What tells that a value was replaced or changed: the array, its last write; its content if others may write."""
    found: list[Any] = []
    for tensor in (*base.parameters(), *base.buffers()):
        memory = tensor._memory
        content = (
            hashlib.blake2b(np.ascontiguousarray(tensor.array).data).digest() if memory.exposed else None
        )
        found.append((id(tensor.array), memory.written, content))
    return found
