"""Train a small convolutional network on MNIST.

    python examples/cnn_mnist.py

It reaches a test accuracy of 0.99 within five epochs, each of which takes about 10 seconds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tqdm import tqdm

import minidl
from minidl import nn, optim
from minidl.data import DataLoader, TensorDataset, mnist_or_synthetic
from minidl.errors import MinidlError
from minidl.nn.functional import cross_entropy


def make_network() -> nn.Sequential:
    """From images (N, 1, 28, 28) to the logits (N, 10) of their classes."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # (N, 16, 28, 28)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        nn.Conv2d(16, 32, 3, padding=1),  # (N, 32, 14, 14)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 7, 7)
        nn.Conv2d(32, 64, 3, padding=1),  # (N, 64, 7, 7)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 10),
    )


def train_epoch(network: nn.Module, optimizer: optim.Optimizer, batches: DataLoader, epoch: int) -> float:
    """Go through the batches once; returns the mean loss of a batch."""
    network.train()
    total = 0.0
    with tqdm(batches, desc=f"epoch {epoch}", unit="batch", leave=False) as bar:
        for x, t in bar:
            optimizer.zero_grad()
            loss = cross_entropy(network(x), t)
            loss.backward()
            optimizer.step()
            total += loss.item()
    return total / len(batches)


@minidl.no_grad()
def accuracy(network: nn.Module, dataset: TensorDataset) -> float:
    """The share of images whose class the network finds."""
    network.eval()
    batches = DataLoader(dataset, batch_size=500)
    return sum((network(x).argmax(1) == t).sum().item() for x, t in batches) / len(dataset)


def run(arguments: argparse.Namespace) -> None:
    minidl.manual_seed(arguments.seed)
    train, test = (dataset.tensor_dataset() for dataset in mnist_or_synthetic(arguments.data))
    train = TensorDataset(*(tensor[: arguments.limit] for tensor in train.tensors))
    batches = DataLoader(train, batch_size=arguments.batch_size, shuffle=True)
    network = make_network()
    optimizer = optim.Adam(network.parameters(), lr=0.002)
    print(network)
    for epoch in range(1, arguments.epochs + 1):
        start = time.perf_counter()
        loss = train_epoch(network, optimizer, batches, epoch)
        seconds = time.perf_counter() - start
        print(
            f"epoch {epoch}: loss {loss:.4f}, test accuracy {accuracy(network, test):.4f}, {seconds:.1f} s",
            flush=True,
        )
        optimizer.param_groups[0]["lr"] /= 2  # large steps first, small ones to settle
    minidl.save(network, arguments.out / "cnn.safetensors")
    print(f"wrote {arguments.out / 'cnn.safetensors'}")


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, got {text!r}")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train a small convolutional network on MNIST.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", metavar="DIR", help="folder with MNIST's four files; if not given, they are downloaded")
    add("--epochs", type=positive, default=5, metavar="N", help="times to go through the training images")
    add("--batch-size", type=positive, default=64, metavar="N", help="images per step")
    add("--limit", type=positive, metavar="N", help="train on the first N images only")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same result")
    add(
        "--out",
        type=Path,
        default=Path("out/cnn_mnist"),
        metavar="DIR",
        help="folder for the trained network",
    )
    return parser


def main() -> None:
    parser = make_parser()
    arguments = parser.parse_args()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: cannot make the folder {arguments.out}: {error.strerror}")
    try:
        run(arguments)
    except (MinidlError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted\n")


if __name__ == "__main__":
    main()
