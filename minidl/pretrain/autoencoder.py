"""Pretraining an encoder without labels, as one half of an autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from minidl.data import DataLoader, Dataset, GreyImages, TensorDataset
from minidl.errors import ArgumentError, DTypeError, ShapeError, must
from minidl.grad_mode import no_grad
from minidl.models import MLP, Autoencoder
from minidl.nn.functional import binary_cross_entropy_with_logits, mse_loss
from minidl.ops.arguments import one_of
from minidl.optim import Adam, Optimizer
from minidl.random import Generator
from minidl.tensor import Tensor


class AutoencoderPretrainer:
    """Trains a dense :class:`~minidl.models.Autoencoder` on unlabelled data, and hands over its encoder.

    Data, here and in the methods, is a Tensor or NumPy array (N, ...) of ``in_features`` numbers per sample; or a
    Dataset, which is read into memory once; or a DataLoader, which is gone through anew in each epoch and keeps its
    own batch size and order. Labels beside the inputs are ignored.

    Args:
        in_features: numbers in one sample.
        code: size of the code.
        hidden: sizes of the layers between input and code, mirrored in the decoder.
        loss: "bce", binary cross-entropy, for data in [0, 1], and reconstructions in [0, 1] by a sigmoid; or "mse",
            squared error, for data of any range, with nothing after the decoder's last sums.
        optimizer: called with the parameters; ``lambda p: optim.SGD(p, lr=0.1)`` for another rate.
        batch_size: samples per step.
        seed: decides the initial values and the order of the samples: the same seed, the same weights.

    Attributes:
        model: the Autoencoder.
        encoder: its first half, to be saved, or frozen under a classifier.
        history: ``"loss"`` and ``"val_loss"``, each a list with one number per epoch.

    >>> import minidl
    >>> from minidl import nn
    >>> pretrainer = AutoencoderPretrainer(16, code=4)
    >>> history = pretrainer.fit(minidl.rand(500, 16), epochs=2, verbose=0)
    >>> classifier = nn.Sequential(pretrainer.encoder.freeze(), nn.Linear(4, 10))
    """

    def __init__(
        self,
        in_features: int = 784,
        code: int = 32,
        hidden: Sequence[int] = (),
        *,
        loss: str = "bce",
        optimizer: Callable[[Any], Optimizer] = Adam,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        one_of("AutoencoderPretrainer", "loss", loss, ("bce", "mse"))
        self.loss = loss
        self.batch_size = batch_size
        self.generator = Generator().manual_seed(seed)
        self.model = Autoencoder(in_features, code, hidden, sigmoid=loss == "bce", generator=self.generator)
        self.optimizer = optimizer(self.model.parameters())
        self.history: dict[str, list[float]] = {"loss": [], "val_loss": []}

    @property
    def encoder(self) -> MLP:
        return self.model.encoder

    def fit(
        self, data: Any, epochs: int = 50, validation_data: Any = None, verbose: int = 1
    ) -> dict[str, list[float]]:
        """Train for ``epochs`` more, with a progress bar unless ``verbose`` is 0; returns ``history``.

        The loss of an epoch is the mean over its steps; "val_loss" is :meth:`evaluate` of ``validation_data`` after it.

        Raises:
            ShapeError: a sample does not have ``in_features`` numbers, or there is no sample.
            ArgumentError: with the loss "bce", a value is outside [0, 1].
        """
        inputs = self._inputs(data, shuffle=True)
        validation = None if validation_data is None else self._inputs(validation_data)
        with tqdm(total=epochs * len(inputs), unit="batch", disable=not verbose) as bar:
            for epoch in range(1, epochs + 1):
                bar.set_description(f"epoch {epoch}/{epochs}", refresh=False)
                self.history["loss"].append(self._train(inputs, bar))
                if validation is not None:
                    self.history["val_loss"].append(self._mean_loss(validation))
                bar.set_postfix(
                    {name: f"{losses[-1]:.4f}" for name, losses in self.history.items() if losses}
                )
        return self.history

    def _train(self, inputs: _Inputs, bar: tqdm) -> float:
        """One epoch; returns its mean loss."""
        total = samples = 0
        for x in inputs:
            self.optimizer.zero_grad()
            loss = self._loss(x)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(x)
            samples += len(x)
            bar.update()
        return total / samples

    def _loss(self, x: Tensor) -> Tensor:
        if self.loss == "bce":
            return binary_cross_entropy_with_logits(self.model.logits(x), x)
        return mse_loss(self.model(x), x)

    def evaluate(self, data: Any) -> float:
        """The mean loss per number of ``data``."""
        return self._mean_loss(self._inputs(data))

    @no_grad()
    def _mean_loss(self, inputs: _Inputs) -> float:
        total = samples = 0
        for x in inputs:
            total += self._loss(x).item() * len(x)
            samples += len(x)
        return total / samples

    @no_grad()
    def dead_units(self, data: Any) -> list[int]:
        """The code units that are 0 for every sample of ``data``: they carry nothing, and get no gradient."""
        highest = np.max([self.encoder(x).array.max(axis=0) for x in self._inputs(data)], axis=0)
        return np.flatnonzero(highest == 0).tolist()

    def report(self, data: Any) -> str:
        """One line: the network's sizes, its loss on ``data``, and which code units are dead there."""
        sizes = "-".join(map(str, [*self.encoder.sizes, *self.model.decoder.sizes[1:]]))
        dead = self.dead_units(data)
        units = f"{len(dead)} of {self.model.code} code units dead"
        names = f" (0 for every sample): {', '.join(map(str, dead))}" if dead else ""
        return f"autoencoder {sizes}: {self.loss} {self.evaluate(data):.4f}, {units}{names}"

    def _inputs(self, data: Any, shuffle: bool = False) -> _Inputs:
        if isinstance(data, (Dataset, DataLoader)) and len(data) == 0:  # type: ignore[arg-type]
            raise ShapeError(must("AutoencoderPretrainer", "data", "at least one sample", "none"))
        if not isinstance(data, DataLoader):
            x = Tensor(self._checked(_in_memory(data)))
            data = DataLoader(TensorDataset(x), self.batch_size, shuffle=shuffle, generator=self.generator)
            return _Inputs(data, lambda array: array)
        return _Inputs(data, self._checked)

    def _checked(self, array: np.ndarray) -> np.ndarray:
        """``array`` as float32, if it can be trained on."""
        op, features = "AutoencoderPretrainer", self.model.in_features
        if array.ndim < 2 or array.size == 0 or array[0].size != features:
            raise ShapeError(
                must(op, "data", f"samples (N, ...) of {features} numbers each", f"shape {array.shape}")
            )
        array = np.asarray(array, np.float32)
        if self.loss == "bce" and not (array.min() >= 0 and array.max() <= 1):
            expected = "in [0, 1] for the loss 'bce' (divide bytes by 255, or take 'mse')"
            raise ArgumentError(must(op, "data", expected, f"values from {array.min():g} to {array.max():g}"))
        return array


class _Inputs:
    """The inputs in a loader's batches, without the labels."""

    def __init__(self, loader: DataLoader, check: Callable[[np.ndarray], np.ndarray]) -> None:
        self.loader, self.check = loader, check

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Tensor]:
        for batch in self.loader:
            yield Tensor(self.check(_without_labels(batch).array))


def _without_labels(batch: Any) -> Any:
    return batch[0] if isinstance(batch, (list, tuple)) else batch


def _in_memory(data: Any) -> np.ndarray:
    """The inputs of a Tensor, array or Dataset, as one array."""
    if isinstance(data, GreyImages) and data.transform is None:
        data = data.tensor_dataset()
    if isinstance(data, TensorDataset):
        data = data.tensors[0]
    if isinstance(data, Tensor):
        return data.array
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, Dataset):
        return np.concatenate([_without_labels(batch).array for batch in DataLoader(data, batch_size=1024)])
    expected = "a Tensor, NumPy array, Dataset or DataLoader"
    raise DTypeError(must("AutoencoderPretrainer", "data", expected, type(data).__name__))
