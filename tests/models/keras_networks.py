"""Small networks built with Keras itself, and their twins in minidl."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.random import stream

# pytest imports this file too, in its search for doctests.
pytest.importorskip("torch", reason="Keras's backend here")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="makes the networks")
layers = keras.layers

COUNTS = (2, 2, 3, 3, 3)  # convolutions in each block of VGG16
WIDTHS = (4, 6, 8, 10, 12)  # their filters here


def randomised(model: Any) -> Any:
    """The Keras model, with all its numbers drawn: biases, and the statistics of normalisations, too."""
    random = stream(5)
    for variable in model.weights:
        if "seed" not in variable.path:
            noise = 0.1 * random.standard_normal(variable.shape).astype(np.float32)
            old = 0.5 if "variance" in variable.path else keras.ops.convert_to_numpy(variable)
            variable.assign(old + (np.abs(noise) if "variance" in variable.path else noise))
    return model


def keras_vgg(top: bool = True, size: int = 64, name: str = "vgg16") -> Any:
    """VGG16 with Keras's names for its layers, narrow."""
    x = inputs = keras.Input((size, size, 3))
    for block, (count, filters) in enumerate(zip(COUNTS, WIDTHS, strict=True), 1):
        for i in range(1, count + 1):
            options = {"padding": "same", "activation": "relu", "name": f"block{block}_conv{i}"}
            x = layers.Conv2D(filters, 3, **options)(x)
        x = layers.MaxPooling2D(2, 2, name=f"block{block}_pool")(x)
    if top:
        x = layers.Flatten(name="flatten")(x)
        for label, outputs, activation in (
            ("fc1", 20, "relu"),
            ("fc2", 16, "relu"),
            ("predictions", 7, "softmax"),
        ):
            x = layers.Dense(outputs, activation=activation, name=label)(x)
    return randomised(keras.Model(inputs, x, name=name))


class VGG(nn.Module):
    """The same network, with torchvision's names."""

    def __init__(self, top: bool = True, size: int = 64) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        channels = 3
        for count, filters in zip(COUNTS, WIDTHS, strict=True):
            for _ in range(count):
                modules += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
                channels = filters
            modules.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*modules)
        if top:
            self.classifier = nn.Sequential(
                nn.Linear(channels * (size // 32) ** 2, 20), nn.ReLU(), nn.Dropout(),
                nn.Linear(20, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 7),
            )  # fmt: skip
        self.top = top

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.flatten(1)).softmax(1) if self.top else x


def images(n: int = 3, size: int = 64) -> np.ndarray:
    """Preprocessed pictures, (N, H, W, 3)."""
    return (100 * stream(9).standard_normal((n, size, size, 3))).astype(np.float32)


def of_keras(model: Any, x: np.ndarray) -> np.ndarray:
    """Keras's result, with channels first where it is of images."""
    y = keras.ops.convert_to_numpy(model(x, training=False))
    return y.transpose(0, 3, 1, 2) if y.ndim == 4 else y


def of_minidl(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with minidl.no_grad():
        return model.eval()(minidl.tensor(x.transpose(0, 3, 1, 2))).numpy()


def assert_close(got: np.ndarray, want: np.ndarray, limit: float = 2e-5) -> None:
    assert got.shape == want.shape
    assert np.abs(got - want).max() / np.abs(want).max() <= limit
