"""Reading and writing weight files: the format told from the content, what is expected, what else a file may be."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from archives import assert_same, packed, sample_arrays, zip_file
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as arrays_of

import minidl
from minidl import weights
from minidl.errors import ArgumentError, DTypeError, WeightsError
from minidl.weights import formats, zips
from minidl.weights.stored import DTYPES

FORMATS = ["safetensors", "npz", "pytorch"]


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_written_is_read(format: str, tmp_path: Path) -> None:
    arrays = sample_arrays()
    path = tmp_path / f"net.{format}".replace("pytorch", "pth")
    weights.write(path, arrays, metadata={"classes": "cat, dog"})
    read = weights.read(path)
    assert (read.format, read.metadata) == (format, {"classes": "cat, dog"})
    assert read.file == str(path)
    assert_same(read.arrays, arrays)


@pytest.mark.parametrize("format", FORMATS)
def test_the_name_does_not_matter(format: str, tmp_path: Path) -> None:
    for name in ("net.h5", "net", "net.npz", "net.safetensors"):
        weights.write(tmp_path / name, {"w": np.ones(2)}, format)
        assert weights.recognise(tmp_path / name) == format
        assert weights.read(tmp_path / name).format == format


@pytest.mark.parametrize("format", FORMATS)
def test_no_arrays_and_strange_names(format: str, tmp_path: Path) -> None:
    for arrays in ({}, {"größe/σ": np.ones(1), "a b": np.zeros(2), "x" * 3000: np.zeros(3)}):
        weights.write(tmp_path / "net", arrays, format)
        assert_same(weights.read(tmp_path / "net").arrays, arrays)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_arrays_make_the_same_file(format: str, tmp_path: Path) -> None:
    one, other = io.BytesIO(), io.BytesIO()
    weights.write(one, sample_arrays(), format)
    weights.write(other, sample_arrays(), format)
    assert one.getvalue() == other.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_the_arrays_are_views_of_the_file(format: str, tmp_path: Path) -> None:
    weights.write(tmp_path / "net", {"w": np.ones((3, 4), np.float32), "v": np.ones(2)}, format)
    arrays = weights.read(tmp_path / "net").arrays
    assert np.shares_memory(arrays["w"], arrays["w"])
    assert not arrays["w"].flags.writeable
    assert arrays["w"].flags.aligned
    with pytest.raises(ValueError, match=r"read-only"):
        arrays["w"][0] = 1


def test_arrays_say_what_they_are_without_reading(tmp_path: Path) -> None:
    weights.write(tmp_path / "net.npz", {"w": np.ones((3, 4), np.float32), "n": np.array(1)})
    arrays = weights.read(tmp_path / "net.npz").arrays
    assert repr(arrays) == "Arrays('w': float32[3, 4], 'n': int64[])"
    assert len(arrays) == 2
    assert "w" in arrays
    assert "x" not in arrays
    with pytest.raises(KeyError):
        arrays["x"]


@pytest.mark.parametrize("format", FORMATS)
def test_expect_lists_all_that_differs(format: str, tmp_path: Path) -> None:
    weights.write(tmp_path / "net", {"a": np.ones((2, 3)), "b": np.ones(4), "c": np.ones(1)}, format)
    same = weights.read(tmp_path / "net", expect={"c": (1,), "a": (2, 3), "b": (4,)})
    assert len(same.arrays) == 3
    message = (
        r"load: .*net holds other arrays than expected. missing: d; unexpected: c; misshapen: a is \[2, 3\], "
    )
    with pytest.raises(WeightsError, match=message + r"not \[3, 2\]$"):
        weights.read(tmp_path / "net", expect={"a": (3, 2), "b": (4,), "d": ()})


@pytest.mark.parametrize("format", FORMATS)
@given(
    arrays=st.dictionaries(
        st.text("abc/._ é", min_size=1).filter(lambda name: not zips.unsafe(name)),
        st.sampled_from(DTYPES).flatmap(lambda dtype: arrays_of(dtype, array_shapes(min_dims=0, min_side=0))),
        max_size=4,
    )
)
def test_any_arrays_come_back_with_the_same_bits(format: str, arrays: dict[str, np.ndarray]) -> None:
    """Of any names, dtypes and shapes, NaNs with their payload among them."""
    with tempfile.TemporaryDirectory() as folder:
        weights.write(Path(folder, "net"), arrays, format)
        read = weights.read(Path(folder, "net"), expect={name: array.shape for name, array in arrays.items()})
        assert set(read.arrays) == set(arrays)
        for name, array in arrays.items():
            assert read.arrays[name].dtype == array.dtype
            assert read.arrays[name].shape == array.shape
            assert read.arrays[name].tobytes() == array.tobytes()


def test_names_that_are_no_text_are_shown_as_such() -> None:
    assert str(weights.compare({"\x1b[2J": (1,)}, {})) == r"unexpected: '\x1b[2J'"


def test_long_lists_of_differences_are_cut() -> None:
    difference = weights.compare({}, {f"layer{i}": (1,) for i in range(30)})
    assert str(difference).endswith("layer19 and 10 more")
    assert difference
    assert not weights.compare({"a": (1,)}, {"a": (1,)})


LOOKS = {
    "a web page; the download failed": b"\n <!DOCTYPE html><html><title>404 Not Found</title>",
    "a git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "compressed by gzip": gzip.compress(b"x" * 100),
    "compressed by bzip2": b"BZh91AY&SY",
    "compressed by xz": b"\xfd7zXZ\0\0\4",
    "compressed by Zstandard": b"\x28\xb5\x2f\xfd\x04",
    "a 7-Zip archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a RAR archive": b"Rar!\x1a\7\0",
    "a picture (PNG)": b"\x89PNG\r\n\x1a\n",
    "a picture (JPEG)": b"\xff\xd8\xff\xe0",
    "a PDF document": b"%PDF-1.7",
    "a GGUF file": b"GGUF\3\0\0\0",
    "a TensorFlow Lite file": b"\x1c\0\0\0TFL3\x14\0",
    "an ONNX file": b"\x08\x07\x12\x07pytorch",
    "the index of a TensorFlow checkpoint": b"\0\0\1" + bytes(range(200)) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb",
    "a Python pickle, but none that torch.save wrote": pickle.dumps({"w": [1.0, 2.0]}),
    "a single array without a name (.npy)": b"\x93NUMPY\1\0",
    "a pickled Python object that minidl.save wrote": b'minidl pickle\n{"type": "x"}\n',
    "a text in JSON that begins with b'{\"weight_map\"": b'{"weight_map": {}}',
    "a text that begins with b'hello": b"hello",
    "zeros: the download was interrupted": bytes(5000),
    "a file that begins with b'\\xde\\xad": b"\xde\xad\xbe\xef" * 30,
    "an empty file": b"",
}  # fmt: skip


@pytest.mark.parametrize("what", LOOKS)
def test_other_files_are_told_what_they_look_like(what: str, tmp_path: Path) -> None:
    path = tmp_path / "vgg16.npz"
    path.write_bytes(LOOKS[what])
    with pytest.raises(WeightsError) as raised:
        weights.read(path)
    assert str(raised.value).startswith(f"load: {path} must be a weight file, got {what}")


def test_a_tar_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "net.pth", "w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(WeightsError, match=r"net.pth must be a weight file, got a tar archive: .*PyTorch"):
        weights.read(tmp_path / "net.pth")


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"must be a weight file, got a folder$"):
        weights.read(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(WeightsError, match=r"got the folder of a TensorFlow SavedModel: .*save_weights"):
        weights.read(tmp_path)


def test_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        weights.read("nowhere.npz")


def test_zip_archives_of_other_files(tmp_path: Path) -> None:
    zip_file(tmp_path / "x.npz", packed("readme.txt", b"hello"), packed("a.npy", b""))
    with pytest.raises(WeightsError, match=r"got a zip archive of other files: a\.npy, readme\.txt"):
        weights.read(tmp_path / "x.npz")
    zip_file(tmp_path / "x.pt", packed("net/data.pkl", b""), packed("net/constants.pkl", b""))
    with pytest.raises(WeightsError, match=r"cannot be read: it is a TorchScript program.*torch\.save"):
        weights.read(tmp_path / "x.pt")


def test_wrong_calls_of_write(tmp_path: Path) -> None:
    arrays = {"w": np.ones(2)}
    with pytest.raises(
        ArgumentError, match=r"write: f must be a path that ends in \.safetensors or \.npz.*net\.xyz"
    ):
        weights.write(tmp_path / "net.xyz", arrays)
    with pytest.raises(
        ArgumentError, match=r"write: f must be a path that .*, got a file object without a format"
    ):
        weights.write(io.BytesIO(), arrays)
    with pytest.raises(ArgumentError, match=r"write: format must be one of safetensors, npz.*, got 'xyz'"):
        weights.write(tmp_path / "net", arrays, "xyz")
    with pytest.raises(DTypeError, match=r"write: f must be a path, or a file object for bytes"):
        weights.write(3, arrays)  # type: ignore[arg-type]
    for format in FORMATS:
        with pytest.raises(DTypeError, match=r"write: the array 'z' must be of one of float16.*complex128"):
            weights.write(tmp_path / "net", {"z": np.zeros(2, complex)}, format)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    weights.write(path, {"w": np.ones(2)})

    class Failing(dict):
        def items(self):  # type: ignore[no-untyped-def]
            yield "a", np.zeros(2)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"stop"):
        weights.write(path, Failing())
    assert_same(weights.read(path).arrays, {"w": np.ones(2)})


def test_what_minidl_saved_is_read_too(tmp_path: Path) -> None:
    layer = minidl.nn.Linear(3, 2)
    minidl.save(layer.state_dict(), tmp_path / "layer.safetensors")
    arrays = weights.read(tmp_path / "layer.safetensors").arrays
    assert arrays.shapes == {"weight": (2, 3), "bias": (2,)}
    np.testing.assert_array_equal(arrays["weight"], layer.weight.detach().numpy())


def test_every_format_has_a_reader_and_the_endings_a_writer() -> None:
    for module, function in [*formats.READERS.values(), *formats.WRITERS.values()]:
        assert callable(formats._function((module, function)))
    assert set(formats.ENDINGS.values()) == set(formats.WRITERS)


def test_metadata_of_safetensors_are_strings(tmp_path: Path) -> None:
    with pytest.raises(DTypeError, match=r"write: metadata must be a dict of strings, got \{'classes': 2\}"):
        weights.write(tmp_path / "x.safetensors", {}, metadata={"classes": 2})
    weights.write(tmp_path / "x.npz", {}, metadata={"classes": 2})
    assert weights.read(tmp_path / "x.npz").metadata == {"classes": 2}
    assert json.dumps(weights.read(tmp_path / "x.npz").metadata) == '{"classes": 2}'
