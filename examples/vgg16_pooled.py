"""Transfer learning, recipe (b): a frozen VGG16 whose features are averaged over the picture, and RMSprop.

    python examples/vgg16_pooled.py --data pets --weights vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5

Global average pooling leaves one number for each of the base's 512 channels in place of 25,088: the head is 50 times
smaller than recipe (a)'s, and photos may have any size.
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
    base = models.vgg16(weights, include_top=False, pooling="avg", preprocess=chosen).freeze()
    head = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, classes), nn.Softmax(dim=1))
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
        optimizer=lambda parameters: optim.RMSprop(parameters, lr=1e-3, alpha=0.9, eps=1e-7, eps_inside=True),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        seed=arguments.seed,
    )
    trainer.fit(batches, epochs=arguments.epochs, validation_data=tests, cache_features=True)
    for name, data in (("training", batches), ("validation", tests)):
        result = trainer.evaluate(data, cache_features=True, verbose=0)
        print(f"{name} accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")
    minidl.save(model, arguments.out / "pooled.safetensors")
    print(f"wrote {arguments.out / 'pooled.safetensors'}")


if __name__ == "__main__":
    start(run, make_parser(__doc__, out=Path("out/vgg16_pooled"), epochs=10))
