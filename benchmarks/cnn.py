"""A tenth of an epoch of the small CNN on MNIST: 6,400 images, batches of 64. ``python -m benchmarks.cnn``

The network of ``examples/cnn_mnist.py``: 3x3 convolutions to 16, 32 and 64 channels with ReLU, the first two with 2x2
max-pooling, then Linear(10); Adam, cross-entropy. Every engine begins with the same weights and sees the same
batches, so the loss of the last batch must agree. PyTorch runs in both of its memory formats, with its fused Adam.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleaved import report, take_turns

ENGINES = ("minidl", "torch", "torch channels-last")
TOLERANCE = 2e-2  # a hundred steps of Adam drift apart in float32
IMAGES, BATCH = 6_400, 64


def number(loss: Any) -> float:
    return loss.item()


def prepare(engine: str) -> Callable[[], Any]:
    if engine == "minidl":
        import minidl as library
    else:
        import torch as library
    nn, F = library.nn, library.nn.functional
    random = np.random.default_rng(0)
    images = random.random((IMAGES, 1, 28, 28), np.float32) * (random.random((IMAGES, 1, 28, 28)) > 0.8)
    labels = library.tensor(random.integers(0, 10, IMAGES))
    x = library.tensor(images.astype(np.float32))
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 7 * 7, 10),
    )  # fmt: skip
    state = {}
    for name, value in net.state_dict().items():
        scale = 1 / np.sqrt(np.prod(value.shape[1:]) or 1)
        state[name] = library.tensor(random.uniform(-scale, scale, tuple(value.shape)).astype(np.float32))
    net.load_state_dict(state)
    if "channels-last" in engine:
        net, x = (
            net.to(memory_format=library.channels_last),
            x.contiguous(memory_format=library.channels_last),
        )
    options = {} if engine == "minidl" else {"fused": True}
    optimizer = library.optim.Adam(net.parameters(), lr=1e-4, **options)

    def epoch() -> Any:
        loss: Any = None
        for i in range(0, IMAGES, BATCH):
            loss = F.cross_entropy(net(x[i : i + BATCH]), labels[i : i + BATCH])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss

    return epoch


def main() -> None:
    print(report("A tenth of an epoch of the small CNN", take_turns(__spec__.name, ENGINES, 7)))


if __name__ == "__main__":
    main()
