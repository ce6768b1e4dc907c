"""Fine-tuning proper: head only, the last block trained too, and everything from scratch, side by side.

    python examples/finetune_last_block.py --data pets --weights vgg16-397923af.pth

First the head is trained on the features of the frozen base. Then the base's last block is unfrozen by the names of
its layers, and trained with the head, a hundred times slower than it, on photos that are flipped, turned and cropped
anew in each epoch, until the validation loss has not improved for three epochs. Last, the same network is trained from
random numbers, for comparison. The results are a table and a picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from _transfer import balanced, make_parser, start

import minidl
from minidl import models, nn, optim, viz
from minidl.data import DataLoader, ImageFolder, transforms
from minidl.errors import MissingDependencyError
from minidl.training import EarlyStopping, Trainer

LAST_BLOCK = ("features.24", "features.26", "features.28")  # VGG16's last three convolutions


def make_model(classes: list[str], arguments: argparse.Namespace) -> models.ImageClassifier:
    chosen = None if arguments.preprocess == "model" else arguments.preprocess
    model = models.ImageClassifier(classes, "vgg16", hidden=256, preprocess=chosen, size=arguments.size)
    if arguments.weights is not None:
        model.load_base(arguments.weights)
    return model


def loaders(
    model: models.ImageClassifier, photos: list[ImageFolder], arguments: argparse.Namespace, augmented: bool
) -> list[DataLoader]:
    """Batches to train on, and to validate with."""
    plain, changed = model.preprocess, model.preprocess
    if augmented:
        changed = transforms.Compose([
            transforms.RandomResizedCrop(arguments.size, scale=(0.6, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(10),
            transforms.ToTensor(),
            model.preprocess,  # of a tensor, only the values
        ])  # fmt: skip
    train, validation = (
        balanced(part.with_transform(transform), arguments.limit)
        for part, transform in zip(photos, (changed, plain), strict=True)
    )
    return [DataLoader(train, 32, shuffle=True, seed=arguments.seed), DataLoader(validation, 32)]


def train_head(
    model: models.ImageClassifier, photos: list[ImageFolder], arguments: argparse.Namespace
) -> Any:
    train, validation = loaders(model, photos, arguments, augmented=False)
    trainer = Trainer(model, lambda parameters: optim.Adam(parameters, lr=1e-3), seed=arguments.seed)
    return trainer.fit(train, arguments.epochs, validation, cache_features=True)


def train_last_block(
    model: models.ImageClassifier, photos: list[ImageFolder], arguments: argparse.Namespace
) -> Any:
    model.base.unfreeze(*LAST_BLOCK)
    train, validation = loaders(model, photos, arguments, augmented=True)
    groups = optim.param_groups(model, {"base": 1e-5, "head": 1e-3}, weight_decay=1e-4)
    stopping = EarlyStopping(patience=3)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = Trainer(model, optim.AdamW(groups), loss, seed=arguments.seed)
    return trainer.fit(train, arguments.epochs, validation, callbacks=[stopping])


def train_from_scratch(classes: list[str], photos: list[ImageFolder], arguments: argparse.Namespace) -> Any:
    arguments = argparse.Namespace(**vars(arguments) | {"weights": None, "preprocess": "torchvision"})
    model = make_model(classes, arguments)
    model.base.unfreeze()
    train, validation = loaders(model, photos, arguments, augmented=True)
    trainer = Trainer(model, lambda parameters: optim.Adam(parameters, lr=1e-4), seed=arguments.seed)
    return trainer.fit(train, arguments.epochs, validation)


def run(arguments: argparse.Namespace) -> None:
    minidl.manual_seed(arguments.seed)
    photos = [ImageFolder(arguments.data / part) for part in ("train", "validation")]
    classes = photos[0].classes
    model = make_model(classes, arguments)
    histories = {"head only": train_head(model, photos, arguments)}
    histories["last block fine-tuned"] = train_last_block(model, photos, arguments)
    minidl.save(model, arguments.out / "finetuned.safetensors")
    histories["from scratch"] = train_from_scratch(classes, photos, arguments)
    report(histories, arguments.out)


def report(histories: dict[str, Any], out: Path) -> None:
    """The best validation accuracy of each, as a table, and all curves in one picture."""
    print(f"{'':<24}{'epochs':>8}{'training':>10}{'validation':>12}")
    for name, history in histories.items():
        h = history.history
        best = max(range(len(h["val_accuracy"])), key=h["val_accuracy"].__getitem__)
        print(f"{name:<24}{len(history):>8}{h['accuracy'][best]:>10.4f}{h['val_accuracy'][best]:>12.4f}")
    try:
        draw(histories, out / "comparison.png")
        print(f"wrote {out / 'finetuned.safetensors'} and {out / 'comparison.png'}")
    except MissingDependencyError as error:
        print(f"wrote {out / 'finetuned.safetensors'}, but no picture: {error}")


def draw(histories: dict[str, Any], path: Path) -> None:
    """Accuracy by epoch, training and validation, in a panel for each way of training."""
    curves = {}
    for name, history in histories.items():
        curves[name], curves[f"val_{name}"] = history.history["accuracy"], history.history["val_accuracy"]
    viz.plot_history(curves, path)


if __name__ == "__main__":
    parser = make_parser(__doc__, out=Path("out/finetune_last_block"), epochs=10, preprocess="model")
    parser.add_argument("--size", type=int, default=224, metavar="N", help="height and width of the photos")
    start(run, parser)
