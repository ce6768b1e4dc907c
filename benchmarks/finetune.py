"""Transfer learning on photos: minidl, Keras (on its PyTorch backend) and PyTorch. ``python -m benchmarks.finetune``

Recipe (a): VGG16 without its top, frozen, then Dense(1024) with ReLU and Dense(2); Adam; batches of 32 photos, decoded
from the folder, resized to 224x224 by the nearest pixel and divided by 255, in a new order each epoch; validation on a
quarter as many. Keras and PyTorch read through PyTorch's DataLoader with two workers, PyTorch in channels-last memory,
without a graph for the base. ``first epoch`` decodes and runs the base for all; ``later epoch`` is one from the second
on, in which minidl has kept the base's features, and the others do as in the first. ``full step`` trains all of VGG16
and the head, a batch of 8.

All begin with the same random weights; the learning rate is next to nothing, so that losses stay comparable.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleaved import ratio, take_turns
from benchmarks.vgg16 import LAYERS
from benchmarks.vgg16 import weights as convolutions

ENGINES = ("minidl", "keras", "torch")
WORKS = ("first epoch", "later epoch", "full step")
TOLERANCE = 1e-3
RATE, BATCH, HIDDEN, CLASSES, FEATURES = 1e-12, 32, 1024, 2, 512 * 7 * 7
PHOTOS = int(os.environ.get("MINIDL_BENCHMARK_PHOTOS", "64"))  # to train on; the workers read it too

Step = Callable[[], float]


def number(loss: float) -> float:
    return loss


@cache
def head_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Of the two dense layers, as PyTorch has them."""
    random = np.random.default_rng(5)
    made = []
    for rows, columns in ((HIDDEN, FEATURES), (CLASSES, HIDDEN)):
        w = random.standard_normal((rows, columns), np.float32) * np.float32(0.1 / np.sqrt(columns))
        made.append((w, np.zeros(rows, np.float32)))
    return made


def files(part: str) -> tuple[list[str], list[int]]:
    """Photos to train on or to validate with, half of them cats, and their classes."""
    count = PHOTOS if part == "train" else PHOTOS // 4
    folder = Path(os.environ["MINIDL_TEST_DATA"]) / "pets" / part
    found = [(str(path), label) for label, name in enumerate(("cats", "dogs"))
             for path in sorted((folder / name).iterdir())[: count // 2]]  # fmt: skip
    paths, labels = zip(*found, strict=True)
    return list(paths), list(labels)


class Photos:
    """The photos as PyTorch's DataLoader wants them: bytes decoded, resized, divided by 255."""

    def __init__(self, part: str, channels_first: bool) -> None:
        self.paths, self.labels = files(part)
        self.channels_first = channels_first

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            image = image.convert("RGB").resize((224, 224), Image.Resampling.NEAREST)
        x = np.asarray(image).astype(np.float32) * np.float32(1 / 255)
        return (x.transpose(2, 0, 1) if self.channels_first else x), self.labels[index]


def prepare(job: str) -> Step:
    engine, work = job.split(": ")
    return {"minidl": _minidl, "keras": _keras, "torch": _torch}[engine](work)


def sequential(nn: Any, tensor: Callable[[np.ndarray], Any]) -> tuple[Any, Any]:
    """The base and the head, in minidl or in PyTorch."""
    given, layers, channels = iter(convolutions()), [], 3
    for filters in LAYERS:
        if filters == "pool":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        layers[-2].load_state_dict(dict(zip(("weight", "bias"), map(tensor, next(given)), strict=True)))
        channels = filters
    dense = [nn.Linear(FEATURES, HIDDEN), nn.Linear(HIDDEN, CLASSES)]
    for layer, (w, b) in zip(dense, head_weights(), strict=True):
        layer.load_state_dict({"weight": tensor(w), "bias": tensor(b)})
    return nn.Sequential(*layers), nn.Sequential(nn.Flatten(), dense[0], nn.ReLU(), dense[1])


def batch_of_8() -> tuple[np.ndarray, np.ndarray]:
    photos = Photos("train", channels_first=False)
    picked = [photos[i * len(photos) // 8] for i in range(8)]
    return np.stack([x for x, _ in picked]), np.array([label for _, label in picked])


def _minidl(work: str) -> Step:
    import minidl
    from minidl import nn, optim
    from minidl.data import DataLoader, ImageFolder, Subset
    from minidl.models import Preprocess
    from minidl.nn.functional import cross_entropy
    from minidl.training import FeatureCache, Trainer

    base, head = sequential(nn, minidl.tensor)
    if work == "full step":
        x, labels = batch_of_8()
        inputs = minidl.from_numpy(x.transpose(0, 3, 1, 2))
        optimizer = optim.Adam([*base.parameters(), *head.parameters()], lr=RATE)
        return stepper(lambda: cross_entropy(head(base(inputs)), minidl.tensor(labels)), optimizer)
    model = nn.Sequential(*base.freeze(), *head)
    loaders = []
    for part in ("train", "validation"):
        wanted, _ = files(part)
        folder = ImageFolder(Path(wanted[0]).parents[1], Preprocess("rescale"))
        photos = Subset(folder, [folder.files.index(path) for path in wanted])
        loaders.append(DataLoader(photos, BATCH, shuffle=part == "train", num_workers=2))
    optimizer = optim.Adam(head.parameters(), lr=RATE)

    def epoch(network: Any, train: Any, validation: Any, keep: bool) -> float:
        trainer = Trainer(network, optimizer, "cross_entropy")
        return trainer.fit(train, 1, validation, cache_features=keep, verbose=0).history["loss"][0]

    if work == "first epoch":
        return lambda: epoch(model, *loaders, keep=True)
    kept = FeatureCache()
    network, train, _ = kept.apply(model, loaders[0])
    validation = kept.apply(model, loaders[1]).loader
    return lambda: epoch(network, train, validation, keep=False)


def stepper(loss_of: Callable[[], Any], optimizer: Any) -> Step:
    """A training step, in minidl or in PyTorch."""

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _torch(work: str) -> Step:
    import torch
    from torch.nn.functional import cross_entropy

    base, head = sequential(torch.nn, torch.tensor)
    base = base.to(memory_format=torch.channels_last)
    if work == "full step":
        x, labels = batch_of_8()
        inputs = torch.from_numpy(x).permute(0, 3, 1, 2)  # channels-last memory
        optimizer = torch.optim.Adam([*base.parameters(), *head.parameters()], lr=RATE, fused=True)
        return stepper(lambda: cross_entropy(head(base(inputs)), torch.tensor(labels)), optimizer)
    base.requires_grad_(False)
    train, validation = (torch_loader(part, channels_first=True) for part in ("train", "validation"))
    optimizer = torch.optim.Adam(head.parameters(), lr=RATE, fused=True)

    def losses(batches: Any, training: bool) -> Iterator[tuple[float, int]]:
        for x, labels in batches:
            with torch.inference_mode():
                features = base(x.contiguous(memory_format=torch.channels_last))
            with torch.set_grad_enabled(training):
                loss = cross_entropy(head(features.clone()), labels)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            yield loss.item() * len(labels), len(labels)

    def epoch() -> float:
        sums = np.sum(list(losses(train, True)), axis=0)
        list(losses(validation, False))
        return float(sums[0] / sums[1])

    return epoch


def torch_loader(part: str, channels_first: bool) -> Any:
    from torch.utils.data import DataLoader

    return DataLoader(
        Photos(part, channels_first), BATCH, shuffle=part == "train", num_workers=2, persistent_workers=True
    )


def _keras(work: str) -> Step:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    from keras import layers

    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    given = [array for w, b in convolutions() if w.ndim == 4 for array in (w.transpose(2, 3, 1, 0), b)]
    base.set_weights(given)
    base.trainable = work == "full step"
    model = keras.Sequential([base, layers.Flatten(), layers.Dense(HIDDEN, "relu"), layers.Dense(CLASSES)])
    (w1, b1), (w2, b2) = head_weights()
    w1 = w1.reshape(HIDDEN, 512, 49).transpose(2, 1, 0).reshape(FEATURES, HIDDEN)  # it flattens (7, 7, 512)
    for layer, values in ((model.layers[2], (w1, b1)), (model.layers[3], (w2.T, b2))):
        layer.set_weights(values)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss)
    if work == "full step":
        x, labels = batch_of_8()
        return lambda: float(np.asarray(model.train_on_batch(x, labels)))
    train, validation = (torch_loader(part, channels_first=False) for part in ("train", "validation"))
    return lambda: model.fit(train, validation_data=validation, verbose=0).history["loss"][0]


def peak_memory(job: str) -> float:
    """Gigabytes at most while ``job`` is done twice, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.finetune", "--peak", job]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=WORKS, help="measure this alone")
    parser.add_argument("--turns", type=int, default=3, help="turns of each engine (default 3)")
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead of time")
    parser.add_argument("--peak", metavar="JOB", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        step = prepare(options.peak)
        step(), step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
        return
    for work in [options.only] if options.only else WORKS:
        jobs = [f"{engine}: {work}" for engine in ENGINES]
        if options.memory:
            print(
                f"{work}: " + ", ".join(f"{job.split(':')[0]} {peak_memory(job):.2f} GB" for job in jobs),
                flush=True,
            )
            continue
        found = take_turns(__spec__.name, jobs, options.turns)
        print(f"{work}: photos per second, and the speed of minidl as a multiple of each")
        for record in found:
            photos = 8 if work == "full step" else PHOTOS + PHOTOS // 4
            speed = photos / statistics.median(record.seconds)
            name = record.engine.split(":")[0]
            print(f"  {name:<10}{speed:>10.1f}{ratio(record, found[0]):>8.2f}", flush=True)


if __name__ == "__main__":
    main()
