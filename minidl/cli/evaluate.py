"""``minidl evaluate``: how often a classifier is right on a folder of photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minidl.cli.photos import load_classifier, per_class, positive, relabelled
from minidl.data import DataLoader, ImageFolder
from minidl.training import Trainer

EXAMPLES = """example:
  minidl evaluate pets.safetensors pets/validation

pets/validation holds a folder of photos for each class, with the names that the classifier knows.
"""


def add_to(commands: Any) -> None:
    what = "say how often a classifier is right on a folder of photos"
    parser = commands.add_parser(
        "evaluate", help=what, description=f"{what.capitalize()}.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that minidl finetune wrote")
    parser.add_argument("data", type=Path, metavar="DIR", help="a folder with a folder of photos per class")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="photos at a time (32)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    model = load_classifier(options.model)
    photos = relabelled(ImageFolder(options.data, model.preprocess), model.classes)
    result = Trainer(model, loss="cross_entropy").evaluate(DataLoader(photos, options.batch_size))
    print(f"accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f} on {len(photos):,} photos")
    print("\n".join(per_class(result)))
    return 0
