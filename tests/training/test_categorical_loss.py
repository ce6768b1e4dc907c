"""A model that ends in a softmax, trained with Keras's categorical cross-entropy on its probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import minidl
from minidl import nn
from minidl.training import Trainer


def net(softmax: bool) -> nn.Sequential:
    minidl.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *([nn.Softmax(1)] if softmax else []))


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "sparse_categorical_crossentropy", nn.CategoricalCrossEntropy()]
)
def test_learns_exactly_as_from_logits(loss, one_hot):
    x = np.random.default_rng(0).standard_normal((48, 4)).astype(np.float32)
    y = np.arange(48) % 3
    target = np.eye(3, dtype=np.float32)[y] if one_hot else y
    histories, networks = [], [net(True), net(False)]
    for network, kind, labels in zip(networks, (loss, "cross_entropy"), (target, y), strict=True):
        trainer = Trainer(network, optimizer="adam", loss=kind, seed=0)
        histories.append(trainer.fit((x, labels), epochs=3, verbose=0).history)
        predictions = trainer.predict(x, verbose=0)
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (predictions.labels == predictions.outputs.argmax(axis=1)).all()
    for name in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-6)
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(force=True), b.numpy(force=True), rtol=1e-5, atol=1e-7)


def test_evaluates_by_class():
    x, y = 2 * np.eye(3, dtype=np.float32), np.arange(3)
    trainer = Trainer(nn.Sequential(nn.Identity(), nn.Softmax(1)), "adam", "categorical_crossentropy")
    result = trainer.evaluate((x, y), verbose=0)
    assert result["loss"] == pytest.approx(np.log(np.e**2 + 2) - 2, rel=1e-6)
    assert result["accuracy"] == 1.0
    assert result["per_class"][0] == {"accuracy": 1.0, "count": 1}
