"""Loading photos while training on them. ``MINIDL_TEST_DATA=DIR python -m benchmarks.loading``

An epoch of a small convolutional network on the 1,000 photos of ``DIR/pets/train``, read, decoded, resized to 224 x 224
and normalised by the threads of a DataLoader. The bound is what it would take if decoding were spread over all cores
and nothing were lost: training on batches that are there already, plus the processor's time for making them, divided
by the number of cores. Each is measured in turn with the others; the figure is the median of the ratios. On a machine
that others use, the clock says little; whether the threads are in each other's way shows in the processor's time for
both at once, which should be the sum of that for each.

``--parts`` shows what each step costs for one image.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minidl
from minidl import nn
from minidl.data import DataLoader, ImageFolder, Subset, load_picture, transforms
from minidl.nn import functional as F

SIDE, BATCH = 224, 32
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def steps() -> list[tuple[str, Callable[[Any], Any]]]:
    return [
        ("read and decode", load_picture),
        ("resize", transforms.Resize((SIDE, SIDE))),
        ("flip", transforms.RandomHorizontalFlip()),
        ("to tensor", transforms.ToTensor()),
        ("normalise", transforms.Normalize(MEAN, STD)),
    ]


def photos(images: int) -> Any:
    folder = Path(os.environ.get("MINIDL_TEST_DATA", "")) / "pets" / "train"
    transform = transforms.Compose([step for _, step in steps()[1:]])
    data = ImageFolder(folder, transform, seed=0)
    return Subset(data, range(0, len(data), max(1, len(data) // images)))


def train(batches: Iterable[Any]) -> list[float]:
    """Train a network of three convolutions, which takes about as long as loading; returns the losses."""
    minidl.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2),
    )  # fmt: skip
    optimizer = minidl.optim.Adam(net.parameters())
    losses = []
    for images, labels in batches:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@dataclass
class Measured:
    """Seconds by the clock, and of the processor over all threads."""

    wall: float
    processor: float


def timed(work: Callable[[], Any]) -> tuple[Any, Measured]:
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, Measured(time.perf_counter() - clock, time.process_time() - processor)


def measure(data: Any, workers: int, cores: int) -> tuple[float, float]:
    """One turn: training alone, making the batches alone, both at once; two ratios to what they should take."""
    batches, making = timed(lambda: list(DataLoader(data, BATCH, shuffle=True, seed=1)))
    losses, alone = timed(functools.partial(train, batches))
    del batches
    loader = DataLoader(data, BATCH, shuffle=True, seed=1, num_workers=workers)
    together, both = timed(lambda: train(loader))
    if together != losses:
        raise AssertionError("the losses depend on how the batches were made")
    bound = alone.wall + making.processor / cores
    work = alone.processor + making.processor
    print(
        f"training alone {alone.wall:.2f} s, making the batches {making.processor:.2f} s of the processor, both "
        f"{both.wall:.2f} s: {both.wall / bound:.2f} of the bound; {both.processor / work:.2f} of the processor's time"
    )
    return both.wall / bound, both.processor / work


def parts(data: Any, images: int) -> None:
    value: Any = list(data.files)[:images]
    for name, step in steps():
        start = time.process_time()
        value = [step(v) for v in value]
        print(f"{name:16} {(time.process_time() - start) / images * 1e6:8.0f} µs of the processor")


def main() -> None:
    parser = argparse.ArgumentParser(description="Loading photos while training on them.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="default: the number of cores")
    parser.add_argument("--parts", action="store_true", help="what each step costs")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    workers = options.workers or cores
    data = photos(options.images)
    if options.parts:
        parts(data, min(200, len(data)))
        return
    measure(Subset(data, range(2 * BATCH)), workers, cores)  # compiles
    turns = [measure(data, workers, cores) for _ in range(options.turns)]
    wall, processor = (statistics.median(ratios) for ratios in zip(*turns, strict=True))
    print(
        f"{len(data)} photos, {workers} workers, {cores} cores: {wall:.2f} of the bound, {processor:.2f} of the "
        "processor's time for both alone"
    )


if __name__ == "__main__":
    main()
