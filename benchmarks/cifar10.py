"""Does Winograd's rounding hurt training? A network of VGG's kind on CIFAR-10. ``python -m benchmarks.cifar10 DIR``

DIR holds ``train/CLASS/*`` and ``test/CLASS/*``, CIFAR-10's pictures as image files. Each of three seeds trains the
network with every kernel that is compared: the initial weights and the order of the pictures are the same, the
arithmetic is not. The test says yes if the means of the kernels lie further apart than the seeds of the exact one do.

Winograd's transforms lose a digit or two of float32; direct convolution is as exact as a matrix product.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

import minidl
from minidl import kernels, nn, optim
from minidl.data import DataLoader, TensorDataset
from minidl.nn.functional import cross_entropy

KERNELS = ("winograd4", "winograd2", "direct")


def network() -> nn.Sequential:
    """From pictures (N, 3, 32, 32) to the logits (N, 10): six 3x3 convolutions, of 32 to 128 channels."""
    layers: list[nn.Module] = []
    for channels, width in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


def read(folder: Path, limit: int | None) -> TensorDataset:
    """The pictures, scaled to [-1, 1], and their classes; at most ``limit`` of each class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(classes) != 10:
        raise SystemExit(f"{folder} must hold ten folders, one for each class, got {len(classes)}")
    pictures, labels = [], []
    for label, path in enumerate(classes):
        for file in sorted(path.iterdir())[:limit]:
            with Image.open(file) as image:
                pictures.append(np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1)
            labels.append(label)
    x = np.stack(pictures).transpose(0, 3, 1, 2)  # (N, 3, 32, 32), channels-last in memory
    return TensorDataset(minidl.from_numpy(x), minidl.from_numpy(np.array(labels)))


def accuracy(model: nn.Module, data: TensorDataset) -> float:
    with minidl.no_grad():
        model.eval()
        return sum((model(x).argmax(1) == t).sum().item() for x, t in DataLoader(data, 500)) / len(data)


def train(
    kernel: str, seed: int, data: TensorDataset, test: TensorDataset, epochs: int
) -> tuple[float, float]:
    """The mean loss of the last epoch, and the accuracy on the test pictures."""
    minidl.manual_seed(seed)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    batches = DataLoader(data, 64, shuffle=True, seed=seed)
    with kernels.use(conv2d=kernel):
        for _ in range(epochs):
            losses = []
            for x, t in batches:
                optimizer.zero_grad()
                loss = cross_entropy(model.train()(x), t)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        return statistics.mean(losses), accuracy(model, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, metavar="DIR", help="folder with train/ and test/")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--limit", type=int, help="pictures of each class (default: all)")
    options = parser.parse_args()
    data, test = (read(options.data / part, options.limit) for part in ("train", "test"))
    print(f"{len(data):,} pictures to train on, {len(test):,} to test; {options.epochs} epochs")
    found: dict[str, list[float]] = {kernel: [] for kernel in KERNELS}
    for seed in range(options.seeds):
        for kernel in KERNELS:
            start = time.perf_counter()
            loss, share = train(kernel, seed, data, test, options.epochs)
            found[kernel].append(share)
            seconds = time.perf_counter() - start
            print(
                f"seed {seed}  {kernel:<10} loss {loss:.4f}  accuracy {share:.4f}  {seconds:.0f} s",
                flush=True,
            )
    exact = found["direct"]
    spread = max(exact) - min(exact)
    for kernel, shares in found.items():
        away = statistics.mean(shares) - statistics.mean(exact)
        print(
            f"{kernel:<10} mean {statistics.mean(shares):.4f}, {away:+.4f} from direct; its spread is {spread:.4f}"
        )


if __name__ == "__main__":
    main()
