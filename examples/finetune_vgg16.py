"""Transfer learning, recipe (a): a frozen VGG16, two dense layers on its features, on a folder of photos.

    python examples/finetune_vgg16.py --data pets --weights vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5

The folder holds train/ and validation/, each with a folder of photos per class. The base runs once for each photo;
the epochs after that train the dense layers on what it returned. The values are those of the recipe's Keras original,
which stands beside it in docs/transfer-learning.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _transfer import balanced, make_parser, start

import minidl
from minidl import models, nn, optim
from minidl.data import DataLoader, ImageFolder
from minidl.training import Trainer


def make_model(classes: int, weights: str | None, preprocess: str) -> nn.Sequential:
    """From photos (N, 3, 224, 224) to the probabilities (N, classes)."""
    chosen = None if preprocess == "model" else preprocess
    base = models.vgg16(weights, include_top=False, preprocess=chosen).freeze()
    head = nn.Sequential(
        nn.Flatten(),  # (N, 25088)
        nn.Linear(512 * 7 * 7, 1024),
        nn.ReLU(),
        nn.Linear(1024, classes),
        nn.Softmax(dim=1),
    )
    return nn.Sequential(base, *nn.init.like_keras(head))


def run(arguments: argparse.Namespace) -> None:
    minidl.manual_seed(arguments.seed)
    train, validation = (ImageFolder(arguments.data / part) for part in ("train", "validation"))
    model = make_model(len(train.classes), arguments.weights, arguments.preprocess)
    train, validation = (
        balanced(photos.with_transform(model[0].preprocess), arguments.limit)
        for photos in (train, validation)
    )
    batches = DataLoader(train, batch_size=32, shuffle=True, seed=arguments.seed)
    tests = DataLoader(validation, batch_size=32)
    trainer = Trainer(
        model,
        optimizer=lambda parameters: optim.Adam(parameters, lr=1e-3, eps=1e-7),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        seed=arguments.seed,
    )
    trainer.fit(batches, epochs=arguments.epochs, validation_data=tests, cache_features=True)
    for name, data in (("training", batches), ("validation", tests)):
        result = trainer.evaluate(data, cache_features=True, verbose=0)
        print(f"{name} accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")
    minidl.save(model, arguments.out / "finetuned.safetensors")
    print(f"wrote {arguments.out / 'finetuned.safetensors'}")


if __name__ == "__main__":
    start(run, make_parser(__doc__, out=Path("out/finetune_vgg16"), epochs=10))
