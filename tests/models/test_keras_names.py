"""Keras's names and layouts, translated to PyTorch's and back; outputs of the networks are compared elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minidl import nn, weights
from minidl.models import keras_names
from minidl.models.keras_names import (
    channels_first,
    channels_last,
    from_keras,
    modules_of,
    to_keras,
    vgg_modules,
)
from minidl.models.vgg import BLOCKS
from minidl.random import stream
from minidl.weights import Arrays

VGG16 = [
    *("block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"),
    *("block3_conv1", "block3_conv2", "block3_conv3", "block4_conv1", "block4_conv2", "block4_conv3"),
    *("block5_conv1", "block5_conv2", "block5_conv3", "fc1", "fc2", "predictions"),
]  # as Keras's source names them


def stored(tmp_path: Path, **arrays: np.ndarray) -> Arrays:
    """Arrays as a reader gives them; ``__`` stands for the slash."""
    path = tmp_path / "arrays.npz"
    weights.write(path, {name.replace("__", "/"): array for name, array in arrays.items()})
    return weights.read(path).arrays


def random(*shape: int) -> np.ndarray:
    return stream(len(shape), sum(shape)).standard_normal(shape).astype(np.float32)


def shapes_of(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


# ---- names ----


def test_vgg16_has_keras_names():
    modules = vgg_modules(BLOCKS["vgg16"])
    assert [module.keras for module in modules] == VGG16
    assert [module.name for module in modules][::6] == ["features.0", "features.14", "features.28"]
    assert [module.name for module in modules][-3:] == ["classifier.0", "classifier.3", "classifier.6"]


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_names_are_told_from_the_state_dict(name, batch_norm):
    """With and without the top, without building a network or from one."""
    from minidl import models

    with nn.init.skipped():
        model = getattr(models, name + ("_bn" if batch_norm else ""))(include_top=False)
    found = modules_of(shapes_of(model))
    want = vgg_modules(BLOCKS[name], batch_norm, top=False)
    assert [(m.name, m.kind, m.keras) for m in found] == [(m.name, m.kind, m.keras) for m in want]
    convolutions = [m.keras for m in found if m.kind == "conv"]
    counts = [sum(c.startswith(f"block{b}_") for c in convolutions) for b in range(1, 6)]
    assert counts == [len(block) for block in BLOCKS[name]]


def test_other_networks_get_counted_names():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2)
    )
    names = {module.name: module.keras for module in modules_of(shapes_of(model))}
    assert names == {"0": "conv2d", "1": "batch_normalization", "2": "conv2d_1", "4": "dense"}


# ---- layouts ----


def test_layouts(tmp_path):
    """Every axis by itself, from the definitions of Conv2D and Dense."""
    kernel, dense = random(2, 3, 4, 5), random(6, 7)
    arrays = stored(tmp_path, conv2d__kernel=kernel, conv2d__bias=random(5), dense__kernel=dense)
    found = from_keras(arrays, modules_of({"a.weight": (5, 4, 2, 3), "b.weight": (7, 6)}))
    assert list(found) == ["a.weight", "a.bias", "b.weight"]
    assert found.shapes == {name: array.shape for name, array in found.items()}
    for h, w, i, o in np.ndindex(2, 3, 4, 5):
        assert found["a.weight"][o, i, h, w] == kernel[h, w, i, o]
    np.testing.assert_array_equal(found["a.bias"], random(5))
    np.testing.assert_array_equal(found["b.weight"], dense.T)


def test_a_layer_that_is_the_whole_network(tmp_path):
    arrays = stored(tmp_path, dense__kernel=random(6, 7), dense__bias=random(7))
    found = from_keras(arrays, modules_of(shapes_of(nn.Linear(6, 7))))
    assert list(found) == ["weight", "bias"]
    np.testing.assert_array_equal(found["weight"], random(6, 7).T)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 3, 2), (7, 7, 40, 65), (3, 1, 1000, 1)])
def test_the_dense_layer_behind_flatten(shape):
    """A dense layer on (h, w, c) equals the translated one on (c, h, w), whatever the features."""
    height, width, channels, outputs = shape
    kernel, features = random(height * width * channels, outputs), random(height, width, channels)
    weight = channels_first(kernel, height * width)
    want = features.reshape(-1).astype(np.float64) @ kernel
    np.testing.assert_allclose(
        weight @ features.transpose(2, 0, 1).reshape(-1).astype(np.float64), want, rtol=1e-9
    )
    np.testing.assert_array_equal(channels_last(weight, height * width), kernel)


def test_only_the_first_dense_layer_is_behind_flatten(tmp_path):
    arrays = stored(
        tmp_path,
        conv2d__kernel=random(3, 3, 3, 4),
        dense__kernel=random(24, 8),
        dense_1__kernel=random(8, 12),
    )
    modules = modules_of({"0.weight": (4, 3, 3, 3), "2.weight": (8, 24), "3.weight": (12, 8)})
    found = from_keras(arrays, modules)
    np.testing.assert_array_equal(found["2.weight"], channels_first(random(24, 8), 6))
    np.testing.assert_array_equal(found["3.weight"], random(8, 12).T)


def test_batch_norm(tmp_path):
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    arrays = stored(tmp_path, **{f"n__{name}": random(4) + i for i, name in enumerate(names)})
    found = from_keras(arrays, modules_of(shapes_of(nn.Sequential(nn.BatchNorm2d(4)))))
    for i, name in enumerate(("weight", "bias", "running_mean", "running_var")):
        np.testing.assert_array_equal(found[f"0.{name}"], random(4) + i)
    assert found["0.num_batches_tracked"] == 0
    nn.Sequential(nn.BatchNorm2d(4)).load_state_dict(dict(found))


@pytest.mark.parametrize("variable", ["kernel", "depthwise_kernel"])
def test_depthwise_convolution(tmp_path, variable):
    kernel = random(3, 2, 4, 2)
    found = from_keras(stored(tmp_path, **{f"d__{variable}": kernel}), modules_of({"0.weight": (8, 1, 3, 2)}))
    for h, w, c, m in np.ndindex(3, 2, 4, 2):
        assert found["0.weight"][2 * c + m, 0, h, w] == kernel[h, w, c, m]


# ---- which layer is which ----


def test_layers_by_name_in_any_order_and_depth(tmp_path):
    """A base within a model; its own head and other layers fit nowhere, and keep their names."""
    modules = vgg_modules([(2,), (2, 2)], top=False)
    arrays = stored(tmp_path, base__block2_conv2__kernel=random(3, 3, 2, 2),
                    base__block1_conv1__kernel=random(3, 3, 3, 2),
                    base__block2_conv1__kernel=random(3, 3, 2, 2) + 1, conv2d__kernel=random(1, 1, 2, 2),
                    dense__kernel=random(4, 2), odd=random(3))  # fmt: skip
    found = from_keras(arrays, modules)
    assert list(found) == ["features.0.weight", "features.3.weight", "features.5.weight", "conv2d/kernel",
                           "dense/kernel", "odd"]  # fmt: skip
    np.testing.assert_array_equal(found["features.3.weight"], (random(3, 3, 2, 2) + 1).transpose(3, 2, 0, 1))


def test_layers_in_their_order_where_no_name_fits(tmp_path):
    modules = vgg_modules([(2,), (2, 2)], top=False)
    arrays = {f"conv2d_{i}__kernel" if i else "conv2d__kernel": random(3, 3, 2, 2) + i for i in range(3)}
    found = from_keras(stored(tmp_path, **arrays), modules)
    assert list(found) == ["features.0.weight", "features.3.weight", "features.5.weight"]
    assert found["features.5.weight"][0, 0, 0, 0] == random(3, 3, 2, 2)[0, 0, 0, 0] + 2
    one_more = stored(tmp_path, **arrays, conv2d_3__kernel=random(1, 1, 2, 2))
    assert list(from_keras(one_more, modules)) == list(one_more)  # which is which? nothing says


def test_two_layers_of_one_name_are_none(tmp_path):
    arrays = stored(tmp_path, a__fc1__kernel=random(2, 2), b__fc1__kernel=random(2, 2))
    found = from_keras(arrays, [keras_names.Module("x", "dense", "fc1")])
    assert list(found) == ["a/fc1/kernel", "b/fc1/kernel"]


# ---- and back ----


def test_back_and_forth(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, (1, 2), bias=False),
                          nn.Flatten(), nn.Linear(6 * 10, 5), nn.Linear(5, 2))  # fmt: skip
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    path = tmp_path / "state.npz"
    weights.write(path, state)
    keras = to_keras(weights.read(path).arrays)
    assert list(keras.shapes.items()) == [
        ("conv2d/kernel", (3, 3, 3, 4)), ("conv2d/bias", (4,)), ("batch_normalization/gamma", (4,)),
        ("batch_normalization/beta", (4,)), ("batch_normalization/moving_mean", (4,)),
        ("batch_normalization/moving_variance", (4,)), ("conv2d_1/kernel", (1, 2, 4, 6)), ("dense/kernel", (60, 5)),
        ("dense/bias", (5,)), ("dense_1/kernel", (5, 2)), ("dense_1/bias", (2,)),
    ]  # fmt: skip
    assert {name: array.shape for name, array in keras.items()} == keras.shapes
    back = from_keras(keras, modules_of(shapes_of(model)))
    assert set(back) == set(state)
    for name, array in state.items():
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_what_has_no_counterpart_keeps_its_name(tmp_path):
    arrays = stored(tmp_path, scale=random(3), x=random(2, 2))
    assert list(to_keras(arrays)) == ["scale", "x"]
