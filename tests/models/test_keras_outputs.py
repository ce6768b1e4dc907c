"""Files that Keras itself wrote: minidl's results equal Keras's; and Keras's, from files that minidl wrote."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import nn, weights
from minidl.models.keras_names import from_keras, modules_of, to_keras

pytest.importorskip("torch", reason="Keras's backend here")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="writes the files, and computes what is right")
pytest.importorskip("pyfive", reason="reads HDF5")

from keras_networks import (  # noqa: E402
    VGG,
    assert_close,
    images,
    keras_vgg,
    layers,
    of_keras,
    of_minidl,
    randomised,
)

# What Keras itself does, with this NumPy, and says of its legacy format.
pytestmark = [pytest.mark.filterwarnings("ignore:__array__ implementation"),
              pytest.mark.filterwarnings("ignore:.*considered legacy")]  # fmt: skip
ENDINGS = [".weights.h5", ".h5", ".keras", "-weights.h5"]  # the last one: weights alone, in the legacy layout


def save(model, path: Path, ending: str) -> Path:
    """What Keras writes for that ending."""
    path = path / f"model{ending}"
    if ending == ".weights.h5":
        model.save_weights(path)
    elif ending == "-weights.h5":
        import h5py
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    else:
        model.save(path)
    return path


def load(model: nn.Module, path: Path) -> nn.Module:
    """Strictly: every number of the model is in the file, and none besides."""
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    arrays = from_keras(weights.read(path).arrays, modules_of(shapes))
    weights.check_expected(str(path), arrays.shapes, shapes)
    model.load_state_dict({name: minidl.tensor(np.array(array)) for name, array in arrays.items()})
    return model


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("top", [True, False])
def test_vgg(tmp_path, ending, top):
    reference = keras_vgg(top)
    model = load(VGG(top), save(reference, tmp_path, ending))
    assert_close(of_minidl(model, images()), of_keras(reference, images()))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_base_within_a_model(tmp_path, ending):
    """The classic recipe: a frozen base, Flatten, and a head of one's own. The base is found by its layers' names."""
    base = keras_vgg(top=False)
    base.trainable = False
    head = [layers.Flatten(), layers.Dense(9, activation="relu"), layers.Dropout(0.5), layers.Dense(2)]
    whole = keras.Sequential([keras.Input((64, 64, 3)), base, *head])
    whole.compile("adam", "mse")
    path = save(whole, tmp_path, ending)
    shapes = {name: value.shape for name, value in VGG(top=False).state_dict().items()}
    arrays = from_keras(weights.read(path).arrays, modules_of(shapes))
    rest = weights.compare(arrays.shapes, shapes)
    assert not rest.missing
    assert not rest.misshapen
    assert set(rest.unexpected) == {
        f"{dense.name}/{v}" for dense in (head[1], head[3]) for v in ("kernel", "bias")
    }
    model = VGG(top=False)
    model.load_state_dict({name: minidl.tensor(np.array(arrays[name])) for name in shapes})
    assert_close(of_minidl(model, images()), of_keras(base, images()))


def other_networks():
    """Layers that have no names of their own, and others than VGG's."""
    inputs = keras.Input((16, 12, 3))
    reference = randomised(keras.Sequential([
        inputs, layers.Conv2D(8, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), layers.ReLU(), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(10, activation="relu"), layers.Dropout(0.3), layers.Dense(4),
    ]))  # fmt: skip
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, eps=1e-3), nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1, groups=8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 8 * 6, 10), nn.ReLU(), nn.Linear(10, 4),
    )  # fmt: skip
    return reference, model


@pytest.mark.parametrize("ending", ENDINGS)
def test_other_layers(tmp_path, ending):
    reference, model = other_networks()
    x = images(size=16)[:, :, :12]
    assert_close(of_minidl(load(model, save(reference, tmp_path, ending)), x), of_keras(reference, x))


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("top", [True, False])
def test_keras_loads_what_minidl_writes(tmp_path, ending, top):
    """Written from PyTorch's names and layouts; Keras, whose model has other numbers, then has the same results."""
    model = load(VGG(top), save(keras_vgg(top), tmp_path, ".weights.h5"))
    state = {name: value.numpy() + 0.01 for name, value in model.state_dict().items()}
    model.load_state_dict({name: minidl.tensor(array) for name, array in state.items()})
    weights.write(tmp_path / "state.npz", state)
    path = tmp_path / f"written{ending}"
    weights.write(
        path, to_keras(weights.read(tmp_path / "state.npz").arrays), metadata={"classes": "cat, dog"}
    )
    assert weights.read(path).format == ("keras-weights-h5" if ending == ".weights.h5" else "keras-h5")
    reference = keras_vgg(top)
    reference.load_weights(path)
    assert_close(of_minidl(model, images()), of_keras(reference, images()))


def test_keras_loads_by_name_from_the_legacy_layout(tmp_path):
    """Keras's loader by name, which takes the layers of a base into a model with another head."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    base = keras_vgg(top=False)
    weights.write(tmp_path / "w.h5", weights.read(save(base, tmp_path, ".keras")).arrays)
    other = randomised(keras_vgg(top=True))
    with h5py.File(tmp_path / "w.h5") as file:
        legacy_h5_format.load_weights_from_hdf5_group_by_name(file, other)
    cut = keras.Model(other.inputs[0], other.get_layer("block5_pool").output)
    assert_close(of_keras(cut, images()), of_keras(base, images()), 0)


def test_keras_loads_other_layers_from_minidl(tmp_path):
    reference, _ = other_networks()
    stored = weights.read(save(reference, tmp_path, ".keras"))
    for path in (tmp_path / "w.h5", tmp_path / "w.weights.h5"):
        weights.write(path, {name: 2 * array for name, array in stored.arrays.items()})
        again = weights.read(path).arrays
        assert dict(again.shapes) == stored.arrays.shapes


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_keras_loads_a_model_within_a_model(tmp_path, ending):
    def build():
        return keras.Sequential(
            [keras.Input((64, 64, 3)), keras_vgg(top=False), layers.Flatten(), layers.Dense(2)]
        )

    reference, other = randomised(build()), build()
    path = tmp_path / f"written{ending}"
    arrays = weights.read(save(reference, tmp_path, ".h5")).arrays
    weights.write(path, arrays)
    assert set(weights.read(path).arrays) == set(arrays)
    other.load_weights(path)
    assert_close(of_keras(other, images()), of_keras(reference, images()), 0)


@pytest.mark.slow
def test_all_of_vgg16(tmp_path):
    """Keras's own VGG16, with the top: 138 million numbers, both formats."""
    from minidl import models

    reference = keras.applications.VGG16(weights=None)
    x = images(1, 224)
    want = of_keras(reference, x)
    for ending in (".weights.h5", "-weights.h5"):
        with nn.init.skipped():
            model = models.vgg16()
        load(model, save(reference, tmp_path, ending))
        with minidl.no_grad():
            got = model.eval()(minidl.tensor(x.transpose(0, 3, 1, 2))).softmax(1).numpy()
        assert_close(got, want)
