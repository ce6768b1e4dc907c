"""Loading photos while training on them. ``MINIDL_TEST_DATA=DIR python -m benchmarks.loading``

An epoch of a small convolutional network on the 1,000 photos of ``DIR/pets/train``, read, decoded, resized to 224 x 224
and normalised by the threads of a DataLoader. The bound is what it would take if decoding were spread over all cores
and nothing were lost: training on batches that are there already, plus the processor's time for making them, divided
by the number of cores. Each is measured in turn with the others; the figure is the median of the ratios.

``--parts`` shows what each step costs for one image.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
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


def training() -> Callable[[Any], float]:
    """One step of a network of four convolutions; returns the loss."""
    minidl.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2),
    )  # fmt: skip
    optimizer = minidl.optim.Adam(net.parameters())

    def step(batch: Any) -> float:
        loss = F.cross_entropy(net(batch[0]), batch[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure(data: Any, workers: int) -> tuple[float, float, float, list[float]]:
    """Seconds of training alone, of making the batches (processor), of both at once; and the last one's losses."""
    start = time.process_time()
    batches = list(DataLoader(data, BATCH, shuffle=True, seed=1))
    making = time.process_time() - start
    step = training()
    start = time.perf_counter()
    losses = [step(batch) for batch in batches]
    alone = time.perf_counter() - start
    del batches
    step = training()
    start = time.perf_counter()
    together = [step(batch) for batch in DataLoader(data, BATCH, shuffle=True, seed=1, num_workers=workers)]
    both = time.perf_counter() - start
    if together != losses:
        raise AssertionError("the losses depend on how the batches were made")
    return alone, making, both, losses


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
    measure(Subset(data, range(2 * BATCH)), workers)  # compiles
    ratios = []
    for _ in range(options.turns):
        alone, making, both, losses = measure(data, workers)
        ratios.append(both / (alone + making / cores))
        print(
            f"training alone {alone:.2f} s, making the batches {making:.2f} s of the processor, both {both:.2f} s: "
            f"{ratios[-1]:.2f} of the bound; last loss {losses[-1]:.4f}"
        )
    print(
        f"{len(data)} photos, {workers} workers, {cores} cores: {statistics.median(ratios):.2f} of the bound"
    )


if __name__ == "__main__":
    main()
