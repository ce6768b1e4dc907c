"""VGGs written by Keras itself: loaded by name, with Keras's outputs on the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl
from minidl import models


@pytest.fixture
def keras(monkeypatch) -> Any:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("h5py", reason="Keras writes its files with it")
    return pytest.importorskip("keras", reason="writes the files to be read")


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize(
    ("ending", "pooling"), [("weights.h5", None), ("weights.h5", "max"), ("keras", "avg")]
)
def test_the_base_computes_what_kerass_does(keras, tmp_path: Path, ending: str, pooling: str | None) -> None:
    shape = (64, 96, 3)
    theirs = keras.applications.VGG16(weights=None, include_top=False, input_shape=shape, pooling=pooling)
    path = tmp_path / f"vgg16.{ending}"
    theirs.save_weights(path) if ending == "weights.h5" else theirs.save(path)
    pictures = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    want = np.asarray(
        theirs.predict(keras.applications.vgg16.preprocess_input(pictures.astype("float32")), verbose=0)
    )
    if pooling is None:
        want = want.transpose(0, 3, 1, 2)

    ours = models.vgg16(path, include_top=False, pooling=pooling).eval()
    assert ours.weight_set == "keras"
    x = minidl.stack([ours.preprocess(minidl.tensor(p.transpose(2, 0, 1))) for p in pictures])
    with minidl.no_grad():
        got = ours(x).numpy()
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()
