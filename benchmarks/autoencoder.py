"""One epoch of the autoencoder: 60,000 images of 784 pixels, batches of 256. ``python -m benchmarks.autoencoder``

784-32-784 with ReLU, Adam, binary cross-entropy on the logits; the batches are gathered in a random order. Every
engine begins with the same weights and sees the same batches, so the loss of the last batch must agree. PyTorch runs
with its default Adam and with its fused one. The images are drawn at random with MNIST's share of dark pixels,
because the time does not depend on what is in the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.interleaved import report, take_turns

ENGINES = ("minidl", "torch", "torch, fused Adam")
TOLERANCE = 1e-3
IMAGES, PIXELS, CODE, BATCH = 60_000, 784, 32, 256


def _images() -> np.ndarray:
    random = np.random.default_rng(0)
    images = random.random((IMAGES, PIXELS), dtype=np.float32)
    images[random.random((IMAGES, PIXELS), dtype=np.float32) < 0.8] = 0
    return images


def _weights() -> list[np.ndarray]:
    """Glorot uniform, as the classic example has it: encoder weight and bias, decoder weight and bias."""
    random, bound = np.random.default_rng(1), np.sqrt(6 / (PIXELS + CODE))
    shapes = [(CODE, PIXELS), (CODE,), (PIXELS, CODE), (PIXELS,)]
    return [
        random.uniform(-bound, bound, s).astype(np.float32) if len(s) == 2 else np.zeros(s, np.float32)
        for s in shapes
    ]


def _batches(epoch: int) -> Iterator[np.ndarray]:
    order = np.random.default_rng([2, epoch]).permutation(IMAGES)
    return (order[i : i + BATCH] for i in range(0, IMAGES, BATCH))


def number(loss: Any) -> float:
    return loss.item()


def prepare(engine: str) -> Callable[[], Any]:
    return _prepare_minidl() if engine == "minidl" else _prepare_torch(fused="fused" in engine)


def _prepare_minidl() -> Callable[[], Any]:
    from minidl import nn, optim, tensor
    from minidl.data import TensorDataset
    from minidl.nn import functional

    data = TensorDataset(tensor(_images()))
    model = nn.Sequential(nn.Linear(PIXELS, CODE), nn.ReLU(), nn.Linear(CODE, PIXELS))
    for parameter, weights in zip(model.parameters(), _weights(), strict=True):
        parameter.data.copy_(tensor(weights))
    optimizer, epochs = optim.Adam(model.parameters()), iter(range(10**6))

    def epoch() -> Any:
        for batch in _batches(next(epochs)):
            (x,) = data.get_batch(batch)
            optimizer.zero_grad()
            loss = functional.binary_cross_entropy_with_logits(model(x), x)
            loss.backward()
            optimizer.step()
        return loss

    return epoch


def _prepare_torch(fused: bool) -> Callable[[], Any]:
    import torch
    from torch import nn

    data = torch.from_numpy(_images())
    model = nn.Sequential(nn.Linear(PIXELS, CODE), nn.ReLU(), nn.Linear(CODE, PIXELS))
    with torch.no_grad():
        for parameter, weights in zip(model.parameters(), _weights(), strict=True):
            parameter.copy_(torch.from_numpy(weights))
    optimizer = torch.optim.Adam(model.parameters(), fused=fused or None)
    epochs = iter(range(10**6))

    def epoch() -> Any:
        for batch in _batches(next(epochs)):
            x = data[torch.from_numpy(batch)]
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(model(x), x)
            loss.backward()
            optimizer.step()
        return loss

    return epoch


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One epoch of the autoencoder, minidl and PyTorch in turn.")
    parser.add_argument("--turns", type=int, default=7, help="epochs of each that count (default 7)")
    options = parser.parse_args()
    print(report("One epoch of the autoencoder", take_turns(__spec__.name, ENGINES, options.turns)))
