"""``minidl finetune``: a classifier of your photos, from a network that others trained."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from minidl import optim
from minidl.cli.photos import check_writable, find_photos, fraction, per_class, positive, with_transform
from minidl.data import DataLoader, default_collate
from minidl.errors import DataError
from minidl.grad_mode import no_grad
from minidl.models import ImageClassifier
from minidl.models.preprocessing import RECIPES
from minidl.models.vgg import NAMES
from minidl.random import manual_seed
from minidl.serialization import save
from minidl.training import Trainer
from minidl.training.progress import duration

EXAMPLES = """examples:
  minidl finetune --data pets --weights vgg16-397923af.pth --out pets.safetensors
  minidl finetune --data pets --weights imagenet --epochs 10 --out pets.safetensors
  minidl evaluate pets.safetensors pets/validation
  minidl predict pets.safetensors photo.jpg

pets holds a folder of photos for each class; or train/ and validation/, each with such folders. The base is frozen:
it runs once for each photo, and the epochs train the layers behind it on what it returned. Ctrl-C ends the training
early, and saves what there is.
"""


def add_to(commands: Any) -> None:
    what = "train a classifier of your photos on top of a network that others trained"
    parser = commands.add_parser(
        "finetune", help=what, description=f"{what.capitalize()}.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="a folder with a folder of photos per class")
    add(
        "--weights",
        metavar="FILE",
        help="the base's weights (Keras, PyTorch, safetensors, npz); or imagenet, imagenet-keras: downloads them",
    )
    add("--base", choices=NAMES, default="vgg16", help="the network (vgg16)")
    add("--epochs", type=positive, default=5, metavar="N", help="times to go through the photos (5)")
    add(
        "--out",
        type=Path,
        default=Path("model.safetensors"),
        metavar="FILE",
        help="where to save the classifier (model.safetensors)",
    )
    add("--preprocess", choices=tuple(RECIPES), help="how photos are prepared (as the weights need it)")
    add(
        "--hidden",
        type=int,
        default=256,
        metavar="N",
        help="units of the layer behind the base; 0: none (256)",
    )
    add("--lr", type=float, default=1e-3, metavar="RATE", help="Adam's learning rate (0.001)")
    add("--batch-size", type=positive, default=32, metavar="N", help="photos per step (32)")
    add(
        "--validation",
        type=fraction,
        default=0.2,
        metavar="SHARE",
        help="share of the photos to validate with, where there is no folder for that (0.2)",
    )
    add(
        "--on-error",
        choices=("raise", "skip"),
        default="raise",
        help="files that are no whole photos: name them all and stop, or skip them (raise)",
    )
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same classifier (0)")
    parser.set_defaults(run=run)  # fmt: skip


def run(options: argparse.Namespace) -> int:
    check_writable(options.out)
    manual_seed(options.seed)
    photos = find_photos(options.data, options.validation, options.seed, options.on_error)
    if len(photos[0].classes) < 2:
        raise DataError(
            f"{options.data}: there is one class only, {photos[0].classes[0]!r}, and nothing to tell apart. "
            "--data is the folder that holds a folder for each class"
        )
    model = ImageClassifier(photos[0].classes, options.base, options.hidden, preprocess=options.preprocess)
    if options.weights is None:
        _say(f"no --weights: the base is random, and what it finds in photos is of little use. For {options.base}'s, "
             "give their file, or --weights imagenet")  # fmt: skip
    else:
        model.load_base(options.weights)
    train, validation = (with_transform(part, model.preprocess) for part in photos)
    _announce(model, train, validation, options.epochs)
    trainer = Trainer(
        model, lambda parameters: optim.Adam(parameters, lr=options.lr), "cross_entropy", seed=options.seed
    )
    batches = DataLoader(train, options.batch_size, shuffle=True, seed=options.seed)
    tests = DataLoader(validation, options.batch_size)
    status = 0
    try:
        trainer.fit(batches, options.epochs, validation_data=tests, cache_features=True)
        result = trainer.evaluate(tests, cache_features=True, verbose=0)
        _say("\n".join([f"validation accuracy {result['accuracy']:.4f}", *per_class(result)]))
    except KeyboardInterrupt:
        _say(f"interrupted after {len(trainer.history)} of {options.epochs} epochs")
        status = 130
    save(model, options.out)
    _say(f"wrote {options.out}")
    return status


@no_grad()
def _announce(model: ImageClassifier, train: Any, validation: Any, epochs: int) -> None:
    """Say how much there is to do, and how long it will take, by doing some of it."""
    classes = f"{len(model.classes)} classes ({', '.join(model.classes)[:200]})"
    _say(f"{len(train):,} photos of {classes} to train on, {len(validation):,} to validate")
    model.eval()
    indices = list(range(min(4, len(train))))
    times = []
    for _ in range(3):  # the first compiles; of the others the one that was least disturbed counts
        start = time.perf_counter()
        model.base(default_collate([train[i] for i in indices])[0])
        times.append((time.perf_counter() - start) / len(indices))
    each = min(times)
    features = each * (len(train) + len(validation))
    head = 3e-4 * epochs * len(train)  # the dense layers, in epochs of kept features: little
    _say(
        f"it will take about {duration(features + head)}: the base, once for each photo ({1000 * each:.0f} ms), "
        f"then {epochs} epochs of the layers behind it"
    )


def _say(line: str) -> None:
    print(line)
    sys.stdout.flush()
