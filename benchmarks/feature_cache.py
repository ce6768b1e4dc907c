"""Epochs on kept features, against the head's own work. ``python -m benchmarks.feature_cache``

The network is a frozen convolution that makes 25,088 features of an image, as VGG16's base does, and a head of two
dense layers, 1024 and 2, trained by Adam: 25.7 million parameters, whose moments and gradients make up most of the
traffic. The head's own work is that of its steps alone, on one batch that is there already: forward, loss, backward and
Adam for each training batch, forward for each of validation. What an epoch of ``Trainer.fit`` takes beyond it is the
gathering of rows, shuffling, metrics, history and progress.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from minidl import nn, no_grad, optim
from minidl.data import DataLoader, TensorDataset
from minidl.nn.functional import cross_entropy
from minidl.tensor import Tensor
from minidl.training import Callback, FeatureCache, Trainer

SIDE = 7  # of the feature map
CHANNELS = 512


def network(units: int = 1024, channels: int = CHANNELS) -> nn.Sequential:
    """A base that costs little, but makes as many features as VGG16's; and the head."""
    base = nn.Sequential(nn.Conv2d(3, channels, 8, stride=8), nn.ReLU(), nn.Flatten()).freeze()
    features = channels * SIDE * SIDE
    return nn.Sequential(base, nn.Linear(features, units), nn.ReLU(), nn.Linear(units, 2))


def images(count: int, seed: int = 0) -> TensorDataset:
    random = np.random.default_rng(seed)
    x = random.random((count, 8 * SIDE, 8 * SIDE, 3), np.float32).transpose(0, 3, 1, 2)
    return TensorDataset(Tensor(x), Tensor(random.integers(0, 2, count)))


class Work:
    """The head's own work in an epoch, on one batch; nothing is learned from it, so that gradients keep their size."""

    def __init__(self, net: nn.Sequential, batch: int, steps: int, validations: int) -> None:
        self.head, self.steps, self.validations = net[1:], steps, validations
        self.x, self.y = next(iter(FeatureCache().apply(net, DataLoader(images(batch), batch)).loader))
        self.optimizer = optim.Adam(self.head.parameters(), lr=0.0)
        self.run(1, 1)

    def run(self, steps: int, validations: int) -> float:
        """The seconds that it takes."""
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            cross_entropy(self.head(self.x), self.y).backward()
            self.optimizer.step()
        with no_grad():
            for _ in range(validations):
                self.head(self.x)
        return time.perf_counter() - start


class Clock(Callback):
    """The seconds of each epoch, its validation included, and those of the head's own work right after it."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.seconds: list[float] = []
        self.alone: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002
        self.seconds.append(time.perf_counter() - self.start)
        self.alone.append(self.work.run(self.work.steps, self.work.validations))


def main(samples: int, validation: int, batch: int, count: int, limit: int | None, plain: bool) -> float:
    net = network()
    train = DataLoader(images(samples), batch, shuffle=True, seed=0)
    check = DataLoader(images(validation, 1), batch)
    cache: bool | FeatureCache = True if limit is None else FeatureCache(limit=limit)
    clock = Clock(Work(net, batch, len(train), len(check)))
    trainer = Trainer(net, lambda p: optim.Adam(p, lr=1e-4))
    start = time.perf_counter()
    trainer.fit(train, count, check, [clock], cache_features=cache, verbose=0)
    before = time.perf_counter() - start - sum(clock.seconds) - sum(clock.alone)
    later, alone = clock.seconds[1:], clock.alone[1:]
    ratio = statistics.median(x / y for x, y in zip(later, alone, strict=True))
    print(f"{samples} images, {validation} to validate, batches of {batch}")
    print(f"  base, once for each image    {before:8.2f} s")
    print(f"  first epoch                  {clock.seconds[0]:8.2f} s")
    print(f"  a later epoch                {statistics.median(later):8.2f} s")
    print(f"  the head's own work          {statistics.median(alone):8.2f} s")
    print(f"  a later epoch takes {ratio:.2f} of the head's own work (median of {len(later)} in turn)")
    if plain:
        clock = Clock(clock.work)
        trainer.fit(train, 2, check, [clock], verbose=0)
        print(f"  an epoch without the cache   {clock.seconds[1]:8.2f} s")
    return ratio


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Epochs on kept features, against the head's own work.")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--validation", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int, help="bytes of features in memory; more go to a file")
    parser.add_argument("--plain", action="store_true", help="an epoch that runs the base too, to compare")
    options = parser.parse_args()
    main(
        options.samples, options.validation, options.batch, options.epochs, options.limit, options.plain
    )  # fmt: skip
