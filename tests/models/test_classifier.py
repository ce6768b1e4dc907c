"""ImageClassifier: what it is made of, what it keeps in its file, and what it says of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minidl
from minidl import nn, weights
from minidl.errors import ArgumentError, DTypeError
from minidl.models import ImageClassifier, Preprocess
from minidl.training.splitting import split


def make(**options) -> ImageClassifier:
    arguments = {"classes": ["cats", "dogs", "owls"], "base": "vgg11", "hidden": 8, "size": 64} | options
    with nn.init.skipped():
        model = ImageClassifier(**arguments)
    model.base.reset_parameters()
    nn.init.like_keras(model.head)
    return model


def test_trains_the_head_alone():
    model = make()
    assert {name.partition(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"head"}
    parts = split(model)
    x = minidl.randn(2, 3, 64, 64)
    model.eval()
    assert (parts.head(parts.base(x)) == model(x)).all()


@pytest.mark.parametrize(
    ("options", "features"), [({"pooling": None}, 25088), ({"pooling": "max", "hidden": 0}, 512)]
)
def test_the_head_fits_the_base(options, features):
    model = make(size=224, **options).eval()
    first = next(layer for layer in model.head if isinstance(layer, nn.Linear))
    assert first.in_features == features
    assert model(minidl.zeros(1, 3, 224, 224)).shape == (1, 3)


def test_its_file_has_all_that_is_needed_to_use_it(tmp_path):
    model = make(preprocess="rescale", dropout=0.1)
    picture = np.random.default_rng(0).integers(0, 256, (80, 100, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    minidl.save(model, tmp_path / "m.safetensors")
    loaded = minidl.load(tmp_path / "m.safetensors")
    assert loaded.config() == model.config()
    assert loaded.preprocess == Preprocess("rescale", 64)
    (found,) = loaded.classify([tmp_path / "photo.png"], top=9)
    logits = model.eval()(minidl.stack([model.preprocess(picture)])).detach().numpy()[0]
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [p.name for p in found] == [model.classes[i] for i in np.argsort(-shares)]
    np.testing.assert_allclose([p.probability for p in found], np.sort(shares)[::-1], rtol=1e-4)
    assert loaded.classify([picture]) == [found]


def test_classifying_leaves_the_mode_as_it_was():
    model = make().train()
    model.base.eval()
    model.classify([np.zeros((64, 64, 3), np.uint8)])
    assert model.training
    assert model.head.training
    assert not model.base.training


def test_takes_the_bases_weights_and_their_preprocessing(tmp_path: Path):
    source = make()
    arrays = {name: value.numpy(force=True) for name, value in source.base.state_dict().items()}
    weights.write(tmp_path / "w.safetensors", arrays, metadata={"preprocessing": "keras"})
    model = make()
    model.load_base(tmp_path / "w.safetensors")
    assert model.preprocess == Preprocess("keras", 64)
    assert (model.base.features[0].weight == source.base.features[0].weight).all()
    assert not any(p.requires_grad for p in model.base.parameters())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"classes": "cats"}, DTypeError, "ImageClassifier: classes must be a list of names, got 'cats'"),
        ({"classes": ["a", "a"]}, ArgumentError, "classes must be different names, one at least, got"),
        ({"classes": []}, ArgumentError, "classes must be different names, one at least, got"),
        ({"hidden": -1}, ArgumentError, "ImageClassifier: hidden must be from 0 to 1,000,000, got -1"),
        ({"base": "resnet"}, ArgumentError, "VGG: name must be"),
    ],
)
def test_wrong_calls_are_answered_clearly(options, error, message):
    with pytest.raises(error, match=message):
        make(**options)
