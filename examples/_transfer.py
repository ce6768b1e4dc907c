"""What the transfer-learning examples share: their options, small balanced parts of a data set, errors in one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minidl.data import ImageFolder, Subset
from minidl.errors import MinidlError


def balanced(photos: ImageFolder, limit: int | None) -> Any:
    """At most ``limit`` of the photos, as many of each class as of the others; all of them without a limit."""
    if limit is None or limit >= len(photos):
        return photos
    by_class = [
        [i for i, target in enumerate(photos.targets) if target == c] for c in range(len(photos.classes))
    ]
    each = max(1, limit // len(by_class))
    return Subset(photos, [i for members in by_class for i in members[:each]])


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1, got {text!r}")
    return int(text)


def make_parser(
    documentation: str | None, out: Path, epochs: int, preprocess: str = "rescale"
) -> argparse.ArgumentParser:
    """The options that the examples have in common."""
    parser = argparse.ArgumentParser(
        description=(documentation or "").split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with train/ and validation/, each with a folder of photos per class",
    )
    add(
        "--weights",
        metavar="FILE",
        help="VGG16's weights: a Keras, PyTorch, safetensors or npz file; imagenet or imagenet-keras downloads them",
    )
    add(
        "--preprocess",
        choices=("rescale", "model"),
        default=preprocess,
        help="what becomes of the photos: only divided by 255, or what the weights were trained on",
    )
    add("--epochs", type=positive, default=epochs, metavar="N", help="times to go through the photos")
    add("--limit", type=positive, metavar="N", help="take about N photos of train/, and of validation/, only")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same result")
    add("--out", type=Path, default=out, metavar="DIR", help="folder for the results")
    return parser  # fmt: skip


def start(run: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Run an example with the options of the command line; what the user can mend is told in one line."""
    arguments = parser.parse_args()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: cannot make the folder {arguments.out}: {error.strerror}")
    if arguments.weights is None:
        print("no --weights: the base is random, which shows how it goes, not how well it can", flush=True)
    try:
        run(arguments)
    except (MinidlError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\ninterrupted\n")
