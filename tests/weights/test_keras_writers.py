"""The writers of Keras's formats: what they refuse, long lists, file objects. Keras loads their files elsewhere."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from minidl import weights
from minidl.errors import ArgumentError, MissingDependencyError

h5py = pytest.importorskip("h5py", reason="writes the files")
pytest.importorskip("pyfive", reason="reads them")

FORMATS = ["keras-h5", "keras-weights-h5"]


def arrays() -> dict[str, np.ndarray]:
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    return {"a/kernel": kernel, "a/bias": np.float32([1, 2]), "net/b/kernel": np.float16([[1], [2]]),
            "net/c/gamma": np.ones(2), "net/c/beta": np.zeros(2)}  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_there_and_back(tmp_path, format):
    """To a path, and to a file object, with the same content; arrays of any memory order."""
    want = arrays() | {"d/kernel": np.arange(6, dtype=np.int32).reshape(2, 3).T}
    weights.write(tmp_path / "w", want, format, {"classes": "cat, dog"})
    weights.write(out := io.BytesIO(), want, format)
    (tmp_path / "object").write_bytes(out.getvalue())
    for path in (tmp_path / "w", tmp_path / "object"):
        stored = weights.read(path)
        assert stored.format == format
        assert set(stored.arrays) == set(want)
        for name, array in want.items():
            assert stored.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(stored.arrays[name], array)
    assert weights.read(tmp_path / "w").metadata["classes"] == "cat, dog"
    assert {path.name for path in tmp_path.iterdir()} == {"object", "w"}


def test_the_legacy_layout(tmp_path):
    """Names, attributes and groups as Keras 2 writes them; the order is that of the arrays."""
    weights.write(
        tmp_path / "w.h5", {"b/bias": np.ones(1), "b/kernel": np.ones((2, 1)), "a/kernel": np.ones((1, 1))}
    )
    with h5py.File(tmp_path / "w.h5") as file:
        assert list(file.attrs["layer_names"]) == [b"b", b"a"]
        assert list(file["b"].attrs["weight_names"]) == [b"b/kernel:0", b"b/bias:0"]
        assert file["b/b/kernel:0"].shape == (2, 1)
        assert file.attrs["keras_version"] != b"1"  # for which Keras 2 turns kernels around


def test_keras_3s_layout(tmp_path):
    """Paths by class and counter, variables by number, names as attributes."""
    names = {f"{layer}/kernel": np.ones((1, 1)) for layer in "xyz"} | {"x/bias": np.ones(1)}
    more = {"e/embeddings": np.ones((3, 2)), "d/depthwise_kernel": np.ones((3, 3, 2, 1)),
            "s/pointwise_kernel": np.ones((1, 1, 2, 4)), "s/depthwise_kernel": np.ones((3, 3, 2, 1)),
            "k/kernel": np.ones((3, 2, 4)),
            **{f"n/{v}": np.ones(2) for v in ("moving_mean", "moving_variance", "gamma", "beta")}}  # fmt: skip
    weights.write(tmp_path / "w.weights.h5", names | more)
    with h5py.File(tmp_path / "w.weights.h5") as file:
        assert set(file["layers"]) == {"dense", "dense_1", "dense_2", "embedding", "depthwise_conv2d",
                                       "separable_conv2d", "conv1d", "batch_normalization"}  # fmt: skip
        assert file["layers/dense_1/vars"].attrs["name"] == "y"
        assert file["layers/dense/vars/1"].shape == (1,)
        assert file["layers/separable_conv2d/vars/0"].shape == (3, 3, 2, 1)
        assert len(file["layers/batch_normalization/vars"]) == 4


def test_lists_that_are_too_long_for_one_attribute(tmp_path):
    want = {f"a_layer_with_a_long_name_{i:04}" + "x" * 100 + "/kernel": np.ones((1, 1)) for i in range(1200)}
    weights.write(tmp_path / "w.h5", want)
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs
        assert len(file.attrs["layer_names0"]) > len(file.attrs["layer_names2"]) - 2
    assert list(weights.read(tmp_path / "w.h5").arrays) == list(want)


REFUSED = {
    "the name 'scale' must be LAYER/VARIABLE": {"scale": np.ones(1)},
    "the name 'a//kernel' must be LAYER/VARIABLE": {"a//kernel": np.ones((1, 1))},
    "the name 'a/kernel/x' must be no part of another array's": {
        "a/kernel": np.ones((1, 1)),
        "a/kernel/x": np.ones(1),
    },
    "the name 'a/kernel' must be no part of another array's": {
        "a/kernel/x": np.ones((1, 1)),
        "a/kernel": np.ones(1),
    },
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("message", REFUSED)
def test_names_that_do_not_fit(tmp_path, format, message):
    with pytest.raises(ArgumentError, match=f"write: {message}"):
        weights.write(tmp_path / "w", REFUSED[message], format)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("variables", [["other"], ["kernel", "other"], ["bias"], ["gamma", "x"]])
def test_layers_of_no_known_class(tmp_path, variables):
    """Keras 3's paths name the class; the legacy layout does not."""
    unknown = {f"layer/{name}": np.ones((2, 2)) for name in variables}
    with pytest.raises(
        ArgumentError, match=r"write: the layer 'layer' must be of a class that its variables tell, got"
    ):
        weights.write(tmp_path / "w.weights.h5", unknown)
    weights.write(tmp_path / "w.h5", unknown)
    assert set(weights.read(tmp_path / "w.h5").arrays) == set(unknown)


@pytest.mark.parametrize("format", FORMATS)
def test_metadata_must_be_strings(tmp_path, format):
    with pytest.raises(
        ArgumentError, match="write: metadata must be a dict of strings in Keras's formats, got"
    ):
        weights.write(tmp_path / "w", arrays(), format, {"classes": 3})


@pytest.mark.parametrize("format", FORMATS)
def test_without_h5py(tmp_path, monkeypatch, format):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"write: Keras's formats need h5py: pip install h5py"):
        weights.write(tmp_path / "w", arrays(), format)


def test_a_file_that_was_there_stays_if_writing_fails(tmp_path):
    class Failing(dict):
        def __getitem__(self, name):
            raise OSError("the disk is full")

    path = tmp_path / "w.h5"
    weights.write(path, arrays())
    before = path.read_bytes()
    with pytest.raises(OSError, match="the disk is full"):
        weights.write(path, Failing(arrays()))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
