"""Keras's weight files: every layout that Keras has written, made by hand; the names and arrays that come of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from minidl import weights
from minidl.errors import WeightsError

h5py = pytest.importorskip("h5py", reason="writes the files to be read")
pytest.importorskip("pyfive", reason="reads HDF5")

from keras_files import archive, conv, layer, legacy_file, numbers, tree_file  # noqa: E402


def assert_arrays(path: Path, format: str, want: dict[str, np.ndarray]) -> weights.Stored:
    stored = weights.read(path)
    assert stored.format == format
    assert list(stored.arrays) == list(want)
    for name, array in want.items():
        read = stored.arrays[name]
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array, err_msg=name)
    return stored


# ---- the legacy layout ----


def test_published_files(tmp_path):
    """Keras 1's names, and layers without weights in between."""
    first, second = conv("block1_conv1", 3, 4), conv("block1_conv2", 4, 5)
    layers = {"input_1": {}, "block1_conv1": first, "block1_conv2": second, "block1_pool": {}}
    stored = assert_arrays(
        legacy_file(tmp_path / "vgg16_weights.h5", layers),
        "keras-h5",
        {
            "block1_conv1/kernel": first["block1_conv1_W_1:0"],
            "block1_conv1/bias": first["block1_conv1_b_1:0"],
            "block1_conv2/kernel": second["block1_conv2_W_1:0"],
            "block1_conv2/bias": second["block1_conv2_b_1:0"],
        },
    )
    assert stored.metadata == {"backend": "tensorflow", "keras_version": "1.2.1"}


@pytest.mark.parametrize(
    ("layer", "weight", "name"),
    [
        ("dense", "dense/kernel:0", "dense/kernel"),  # Keras 2
        ("dense", "sequential/dense/kernel", "dense/kernel"),  # Keras 3
        ("dense", "model/sequential/dense/bias:0", "dense/bias"),
        ("vgg16", "block1_conv1/kernel:0", "vgg16/block1_conv1/kernel"),
        ("vgg16", "outer/vgg16/block1_conv1/kernel", "vgg16/block1_conv1/kernel"),
        ("block1_conv1", "block1_conv1_3/kernel:0", "block1_conv1/kernel"),  # TensorFlow 1 counts scopes
        ("dense_1", "dense_1_W:0", "dense_1/kernel"),
        ("bn", "bn_running_std_1:0", "bn/moving_variance"),
        ("bn", "bn/moving_mean:0", "bn/moving_mean"),
        ("odd", "odd/lora_kernel_a:0", "odd/lora_kernel_a"),
    ],
)
def test_names_of_variables(tmp_path, layer, weight, name):
    array = numbers(3)
    assert_arrays(legacy_file(tmp_path / "w.h5", {layer: {weight: array}}), "keras-h5", {name: array})


def test_whole_models(tmp_path):
    """``model.save("file.h5")``; the optimizer's state, and generators', are left out."""
    path = tmp_path / "model.h5"
    kernel = numbers(3, 4)
    layers = {"dense": {"dense/kernel:0": kernel}, "drop": {"drop/seed_generator/state": np.uint32([1, 2])}}
    legacy_file(path, layers, "model_weights")
    with h5py.File(path, "a") as file:
        file["optimizer_weights/adam/iteration"] = np.int64(3)
        file.attrs["model_config"] = "{" + 100_000 * " " + "}"
    assert_arrays(path, "keras-h5", {"dense/kernel": kernel})


def test_long_lists_of_names(tmp_path):
    path = legacy_file(tmp_path / "w.h5", {"a": {"a/kernel:0": numbers(2)}, "b": {"b/kernel:0": numbers(3)}})
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = [b"b"], [b"a"]
    assert_arrays(path, "keras-h5", {"b/kernel": numbers(3), "a/kernel": numbers(2)})


def test_weights_of_the_model_itself(tmp_path):
    path = legacy_file(tmp_path / "w.h5", {"a": {"a/kernel:0": numbers(2)}})
    with h5py.File(path, "a") as file:
        file["top_level_model_weights/scale:0"] = numbers(1)
        file["top_level_model_weights"].attrs["weight_names"] = [b"scale:0"]
    assert_arrays(path, "keras-h5", {"a/kernel": numbers(2), "scale": numbers(1)})


def test_names_as_strings_of_any_kind(tmp_path):
    """Attributes of one length, or of variable length in a heap, of ASCII or UTF-8."""
    path = legacy_file(tmp_path / "w.h5", {"größe": {"größe/kernel:0": numbers(2)}})
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = np.array(["größe"], h5py.string_dtype())
        file["größe"].attrs["weight_names"] = np.array(
            ["größe/kernel:0".encode()], h5py.string_dtype("utf-8", 30)
        )
    assert_arrays(path, "keras-h5", {"größe/kernel": numbers(2)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f["a"].attrs.__delitem__("weight_names"), "layer 'a' does not say which weights it has"),
        (
            lambda f: f["a"].attrs.__setitem__("weight_names", [b"a/bias:0"]),
            "lists 'a/bias:0', which is not there",
        ),
        (
            lambda f: f["a"].attrs.__setitem__("weight_names", 2 * [b"a/kernel:0"]),
            "two arrays named 'a/kernel'",
        ),
        (lambda f: f.attrs.__setitem__("backend", b"theano"), "Theano wrote it, which turned the kernels"),
        (
            lambda f: f.attrs.__setitem__("layer_names", [b"a" * 2000]),
            "not of Keras's weights: it holds a, a/a",
        ),
        (
            lambda f: f.attrs.__delitem__("layer_names"),
            "not of Keras's weights: it holds a, a/a, a/a/kernel:0",
        ),
    ],
)
def test_contradictions_in_the_legacy_layout(tmp_path, damage, message):
    path = legacy_file(tmp_path / "w.h5", {"a": {"a/kernel:0": numbers(2)}})
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(WeightsError, match=message) as caught:
        weights.read(path)
    assert str(path) in str(caught.value)


# ---- Keras 3's layout ----


def test_tree_with_names(tmp_path):
    """The layers' own names are told in attributes; a model in the model comes before its layers' names."""
    arrays = {
        "layers/conv2d/vars/0": numbers(3, 3, 3, 4), "layers/conv2d/vars/1": numbers(4),
        "layers/functional/layers/dense/vars/0": numbers(5, 6), "layers/functional/layers/dense/vars/1": numbers(6),
        "optimizer/vars/0": numbers(2), "layers/dropout/seed_generator/vars/0": np.uint32([0, 1]),
    }  # fmt: skip
    names = {"layers/conv2d": "first", "layers/functional": "vgg16", "layers/functional/layers/dense": "fc1",
             "layers/dropout": "drop", "": "sequential"}  # fmt: skip
    path = tree_file(tmp_path / "w.weights.h5", arrays, names)
    found = ["first/kernel", "first/bias", "vgg16/fc1/kernel", "vgg16/fc1/bias"]
    assert_arrays(path, "keras-weights-h5", dict(zip(found, arrays.values(), strict=False)))


def test_tree_without_names_is_counted(tmp_path):
    """Eleven convolutions: ``conv2d_10`` stands before ``conv2d_2`` in the file."""
    kinds = ["conv2d", *(f"conv2d_{i}" for i in range(1, 11))]
    arrays = {f"layers/{kind}/vars/0": numbers(1, 1, 2, i + 1) for i, kind in enumerate(kinds)}
    path = tree_file(tmp_path / "w.weights.h5", arrays)
    want = {f"{kind}/kernel": array for kind, array in zip(kinds, arrays.values(), strict=True)}
    assert_arrays(path, "keras-weights-h5", want)


def test_lists_of_tensorflow_213(tmp_path):
    arrays = {"_layer_checkpoint_dependencies/dense/vars/0": numbers(2, 3)}
    assert_arrays(tree_file(tmp_path / "w", arrays), "keras-weights-h5", {"dense/kernel": numbers(2, 3)})


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("told", [True, False])
def test_archives(tmp_path, compression, told):
    """Names from the file's attributes, or else from config.json, which also tells the order."""
    arrays = {
        "layers/conv2d/vars/0": numbers(3, 3, 3, 4), "layers/conv2d_1/vars/0": numbers(3, 3, 4, 4),
        "layers/functional/layers/conv2d/vars/0": numbers(3, 3, 4, 5),
        "layers/functional/layers/batch_normalization/vars/0": numbers(5),
        "layers/functional/layers/batch_normalization/vars/1": numbers(5),
        "layers/functional/layers/batch_normalization/vars/2": numbers(5),
    }  # fmt: skip
    names = {"layers/conv2d": "a", "layers/conv2d_1": "b", "layers/functional": "net",
             "layers/functional/layers/conv2d": "c", "layers/functional/layers/batch_normalization": "n"}  # fmt: skip
    inner = layer(
        "Functional", "net", layers=[layer("Conv2D", "c"), layer("BatchNormalization", "n", scale=False)]
    )
    config = layer("Functional", "outer", layers=[layer("InputLayer", "i"), layer("Conv2D", "a"),
                                                  layer("Conv2D", "b"), inner])  # fmt: skip
    path = archive(
        tmp_path / "m.keras", tree_file(tmp_path / "w", arrays, names if told else None), config, compression
    )
    want = {
        "a/kernel": numbers(3, 3, 3, 4), "b/kernel": numbers(3, 3, 4, 4), "net/c/kernel": numbers(3, 3, 4, 5),
        "net/n/beta": numbers(5), "net/n/moving_mean": numbers(5), "net/n/moving_variance": numbers(5),
    }  # fmt: skip
    assert_arrays(path, "keras", want)


VARIABLES = {
    "dense": ([(2, 3)], ["kernel"]),
    "batch_normalization": ([(3,)] * 4, ["gamma", "beta", "moving_mean", "moving_variance"]),
    "batch_normalization_1": ([(3,)] * 2, ["moving_mean", "moving_variance"]),
    "batch_normalization_2": ([(3,)] * 3, ["0", "1", "2"]),  # gamma or beta: nothing says which
    "layer_normalization": ([(3,)] * 2, ["gamma", "beta"]),
    "layer_normalization_1": ([(3,)], ["0"]),
    "separable_conv2d": (
        [(3, 3, 2, 1), (1, 1, 2, 4), (4,)],
        ["depthwise_kernel", "pointwise_kernel", "bias"],
    ),
    "depthwise_conv2d": ([(3, 3, 2, 1), (2,)], ["kernel", "bias"]),
    "my_layer": ([(3, 4), (4,)], ["kernel", "bias"]),
    "my_layer_1": ([(3, 3, 2, 4)], ["kernel"]),
    "my_layer_2": ([(4,)] * 4, ["gamma", "beta", "moving_mean", "moving_variance"]),
    "my_layer_3": ([(4,), (4,)], ["0", "1"]),
    "my_layer_4": ([(3, 4), (5,)], ["0", "1"]),
    "dense_9": ([(3, 4), (4,), (4, 1)], ["0", "1", "2"]),  # one more than a Dense has
}


@pytest.mark.parametrize("kind", VARIABLES)
def test_names_of_numbered_variables(tmp_path, kind):
    shapes, names = VARIABLES[kind]
    arrays = {f"layers/{kind}/vars/{i}": numbers(*shape) for i, shape in enumerate(shapes)}
    want = {f"{kind}/{name}": array for name, array in zip(names, arrays.values(), strict=True)}
    assert_arrays(tree_file(tmp_path / "w", arrays), "keras-weights-h5", want)


def test_attributes_of_subclassed_models(tmp_path):
    arrays = {"base/layers/dense/vars/0": numbers(2, 3), "head/vars/0": numbers(3, 1), "vars/0": numbers(7)}
    want = {"base/dense/kernel": numbers(2, 3), "head/kernel": numbers(3, 1), "0": numbers(7)}
    assert_arrays(tree_file(tmp_path / "w", arrays), "keras-weights-h5", want)


def test_bfloat16_is_widened(tmp_path):
    path = tmp_path / "w"
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="has bfloat16")
    value = numbers(4, 5).astype(ml_dtypes.bfloat16)
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = value
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"
    assert_arrays(path, "keras-weights-h5", {"dense/kernel": value.astype(np.float32)})


NO_CONFIGS = [
    b"[1]",
    b'{"config": 3}',
    b'{"config": {"layers": [1, {}, {"class_name": 2}, {"class_name": "Dense", "config": {"name": ["x"]}}]}}',
    b'{"x": "' + 3_000_000 * b"x" + b'"}',
]


@pytest.mark.parametrize("config", [b"{", b"\xff", b"[" * 100_000, *NO_CONFIGS])
def test_configs_of_any_content(tmp_path, config):
    """What is no config is no help; nothing worse. What is no JSON is damage."""
    weight_file = tree_file(tmp_path / "w", {"layers/dense/vars/0": numbers(2, 3)})
    path = archive(tmp_path / "m.keras", weight_file, config)
    if config not in NO_CONFIGS:
        with pytest.raises(WeightsError, match=r"m\.keras is truncated or damaged: its config\.json"):
            weights.read(path)
    else:
        assert_arrays(path, "keras", {"dense/kernel": numbers(2, 3)})


def test_a_config_names_code_in_vain(tmp_path):
    marker = tmp_path / "ran"
    code = layer(
        "Lambda",
        "l",
        function={"class_name": "__lambda__", "config": {"code": f"open({str(marker)!r}, 'w')"}},
    )
    config = {"module": "os", "class_name": "system", "config": {"layers": [layer("Dense", "d"), code]}}
    path = archive(
        tmp_path / "m.keras", tree_file(tmp_path / "w", {"layers/dense/vars/0": numbers(2, 3)}), config
    )
    assert_arrays(path, "keras", {"d/kernel": numbers(2, 3)})
    assert not marker.exists()


def test_archives_that_are_refused(tmp_path):
    weight_file = tree_file(tmp_path / "w", {"layers/dense/vars/0": np.zeros((6000, 4000), np.float32)})
    path = archive(tmp_path / "bomb.keras", weight_file, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match=r"bomb\.keras cannot be read: .* that unpacks to 96,"):
        weights.read(path)
    path = archive(
        tmp_path / "flipped.keras", tree_file(tmp_path / "w", {"layers/dense/vars/0": numbers(2, 3)})
    )
    content = bytearray(path.read_bytes())
    content[content.index(numbers(2, 3).tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"flipped\.keras is truncated or damaged: .* \(CRC-32\)"):
        weights.read(path)
    with zipfile.ZipFile(tmp_path / "npz.keras", "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("model.weights.npz", b"")
    with pytest.raises(WeightsError, match=r"npz\.keras cannot be read: .* without model\.weights\.h5"):
        weights.read(tmp_path / "npz.keras")


def test_expected_shapes(tmp_path):
    path = legacy_file(tmp_path / "w.h5", {"a": {"a/kernel:0": numbers(2)}})
    assert list(weights.read(path, expect={"a/kernel": (2,)}).arrays) == ["a/kernel"]
    with pytest.raises(WeightsError, match=r"missing: b; misshapen: a/kernel is \[2\], not \[3\]"):
        weights.read(path, expect={"a/kernel": (3,), "b": ()})


def test_without_pyfive(tmp_path, monkeypatch):
    from minidl.errors import MissingDependencyError

    path = legacy_file(tmp_path / "w.h5", {"a": {"a/kernel:0": numbers(2)}})
    monkeypatch.setitem(__import__("sys").modules, "pyfive", None)
    with pytest.raises(
        MissingDependencyError, match=r"w\.h5 holds HDF5, which needs pyfive: pip install pyfive"
    ):
        weights.read(path)
